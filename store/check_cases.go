package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"

	"vdpd/triage"
)

// cases folds the events of each case and compares everything that was derived
// from them.
func (c *checker) cases() error {
	seen := map[triage.Ref]bool{}
	err := c.pairs(bucketSnapshots, func(key, value []byte) error {
		ref := triage.Ref(key)
		seen[ref] = true
		snap, box, err := c.s.openSealed(ref, value)
		if isErased(err) {
			c.erased[ref] = true
			c.report.Erased++
			return nil
		} else if err != nil {
			return c.damaged(err)
		}
		if snap.Log[0] > c.head.Seq {
			return nil // younger than this check
		}
		c.report.Cases++
		return c.damaged(c.one(ref, box, &snap))
	})
	for ref := range c.events {
		if !seen[ref] {
			c.find("the chain has events of case %s, and there is no such case", ref)
		}
	}
	return err
}

// order checks that every case is listed once, and where its first event says.
func (c *checker) order() error {
	listed := map[triage.Ref]bool{}
	err := c.pairs(bucketOrder, func(key, value []byte) error {
		var o orderEntry
		if err := c.s.view(func(t txn) error { return t.decode(bucketOrder, key, value, &o) }); err != nil {
			return c.damaged(err)
		}
		listed[o.Ref] = true
		row, err := c.s.sealedCase(o.Ref)
		if isNoCase(err) {
			c.find("the list of cases names %s, and there is no such case", o.Ref)
			return nil
		} else if err != nil {
			return err
		}
		if opened, _, _ := splitSnapshot(row); !bytes.Equal(be64(opened), key) {
			c.find("case %s is listed in the wrong place", o.Ref)
		}
		snap, _, err := c.s.openSealed(o.Ref, row)
		if err == nil && o.Filed != shelved(snap.Case.State) {
			c.find("case %s is listed as another kind", o.Ref)
		}
		return nil // what does not open was found before
	})
	for ref := range c.events {
		if !listed[ref] {
			c.find("case %s is not in the list of cases", ref)
		}
	}
	return err
}

// one checks a case whose snapshot opened.
func (c *checker) one(ref triage.Ref, key box, snap *snapshot) error {
	var fold triage.Case
	expected := map[string]bool{}
	count, last := 0, uint64(0)
	for _, seq := range snap.Log {
		if seq <= last {
			return fmt.Errorf("case %s: its events are out of order: %w", ref, ErrDamaged)
		}
		last = seq
		e, err := c.s.event(seq, ref, key)
		if err != nil {
			return err
		}
		fold.Apply(e.Event)
		if seq > c.head.Seq {
			continue
		}
		count++
		if e.policy != fold.PolicyHash {
			c.find("event %d names another policy than case %s keeps", seq, ref)
		}
		if err := c.indexed(e.Event, &fold, expected); err != nil {
			return err
		}
		if r, ok := e.Data.(triage.Received); ok {
			if err := c.received(&e, &r, key); err != nil {
				return err
			}
		} else if e.blob != nil {
			c.find("event %d of case %s is no mail and names a blob", seq, ref)
		}
	}
	c.rows += len(expected)
	if count != c.events[ref] {
		c.find("case %s knows %d events, the chain has %d", ref, count, c.events[ref])
	}
	a, errA := json.Marshal(&fold)
	b, errB := json.Marshal(&snap.Case)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		c.find("the snapshot of case %s is not the fold of its events", ref)
	}
	return c.mails(ref, key)
}

// indexed looks for every row that an event gives.
func (c *checker) indexed(e triage.Event, fold *triage.Case, expected map[string]bool) error {
	return c.s.view(func(t txn) error {
		for _, r := range c.s.rows(e, fold) {
			if expected[string(r.key)] {
				continue
			}
			expected[string(r.key)] = true
			var there entry
			found, err := t.get(bucketIndex, r.key, &there)
			if err != nil {
				return err
			}
			if !found || !reflect.DeepEqual(there, r.value) {
				c.find("event %d of case %s is not found by look-up %q", e.Seq, e.Case, r.key[0])
			}
		}
		return nil
	})
}

// received checks the raw mail of a Received event and its line in the ledger.
func (c *checker) received(e *logged, r *triage.Received, key box) error {
	src, blob := r.Message.Source, e.blob
	if blob != nil {
		c.named++
		var b blobEntry
		err := c.s.view(func(t txn) error {
			_, err := t.get(bucketBlobs, blob[:], &b)
			return err
		})
		if err != nil {
			return err
		}
		if b != (blobEntry{e.Seq, e.Case}) {
			c.find("the raw mail of event %d of case %s is not registered", e.Seq, e.Case)
		}
		switch raw, err := c.s.readBlob(key, e.Case, *blob); {
		case err != nil:
			if err := c.damaged(err); err != nil {
				return err
			}
		default:
			c.report.Raw++
			if sum := digest(sha256.Sum256(raw)); r.Message.Digest != "" && r.Message.Digest != sum.String() {
				c.find("the raw mail of event %d of case %s is not the one that was read", e.Seq, e.Case)
			}
		}
	}
	if src.UID == 0 {
		return nil
	}
	var l ledgerEntry
	err := c.s.view(func(t txn) error {
		_, err := t.get(bucketLedger, ledgerKey(c.s.secrets.folder(src.Mailbox, src.Folder), src.UIDValidity, src.UID), &l)
		return err
	})
	if err == nil && l.Ref != e.Case {
		c.find("the ledger does not say that the mail of event %d went to case %s", e.Seq, e.Case)
	}
	return err
}

// mails compares the mails of a case, as it is now, with the outbox: both from
// one transaction, because the sender may be at work.
func (c *checker) mails(ref triage.Ref, key box) error {
	return c.s.view(func(t txn) error {
		now, err := decodeSnapshot(ref, key, t.Bucket([]byte(bucketSnapshots)).Get([]byte(ref)))
		if err != nil {
			return err
		}
		for i := range now.Case.Mails {
			if err := c.mail(t, ref, &now.Case.Mails[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *checker) mail(t txn, ref triage.Ref, m *triage.Mail) error {
	id, p, found, err := t.pendingOf(ref, m.Notice.ID)
	if err != nil {
		return err
	}
	held := m.Notice.Held != ""
	switch {
	case found != (held || m.Pending()):
		c.find("notice %s of case %s is in the outbox: %t; its case says %t", m.Notice.ID, ref, found, !found)
	case !found:
	case p.Ref != ref || p.Notice != m.Notice.ID:
		c.find("notice %s of case %s has the outbox entry of another", m.Notice.ID, ref)
	case p.Held != held || p.Held && (p.Flight || !p.Due.IsZero()) || !p.Held && p.Flight != p.Due.IsZero():
		c.find("notice %s of case %s is in the outbox with a state that cannot be", m.Notice.ID, ref)
	case !p.Due.IsZero() && !t.has(bucketDue, dueKey(p.Due, id)):
		c.find("notice %s of case %s would never be sent: it has no due time", m.Notice.ID, ref)
	}
	return nil
}

// outbox looks from the other side: each entry belongs to a mail of a case,
// and each due time to an entry.
func (c *checker) outbox() error {
	err := c.pairs(bucketOutbox, func(id, value []byte) error {
		var p pending
		if err := c.damaged((txn{nil, c.s}).decode(bucketOutbox, id, value, &p)); err != nil {
			return err
		}
		c.report.Outbox++
		snap, _, err := c.s.openSnapshot(p.Ref)
		if err != nil {
			c.find("an entry of the outbox belongs to case %s: %v", p.Ref, err)
			return nil
		}
		if snap.Case.Mail(p.Notice) == nil {
			c.find("the outbox has a notice %s that case %s does not have", p.Notice, p.Ref)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.pairs(bucketDue, func(key, _ []byte) error {
		return c.damaged(c.s.view(func(t txn) error {
			if !t.has(bucketDue, key) {
				return nil // sent meanwhile
			}
			var p pending
			found, err := t.get(bucketOutbox, key[8:], &p)
			if err == nil && (!found || !bytes.Equal(dueKey(p.Due, key[8:]), key)) {
				c.find("a due time belongs to no mail of the outbox")
			}
			return err
		}))
	})
}
