package store_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

// model is a store as plain maps.
type model struct {
	seq      uint64
	cases    map[triage.Ref]*triage.Case
	order    []triage.Ref
	outbox   map[string]*waiting // by case and notice
	position triage.Position
	move     map[uint32]bool // ledger of the current UIDVALIDITY
	content  map[string]triage.Ref
	receipts map[triage.Secret]int
}

type waiting struct {
	ref                  triage.Ref
	notice               string
	order                int // of queueing
	due                  time.Time
	held, flight, unsure bool
	cuts                 int
}

func (m *model) fold(ref triage.Ref, at time.Time, by triage.Actor, d triage.Data) {
	m.seq++
	e := triage.Event{Seq: m.seq, Time: at, Case: ref, By: by, Data: d}
	m.cases[ref].Apply(e)
	c := m.cases[ref]
	switch d := d.(type) {
	case triage.Queued:
		for _, n := range d.Notices {
			m.outbox[string(ref)+n.ID] = &waiting{ref: ref, notice: n.ID, order: len(m.outbox) + 1000*int(m.seq), due: at, held: n.Held != ""}
			if n.Held == "" && n.Kind.ToReporter() {
				m.receipts[c.Reporter.Address]++
			}
		}
	case triage.Released:
		if w := m.outbox[string(ref)+d.Notice]; w != nil && w.held {
			w.held, w.due = false, at
		}
		if c.Mail(d.Notice).Notice.Kind.ToReporter() {
			m.receipts[c.Reporter.Address]++
		}
	}
}

// machine runs a store and its model side by side.
type machine struct {
	*model
	dir string
	now time.Time
	s   *store.Store
	uid uint32
}

func (x *machine) open(t *rapid.T) {
	var err error
	x.s, err = store.Open(x.dir, storetest.Key(), store.Options{Create: true, Now: func() time.Time { return x.now }})
	if err != nil {
		t.Fatal(err)
	}
}

func (x *machine) apply(t *rapid.T, c store.Commit) {
	if err := x.s.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if src := c.Source; src != nil {
		if src.UIDValidity != x.position.UIDValidity {
			x.position, x.move = triage.Position{UIDValidity: src.UIDValidity}, map[uint32]bool{}
		}
		x.position.Last = max(x.position.Last, src.UID)
		x.move[src.UID] = c.Move
	}
	for _, e := range c.Change.Events {
		if r, ok := e.Data.(triage.Received); ok {
			x.content[r.Message.Content] = e.Case
		}
		if _, ok := e.Data.(triage.Opened); ok {
			x.cases[e.Case] = &triage.Case{}
			x.order = append(x.order, e.Case)
		}
		x.fold(e.Case, e.Time, e.By, e.Data)
	}
}

// mail is the next message: its commit comes a second after it arrived, and
// the clock goes on by a minute.
func (x *machine) mail(t *rapid.T) *triage.Message {
	x.uid++
	m := storetest.Mail(x.uid, rapid.IntRange(1, 3).Draw(t, "researcher"))
	m.Source.UIDValidity = max(x.position.UIDValidity, 1)
	m.Source.Arrived = x.now
	x.now = x.now.Add(time.Minute)
	return m
}

func (x *machine) some(t *rapid.T) triage.Ref {
	if len(x.order) == 0 {
		t.Skip("no case yet")
	}
	return rapid.SampledFrom(x.order).Draw(t, "case")
}

func (x *machine) Open(t *rapid.T) {
	m := x.mail(t)
	k, err := x.s.Known(t.Context(), storetest.Policy, m)
	if err != nil {
		t.Fatal(err)
	}
	if k.Receipts != x.receipts[m.Sender()] {
		t.Fatalf("%d receipts, want %d", k.Receipts, x.receipts[m.Sender()])
	}
	c := storetest.Open(k.Fresh, m)
	if rapid.Bool().Draw(t, "held") {
		q := c.Change.Events[2].Data.(triage.Queued)
		q.Notices[0].Held = "by the model"
	}
	x.apply(t, c)
}

func (x *machine) Join(t *rapid.T) {
	ref, m := x.some(t), x.mail(t)
	m.References = []string{x.cases[ref].Items[0].MessageID}
	k, err := x.s.Known(t.Context(), storetest.Policy, m)
	if err != nil {
		t.Fatal(err)
	}
	if mine := x.cases[ref].Reporter.Address == m.Sender(); mine != (k.Thread.Ref == ref) {
		t.Fatalf("thread %q of a mail for %s, by its reporter: %t", k.Thread.Ref, ref, mine)
	}
	x.apply(t, storetest.Join(ref, m, triage.ViaThread, len(x.cases[ref].Items)))
}

func (x *machine) Leave(t *rapid.T) { x.apply(t, storetest.Left(x.mail(t))) }

func (x *machine) NewValidity(t *rapid.T) {
	m := x.mail(t)
	m.Source.UIDValidity++
	x.apply(t, storetest.Left(m))
}

func (x *machine) Again(t *rapid.T) {
	if len(x.move) == 0 {
		t.Skip("no message yet")
	}
	uids := slices.Sorted(maps.Keys(x.move))
	m := storetest.Mail(rapid.SampledFrom(uids).Draw(t, "uid"), 1)
	m.Source.UIDValidity = x.position.UIDValidity
	if err := x.s.Apply(t.Context(), storetest.Left(m)); !errors.Is(err, store.ErrTaken) {
		t.Fatalf("a message with a disposition: %v", err)
	}
	for content, ref := range x.content {
		k, err := x.s.Known(t.Context(), storetest.Policy, &triage.Message{Content: content})
		if err != nil || k.Same != ref {
			t.Fatalf("the same mail: %q, %v; want %q", k.Same, err, ref)
		}
		break
	}
}

func (x *machine) Note(t *rapid.T) {
	x.apply(t, storetest.Change(x.some(t), x.now, triage.Noted{Text: triage.Secret(rapid.String().Draw(t, "note"))}))
}

func (x *machine) Release(t *rapid.T) {
	ref := x.some(t)
	for _, m := range x.cases[ref].Mails {
		if m.Notice.Held != "" {
			x.apply(t, storetest.Change(ref, x.now, triage.Released{Notice: m.Notice.ID}))
			return
		}
	}
}

func (x *machine) Claim(t *rapid.T) {
	x.now = x.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
	limit := rapid.IntRange(1, 6).Draw(t, "max")
	var want []*waiting
	for _, w := range x.outbox {
		if !w.held && !w.flight {
			want = append(want, w)
		}
	}
	slices.SortFunc(want, func(a, b *waiting) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.order, b.order)) })
	var next time.Time
	for i, w := range want {
		if i == limit || w.due.After(x.now) {
			want, next = want[:i], w.due
			break
		}
	}
	letters, gotNext, err := x.s.Claim(t.Context(), x.now, limit)
	if err != nil || len(letters) != len(want) || !gotNext.Equal(next) {
		t.Fatalf("claimed %d, next %v, %v; want %d, next %v", len(letters), gotNext, err, len(want), next)
	}
	for i, l := range letters {
		w := want[i]
		mail := x.cases[w.ref].Mail(w.notice)
		if l.Case.Ref != w.ref || l.Notice.ID != w.notice || l.Unsure != w.unsure || l.Attempt != mail.Attempts+w.cuts+1 {
			t.Fatalf("letter %d: %s/%s, attempt %d, unsure %t; want %s/%s, %d, %t",
				i, l.Case.Ref, l.Notice.ID, l.Attempt, l.Unsure, w.ref, w.notice, mail.Attempts+w.cuts+1, w.unsure)
		}
		w.flight = true
	}
}

func (x *machine) Settle(t *rapid.T) {
	var flying []*waiting
	for _, w := range x.outbox {
		if w.flight {
			flying = append(flying, w)
		}
	}
	if len(flying) == 0 {
		t.Skip("none in flight")
	}
	slices.SortFunc(flying, func(a, b *waiting) int { return cmp.Compare(a.order, b.order) })
	flying = flying[:rapid.IntRange(1, len(flying)).Draw(t, "how many")]
	var os []triage.Outcome
	for _, w := range flying {
		r := rapid.SampledFrom([]triage.Result{triage.Sent, triage.Failed, triage.Retry, triage.Unknown, ""}).Draw(t, "result")
		o := triage.Outcome{Ref: w.ref, Notice: w.notice, Result: r, At: x.now}
		switch r {
		case triage.Sent, triage.Failed:
			delete(x.outbox, string(w.ref)+w.notice)
		default:
			o.Next = x.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "wait")) * time.Minute)
			w.flight, w.due, w.unsure = false, o.Next, w.unsure || r == triage.Unknown
		}
		if r != "" {
			x.fold(w.ref, x.now, triage.Actor{Kind: triage.System}, triage.Delivery{Outcome: o})
		}
		os = append(os, o)
	}
	if err := x.s.Settle(t.Context(), os...); err != nil {
		t.Fatal(err)
	}
}

// Reopen ends the process, in order or not: either way nobody says what became
// of the mails in flight.
func (x *machine) Reopen(t *rapid.T) {
	if err := x.s.Close(); err != nil {
		t.Fatal(err)
	}
	x.open(t)
	for _, w := range x.outbox {
		if w.flight {
			w.flight, w.unsure, w.due = false, true, x.now.Add(time.Duration(w.cuts)*time.Minute)
			w.cuts++
		}
	}
}

// Check compares what can be read. It runs after every step.
func (x *machine) Check(t *rapid.T) {
	p, err := x.s.Position(t.Context(), "security", "INBOX")
	if err != nil || p != x.position {
		t.Fatalf("position %v, %v; want %v", p, err, x.position)
	}
	uids := slices.Sorted(maps.Keys(x.move))
	move, err := x.s.Taken(t.Context(), "security", "INBOX", p.UIDValidity, uids)
	want := slices.DeleteFunc(uids, func(uid uint32) bool { return !x.move[uid] })
	if err != nil || !slices.Equal(move, want) {
		t.Fatalf("to be moved %v, %v; want %v", move, err, want)
	}
	cases, err := x.s.Cases(t.Context(), store.Filter{Limit: 500})
	if err != nil || len(cases) != len(x.order) {
		t.Fatalf("%d cases, %v; want %d", len(cases), err, len(x.order))
	}
	for i, c := range cases {
		want := x.cases[x.order[len(x.order)-1-i]]
		if a, b := text(c), text(want); a != b {
			t.Fatalf("a case reads as\n%s\nwant\n%s", a, b)
		}
	}
	if seq, _, err := x.s.Head(t.Context()); err != nil || seq != x.seq {
		t.Fatalf("head %d, %v; want %d", seq, err, x.seq)
	}
}

// TestModel runs random steps against the store and against plain maps.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(memory(), "model")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		x := &machine{dir: dir, now: storetest.Start, model: &model{
			cases: map[triage.Ref]*triage.Case{}, outbox: map[string]*waiting{}, move: map[uint32]bool{},
			content: map[string]triage.Ref{}, receipts: map[triage.Secret]int{},
		}}
		x.open(t)
		defer func() { _ = x.s.Close() }()
		t.Repeat(rapid.StateMachineActions(x))
		report, err := x.s.Check(t.Context())
		if err != nil || !report.OK() || report.Orphans != 0 {
			t.Fatalf("check: %v, %v", err, report)
		}
		if report.Outbox != len(x.outbox) || report.Cases != len(x.cases) {
			t.Fatalf("%d mails wait and %d cases; want %d and %d", report.Outbox, report.Cases, len(x.outbox), len(x.cases))
		}
	})
}

// memory is a directory that needs no disk, where there is one: this test asks
// what is written, not whether it lasts.
func memory() string {
	if fi, err := os.Stat("/dev/shm"); err == nil && fi.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(b)
}
