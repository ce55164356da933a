package storetest

import (
	"fmt"
	"time"

	"vdpd/triage"
)

// claim returns the claimed letters by case and notice.
func (b *bench) claim(now time.Time, max int) ([]triage.Letter, time.Time) {
	b.Helper()
	letters, next, err := b.Claim(b.Context(), now, max)
	if err != nil {
		b.Fatal(err)
	}
	return letters, next
}

func (b *bench) settle(os ...triage.Outcome) {
	b.Helper()
	if err := b.Settle(b.Context(), os...); err != nil {
		b.Fatal(err)
	}
}

func names(letters []triage.Letter) string {
	out := ""
	for _, l := range letters {
		out += fmt.Sprintf("%s/%s ", l.Case.Ref, l.Notice.ID)
	}
	return out
}

func outcome(l triage.Letter, r triage.Result, at, next time.Time) triage.Outcome {
	return triage.Outcome{Ref: l.Case.Ref, Notice: l.Notice.ID, Result: r, At: at, Next: next, Reply: "451 4.3.0 later", Code: "451 4.3.0"}
}

func testClaim(b *bench) {
	letters, next := b.claim(Start, 10)
	equal(b, "letters of a new store", len(letters), 0)
	equal(b, "next of a new store", next, time.Time{})

	second, first := b.opened(20, 1), b.opened(10, 2) // 10 arrived ten minutes earlier
	due := func(uid uint32) time.Time { return Mail(uid, 1).Source.Arrived.Add(time.Second) }
	letters, next = b.claim(Start, 10)
	equal(b, "letters before any is due", len(letters), 0)
	equal(b, "next", next, due(10))
	letters, next = b.claim(due(10), 10)
	equal(b, "due", names(letters), fmt.Sprintf("%s/R1.1 %s/S1.support.1 ", first, first))
	equal(b, "next", next, due(20))
	again, _ := b.claim(due(10), 10)
	equal(b, "due while in flight", names(again), "")
	letters, next = b.claim(due(20), 1)
	equal(b, "one of two", names(letters), fmt.Sprintf("%s/R1.1 ", second))
	equal(b, "next", next, due(20))

	receipt := letters[0]
	equal(b, "attempt", receipt.Attempt, 1)
	equal(b, "unsure", receipt.Unsure, false)
	if receipt.Message != nil {
		b.Error("a mail to the reporter was given the report")
	}
	letters, next = b.claim(due(20), 10)
	equal(b, "the last", names(letters), fmt.Sprintf("%s/S1.support.1 ", second))
	equal(b, "next", next, time.Time{})
	if m := letters[0].Message; m == nil || m.Text.Reveal() != Mail(20, 1).Text.Reveal() {
		b.Error("a mail to staff lacks the report")
	}
	equal(b, "case", letters[0].Case.Reporter.Address.Reveal(), Address(1).Reveal())
}

func testOutcomes(b *bench) {
	refs := []triage.Ref{b.opened(1, 1), b.opened(2, 2), b.opened(3, 3)}
	now := Start.Add(time.Hour)
	letters, _ := b.claim(now, 10)
	equal(b, "letters", len(letters), 6)
	sent, retry, unknown, failed, untried, rude := letters[0], letters[1], letters[2], letters[3], letters[4], letters[5]
	b.settle(
		outcome(sent, triage.Sent, now, time.Time{}),
		outcome(retry, triage.Retry, now, now.Add(10*time.Minute)),
		outcome(unknown, triage.Unknown, now, now.Add(20*time.Minute)),
		outcome(failed, triage.Failed, now, time.Time{}),
		triage.Outcome{Ref: untried.Case.Ref, Notice: untried.Notice.ID, Next: now},
		outcome(rude, triage.Retry, now, time.Time{}),
	)
	mail := func(l triage.Letter) triage.Mail {
		b.Helper()
		c := b.the(l.Case.Ref)
		return *c.Mail(l.Notice.ID)
	}
	for _, c := range []struct {
		l        triage.Letter
		result   triage.Result
		attempts int
		pending  bool
	}{
		{sent, triage.Sent, 1, false}, {retry, triage.Retry, 1, true}, {unknown, triage.Unknown, 1, true},
		{failed, triage.Failed, 1, false}, {untried, "", 0, true}, {rude, triage.Retry, 1, true},
	} {
		m := mail(c.l)
		equal(b, "result", m.Last.Result, c.result)
		equal(b, "attempts", m.Attempts, c.attempts)
		equal(b, "pending", m.Pending(), c.pending)
	}
	equal(b, "code", mail(retry).Last.Code, "451 4.3.0")

	letters, next := b.claim(now, 10)
	equal(b, "at once", names(letters), names([]triage.Letter{untried}))
	equal(b, "attempt of one not tried", letters[0].Attempt, 1)
	equal(b, "a retry without a time waits a little", next, now.Add(time.Minute))
	letters, _ = b.claim(now.Add(time.Hour), 10)
	equal(b, "later", names(letters), names([]triage.Letter{rude, retry, unknown}))
	for _, l := range letters {
		equal(b, "attempt", l.Attempt, 2)
		equal(b, "unsure", l.Unsure, l.Notice.ID == unknown.Notice.ID && l.Case.Ref == unknown.Case.Ref)
	}
	// Unsure stays, whatever comes after.
	b.settle(outcome(unknown, triage.Retry, now, now))
	b.reopen()
	letters, _ = b.claim(now.Add(2*time.Hour), 10)
	for _, l := range letters {
		if l.Notice.ID == unknown.Notice.ID && l.Case.Ref == unknown.Case.Ref {
			equal(b, "unsure after a retry", l.Unsure, true)
			equal(b, "attempt after a retry", l.Attempt, 3)
		}
	}

	// Settling twice, or after a bounce, changes nothing.
	before := asJSON(b.the(sent.Case.Ref))
	b.settle(outcome(sent, triage.Failed, now, time.Time{}))
	equal(b, "the case", asJSON(b.the(sent.Case.Ref)), before)
	Must(b, b.Engine, Change(retry.Case.Ref, now, triage.Bounced{Notice: retry.Notice.ID, Status: "5.1.1"}))
	b.settle(outcome(retry, triage.Sent, now, time.Time{}))
	equal(b, "a bounce is final", mail(retry).Last.Result, triage.Failed)
	_ = refs
}

func testHeld(b *bench) {
	ref := Fresh(b, b.Engine)
	c := Open(ref, Mail(1, 1))
	c.Change.Events[2].Data = triage.Queued{Notices: []triage.Notice{
		{ID: "R1.1", Kind: triage.Receipt, Held: "the report came through a mailing list"},
	}}
	Must(b, b.Engine, c)
	later := Start.Add(time.Hour)
	letters, next := b.claim(later, 10)
	equal(b, "held", names(letters), "")
	equal(b, "next", next, time.Time{})
	b.kill()
	Must(b, b.Engine, Change(ref, later, triage.Released{Notice: "R1.1"}))
	letters, _ = b.claim(later, 10)
	equal(b, "released", names(letters), fmt.Sprintf("%s/R1.1 ", ref))
	equal(b, "held", letters[0].Notice.Held, "")
	b.settle(outcome(letters[0], triage.Sent, later, time.Time{}))
	Must(b, b.Engine, Change(ref, later, triage.Released{Notice: "R1.1"})) // by a second person
	letters, _ = b.claim(later, 10)
	equal(b, "released twice", names(letters), "")
}

func testCrash(b *bench) {
	b.opened(1, 1)
	b.now = Start.Add(time.Hour)
	letters, _ := b.claim(b.now, 10)
	first := names(letters)
	b.settle(outcome(letters[1], triage.Sent, b.now, time.Time{}))
	for crash := range 3 {
		b.kill()
		wait := time.Duration(crash) * time.Minute
		if crash > 0 {
			cut, next := b.claim(b.now, 10)
			equal(b, "one that was there at several crashes waits", names(cut), "")
			equal(b, "until", next, b.now.Add(wait))
		}
		cut, _ := b.claim(b.now.Add(wait), 10)
		if len(cut) != 1 || first != names(append(cut, letters[1])) {
			b.Fatalf("crash %d: got %s", crash, names(cut))
		}
		equal(b, "unsure", cut[0].Unsure, true)
		equal(b, "attempt", cut[0].Attempt, crash+2)
		equal(b, "token", cut[0].Token, letters[0].Token)
	}
	b.settle(outcome(letters[0], triage.Sent, b.now, time.Time{}))
	b.kill()
	cut, _ := b.claim(b.now.Add(time.Hour), 10)
	equal(b, "after the last was sent", names(cut), "")
}
