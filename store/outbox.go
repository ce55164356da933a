package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"vdpd/triage"
)

// pending is a mail in the outbox: queued, held or in flight. A mail that was
// sent or has failed leaves it; its case keeps the record.
type pending struct {
	Ref    triage.Ref `json:"ref"`
	Notice string     `json:"notice"`
	Due    time.Time  `json:"due,omitzero"` // has a row in the due bucket; zero while held or in flight
	Held   bool       `json:"held,omitempty"`
	Flight bool       `json:"flight,omitempty"` // claimed, not settled
	Unsure bool       `json:"unsure,omitempty"` // an earlier attempt may have been delivered
	Cuts   int        `json:"cuts,omitempty"`   // attempts that a crash cut short; no event tells of them
}

// outboxKey is the number of the Queued event and the place in it.
func outboxKey(seq uint64, i int) []byte {
	return binary.BigEndian.AppendUint16(be64(seq), uint16(i))
}

// dueKey orders the outbox by time.
func dueKey(due time.Time, id []byte) []byte {
	nano := uint64(0)
	if due.Year() > 1970 && due.Year() < 2260 {
		nano = uint64(due.UnixNano())
	} else if due.Year() >= 2260 {
		nano = 1<<63 - 1
	}
	return append(be64(nano), id...)
}

// putPending writes a mail of the outbox and keeps the due bucket in step.
func (t txn) putPending(id []byte, p pending) error {
	if err := t.undue(id); err != nil {
		return err
	}
	if !p.Due.IsZero() {
		p.Due = p.Due.UTC().Round(0)
		if err := t.Bucket([]byte(bucketDue)).Put(dueKey(p.Due, id), nil); err != nil {
			return err
		}
	}
	return t.put(bucketOutbox, id, p)
}

func (t txn) dropPending(id []byte) error {
	if err := t.undue(id); err != nil {
		return err
	}
	return t.delete(bucketOutbox, id)
}

func (t txn) undue(id []byte) error {
	var old pending
	if found, err := t.get(bucketOutbox, id, &old); err != nil || !found || old.Due.IsZero() {
		return err
	}
	return t.delete(bucketDue, dueKey(old.Due, id))
}

// pendingOf finds the mail of a notice; found is false where it left the outbox.
func (t txn) pendingOf(ref triage.Ref, notice string) (id []byte, p pending, found bool, err error) {
	k := &t.s.secrets
	var e entry
	found, err = t.get(bucketIndex, k.lookup(bySent, k.messageToken(ref, notice)), &e)
	if err != nil || !found {
		return nil, p, false, err
	}
	found, err = t.get(bucketOutbox, e.Outbox, &p)
	return e.Outbox, p, found, err
}

// deliver changes the outbox as an event says.
func (t txn) deliver(e triage.Event) error {
	switch d := e.Data.(type) {
	case triage.Queued:
		for i, n := range d.Notices {
			p := pending{Ref: e.Case, Notice: n.ID, Held: n.Held != ""}
			if !p.Held {
				p.Due = e.Time
			}
			if err := t.putPending(outboxKey(e.Seq, i), p); err != nil {
				return err
			}
		}
	case triage.Released:
		id, p, found, err := t.pendingOf(e.Case, d.Notice)
		if err != nil || !found || !p.Held {
			return err
		}
		p.Held, p.Due = false, e.Time
		return t.putPending(id, p)
	case triage.Bounced: // for good, also where another attempt was to come
		id, _, found, err := t.pendingOf(e.Case, d.Notice)
		if err != nil || !found {
			return err
		}
		return t.dropPending(id)
	case triage.Delivery:
		id, p, found, err := t.pendingOf(e.Case, d.Notice)
		if err != nil || !found {
			return err
		}
		if d.Result == triage.Sent || d.Result == triage.Failed {
			return t.dropPending(id)
		}
		p.Flight, p.Unsure, p.Due = false, p.Unsure || d.Result == triage.Unknown, later(d.Outcome)
		return t.putPending(id, p)
	}
	return nil
}

// later is when a mail is to be tried again. Without a time it is not at once,
// so that a mistake does not become a tight loop.
func later(o triage.Outcome) time.Time {
	if o.Next.After(o.At) {
		return o.Next
	}
	return o.At.Add(time.Minute)
}

// maxClaim bounds one claim.
const maxClaim = 100

// Claim returns the mails that are due at now, the earliest first, at most max
// (and at most 100), and marks them in flight in one commit. next is when the
// earliest of the others is due, zero where there is none.
//
// What is in flight stays so until [Store.Settle]; a crash before that makes
// it due again, with Letter.Unsure set. A mail that cannot be read any more is
// logged and left in flight; Check names it.
func (s *Store) Claim(ctx context.Context, now time.Time, max int) (letters []triage.Letter, next time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return nil, time.Time{}, err
	}
	claimed, next, err := s.due(now, min(max, maxClaim), false)
	if err != nil || len(claimed) == 0 {
		return nil, next, err
	}
	if claimed, next, err = s.due(now, min(max, maxClaim), true); err != nil {
		return nil, time.Time{}, err
	}
	cases := map[triage.Ref]*openCase{}
	for _, p := range claimed {
		letter, err := s.letter(p, cases)
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrErased) {
			s.opt.Log.Error("a mail of the outbox cannot be read", "case", string(p.Ref), "notice", p.Notice, "error", err.Error())
			continue
		} else if err != nil {
			return nil, time.Time{}, err
		}
		letters = append(letters, letter)
	}
	return letters, next, nil
}

// due lists the mails that are due and, with claim, marks them in flight.
func (s *Store) due(now time.Time, max int, claim bool) (list []pending, next time.Time, err error) {
	read := func(t txn) error {
		list, next = nil, time.Time{}
		var ids [][]byte
		limit := dueKey(now, nil)
		c := t.Bucket([]byte(bucketDue)).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			id := bytes.Clone(k[8:])
			var p pending
			if found, err := t.get(bucketOutbox, id, &p); err != nil {
				return err
			} else if !found {
				return fmt.Errorf("bucket %s: a row without a mail: %w", bucketDue, ErrDamaged)
			}
			if bytes.Compare(k[:8], limit) > 0 || len(list) >= max {
				next = p.Due
				break
			}
			ids, list = append(ids, id), append(list, p)
		}
		if !claim {
			return nil
		}
		for i, id := range ids {
			p := list[i]
			p.Due, p.Flight = time.Time{}, true
			if err := t.putPending(id, p); err != nil {
				return err
			}
		}
		return nil
	}
	if claim {
		err = s.update(read)
	} else {
		err = s.view(read)
	}
	return list, next, err
}

// openCase is a case that several letters of a claim share.
type openCase struct {
	snapshot
	key      box
	messages map[int]*triage.Message
}

func (s *Store) letter(p pending, cases map[triage.Ref]*openCase) (triage.Letter, error) {
	c := cases[p.Ref]
	if c == nil {
		snap, key, err := s.openSnapshot(p.Ref)
		if err != nil {
			return triage.Letter{}, err
		}
		c = &openCase{snap, key, map[int]*triage.Message{}}
		cases[p.Ref] = c
	}
	m := c.Case.Mail(p.Notice)
	if m == nil {
		return triage.Letter{}, fmt.Errorf("case %s has no notice %s: %w", p.Ref, p.Notice, ErrDamaged)
	}
	l := triage.Letter{
		Notice: m.Notice, Case: c.Case,
		Token:   s.secrets.messageToken(p.Ref, p.Notice),
		Reply:   s.secrets.replyToken(p.Ref, party(&m.Notice)),
		Attempt: m.Attempts + p.Cuts + 1, Unsure: p.Unsure,
	}
	item := m.Notice.Item
	if m.Notice.Kind.ToReporter() || item < 0 || item >= len(c.Case.Items) {
		return l, nil
	}
	if c.messages[item] == nil {
		e, err := s.event(c.Case.Items[item].Seq, p.Ref, c.key)
		if err != nil {
			return triage.Letter{}, err
		}
		if r, ok := e.Data.(triage.Received); ok {
			c.messages[item] = &r.Message
		}
	}
	l.Message = c.messages[item]
	return l, nil
}

// Settle records the outcomes of attempts, of any number of cases, in one
// commit: an event for each. An outcome whose Result is empty says that the
// mail was not tried after all: it becomes due at Next, or at once, and no
// event tells of it. An outcome of a mail that left the outbox is dropped, so
// that settling twice does no harm.
func (s *Store) Settle(ctx context.Context, outcomes ...triage.Outcome) error {
	return s.Apply(ctx, Commit{Settle: outcomes})
}

// recoverOutbox makes the mails that a crash cut short due again. The first
// time that is at once; a mail that was there at several crashes waits longer
// each time, because it may be what kills the process.
func (s *Store) recoverOutbox() error {
	cut := map[string]pending{}
	err := s.view(func(t txn) error {
		c := t.Bucket([]byte(bucketOutbox)).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			var p pending
			if err := t.decode(bucketOutbox, k, v, &p); err != nil {
				return err
			}
			if p.Flight {
				cut[string(k)] = p
			}
		}
		return nil
	})
	if err != nil || len(cut) == 0 {
		return err
	}
	now := s.opt.Now()
	err = s.update(func(t txn) error {
		for id, p := range cut {
			p.Flight, p.Unsure, p.Due = false, true, now.Add(time.Duration(p.Cuts)*time.Minute)
			p.Cuts++
			if err := t.putPending([]byte(id), p); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.opt.Log.Warn("mails were being sent when the process ended; they may have been delivered and are due again", "mails", len(cut))
	}
	return err
}
