package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	bolt "go.etcd.io/bbolt"

	"vdpd/triage"
)

// Report is what Check found. The counts say how much there was to look at.
type Report struct {
	Events  int `json:"events"`  // in the chain
	Cases   int `json:"cases"`   // that can be read
	Erased  int `json:"erased"`  // whose data key was destroyed; their skeletons are in the chain
	Raw     int `json:"raw"`     // raw mails opened
	Lookups int `json:"lookups"` // rows of the index
	Ledger  int `json:"ledger"`  // messages with a disposition
	Outbox  int `json:"outbox"`  // mails queued, held or in flight
	Orphans int `json:"orphans"` // blobs without a commit: what crashes leave, swept at Open

	Findings []string `json:"findings,omitempty"` // at most 100, without content of any mail
	More     int      `json:"more,omitempty"`     // findings beyond those
}

// OK reports whether everything holds together.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

const maxFindings = 100

// checkPage is how many rows Check copies out of one transaction.
const checkPage = 200

// Check verifies the whole store: the hash chain over all events, the content
// of each event against its skeleton, each snapshot against the fold of its
// events, each raw mail, every row of the index in both directions, ledger,
// positions, outbox, and the page structure of both files. An erased case is
// verified by its skeletons, and its sealed rest is accepted as unreadable.
//
// It may run beside everything else: it looks at the events up to the head of
// the chain when it began. Only the check of the page structure keeps writers
// waiting, for some milliseconds a megabyte. What is wrong with the store is in
// the report; the error is for the rest, such as an ended context.
func (s *Store) Check(ctx context.Context) (Report, error) {
	c := &checker{s: s, ctx: ctx, events: map[triage.Ref]int{}, erased: map[triage.Ref]bool{}}
	for _, step := range []func() error{c.chain, c.cases, c.order, c.index, c.blobs, c.ledger, c.positions, c.outbox, c.orphans, c.pages} {
		if err := c.damaged(c.guard(step)); err != nil {
			return c.report, err
		}
	}
	return c.report, nil
}

type checker struct {
	s      *Store
	ctx    context.Context
	report Report

	head    head
	events  map[triage.Ref]int  // in the chain, by case
	erased  map[triage.Ref]bool // cases whose key was destroyed
	rows    int                 // of the index, that the events give
	named   int                 // blobs that the events name
	crashed bool                // the pages of a file make no sense; look no closer
}

func (c *checker) find(format string, args ...any) {
	if len(c.report.Findings) == maxFindings {
		c.report.More++
		return
	}
	c.report.Findings = append(c.report.Findings, fmt.Sprintf(format, args...))
}

// damaged files err as a finding where it is one and returns any other.
func (c *checker) damaged(err error) error {
	if errors.Is(err, ErrDamaged) {
		c.find("%s", strings.TrimSuffix(err.Error(), ": "+ErrDamaged.Error()))
		return nil
	}
	return err
}

// guard runs a step. bbolt panics or faults on pages that make no sense, and a
// check is there to say so.
func (c *checker) guard(step func() error) (err error) {
	if c.crashed {
		return nil
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			c.crashed = true
			err = fmt.Errorf("the pages of a file make no sense: %w", ErrDamaged)
		}
	}()
	return step()
}

// pairs calls fn for every row of a bucket, copied out page by page.
func (c *checker) pairs(bucket string, fn func(key, value []byte) error) error {
	var from []byte
	for {
		var page [][2][]byte
		err := c.s.view(func(t txn) error {
			cur := t.Bucket([]byte(bucket)).Cursor()
			k, v := cur.Seek(from)
			for ; k != nil && len(page) < checkPage; k, v = cur.Next() {
				page = append(page, [2][]byte{bytes.Clone(k), bytes.Clone(v)})
			}
			if from = nil; k != nil {
				from = bytes.Clone(k)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, p := range page {
			if err := fn(p[0], p[1]); err != nil {
				return err
			}
		}
		if err := c.ctx.Err(); err != nil || from == nil {
			return err
		}
	}
}

// chain follows the hashes from the first event to the head.
func (c *checker) chain() error {
	var last uint64
	err := c.s.view(func(t txn) error {
		if k, _ := t.Bucket([]byte(bucketLog)).Cursor().Last(); k != nil {
			last = seqOf(k)
		}
		var err error
		c.head, err = t.chain()
		return err
	})
	if err != nil {
		return err
	}
	if last != c.head.Seq {
		c.find("the chain ends at event %d, and the log at %d", c.head.Seq, last)
	}
	prev, want := c.s.anchor, uint64(1)
	stop := errors.New("end of the chain")
	err = c.pairs(bucketLog, func(key, record []byte) error {
		seq := seqOf(key)
		if seq > c.head.Seq {
			return stop
		}
		if seq != want {
			c.find("events %d to %d are missing", want, seq-1)
		}
		want = seq + 1
		sealed, _, err := splitRecord(record)
		if err != nil {
			c.find("event %d: %v", seq, err)
			return nil
		}
		k, hash, err := c.s.openSkeleton(seq, sealed)
		if err != nil {
			return c.damaged(err)
		}
		if k.Prev != prev {
			c.find("event %d does not follow the one before it", seq)
		}
		prev = hash
		c.report.Events++
		c.events[k.Case]++
		return nil
	})
	if err != nil && !errors.Is(err, stop) {
		return err
	}
	if prev != c.head.Hash {
		c.find("the hash of event %d is not that of the head", c.head.Seq)
	}
	return nil
}

// index counts the rows that are there: each expected one was found before, so
// that equal numbers leave no room for others.
func (c *checker) index() error {
	rows := 0
	err := c.pairs(bucketIndex, func(key, value []byte) error {
		var e entry
		if err := c.damaged((txn{nil, c.s}).decode(bucketIndex, key, value, &e)); err != nil {
			return err
		}
		if e.Seq <= c.head.Seq {
			rows++
		}
		return nil
	})
	if rows != c.rows {
		c.find("the index has %d rows, the events give %d", rows, c.rows)
	}
	c.report.Lookups = rows
	return err
}

func (c *checker) blobs() error {
	named := 0
	err := c.pairs(bucketBlobs, func(key, value []byte) error {
		var b blobEntry
		if err := c.damaged((txn{nil, c.s}).decode(bucketBlobs, key, value, &b)); err != nil {
			return err
		}
		if b.Seq <= c.head.Seq && !c.erased[b.Ref] {
			named++
		}
		return nil
	})
	if named != c.named {
		c.find("%d raw mails are registered, the events name %d", named, c.named)
	}
	return err
}

func (c *checker) ledger() error {
	return c.pairs(bucketLedger, func(key, value []byte) error {
		var e ledgerEntry
		if err := c.damaged((txn{nil, c.s}).decode(bucketLedger, key, value, &e)); err != nil {
			return err
		}
		c.report.Ledger++
		uid := binary.BigEndian.Uint32(key[len(key)-4:])
		if e.Disposition == "" {
			c.find("the message with UID %d of a folder has no disposition", uid)
		}
		if e.Ref == "" {
			return nil
		}
		if _, err := c.s.sealedCase(e.Ref); isNoCase(err) {
			c.find("the message with UID %d of a folder went to case %s, which is not there", uid, e.Ref)
		}
		return nil
	})
}

// positions must stand at the last message of their folder that has a
// disposition. Gaps before it are right: UIDs are not consecutive.
func (c *checker) positions() error {
	return c.pairs(bucketPositions, func(folder, _ []byte) error {
		return c.damaged(c.s.view(func(t txn) error {
			var p position
			if _, err := t.get(bucketPositions, folder, &p); err != nil {
				return err
			}
			if !t.has(bucketLedger, ledgerKey(folder, p.UIDValidity, p.Last)) {
				c.find("a folder was read up to UID %d, which has no disposition", p.Last)
			}
			k, _ := t.Bucket([]byte(bucketLedger)).Cursor().Seek(append(ledgerKey(folder, p.UIDValidity, p.Last), 0))
			if bytes.HasPrefix(k, ledgerKey(folder, p.UIDValidity, 0)[:len(folder)+4]) {
				c.find("a folder was read up to UID %d, and a later one has a disposition", p.Last)
			}
			return nil
		}))
	})
}

func (c *checker) orphans() error {
	paths, err := c.s.orphanBlobs()
	if c.report.Orphans = len(paths); len(paths) > maxOrphans {
		c.find("%d raw mails belong to no case; was an older state.db restored?", len(paths))
	}
	return err
}

// pages lets bbolt look at its own structure. It wants no writer beside it, so
// it gets a write transaction, which is rolled back.
func (c *checker) pages() error {
	for name, db := range map[string]*bolt.DB{stateFile: c.s.state, keysFile: c.s.keys} {
		tx, err := db.Begin(true)
		if err != nil {
			return diskError(err)
		}
		bad := 0
		for range tx.Check() {
			bad++
		}
		if err := tx.Rollback(); err != nil {
			return err
		}
		if bad > 0 {
			c.find("%s: %d faults in its pages", name, bad)
		}
	}
	return nil
}
