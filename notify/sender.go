package notify

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"vdpd/triage"
)

const (
	maxClaim     = 50               // letters of one claim
	settleEvery  = time.Second      // what an accepted mail waits for its record, at most, plus one mail
	outboxDelay  = 30 * time.Second // after the outbox itself failed
	maxDownDelay = 15 * time.Minute // between attempts to reach a mail server that is down
)

// Sender is the outbox loop: it claims letters that are due, renders them,
// sends them over one connection and settles what became of each.
//
// The fields may be set until Run is called.
type Sender struct {
	Outbox    Outbox
	Renderer  *Renderer
	Transport Transport
	Log       *slog.Logger
	Now       func() time.Time
	Random    func() float64 // from 0 to 1, for delays
	// Grace is how long the mail in hand may take when the context ends.
	Grace time.Duration

	kick chan struct{} // size 1: a kick during a round starts another

	// Owned by the goroutine of Run.
	unsettled []triage.Outcome // known, not yet recorded
	since     time.Time        // when the first of unsettled was known
	failures  int              // connections that failed in a row
	downUntil time.Time        // no connection is tried before

	troubled bool // something failed in this round

	mu       sync.Mutex // guards what Health shows
	lastSent time.Time
	class    string
	classAt  time.Time
	waiting  map[letterID]time.Time // letters that were due and could not be sent, by the time of decision
}

// NewSender returns a Sender with a grace of 30 seconds, the clock of this
// machine and random delays.
func NewSender(o Outbox, r *Renderer, t Transport, log *slog.Logger) *Sender {
	return &Sender{
		Outbox: o, Renderer: r, Transport: t, Log: log,
		Now: time.Now, Random: rand.Float64, Grace: 30 * time.Second,
		kick: make(chan struct{}, 1), waiting: map[letterID]time.Time{},
	}
}

// Kick tells the sender that a letter may be due. It never blocks.
func (s *Sender) Kick() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends. The mail in hand is then finished, within Grace,
// and everything that is known is settled. Trouble is logged and waited out,
// so the error is nil, or says what could not be settled at the end.
func (s *Sender) Run(ctx context.Context) error {
	hard, cancel := withGrace(ctx, s.Grace)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.settle(hard)
		case <-timer.C:
		case <-s.kick:
		}
		next := s.round(ctx, hard)
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(max(0, next.Sub(s.Now())))
		}
	}
}

// withGrace returns a context that ends d after ctx does.
func withGrace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(d, cancel)
		context.AfterFunc(hard, func() { late.Stop() })
	})
	return hard, func() { stop(); cancel() }
}

// round sends what is due and returns when to come again, zero for not before
// a kick. It stops early where the connection, the outbox or ctx does.
func (s *Sender) round(ctx, hard context.Context) time.Time {
	s.troubled = false
	defer s.allClear()
	if err := s.settle(hard); err != nil {
		return s.Now().Add(outboxDelay)
	}
	line := line{Sender: s, hard: hard}
	defer line.close()
	if s.failures > 0 {
		// While the server is down no letter is claimed, so that none counts
		// an attempt that was never made.
		if s.Now().Before(s.downUntil) || line.open(ctx) != nil {
			s.troubled = true
			return s.downUntil
		}
	}
	for ctx.Err() == nil {
		letters, next, err := s.Outbox.Claim(ctx, s.Now(), maxClaim)
		if err != nil {
			s.trouble("outbox", "outbox: claim failed", err)
			return s.Now().Add(outboxDelay)
		}
		down := s.sendAll(ctx, &line, letters)
		if err := s.settle(hard); err != nil {
			return s.Now().Add(outboxDelay)
		}
		if down {
			return s.downUntil
		}
		if len(letters) == 0 {
			return next // no sooner: it knows what was just put off
		}
	}
	return time.Time{}
}

// sendAll sends the letters of one claim. It reports whether the mail server
// is out of reach; the letters that it did not get to are given back.
func (s *Sender) sendAll(ctx context.Context, line *line, letters []triage.Letter) (down bool) {
	for i := range letters {
		l := &letters[i]
		if down || ctx.Err() != nil {
			s.giveBack(l)
			continue
		}
		mail, err := s.Renderer.Render(*l, s.Now())
		if err != nil {
			s.notRendered(l, err)
			continue
		}
		reply, err := line.send(ctx, mail)
		if reply.Result == triage.NotTried {
			down = true
			s.giveBack(l)
			continue
		}
		s.sent(l, mail, reply)
		if err != nil && !line.worked {
			// A connection that breaks on its first mail is trouble of the
			// connection; the letters behind would only meet it again.
			s.down(err)
			down = true
		}
		if s.Now().Sub(s.since) >= settleEvery {
			_ = s.settle(line.hard) // logged there, and tried again at the end of the round
		}
	}
	return down
}

func (s *Sender) giveBack(l *triage.Letter) {
	s.waits(l, true)
	s.note(triage.Outcome{Ref: l.Case.Ref, Notice: l.Notice.ID, Result: triage.NotTried, Next: s.downUntil})
}

// sent makes the outcome of a mail that a server was offered.
func (s *Sender) sent(l *triage.Letter, m *Mail, r Reply) {
	o := triage.Outcome{
		Ref: l.Case.Ref, Notice: l.Notice.ID, Result: r.Result, At: s.Now(),
		Reply: r.Text, Code: r.Code, Protection: m.Protection, Key: m.Key,
	}
	s.finish(l, o)
}

// notRendered makes the outcome of a letter that could not become a mail. No
// lesser mail goes out in its place.
func (s *Sender) notRendered(l *triage.Letter, err error) {
	o := triage.Outcome{
		Ref: l.Case.Ref, Notice: l.Notice.ID, Result: triage.Retry, At: s.Now(),
		Reply: "not rendered; the log of the service says why",
	}
	if errors.Is(err, ErrNoRecipient) {
		o.Result, o.Reply = triage.Failed, "there is no address to send to"
	} else {
		s.trouble("render", "mail not rendered, tried again later", err,
			"case", l.Case.Ref, "notice", l.Notice.ID, "attempt", l.Attempt)
	}
	s.finish(l, o)
}

// finish completes an outcome with the next attempt, or the end of attempts,
// and logs it.
func (s *Sender) finish(l *triage.Letter, o triage.Outcome) {
	level := slog.LevelInfo
	if o.Result == triage.Retry || o.Result == triage.Unknown {
		delay, again := retryDelay(l.Attempt, s.Random())
		o.Next = o.At.Add(delay)
		if !again {
			o.Result, o.Next = triage.Failed, time.Time{}
		}
		level = slog.LevelWarn
	}
	if o.Result == triage.Failed {
		level = slog.LevelError
	}
	s.Log.Log(context.Background(), level, "mail offered", "case", o.Ref, "notice", o.Notice, "result", o.Result,
		"code", o.Code, "attempt", l.Attempt, "protection", o.Protection, "unsure", l.Unsure)

	s.waits(l, !o.Next.IsZero())
	if o.Result == triage.Sent {
		s.mu.Lock()
		s.lastSent = o.At
		s.mu.Unlock()
	}
	s.note(o)
}

func (s *Sender) note(o triage.Outcome) {
	if len(s.unsettled) == 0 {
		s.since = s.Now()
	}
	s.unsettled = append(s.unsettled, o)
}

// settle records what is known. What could not be recorded is kept and comes
// first the next time; until then nothing more is claimed.
func (s *Sender) settle(ctx context.Context) error {
	if len(s.unsettled) == 0 {
		return nil
	}
	// The record is local and short: it is made even when time is up.
	if err := s.Outbox.Settle(context.WithoutCancel(ctx), s.unsettled); err != nil {
		s.trouble("outbox", "outbox: outcomes not recorded, tried again later", err, "outcomes", len(s.unsettled))
		return err
	}
	s.unsettled = nil
	return nil
}
