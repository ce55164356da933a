package store

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"vdpd/triage"
)

// The kinds of look-up: the first byte of a key of the index. The rest is a
// keyed hash of what is looked up and, where several may be found, the number
// of the event that made the row. All but the two tokens are looked up within
// one policy: organisations do not see each other's cases.
const (
	byContent   = 'c' // content digest of a mail -> the case that has it
	byMessageID = 'i' // Message-ID of a received mail -> cases
	byOrigin    = 'd' // Message-ID, From and Date of a received mail -> cases
	byAddress   = 'a' // address of a reporter -> cases
	byPin       = 'p' // address of a reporter -> events that hold a pinned key
	bySent      = 't' // token of a mail of ours -> case, notice and outbox entry
	byReply     = 'r' // token of a reply address -> case and party
	byReceipt   = 'n' // address and time -> one automatic mail to that reporter
	byBurst     = 'b' // time -> one automatic mail to any reporter
	byAlarm     = 'x' // time -> one notice that automatic mail stopped
)

// entry is the value of a row of the index.
type entry struct {
	Seq    uint64     `json:"seq"` // of the event that made the row
	Ref    triage.Ref `json:"ref"`
	Notice string     `json:"notice,omitempty"`
	Party  string     `json:"party,omitempty"`
	Outbox []byte     `json:"outbox,omitempty"` // key in the outbox
}

type row struct {
	key   []byte
	value entry
}

// lookup returns the first part of a key of the index.
func (k *secrets) lookup(kind byte, value ...string) []byte {
	return append([]byte{kind}, mac(k.lookupKey, append([]string{string(kind)}, value...)...)[:16]...)
}

// rows lists what an event adds to the index. c is its case after the event
// was folded. The same function serves writing and checking, so that every row
// can be derived from the chain.
func (s *Store) rows(e triage.Event, c *triage.Case) []row {
	var rows []row
	add := func(key []byte, v entry) {
		v.Seq, v.Ref = e.Seq, e.Case
		rows = append(rows, row{key, v})
	}
	several := func(key []byte) []byte { return append(key, be64(e.Seq)...) }
	k, policy := &s.secrets, c.Policy
	reporter := c.Reporter.Address.Reveal()
	letGo := func(n *triage.Notice, id []byte) {
		if !n.Kind.ToReporter() {
			return
		}
		add(timeKey(k.lookup(byBurst, policy), e.Time, id), entry{Notice: n.ID})
		if reporter != "" {
			add(timeKey(k.lookup(byReceipt, policy, reporter), e.Time, id), entry{Notice: n.ID})
		}
	}

	switch d := e.Data.(type) {
	case triage.Opened:
		if reporter != "" {
			add(several(k.lookup(byAddress, policy, reporter)), entry{})
			if d.Reporter.Key != nil {
				add(several(k.lookup(byPin, policy, reporter)), entry{})
			}
		}
	case triage.Received:
		m := &d.Message
		if m.Content != "" {
			add(k.lookup(byContent, policy, m.Content), entry{})
		}
		if m.MessageID != "" {
			add(several(k.lookup(byMessageID, policy, validText(m.MessageID))), entry{})
			add(several(k.lookup(byOrigin, origin(policy, m)...)), entry{})
		}
	case triage.KeyPinned:
		if reporter != "" {
			add(several(k.lookup(byPin, policy, reporter)), entry{})
		}
	case triage.Queued:
		for i := range d.Notices {
			n, box := &d.Notices[i], outboxKey(e.Seq, i)
			add(k.lookup(bySent, k.messageToken(e.Case, n.ID)), entry{Notice: n.ID, Outbox: box})
			add(k.lookup(byReply, k.replyToken(e.Case, party(n))), entry{Party: party(n)})
			if n.Kind == triage.Abuse {
				add(timeKey(k.lookup(byAlarm, policy), e.Time, box), entry{Notice: n.ID})
			}
			if n.Held == "" {
				letGo(n, box)
			}
		}
	case triage.Released:
		if m := c.Mail(d.Notice); m != nil {
			letGo(&m.Notice, outboxKey(e.Seq, 0))
		}
	}
	return rows
}

// timeKey orders what is counted by time.
func timeKey(prefix []byte, at time.Time, id []byte) []byte {
	return append(binary.BigEndian.AppendUint64(prefix, uint64(max(at.Unix(), 0))), id...)
}

// count is how many rows of a look-up by time are later than since.
func (t txn) count(prefix []byte, since time.Time) int {
	const enough = 1000
	n := 0
	c := t.Bucket([]byte(bucketIndex)).Cursor()
	for k, _ := c.Seek(timeKey(slices.Clone(prefix), since.Add(time.Second), nil)); bytes.HasPrefix(k, prefix) && n < enough; k, _ = c.Next() {
		n++
	}
	return n
}

// party is who a notice goes to, as the reply token sees it.
func party(n *triage.Notice) string {
	if n.Role == "" {
		return partyReporter
	}
	return n.Role
}

// origin is what two copies of one mail have in common when a list or a
// gateway changed the body of one.
func origin(policy string, m *triage.Message) []string {
	list := []string{policy, validText(m.MessageID), strconv.FormatInt(m.Date.Unix(), 10)}
	for _, a := range m.From {
		list = append(list, strings.ToLower(validText(a.Address.Reveal())))
	}
	return list
}

// validText is s as JSON gives it back, which replaces every byte that is not
// UTF-8: a look-up must find what was written.
func validText(s string) string { return string([]rune(s)) }

// pick returns the newest rows of a look-up, at most limit.
func (t txn) pick(limit int, prefix []byte) ([]entry, error) {
	var found []entry
	err := t.withPrefix(bucketIndex, prefix, func(key, sealed []byte) (bool, error) {
		var e entry
		if err := t.decode(bucketIndex, key, sealed, &e); err != nil {
			return false, err
		}
		found = append(found, e)
		return len(found) < limit, nil
	})
	return found, err
}
