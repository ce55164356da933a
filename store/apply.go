package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"vdpd/triage"
)

// Commit is one step, complete: it is written as a whole or not at all.
type Commit struct {
	Change triage.Change
	// Source is the inbound message that the change is about, nil where it is
	// about none. It enters the ledger with the disposition of the change and
	// moves the position of its folder.
	Source *triage.Source
	Move   bool // the message is to be moved on the server
	// Raw is the mail as it arrived. It is kept, sealed, with the Received
	// event of the change; without such an event it is not kept.
	Raw    []byte
	Settle []triage.Outcome // of mails sent; see [Store.Settle]
}

// Apply writes a commit durably: the data key of a new case, then the sealed
// raw mail, then everything else in one transaction. After an error nothing of
// it counts.
//
// [ErrStale] and [ErrTaken] mean that the decision is out of date; [ErrNoCase]
// and [ErrErased] that there is no such case; [ErrFull] that there is no room.
// After [ErrUnsafe] the process must stop.
func (s *Store) Apply(ctx context.Context, c Commit) error {
	if err := errors.Join(ctx.Err(), c.check()); err != nil {
		return err
	}
	if c.empty() {
		return nil
	}
	if stopped := s.stopped.Load(); stopped != nil {
		return *stopped
	}
	if err := s.failAt(FailStart); err != nil {
		return err
	}
	// Refuse early what would only leave a blob behind; the commit looks again.
	if err := s.view(func(t txn) error { return t.current(&c) }); err != nil {
		return err
	}
	w := work{Commit: c, now: s.opt.Now(), keys: map[triage.Ref]dataKey{}, cases: map[triage.Ref]*snapshot{}}
	err := s.prepare(&w)
	if err == nil {
		err = s.update(w.write)
	}
	if err != nil {
		s.takeBack(&w, err)
		return err
	}
	if err := s.failAt(FailCommitted); err != nil {
		return err
	}
	if c.Source != nil {
		s.attemptDone(c.Source.Mailbox)
	}
	for _, o := range w.late {
		s.opt.Log.Warn("an outcome came for a mail that is not in the outbox", "case", string(o.Ref), "notice", o.Notice, "result", string(o.Result))
	}
	return nil
}

func (c *Commit) empty() bool {
	return len(c.Change.Events) == 0 && c.Source == nil && len(c.Settle) == 0
}

// check finds what no caller may ask for: mistakes in the program.
func (c *Commit) check() error {
	received := 0
	for i, e := range c.Change.Events {
		if e.Data == nil || e.Seq != 0 || e.Case != c.Change.Case || e.Case == "" {
			return fmt.Errorf("event %d of a change of case %q is not one of it", i, string(c.Change.Case))
		}
		switch d := e.Data.(type) {
		case triage.Opened:
			if i > 0 {
				return fmt.Errorf("event %d of a change opens the case", i)
			}
		case triage.Received:
			received++
		case triage.Queued:
			if len(d.Notices) > math.MaxUint16 {
				return fmt.Errorf("event %d of a change has %d notices", i, len(d.Notices))
			}
		}
	}
	if received > 1 {
		return fmt.Errorf("a change has %d mails", received)
	}
	return nil
}

// opens reports whether the change begins a case.
func (c *Commit) opens() bool {
	if len(c.Change.Events) == 0 {
		return false
	}
	_, ok := c.Change.Events[0].Data.(triage.Opened)
	return ok
}

// current refuses a commit whose decision the store has outrun.
func (t txn) current(c *Commit) error {
	if c.Source != nil {
		folder := t.s.secrets.folder(c.Source.Mailbox, c.Source.Folder)
		if t.has(bucketLedger, ledgerKey(folder, c.Source.UIDValidity, c.Source.UID)) {
			return ErrTaken
		}
	}
	if len(c.Change.Events) == 0 {
		return nil
	}
	switch there := t.has(bucketSnapshots, []byte(c.Change.Case)); {
	case there && c.opens():
		return fmt.Errorf("case %s is there already: %w", c.Change.Case, ErrStale)
	case !there && !c.opens():
		return fmt.Errorf("%s: %w", c.Change.Case, ErrNoCase)
	}
	return nil
}

// work is a commit on its way to disk.
type work struct {
	Commit
	now   time.Time
	keys  map[triage.Ref]dataKey
	blob  *digest
	cases map[triage.Ref]*snapshot // loaded, and to be written back
	head  head
	late  []triage.Outcome
}

// prepare does what must be durable before the commit, and fetches the keys.
func (s *Store) prepare(w *work) error {
	for _, o := range w.Settle {
		if _, ok := w.keys[o.Ref]; ok {
			continue
		}
		key, err := s.caseKey(o.Ref)
		switch {
		case err == nil:
			w.keys[o.Ref] = key
		case !errors.Is(err, ErrErased):
			return err
		}
	}
	if len(w.Change.Events) == 0 {
		return nil
	}
	ref := w.Change.Case
	get := s.caseKey
	if w.opens() {
		get = s.takeKey
	}
	key, err := get(ref)
	if err != nil {
		return err
	}
	w.keys[ref] = key
	if err := s.failAt(FailKeyWritten); err != nil {
		return err
	}
	for _, e := range w.Change.Events {
		if _, ok := e.Data.(triage.Received); ok && w.Raw != nil {
			id, err := s.writeBlob(key.box, ref, w.Raw)
			if err != nil {
				return err
			}
			w.blob = &id
		}
	}
	return s.failAt(FailBlobWritten)
}

// takeBack undoes what was prepared for a commit that did not come about. After
// a write that may or may not be on the disk it leaves everything as it is.
func (s *Store) takeBack(w *work, why error) {
	if errors.Is(why, ErrUnsafe) {
		return
	}
	if w.blob != nil {
		s.dropBlob(*w.blob)
	}
	if key, ok := w.keys[w.Change.Case]; ok && w.opens() {
		s.giveBack(key)
	}
}

// write is the transaction.
func (w *work) write(t txn) error {
	if err := t.current(&w.Commit); err != nil {
		return err
	}
	var err error
	if w.head, err = t.chain(); err != nil {
		return err
	}
	if err := w.settle(t); err != nil {
		return err
	}
	for _, e := range w.Change.Events {
		if err := w.event(t, e); err != nil {
			return err
		}
	}
	for ref, snap := range w.cases {
		if err := t.putSnapshot(ref, w.keys[ref], snap); err != nil {
			return err
		}
	}
	if w.Source != nil {
		if err := t.record(w.Source, ledgerEntry{w.Change.Disposition, w.Change.Case, w.Move}); err != nil {
			return err
		}
	}
	if w.head.Seq == 0 {
		return nil
	}
	return t.put(bucketMeta, []byte(metaHead), w.head)
}

// settle turns outcomes into events. The outbox, which knows what was claimed,
// decides which of them count.
func (w *work) settle(t txn) error {
	for _, o := range w.Settle {
		id, p, found, err := t.pendingOf(o.Ref, o.Notice)
		if err != nil {
			return err
		}
		if _, alive := w.keys[o.Ref]; !found || !alive {
			w.late = append(w.late, o)
			continue
		}
		if o.Result == "" {
			p.Flight, p.Due = false, o.Next
			if p.Due.IsZero() {
				p.Due = w.now
			}
			if err := t.putPending(id, p); err != nil {
				return err
			}
			continue
		}
		e := triage.Event{Time: o.At, Case: o.Ref, By: triage.Actor{Kind: triage.System}, Data: triage.Delivery{Outcome: o}}
		if err := w.event(t, e); err != nil {
			return err
		}
	}
	return nil
}

// event writes one event and everything that follows from it.
func (w *work) event(t txn, e triage.Event) error {
	snap, err := w.load(t, e.Case)
	if err != nil {
		return err
	}
	policy := snap.Case.PolicyHash
	var blob *digest
	switch d := e.Data.(type) {
	case triage.Opened:
		policy = d.PolicyHash
	case triage.Received:
		blob = w.blob
		key := t.s.secrets.lookup(byContent, snap.Case.Policy, d.Message.Content)
		if d.Message.Content != "" && t.has(bucketIndex, key) {
			return fmt.Errorf("the mail has a case already: %w", ErrStale)
		}
	case triage.Taken:
		if len(snap.Case.Items) > 0 {
			if err := t.moveLater(&snap.Case.Items[0].Source); err != nil {
				return err
			}
		}
	case triage.Queued:
		for _, n := range d.Notices {
			if snap.Case.Mail(n.ID) != nil {
				return fmt.Errorf("case %s has a notice %s already: %w", e.Case, n.ID, ErrStale)
			}
		}
	}
	if e, err = t.append(&w.head, w.keys[e.Case].box, policy, e, blob); err != nil {
		return err
	}
	if blob != nil {
		if err := t.put(bucketBlobs, blob[:], blobEntry{Seq: e.Seq, Ref: e.Case}); err != nil {
			return err
		}
	}
	snap.Log = append(snap.Log, e.Seq)
	snap.Case.Apply(e)
	for _, r := range t.s.rows(e, &snap.Case) {
		if t.has(bucketIndex, r.key) {
			continue // a reply token: the same for every mail to one party
		}
		if err := t.put(bucketIndex, r.key, r.value); err != nil {
			return err
		}
	}
	return t.deliver(e)
}

// load returns the snapshot of a case in this commit, empty for a new one.
func (w *work) load(t txn, ref triage.Ref) (*snapshot, error) {
	if snap := w.cases[ref]; snap != nil {
		return snap, nil
	}
	snap := &snapshot{}
	if value := t.Bucket([]byte(bucketSnapshots)).Get([]byte(ref)); value != nil {
		var err error
		if *snap, err = decodeSnapshot(ref, w.keys[ref].box, value); err != nil {
			return nil, err
		}
	}
	w.cases[ref] = snap
	return snap, nil
}
