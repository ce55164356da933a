package mailbox

import (
	"context"
	"testing"
	"time"

	"vdpd/mailbox/mailboxtest"
	"vdpd/triage"
)

// countIntake takes everything and keeps nothing but the position.
type countIntake struct {
	move bool
	pos  triage.Position
	n    int
	full chan struct{} // gets a value at each round after all were taken
	want int
}

func (c *countIntake) Position(context.Context, string, string) (triage.Position, error) {
	if c.n == c.want {
		select {
		case c.full <- struct{}{}:
		default:
		}
	}
	return c.pos, nil
}

func (c *countIntake) Take(_ context.Context, f Fetched) (bool, error) {
	c.pos = triage.Position{UIDValidity: f.Source.UIDValidity, Last: f.Source.UID}
	c.n++
	return c.move, nil
}

func (c *countIntake) Taken(_ context.Context, _, _ string, _ uint32, uids []uint32) ([]uint32, error) {
	return uids, nil
}

// benchmarkPoller runs a poller from its login until it has taken, or moved,
// 1,000 small mails, over loopback TCP with TLS.
func benchmarkPoller(b *testing.B, run func(b *testing.B, a Account)) {
	const mails = 1000
	o := mailboxtest.Options{TLS: true}
	for b.Loop() {
		b.StopTimer()
		s := newMemoryServer(b, o)
		for n := range mails {
			if _, err := s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)); err != nil {
				b.Fatal(err)
			}
		}
		a := accountAt(s, o)
		a.PollEvery = time.Millisecond
		b.StartTimer()
		run(b, a)
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(mails*b.N)/b.Elapsed().Seconds(), "mails/s")
}

func runUntilFull(b *testing.B, a Account, in *countIntake) {
	in.want, in.full = 1000, make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- (&Poller{Account: a, Intake: in}).Run(ctx) }()
	<-in.full
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPollerFetch(b *testing.B) {
	benchmarkPoller(b, func(b *testing.B, a Account) { runUntilFull(b, a, &countIntake{}) })
}

// BenchmarkPollerMove moves what an earlier life of the process had taken.
func BenchmarkPollerMove(b *testing.B) {
	benchmarkPoller(b, func(b *testing.B, a Account) {
		in := &countIntake{pos: triage.Position{UIDValidity: 1, Last: 1000}}
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		complete, err := a.complete()
		if err != nil {
			b.Fatal(err)
		}
		s, err := connect(ctx, complete)
		if err != nil {
			b.Fatal(err)
		}
		defer s.close()
		if _, err := s.ensure(ctx, a.Processed); err != nil {
			b.Fatal(err)
		}
		p := &Poller{Account: complete, Intake: in, Now: time.Now}
		if again, _, err := p.round(ctx, s); err != nil || !again {
			b.Fatal(again, err)
		}
	})
}
