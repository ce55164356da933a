package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vdpd/notify/notifytest"
	"vdpd/triage"
)

// outbox is an Outbox in memory that checks how it is used.
type outbox struct {
	t   *testing.T
	now func() time.Time

	mu       sync.Mutex
	waiting  []*entry
	outcomes []triage.Outcome // that have a result
	notTried int
	broken   error
}

type entry struct {
	letter triage.Letter
	due    time.Time
	flight bool
}

func (o *outbox) add(ls ...triage.Letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range ls {
		o.waiting = append(o.waiting, &entry{letter: l, due: o.now()})
	}
}

func (o *outbox) Claim(_ context.Context, now time.Time, limit int) ([]triage.Letter, time.Time, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil {
		return nil, time.Time{}, o.broken
	}
	slices.SortStableFunc(o.waiting, func(a, b *entry) int { return a.due.Compare(b.due) })
	var ls []triage.Letter
	for _, e := range o.waiting {
		switch {
		case e.flight:
		case e.due.After(now) || len(ls) == limit:
			return ls, e.due, nil
		default:
			e.flight = true
			e.letter.Attempt++
			ls = append(ls, e.letter)
		}
	}
	return ls, time.Time{}, nil
}

func (o *outbox) Settle(_ context.Context, outcomes []triage.Outcome) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil {
		return o.broken
	}
	for _, outcome := range outcomes {
		i := slices.IndexFunc(o.waiting, func(e *entry) bool { return e.letter.Notice.ID == outcome.Notice && e.flight })
		if i < 0 {
			o.t.Errorf("settled without a claim: %s", outcome.Notice)
			continue
		}
		e := o.waiting[i]
		e.flight, e.due, e.letter.Unsure = false, outcome.Next, e.letter.Unsure || outcome.Result == triage.Unknown
		switch outcome.Result {
		case triage.NotTried:
			e.letter.Attempt--
			o.notTried++
			continue
		case triage.Sent, triage.Failed:
			o.waiting = slices.Delete(o.waiting, i, i+1)
		}
		o.outcomes = append(o.outcomes, outcome)
	}
	return nil
}

// results lists what became of each letter, in order.
func (o *outbox) results() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var s []string
	for _, r := range o.outcomes {
		s = append(s, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Notice, r.Result, strings.TrimPrefix(r.Code, "250 2.0.0"))))
	}
	return strings.Join(s, "; ")
}

func (o *outbox) set(broken error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken = broken
}

// bench is a sender with everything around it, inside a synctest bubble.
type bench struct {
	*Sender
	outbox *outbox
	server *notifytest.Server
	log    *bytes.Buffer
	smtp   *SMTP
	stop   func() error
}

// setUp starts a sender; the bubble's clock runs from the moment now on.
func setUp(t *testing.T, opt notifytest.Options, change ...func(*bench)) *bench {
	t.Helper()
	pipe := notifytest.NewPipe()
	opt.Listener = pipe
	server, err := notifytest.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	clock := func() time.Time { return now.Add(time.Since(start)) }
	b := &bench{outbox: &outbox{t: t, now: clock}, server: server, log: new(bytes.Buffer)}
	b.smtp = &SMTP{Host: "localhost", Port: 25, TLS: Plain, Dial: pipe.Dial}
	b.Sender = NewSender(b.outbox, testRenderer(t), b.smtp, slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	b.Now, b.Random = clock, func() float64 { return 0.5 }
	for _, f := range change {
		f(b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		server.Close()
		return err
	})
	t.Cleanup(func() { _ = b.stop() })
	return b
}

// receipts makes n letters to n people without keys.
func receipts(n int) []triage.Letter {
	var ls []triage.Letter
	for i := range n {
		_, all := intake(identity(), report(), triage.Case{})
		l := all[len(all)-1]
		l.Notice.ID, l.Token, l.Attempt = fmt.Sprintf("R1.%d", i+1), fmt.Sprintf("token%d", i+1), 0
		l.Case.Reporter.Address = triage.Secret(fmt.Sprintf("r%d@researcher.example", i+1))
		ls = append(ls, l)
	}
	return ls
}

func (b *bench) send(ls ...triage.Letter) {
	b.outbox.add(ls...)
	b.Kick()
	synctest.Wait()
}

func (b *bench) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) want(t *testing.T, results string, mails int) {
	t.Helper()
	if got := b.outbox.results(); got != results {
		t.Errorf("results\n%s\nwant\n%s", got, results)
	}
	if got := len(b.server.Mails()); got != mails {
		t.Errorf("%d mails arrived, want %d", got, mails)
	}
}

func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, notifytest.Options{})
		_, ls := intake(identity(), canaryReport(), triage.Case{})
		for i := range ls {
			ls[i].Attempt = 0
		}
		b.send(ls...)
		b.want(t, "S1.support.1 sent; S1.so_on_duty.1 sent; S1.ciso.1 sent; S1.ceo.1 sent; R1.1 sent", 5)
		if n := b.server.Connections(); n != 1 {
			t.Errorf("%d connections for one burst", n)
		}
		var to []string
		for _, m := range b.server.Mails() {
			to = append(to, m.To...)
			if m.From != "security+"+testToken+"@identity.example" {
				t.Errorf("envelope sender %q", m.From)
			}
		}
		if got := strings.Join(to, " "); got != "sam@identity.example olga@identity.example carl@identity.example eve@identity.example rita@researcher.example" {
			t.Errorf("recipients %s", got)
		}
		var protection []string
		for _, o := range b.outbox.outcomes {
			protection = append(protection, o.Protection)
		}
		if got := strings.Join(protection, " "); got != "encrypted encrypted encrypted stub signed" {
			t.Errorf("protection %s", got)
		}
		if h := b.Health(); h.LastSent.IsZero() || h.Trouble != "" || h.Waiting != 0 {
			t.Errorf("health %+v", h)
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		for _, secret := range []string{canary, "researcher.example", "sam@", "identity.example"} {
			if strings.Contains(b.log.String(), secret) {
				t.Errorf("the log holds %q:\n%s", secret, b.log)
			}
		}
	})
}

// TestFaults: each way in which a server can fail one mail, and what becomes
// of it and of the one behind it. All is well after the fault.
func TestFaults(t *testing.T) {
	const second = "r2@researcher.example"
	for name, test := range map[string]struct {
		fault   notifytest.Fault
		opt     notifytest.Options
		at      time.Duration // when the results are looked at
		results string
		mails   int
	}{
		"temporary": {
			fault: notifytest.Fault{Stage: notifytest.AtRcpt, To: second, Times: 1, Code: 450, Text: "4.2.1 busy"}, at: 61 * time.Second,
			results: "R1.1 sent; R1.2 retry 450 4.2.1; R1.3 sent; R1.2 sent", mails: 3,
		},
		"permanent": {
			fault: notifytest.Fault{Stage: notifytest.AtRcpt, To: second, Times: 1, Code: 550, Text: "5.1.1 no such user <r2@researcher.example>"}, at: time.Hour,
			results: "R1.1 sent; R1.2 failed 550 5.1.1; R1.3 sent", mails: 2,
		},
		"our address refused": { // to be mended by the operator, and not lost
			fault: notifytest.Fault{Stage: notifytest.AtMail, Times: 1, Code: 553, Text: "5.1.8 sender"}, at: 61 * time.Second,
			results: "R1.1 retry 553 5.1.8; R1.2 sent; R1.3 sent; R1.1 sent", mails: 3,
		},
		"content refused": {
			fault: notifytest.Fault{Stage: notifytest.AtDot, To: second, Times: 1, Code: 554, Text: "5.7.1 no"}, at: time.Hour,
			results: "R1.1 sent; R1.2 failed 554 5.7.1; R1.3 sent", mails: 2,
		},
		"content put off": {
			fault: notifytest.Fault{Stage: notifytest.AtDot, To: second, Times: 1, Code: 452, Text: "full"}, at: 61 * time.Second,
			results: "R1.1 sent; R1.2 retry 452; R1.3 sent; R1.2 sent", mails: 3,
		},
		"cut in the middle": { // the half mail must not arrive
			fault: notifytest.Fault{Stage: notifytest.AtData, To: second, Times: 2}, at: 61 * time.Second,
			results: "R1.1 sent; R1.2 retry; R1.2 sent; R1.3 sent", mails: 3,
		},
		"cut after the last byte": { // comes twice, with one Message-ID
			fault: notifytest.Fault{Stage: notifytest.AtDot, To: second, Times: 1, Drop: true}, at: 61 * time.Second,
			results: "R1.1 sent; R1.2 unknown; R1.3 sent; R1.2 sent", mails: 4,
		},
		"silent after the last byte": {
			fault: notifytest.Fault{Stage: notifytest.AtDot, To: second, Times: 1, Stall: true}, at: 7 * time.Minute,
			results: "R1.1 sent; R1.2 unknown; R1.3 sent; R1.2 sent", mails: 4,
		},
		"silent": { // offered again at once on a fresh connection
			fault: notifytest.Fault{Stage: notifytest.AtRcpt, To: second, Times: 1, Stall: true}, at: 61 * time.Second,
			results: "R1.1 sent; R1.2 sent; R1.3 sent", mails: 3,
		},
		"closing": { // on the first mail: the rest waits with it
			fault: notifytest.Fault{Stage: notifytest.AtMail, Times: 1, Code: 421, Text: "4.3.2 going down"}, at: 61 * time.Second,
			results: "R1.1 retry 421 4.3.2; R1.1 sent; R1.2 sent; R1.3 sent", mails: 3,
		},
		"greylist": {
			opt: notifytest.Options{Greylist: true}, at: 61 * time.Second,
			results: "R1.1 retry 451 4.7.1; R1.2 retry 451 4.7.1; R1.3 retry 451 4.7.1; R1.1 sent; R1.2 sent; R1.3 sent", mails: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setUp(t, test.opt)
				if test.fault.Stage != "" {
					b.server.Inject(test.fault)
				}
				b.send(receipts(3)...)
				b.wait(test.at)
				b.want(t, test.results, test.mails)
				ids := map[string]int{}
				for _, m := range b.server.Mails() {
					for line := range strings.Lines(string(m.Raw)) {
						if strings.HasPrefix(line, "Message-ID: ") {
							ids[line]++
							break
						}
					}
				}
				if len(ids) != min(3, test.mails) {
					t.Errorf("Message-IDs %v", ids)
				}
			})
		})
	}
}

// TestServerDown: while there is no server, nothing is claimed again and again,
// no attempt is counted, and all goes out when it is back.
func TestServerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		var (
			up    atomic.Bool
			dials atomic.Int32
		)
		b := setUp(t, notifytest.Options{}, func(b *bench) {
			dial := b.smtp.Dial
			b.smtp.Dial = func(ctx context.Context, network, address string) (c netConn, err error) {
				if dials.Add(1); up.Load() {
					return dial(ctx, network, address)
				}
				return nil, refused
			}
		})
		b.send(receipts(120)...)
		b.wait(24 * time.Hour)
		b.want(t, "", 0)
		if b.outbox.notTried != maxClaim {
			t.Errorf("%d letters were claimed in vain, want one claim of %d", b.outbox.notTried, maxClaim)
		}
		if n := dials.Load(); n < 24*3 || n > 24*5 {
			t.Errorf("%d attempts to connect in a day", n)
		}
		if h := b.Health(); h.Trouble != "connect" || h.Waiting != maxClaim || h.Oldest.IsZero() || b.Now().Sub(h.TroubleAt) < 23*time.Hour {
			t.Errorf("health %+v", h)
		}
		up.Store(true)
		b.wait(maxDownDelay + time.Minute)
		if got := len(b.server.Mails()); got != 120 {
			t.Errorf("%d mails after the server was back", got)
		}
		for _, o := range b.outbox.outcomes {
			if o.Result != triage.Sent {
				t.Errorf("%+v", o)
			}
		}
		if h := b.Health(); h.Trouble != "" || h.Waiting != 0 {
			t.Errorf("health %+v", h)
		}
	})
}

// TestConnectionBreaksAlways: a server that cuts every connection at once costs
// one attempt of one letter a round, not one of each.
func TestConnectionBreaksAlways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, notifytest.Options{})
		b.server.Inject(notifytest.Fault{Stage: notifytest.AtMail, Drop: true})
		b.send(receipts(5)...)
		b.want(t, "R1.1 retry", 0)
		b.server.Mend()
		b.wait(2 * time.Minute)
		if got := len(b.server.Mails()); got != 5 {
			t.Errorf("%d mails arrived", got)
		}
	})
}

// TestOldConnection: a server that ends a connection after some mails costs
// nothing but a new connection.
func TestOldConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, notifytest.Options{})
		for _, to := range []string{"r3", "r5"} {
			b.server.Inject(notifytest.Fault{Stage: notifytest.AtRcpt, To: to + "@researcher.example", Times: 1, Code: 421, Text: "4.7.0 enough"})
		}
		b.send(receipts(6)...)
		if got := len(b.server.Mails()); got != 6 || b.server.Connections() != 3 {
			t.Errorf("%d mails, %d connections: %s", got, b.server.Connections(), b.outbox.results())
		}
	})
}

// TestStop: the mail in hand is finished and settled, the others are given
// back, and nothing new is begun.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := setUp(t, notifytest.Options{}, func(b *bench) {
			b.Transport = slow{b.smtp, release}
		})
		b.outbox.add(receipts(3)...)
		b.Kick()
		synctest.Wait() // the first mail is in hand
		done := make(chan error, 1)
		go func() { done <- b.stop() }()
		synctest.Wait()
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.want(t, "R1.1 sent", 1)
		if b.outbox.notTried != 2 {
			t.Errorf("%d letters given back, want 2", b.outbox.notTried)
		}
	})
}

// TestStopHangs: a server that hangs after the last byte holds the end up for
// the grace, and the mail is recorded as unknown.
func TestStopHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, notifytest.Options{})
		b.server.Inject(notifytest.Fault{Stage: notifytest.AtDot, Stall: true})
		b.send(receipts(2)...)
		began := time.Now()
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != b.Grace {
			t.Errorf("the stop took %v, want the grace of %v", took, b.Grace)
		}
		if got := b.outbox.results(); got != "R1.1 unknown" || b.outbox.notTried != 1 {
			t.Errorf("%s, %d given back", got, b.outbox.notTried)
		}
	})
}

// slow is a Transport whose mails wait for a channel.
type slow struct {
	Transport
	release chan struct{}
}

func (s slow) Open(ctx context.Context) (Session, error) {
	session, err := s.Transport.Open(ctx)
	return slowSession{session, s.release}, err
}

type slowSession struct {
	Session
	release chan struct{}
}

func (s slowSession) Send(ctx context.Context, m *Mail) (Reply, error) {
	<-s.release
	return s.Session.Send(ctx, m)
}

// TestOutboxBroken: what was sent is not sent again because it could not be
// recorded, and nothing is claimed until it is.
func TestOutboxBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := setUp(t, notifytest.Options{}, func(b *bench) { b.Transport = slow{b.smtp, release} })
		b.outbox.add(receipts(2)...)
		b.Kick()
		synctest.Wait()
		b.outbox.set(errors.New("disk full"))
		close(release)
		b.wait(time.Hour)
		b.want(t, "", 2)
		if h := b.Health(); h.Trouble != "outbox" {
			t.Errorf("health %+v", h)
		}
		b.outbox.set(nil)
		b.wait(outboxDelay)
		b.want(t, "R1.1 sent; R1.2 sent", 2)
		if h := b.Health(); h.Trouble != "" {
			t.Errorf("health %+v", h)
		}
	})
}

// TestNotRendered: a letter that can't be rendered waits and holds up nobody;
// one that has no recipient fails.
func TestNotRendered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dir *directory
		b := setUp(t, notifytest.Options{}, func(b *bench) { dir = b.Renderer.Directory.(*directory) })
		ls := receipts(3)
		ls[0].Case.Policy = "gone"
		ls[1].Case.Reporter.Address = ""
		b.send(ls...)
		b.want(t, "R1.1 retry; R1.2 failed; R1.3 sent", 1)
		if h := b.Health(); h.Trouble != "render" || h.Waiting != 1 {
			t.Errorf("health %+v", h)
		}
		dir.mu.Lock()
		dir.organisations["gone"] = dir.organisations["iw"]
		dir.mu.Unlock()
		b.wait(61 * time.Second)
		b.want(t, "R1.1 retry; R1.2 failed; R1.3 sent; R1.1 sent", 2)
	})
}

// TestGivesUp: the attempts for one mail end after about five days.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, notifytest.Options{})
		b.server.Inject(notifytest.Fault{Stage: notifytest.AtRcpt, Code: 450})
		began := b.Now()
		b.send(receipts(1)...)
		b.wait(10 * 24 * time.Hour)
		all := b.outbox.outcomes
		last := all[len(all)-1]
		if len(all) != maxAttempts || last.Result != triage.Failed || !last.Next.IsZero() {
			t.Errorf("%d attempts, the last one %+v", len(all), last)
		}
		if days := last.At.Sub(began).Hours() / 24; days < 4.5 || days > 5.5 {
			t.Errorf("gave up after %.1f days", days)
		}
	})
}

func TestRetryDelay(t *testing.T) {
	for n, want := range map[int]time.Duration{
		0: time.Minute, 1: time.Minute, 2: 5 * time.Minute, 3: 15 * time.Minute, 4: time.Hour, 5: 4 * time.Hour, 33: 4 * time.Hour,
	} {
		for _, random := range []float64{0, 0.5, 0.999} {
			got, again := retryDelay(n, random)
			if got < want*9/10 || got > want*11/10 || !again {
				t.Errorf("attempt %d: %v, %v", n, got, again)
			}
		}
	}
	if _, again := retryDelay(maxAttempts, 0.5); again {
		t.Error("tries for ever")
	}
}

// TestSettlesInTime: over a slow server, what is sent doesn't wait for the end
// of the batch to be recorded, because a crash would send it twice.
func TestSettlesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, notifytest.Options{}, func(b *bench) { b.Transport = lazy{b.smtp} })
		b.outbox.add(receipts(10)...)
		b.Kick()
		for range 8 {
			b.wait(400 * time.Millisecond)
			sent, settled := len(b.server.Mails()), strings.Count(b.outbox.results(), "sent")
			if sent-settled > 4 {
				t.Errorf("%d mails sent, %d settled", sent, settled)
			}
		}
		b.wait(time.Minute)
	})
}

// lazy is a Transport that takes its time for each mail.
type lazy struct{ Transport }

func (l lazy) Open(ctx context.Context) (Session, error) {
	session, err := l.Transport.Open(ctx)
	return lazySession{session}, err
}

type lazySession struct{ Session }

func (l lazySession) Send(ctx context.Context, m *Mail) (Reply, error) {
	<-time.After(400 * time.Millisecond)
	return l.Session.Send(ctx, m)
}
