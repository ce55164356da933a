package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"vdpd/triage"
)

// Case returns a case. It returns [ErrNoCase] and [ErrErased].
func (s *Store) Case(ctx context.Context, ref triage.Ref) (triage.Case, error) {
	if err := ctx.Err(); err != nil {
		return triage.Case{}, err
	}
	snap, _, err := s.openSnapshot(ref)
	return snap.Case, err
}

// Filter chooses cases.
type Filter struct {
	Filed bool       // also those kept for the record only: bounces, loops, mails that were no report
	After triage.Ref // begin with the one before this; empty: with the newest
	Limit int        // at most this many; 0: 50; never more than 500
}

// Cases lists cases, the newest first. Erased ones are left out. For the next
// page give the reference of the last one as Filter.After.
func (s *Store) Cases(ctx context.Context, f Filter) ([]triage.Case, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 500)
	before := be64(1<<64 - 1)
	if f.After != "" {
		err := s.view(func(t txn) error {
			value := t.Bucket([]byte(bucketSnapshots)).Get([]byte(f.After))
			if len(value) < 8 {
				return fmt.Errorf("%s: %w", f.After, ErrNoCase)
			}
			before = bytes.Clone(value[:8])
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var cases []triage.Case
	for len(cases) < limit {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		page, err := s.orderPage(&before, f.Filed, limit-len(cases))
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			snap, _, err := s.openSealed(p.ref, p.value)
			if isErased(err) {
				continue
			} else if err != nil {
				return nil, err
			}
			cases = append(cases, snap.Case)
		}
		if before == nil {
			break
		}
	}
	return cases, nil
}

type casePage []struct {
	ref   triage.Ref
	value []byte
}

// orderPage copies the next snapshots out of one short transaction and moves
// before; nil says that there are no more.
func (s *Store) orderPage(before *[]byte, filed bool, limit int) (page casePage, err error) {
	const look = 1000 // rows in one transaction
	err = s.view(func(t txn) error {
		c := t.Bucket([]byte(bucketOrder)).Cursor()
		k, v := lastBefore(c, *before)
		for n := 0; k != nil && n < look && len(page) < limit; n++ {
			var o orderEntry
			if err := t.decode(bucketOrder, k, v, &o); err != nil {
				return err
			}
			*before = bytes.Clone(k)
			if !o.Filed || filed {
				value := t.Bucket([]byte(bucketSnapshots)).Get([]byte(o.Ref))
				page = append(page, casePage{{o.Ref, bytes.Clone(value)}}...)
			}
			k, v = c.Prev()
		}
		if k == nil {
			*before = nil
		}
		return nil
	})
	return page, err
}

// Events returns the events of a case, in order, each checked against its
// skeleton.
func (s *Store) Events(ctx context.Context, ref triage.Ref) ([]triage.Event, error) {
	snap, key, err := s.openSnapshot(ref)
	if err != nil {
		return nil, err
	}
	events := make([]triage.Event, 0, len(snap.Log))
	for _, seq := range snap.Log {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := s.event(seq, ref, key)
		if err != nil {
			return nil, err
		}
		events = append(events, e.Event)
	}
	return events, nil
}

// event reads one event.
func (s *Store) event(seq uint64, ref triage.Ref, key box) (logged, error) {
	var record []byte
	err := s.view(func(t txn) error {
		record = bytes.Clone(t.Bucket([]byte(bucketLog)).Get(be64(seq)))
		return nil
	})
	if err != nil {
		return logged{}, err
	}
	if record == nil {
		return logged{}, fmt.Errorf("event %d of case %s is missing: %w", seq, ref, ErrDamaged)
	}
	return s.openEvent(seq, record, ref, key)
}

// item reads the event of one mail of a case.
func (s *Store) item(ref triage.Ref, item int) (m triage.Message, blob *digest, key box, err error) {
	snap, key, err := s.openSnapshot(ref)
	if err != nil {
		return m, nil, key, err
	}
	if item < 0 || item >= len(snap.Case.Items) {
		return m, nil, key, fmt.Errorf("%s, mail %d: %w", ref, item, ErrNoItem)
	}
	e, err := s.event(snap.Case.Items[item].Seq, ref, key)
	if err != nil {
		return m, nil, key, err
	}
	r, ok := e.Data.(triage.Received)
	if !ok {
		return m, nil, key, fmt.Errorf("event %d of case %s is no mail: %w", e.Seq, ref, ErrDamaged)
	}
	return r.Message, e.blob, key, nil
}

// Message returns one mail of a case as it was read: item is the index in
// Case.Items. Its text may have been cut; the raw mail has all of it. It
// returns [ErrNoItem] for an index that is not there.
func (s *Store) Message(ctx context.Context, ref triage.Ref, item int) (triage.Message, error) {
	if err := ctx.Err(); err != nil {
		return triage.Message{}, err
	}
	m, _, _, err := s.item(ref, item)
	return m, err
}

// Raw returns one mail of a case as it arrived. It returns [ErrNoItem] where
// none was kept.
func (s *Store) Raw(ctx context.Context, ref triage.Ref, item int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, blob, key, err := s.item(ref, item)
	switch {
	case err != nil:
		return nil, err
	case blob == nil:
		return nil, fmt.Errorf("%s, raw mail %d: %w", ref, item, ErrNoItem)
	}
	return s.readBlob(key, ref, *blob)
}

// Head returns the number of the last event and the hash of its skeleton in
// hexadecimal. Whoever writes both down elsewhere can prove later that nothing
// before was changed or cut off.
func (s *Store) Head(ctx context.Context) (seq uint64, hash string, err error) {
	if err := ctx.Err(); err != nil {
		return 0, "", err
	}
	var h head
	err = s.view(func(t txn) error {
		h, err = t.chain()
		return err
	})
	return h.Seq, h.Hash.String(), err
}

// Certs returns the pinned keys of all reporters, one for each fingerprint:
// the ring of possible signers.
func (s *Store) Certs(ctx context.Context) ([]triage.Key, error) {
	const chunk = 500
	var certs []triage.Key
	seen := map[string]bool{}
	from := []byte{byPin}
	for from != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var page []entry
		err := s.view(func(t txn) error {
			c := t.Bucket([]byte(bucketIndex)).Cursor()
			k, v := c.Seek(from)
			for ; k != nil && k[0] == byPin && len(page) < chunk; k, v = c.Next() {
				var e entry
				if err := t.decode(bucketIndex, k, v, &e); err != nil {
					return err
				}
				page = append(page, e)
			}
			if from = nil; k != nil && k[0] == byPin {
				from = bytes.Clone(k)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			key, err := s.pinned(e)
			if isErased(err) {
				continue
			} else if err != nil {
				return nil, err
			}
			if key != nil && !seen[key.Fingerprint] {
				seen[key.Fingerprint] = true
				certs = append(certs, *key)
			}
		}
	}
	return certs, nil
}

// pinned reads the key that an event pinned.
func (s *Store) pinned(e entry) (*triage.Key, error) {
	key, err := s.caseKey(e.Ref)
	if err != nil {
		return nil, err
	}
	event, err := s.event(e.Seq, e.Ref, key.box)
	if err != nil {
		return nil, err
	}
	switch d := event.Data.(type) {
	case triage.Opened:
		return d.Reporter.Key, nil
	case triage.KeyPinned:
		return &d.Key, nil
	}
	return nil, fmt.Errorf("event %d of case %s pins no key: %w", e.Seq, e.Ref, ErrDamaged)
}

func seqOf(key []byte) uint64 { return binary.BigEndian.Uint64(key) }
