package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vdpd/store"
	"vdpd/triage"
)

// Engine is what a store must be able to do, whatever it keeps its data in.
type Engine interface {
	Known(ctx context.Context, policy string, m *triage.Message) (triage.Known, error)
	IsOurs(messageID string) bool
	Apply(context.Context, store.Commit) error
	Claim(ctx context.Context, now time.Time, max int) ([]triage.Letter, time.Time, error)
	Settle(context.Context, ...triage.Outcome) error
	Case(context.Context, triage.Ref) (triage.Case, error)
	Cases(context.Context, store.Filter) ([]triage.Case, error)
	Events(context.Context, triage.Ref) ([]triage.Event, error)
	Message(ctx context.Context, ref triage.Ref, item int) (triage.Message, error)
	Raw(ctx context.Context, ref triage.Ref, item int) ([]byte, error)
	Position(ctx context.Context, mailbox, folder string) (triage.Position, error)
	Taken(ctx context.Context, mailbox, folder string, uidValidity uint32, uids []uint32) ([]uint32, error)
	Attempt(triage.Source) (int, error)
	Certs(context.Context) ([]triage.Key, error)
	Head(context.Context) (uint64, string, error)
	Check(context.Context) (store.Report, error)
	Close() error
}

// Harness is how the suite gets at an engine.
type Harness struct {
	// Open opens the store in dir, or makes it; the test closes it.
	Open func(t *testing.T, dir string, now func() time.Time) Engine
	// Kill returns a directory that holds what would be left if the process
	// that has dir open were killed now.
	Kill func(t *testing.T, dir string) string
}

// Run holds an engine to the behaviour that the daemon builds on.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"a report becomes a case", testReport},
		{"a mail joins a case", testJoin},
		{"a commit is refused as a whole", testRefused},
		{"every UID has a disposition", testLedger},
		{"an attempt counts the processes that died of a message", testAttempt},
		{"cases are listed newest first", testCases},
		{"pinned keys are the ring of possible signers", testCerts},
		{"the head moves with every event", testHead},
		{"what a message points to", testThread},
		{"organisations are apart", testApart},
		{"what is known of a sender", testSender},
		{"mails leave in the order they are due", testClaim},
		{"an outcome decides what follows", testOutcomes},
		{"a held mail waits for its release", testHeld},
		{"a crash makes a mail unsure", testCrash},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, h: h, dir: t.TempDir(), now: Start}
			b.open()
			t.Cleanup(func() { b.close() })
			c.test(b)
		})
	}
}

// bench is one test of the suite: an open engine and its clock.
type bench struct {
	*testing.T
	h   Harness
	dir string
	now time.Time
	Engine
}

func (b *bench) open() { b.Engine = b.h.Open(b.T, b.dir, func() time.Time { return b.now }) }

func (b *bench) close() {
	b.Helper()
	Verify(b, b.Engine)
	if err := b.Close(); err != nil {
		b.Error(err)
	}
}

func (b *bench) reopen() {
	b.Helper()
	b.close()
	b.open()
}

// kill goes on with what a killed process would have left.
func (b *bench) kill() {
	b.Helper()
	b.dir = b.h.Kill(b.T, b.dir)
	if err := b.Close(); err != nil {
		b.Error(err)
	}
	b.open()
}

// opened puts message uid of researcher n into a case of its own.
func (b *bench) opened(uid uint32, n int) triage.Ref {
	b.Helper()
	ref := Fresh(b, b.Engine)
	Must(b, b.Engine, Open(ref, Mail(uid, n)))
	return ref
}

func (b *bench) known(m *triage.Message) triage.Known {
	b.Helper()
	k, err := b.Known(b.Context(), Policy, m)
	if err != nil {
		b.Fatal(err)
	}
	return k
}

func (b *bench) the(ref triage.Ref) triage.Case {
	b.Helper()
	c, err := b.Case(b.Context(), ref)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// wants fails the test where an error is not the expected one.
func (b *bench) wants(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("got error %v, want %v", err, want)
	}
}

func equal[T comparable](b *bench, what string, got, want T) {
	b.Helper()
	if got != want {
		b.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// asJSON shows what a value holds, secrets included, to compare it.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func testReport(b *bench) {
	m := Mail(1, 1)
	ref := b.opened(1, 1)
	for range 2 { // before and after reopening
		c := b.the(ref)
		equal(b, "reporter", c.Reporter.Address.Reveal(), Address(1).Reveal())
		equal(b, "state", c.State, triage.StateTriage)
		equal(b, "items", len(c.Items), 1)
		equal(b, "mails", len(c.Mails), 2)
		equal(b, "events", c.Events, 3)

		got, err := b.Message(b.Context(), ref, 0)
		if err != nil || asJSON(got) != asJSON(m) {
			b.Errorf("message: %v\n got %s\nwant %s", err, asJSON(got), asJSON(m))
		}
		raw, err := b.Raw(b.Context(), ref, 0)
		if err != nil || !bytes.Equal(raw, Raw(1)) {
			b.Errorf("raw mail: %q, %v", raw, err)
		}
		events, err := b.Events(b.Context(), ref)
		if err != nil {
			b.Fatal(err)
		}
		var types []triage.EventType
		var fold triage.Case
		for i, e := range events {
			types = append(types, e.Data.Type())
			fold.Apply(e)
			equal(b, "number", e.Seq, uint64(i+1))
			equal(b, "time", e.Time, m.Source.Arrived.Add(time.Second))
		}
		equal(b, "types", fmt.Sprint(types), "[opened received queued]")
		equal(b, "actor", events[0].By, triage.Actor{Kind: triage.Reporter})
		equal(b, "fold", asJSON(fold), asJSON(c))

		_, err = b.Raw(b.Context(), ref, 1)
		b.wants(err, store.ErrNoItem)
		_, err = b.Message(b.Context(), ref, -1)
		b.wants(err, store.ErrNoItem)
		_, err = b.Case(b.Context(), Fresh(b, b.Engine))
		b.wants(err, store.ErrNoCase)
		b.reopen()
	}
}

func testJoin(b *bench) {
	ref := b.opened(1, 1)
	Must(b, b.Engine, Join(ref, Mail(2, 1), triage.ViaThread, 1),
		Change(ref, Start, triage.Noted{Text: CanaryBody}, triage.Seen{Role: "support", Person: "dana"}))
	c := b.the(ref)
	equal(b, "items", len(c.Items), 2)
	equal(b, "notes", c.Notes[0].Text.Reveal(), CanaryBody)
	equal(b, "by", c.Notes[0].By, triage.Actor{Kind: triage.Staff, ID: "dana", Method: "peercred"})
	equal(b, "seen", c.Seen[0].Person, "dana")
	raw, err := b.Raw(b.Context(), ref, 1)
	if err != nil || !bytes.Equal(raw, Raw(2)) {
		b.Errorf("raw mail: %q, %v", raw, err)
	}

	// Without raw bytes the message is all there is.
	bare := Join(ref, Mail(3, 1), triage.ViaThread, 2)
	bare.Raw = nil
	Must(b, b.Engine, bare)
	_, err = b.Raw(b.Context(), ref, 2)
	b.wants(err, store.ErrNoItem)

	// A Date that no calendar has must not keep a mail out.
	odd := Mail(4, 1)
	odd.Date = time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 99*3600))
	Must(b, b.Engine, Join(ref, odd, triage.ViaThread, 3))
	got, err := b.Message(b.Context(), ref, 3)
	if err != nil || !got.Date.Equal(odd.Date) {
		b.Errorf("date: %v, %v", got.Date, err)
	}
	broken := Mail(5, 1)
	broken.MessageID, broken.Subject = "caf\xe9\xff@researcher.example", "caf\xe9"
	Must(b, b.Engine, Join(ref, broken, triage.ViaThread, 4))
	answer := Mail(6, 1)
	answer.InReplyTo = broken.MessageID
	equal(b, "thread by an ID that is not UTF-8", b.known(answer).Thread.Ref, ref)
}

func testRefused(b *bench) {
	ref := b.opened(1, 1)
	before := asJSON(b.the(ref))
	missing := Fresh(b, b.Engine)

	b.wants(b.Apply(b.Context(), Open(ref, Mail(2, 2))), store.ErrStale)
	sameMail := Mail(1, 1)
	sameMail.Source.UID = 2
	b.wants(b.Apply(b.Context(), Open(missing, sameMail)), store.ErrStale)
	b.wants(b.Apply(b.Context(), Open(missing, Mail(1, 2))), store.ErrTaken)
	b.wants(b.Apply(b.Context(), Join(missing, Mail(3, 1), triage.ViaThread, 1)), store.ErrNoCase)
	sameNotice := Join(ref, Mail(4, 1), triage.ViaThread, 1)
	sameNotice.Change.Events[1].Data = triage.Queued{Notices: []triage.Notice{{ID: "R1.1", Kind: triage.Receipt}}}
	b.wants(b.Apply(b.Context(), sameNotice), store.ErrStale)
	b.wants(b.Settle(b.Context(), triage.Outcome{Ref: missing, Notice: "R1.1", Result: triage.Sent}), store.ErrNoCase)
	ended, cancel := context.WithCancel(b.Context())
	cancel()
	b.wants(b.Apply(ended, Join(ref, Mail(5, 1), triage.ViaThread, 1)), context.Canceled)

	equal(b, "the case", asJSON(b.the(ref)), before)
	p, err := b.Position(b.Context(), "security", "INBOX")
	if err != nil || p.Last != 1 {
		b.Errorf("position: %v, %v", p, err)
	}
	report := Verify(b, b.Engine)
	equal(b, "blobs left behind", report.Orphans, 0)
	equal(b, "events", report.Events, 3)
	if err := b.Apply(b.Context(), store.Commit{}); err != nil {
		b.Errorf("an empty commit: %v", err)
	}
}

func testLedger(b *bench) {
	at := func(folder string) triage.Position {
		b.Helper()
		p, err := b.Position(b.Context(), "security", folder)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	equal(b, "position of a new folder", at("INBOX"), triage.Position{})
	ref := b.opened(3, 1)
	left, moved := Left(Mail(5, 2)), Mail(9, 1)
	Must(b, b.Engine, left, store.Commit{
		Change: triage.Change{Disposition: triage.AsDuplicate, Case: ref}, Source: &moved.Source, Move: true,
	})
	equal(b, "position", at("INBOX"), triage.Position{UIDValidity: 7, Last: 9})
	equal(b, "position of another folder", at("Junk"), triage.Position{})

	late := Mail(4, 2) // parked, and read later
	Must(b, b.Engine, Left(late))
	equal(b, "position after an earlier UID", at("INBOX"), triage.Position{UIDValidity: 7, Last: 9})

	uids := []uint32{1, 3, 4, 5, 9, 10}
	move, err := b.Taken(b.Context(), "security", "INBOX", 7, uids)
	if err != nil || !slices.Equal(move, []uint32{3, 9}) {
		b.Errorf("taken: %v, %v", move, err)
	}
	move, err = b.Taken(b.Context(), "security", "INBOX", 8, uids)
	if err != nil || len(move) != 0 {
		b.Errorf("taken under another UIDVALIDITY: %v, %v", move, err)
	}
	again := Mail(1, 2)
	again.Source.UIDValidity = 8
	Must(b, b.Engine, Left(again))
	equal(b, "position after a new UIDVALIDITY", at("INBOX"), triage.Position{UIDValidity: 8, Last: 1})
	b.reopen()
	equal(b, "position after reopening", at("INBOX"), triage.Position{UIDValidity: 8, Last: 1})
}

func testAttempt(b *bench) {
	attempt := func(uid uint32, want int) {
		b.Helper()
		n, err := b.Attempt(Mail(uid, 1).Source)
		if err != nil || n != want {
			b.Errorf("attempt at %d: %d, %v; want %d", uid, n, err, want)
		}
	}
	attempt(1, 0)
	attempt(1, 0) // the same process tries again
	b.kill()
	attempt(1, 1)
	b.kill()
	attempt(1, 2)
	ref := b.opened(1, 1)
	b.kill()
	attempt(1, 0)
	attempt(2, 0)
	b.kill()
	attempt(2, 1)
	other := Mail(2, 1).Source
	other.Mailbox = "backoffice"
	if n, err := b.Attempt(other); n != 0 || err != nil {
		b.Errorf("attempt of another mailbox: %d, %v", n, err)
	}
	b.reopen() // an orderly stop is no crash
	attempt(2, 0)
	Must(b, b.Engine, Join(ref, Mail(2, 1), triage.ViaThread, 1))
}

func testCases(b *bench) {
	list := func(f store.Filter) (refs []triage.Ref) {
		b.Helper()
		cases, err := b.Cases(b.Context(), f)
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range cases {
			refs = append(refs, c.Ref)
		}
		return refs
	}
	equal(b, "cases of a new store", len(list(store.Filter{})), 0)
	var want []triage.Ref
	for uid := range uint32(5) {
		want = slices.Insert(want, 0, b.opened(uid+1, 1))
	}
	filed := Fresh(b, b.Engine)
	bounce := Open(filed, Mail(6, 2))
	bounce.Change.Events = bounce.Change.Events[:2]
	bounce.Change.Events[0].Data = triage.Opened{Disposition: triage.AsBounce, Policy: Policy, Mailbox: "security"}
	Must(b, b.Engine, bounce)

	all := append([]triage.Ref{filed}, want...)
	equal(b, "all", fmt.Sprint(list(store.Filter{Filed: true})), fmt.Sprint(all))
	equal(b, "not filed", fmt.Sprint(list(store.Filter{})), fmt.Sprint(want))
	equal(b, "first page", fmt.Sprint(list(store.Filter{Limit: 2})), fmt.Sprint(want[:2]))
	equal(b, "second page", fmt.Sprint(list(store.Filter{Limit: 2, After: want[1]})), fmt.Sprint(want[2:4]))
	equal(b, "last page", fmt.Sprint(list(store.Filter{Limit: 2, After: want[4]})), "[]")
	equal(b, "after a filed one", fmt.Sprint(list(store.Filter{After: filed})), fmt.Sprint(want))
	Must(b, b.Engine, Change(want[0], Start, triage.Left{}))
	equal(b, "after one was no report", fmt.Sprint(list(store.Filter{})), fmt.Sprint(want[1:]))
	Must(b, b.Engine, Change(want[0], Start, triage.Taken{}))
	equal(b, "after it was one", fmt.Sprint(list(store.Filter{})), fmt.Sprint(want))
	_, err := b.Cases(b.Context(), store.Filter{After: Fresh(b, b.Engine)})
	b.wants(err, store.ErrNoCase)
}

func testCerts(b *bench) {
	pin := func(ref triage.Ref, fingerprint string) {
		b.Helper()
		Must(b, b.Engine, Change(ref, Start, triage.KeyPinned{
			Key: triage.Key{Fingerprint: fingerprint, Cert: triage.Secret("cert " + fingerprint)}, How: "signed",
		}))
	}
	one, two := b.opened(1, 1), b.opened(2, 2)
	pin(one, "AAAA")
	pin(two, "BBBB")
	three := b.opened(3, 1)
	pin(three, "AAAA")
	certs, err := b.Certs(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var prints []string
	for _, k := range certs {
		prints = append(prints, k.Fingerprint)
	}
	slices.Sort(prints)
	equal(b, "fingerprints", fmt.Sprint(prints), "[AAAA BBBB]")
	equal(b, "certificate", certs[0].Cert.Reveal(), "cert "+certs[0].Fingerprint)

	equal(b, "pinned", b.known(Mail(4, 1)).Pinned.Fingerprint, "AAAA")
	pin(three, "CCCC")
	equal(b, "pinned last", b.known(Mail(4, 1)).Pinned.Fingerprint, "CCCC")
	if k := b.known(Mail(4, 3)).Pinned; k != nil {
		b.Errorf("a stranger has a pinned key: %v", k.Fingerprint)
	}
	// A case that opens with a key that was pinned before pins it too.
	four := Fresh(b, b.Engine)
	open := Open(four, Mail(5, 5))
	d := open.Change.Events[0].Data.(triage.Opened)
	d.Reporter.Key = &triage.Key{Fingerprint: "DDDD"}
	open.Change.Events[0].Data = d
	Must(b, b.Engine, open)
	equal(b, "pinned at opening", b.known(Mail(6, 5)).Pinned.Fingerprint, "DDDD")
}

func testHead(b *bench) {
	head := func() (uint64, string) {
		b.Helper()
		seq, hash, err := b.Head(b.Context())
		if err != nil || len(hash) != 64 {
			b.Fatal(seq, hash, err)
		}
		return seq, hash
	}
	seq, anchor := head()
	equal(b, "number of a new store", seq, 0)
	ref := b.opened(1, 1)
	seq, first := head()
	equal(b, "number", seq, 3)
	Must(b, b.Engine, Left(Mail(2, 1))) // no event
	seq, same := head()
	equal(b, "number", seq, 3)
	equal(b, "hash", same, first)
	Must(b, b.Engine, Change(ref, Start, triage.Noted{Text: "x"}))
	seq, second := head()
	equal(b, "number", seq, 4)
	if anchor == first || first == second {
		b.Error("the hash stands still")
	}
	b.reopen()
	_, again := head()
	equal(b, "hash after reopening", again, second)
}
