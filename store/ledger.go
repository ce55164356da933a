package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"vdpd/triage"
)

// ledgerEntry is what became of one UID: the evidence that no mail was lost.
type ledgerEntry struct {
	Disposition triage.Disposition `json:"disposition"`
	Ref         triage.Ref         `json:"ref,omitempty"`
	Move        bool               `json:"move,omitempty"` // it is to be moved on the server
}

// position is how far a folder was read.
type position struct {
	UIDValidity uint32 `json:"uid_validity"`
	Last        uint32 `json:"last"`
}

// folder is the keyed hash by which positions and the ledger name a folder.
func (k *secrets) folder(mailbox, folder string) []byte {
	return mac(k.lookupKey, "folder", mailbox, folder)[:16]
}

func ledgerKey(folder []byte, uidValidity, uid uint32) []byte {
	key := binary.BigEndian.AppendUint32(append([]byte{}, folder...), uidValidity)
	return binary.BigEndian.AppendUint32(key, uid)
}

// record writes the disposition of a message and moves the position of its
// folder: forward, or to the start of a new UIDVALIDITY.
func (t txn) record(src *triage.Source, e ledgerEntry) error {
	folder := t.s.secrets.folder(src.Mailbox, src.Folder)
	key := ledgerKey(folder, src.UIDValidity, src.UID)
	if t.has(bucketLedger, key) {
		return ErrTaken
	}
	if err := t.put(bucketLedger, key, e); err != nil {
		return err
	}
	var p position
	if _, err := t.get(bucketPositions, folder, &p); err != nil {
		return err
	}
	if p.UIDValidity == src.UIDValidity && p.Last >= src.UID {
		return nil
	}
	return t.put(bucketPositions, folder, position{src.UIDValidity, src.UID})
}

// moveLater marks a message of the ledger as one to be moved. [Store.Taken]
// names it from then on.
func (t txn) moveLater(src *triage.Source) error {
	key := ledgerKey(t.s.secrets.folder(src.Mailbox, src.Folder), src.UIDValidity, src.UID)
	var e ledgerEntry
	found, err := t.get(bucketLedger, key, &e)
	if err != nil || !found || e.Move {
		return err
	}
	e.Move = true
	return t.put(bucketLedger, key, e)
}

// Position returns how far a folder was read; zero for one never read.
func (s *Store) Position(ctx context.Context, mailbox, folder string) (triage.Position, error) {
	if err := ctx.Err(); err != nil {
		return triage.Position{}, err
	}
	var p position
	err := s.view(func(t txn) error {
		_, err := t.get(bucketPositions, s.secrets.folder(mailbox, folder), &p)
		return err
	})
	return triage.Position{UIDValidity: p.UIDValidity, Last: p.Last}, err
}

// Taken returns those of the UIDs whose ledger entry says that the message is
// to be moved: what a crash between commit and move left in the folder, and
// what a person has taken as a report since.
func (s *Store) Taken(ctx context.Context, mailbox, folder string, uidValidity uint32, uids []uint32) (move []uint32, err error) {
	const chunk = 500
	id := s.secrets.folder(mailbox, folder)
	for len(uids) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := uids[:min(chunk, len(uids))]
		uids = uids[len(now):]
		err := s.view(func(t txn) error {
			for _, uid := range now {
				var e ledgerEntry
				if _, err := t.get(bucketLedger, ledgerKey(id, uidValidity, uid), &e); err != nil {
					return err
				}
				if e.Move {
					move = append(move, uid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return move, nil
}

// attempt is what an attempt file holds: which message was begun, and by how
// many processes.
type attempt struct {
	folder           [16]byte
	uidValidity, uid uint32
	processes        uint32
}

func (a attempt) same(b attempt) bool {
	return a.folder == b.folder && a.uidValidity == b.uidValidity && a.uid == b.uid
}

// Attempt notes that this process begins to handle a message, and returns how
// many earlier processes began it and died before its commit: 2 means that
// reading it kills. It counts processes, so that a message which is tried again
// after an error is not mistaken for poison; [Store.Close] forgets what was
// in progress, so that neither is one met by an orderly stop.
//
// The note survives a killed process but not a loss of power, which is no sign
// of poison: it is not synced. It holds no secret.
func (s *Store) Attempt(src triage.Source) (n int, err error) {
	now := attempt{uidValidity: src.UIDValidity, uid: src.UID}
	copy(now.folder[:], s.secrets.folder(src.Mailbox, src.Folder))

	s.mu.Lock()
	defer s.mu.Unlock()
	if begun, ok := s.begun[src.Mailbox]; ok && begun.same(now) {
		return int(begun.processes - 1), nil
	}
	path := s.attemptPath(src.Mailbox)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("attempt file: %w", err)
	}
	if before, ok := decodeAttempt(b); ok && before.same(now) {
		now.processes = before.processes
	}
	now.processes++
	// One write in place: a process that dies between two has still noted one.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return 0, fmt.Errorf("attempt file: %w", diskError(err))
	}
	_, err = f.WriteAt(now.encode(), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("attempt file: %w", diskError(err))
	}
	s.begun[src.Mailbox] = now
	return int(now.processes - 1), nil
}

func (s *Store) attemptPath(mailbox string) string {
	return filepath.Join(s.path(attemptsDir), hex.EncodeToString(mac(s.secrets.lookupKey, "attempt", mailbox)[:8]))
}

// attemptDone forgets the message that a mailbox was at.
func (s *Store) attemptDone(mailbox string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.begun[mailbox]; ok {
		delete(s.begun, mailbox)
		_ = os.Remove(s.attemptPath(mailbox)) // the next attempt overwrites it anyway
	}
}

func (s *Store) forgetAttempts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for mailbox := range s.begun {
		delete(s.begun, mailbox)
		_ = os.Remove(s.attemptPath(mailbox))
	}
}

func (a attempt) encode() []byte {
	b := append([]byte{}, a.folder[:]...)
	for _, n := range []uint32{a.uidValidity, a.uid, a.processes} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func decodeAttempt(b []byte) (attempt, bool) {
	if len(b) != 32 || crc32.ChecksumIEEE(b[:28]) != binary.BigEndian.Uint32(b[28:]) {
		return attempt{}, false
	}
	a := attempt{
		uidValidity: binary.BigEndian.Uint32(b[16:]), uid: binary.BigEndian.Uint32(b[20:]),
		processes: binary.BigEndian.Uint32(b[24:]),
	}
	copy(a.folder[:], b)
	return a, true
}
