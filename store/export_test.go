package store

import (
	"encoding/binary"
	"encoding/hex"
	"time"

	bolt "go.etcd.io/bbolt"

	"vdpd/triage"
)

// Erase destroys the data key of a case and, with rows, what was derived from
// its events: the look-ups and the raw mails. It is how the format is meant to
// be used by erasure.
func (s *Store) Erase(ref triage.Ref, rows bool) error {
	snap, key, err := s.openSnapshot(ref)
	if err != nil {
		return err
	}
	dataKey, err := s.caseKey(ref)
	if err != nil {
		return err
	}
	var fold triage.Case
	for _, seq := range snap.Log {
		e, err := s.event(seq, ref, key)
		if err != nil {
			return err
		}
		fold.Apply(e.Event)
		err = s.update(func(t txn) error {
			for _, r := range s.rows(e.Event, &fold) {
				if !rows {
					return nil
				}
				if err := t.dropPending(r.value.Outbox); r.value.Outbox != nil && err != nil {
					return err
				}
				if err := t.delete(bucketIndex, r.key); err != nil {
					return err
				}
			}
			if e.blob == nil {
				return nil
			}
			return t.delete(bucketBlobs, e.blob[:])
		})
		if err != nil {
			return err
		}
		if e.blob != nil {
			s.dropBlob(*e.blob)
		}
	}
	plain := binary.BigEndian.AppendUint64([]byte{keyErased}, uint64(time.Now().Unix()))
	sealed, err := s.wrap.seal(keyBinding(dataKey.slot), append(plain, ref...))
	if err != nil {
		return err
	}
	return s.commit(s.keys, func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketKeys)).Put(be64(dataKey.slot), sealed) })
}

// Slot is the place of the data key of a case.
func (s *Store) Slot(ref triage.Ref) uint64 {
	key, err := s.caseKey(ref)
	if err != nil {
		panic(err)
	}
	return key.slot
}

// Reseal seals a value as the store would, to see what a check says of one
// that is well sealed and wrong.
func (s *Store) Reseal(bucket string, key []byte, v any) error {
	return s.update(func(t txn) error { return t.put(bucket, key, v) })
}

// Vector is the canonical encoding of a skeleton.
func Vector(seq uint64, prev [32]byte, e triage.Event, policy string, data [32]byte) ([]byte, error) {
	k := skeleton{seq, prev, e.Time, e.By, e.Case, e.Data.Type(), policy, data}
	return k.encode()
}

// Decoders of bytes from the disk. Each returns what it understood, encoded
// again, or false.
var Decoders = map[string]func(b []byte) (again []byte, ok bool){
	"skeleton": func(b []byte) ([]byte, bool) {
		k, err := decodeSkeleton(b)
		if err != nil {
			return nil, false
		}
		again, err := k.encode()
		return again, err == nil
	},
	"content": func(b []byte) ([]byte, bool) {
		c, err := decodeContent(b)
		return c.encode(), err == nil
	},
	"record": func(b []byte) ([]byte, bool) {
		skeleton, content, err := splitRecord(b)
		return joinRecord(skeleton, content), err == nil
	},
	"attempt": func(b []byte) ([]byte, bool) {
		a, ok := decodeAttempt(b)
		return a.encode(), ok
	},
}

// Tokens are the values that leave the store, under a given store key.
func Tokens(storeKey []byte, ref triage.Ref, notice, party, mailbox, folder string) (message, reply, folderName, lookup string) {
	k := deriveSecrets(storeKey, nil)
	return k.messageToken(ref, notice), k.replyToken(ref, party), hex.EncodeToString(k.folder(mailbox, folder)),
		hex.EncodeToString(k.lookup(byContent, "digest"))
}

// Mislist writes a wrong line into the list of cases, as a defect of ours
// could: it hides the case, or puts it in another's place.
func (s *Store) Mislist(ref triage.Ref, at uint64, filed bool) error {
	return s.update(func(t txn) error { return t.put(bucketOrder, be64(at), orderEntry{ref, filed}) })
}
