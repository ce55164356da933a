package mailbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"vdpd/triage"
)

// Fetched is one message as the mail server handed it over.
type Fetched struct {
	Source triage.Source
	// Size of the whole message in octets, as the server says (RFC822.SIZE); 0
	// where it could not even say that.
	Size int64
	// Raw is the message, or the first Account.MaxBytes of it. It is nil for
	// one that the server could not deliver at all; Truncated is set then.
	Raw []byte
	// Truncated says that Raw is less than the message.
	Truncated bool
}

// Intake takes the messages of a mailbox. A poller calls it from one goroutine.
type Intake interface {
	// Position returns how far the folder was read; the zero Position where it
	// never was.
	Position(ctx context.Context, mailbox, folder string) (triage.Position, error)

	// Take commits one message together with the position that moves over it,
	// and says whether the message is to go to the processed folder. nil means
	// committed or deliberately left alone: it is not offered again while the
	// UIDVALIDITY stays. After an error the same message comes again later, and
	// none behind it before.
	//
	// Messages of a folder come in the order of their UIDs. A folder with
	// another UIDVALIDITY than the position has is read again from its first
	// message, so that Take meets messages that it knows. Its context does not
	// end when the poller is stopped: what is in hand is finished.
	Take(ctx context.Context, f Fetched) (move bool, err error)

	// Taken says which of these UIDs, all at or before the position and still in
	// the folder, were committed and are to be moved: what a crash or a refused
	// move left behind. It is asked once a connection for each folder, at most
	// 1,000 UIDs at a time.
	Taken(ctx context.Context, mailbox, folder string, uidValidity uint32, uids []uint32) (move []uint32, err error)
}

// Poller reads one account and hands what is new to an [Intake].
type Poller struct {
	Account Account
	Intake  Intake
	Log     *slog.Logger     // nil: nothing is logged
	Now     func() time.Time // nil: time.Now

	// Owned by the goroutine of Run.
	log      *slog.Logger
	progress bool               // on this connection: a round ended, or a message was taken
	careful  map[string]uint32  // by folder: up to this UID messages are fetched alone
	strikes  map[uidKey]*strike // messages that failed when they were fetched alone
	reported string             // what did not work in the round before: it is logged once
	stuck    error              // why taken messages can't be moved; nil: they can

	mu     sync.Mutex
	health Health
}

// uidKey names one message of the account.
type uidKey struct {
	folder        string
	validity, uid uint32
}

// Health is how a mailbox does.
type Health struct {
	Mailbox   string
	LastRound time.Time // when all folders had last been looked at; zero: never
	Failures  int       // connections in a row that ended in an error
	Err       error     // what is wrong now, an [*Error]; nil: nothing
}

// Health returns how the mailbox does. It may be called from any goroutine.
func (p *Poller) Health() Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.health
	h.Mailbox = p.Account.Name
	return h
}

// Run reads the account until ctx ends, and returns nil then. It connects again
// by itself after every failure; only an account that must not be used is
// returned as an error, at once. It runs in the caller's goroutine, and leaves
// none behind.
//
// A stop breaks off the exchange with the server, lets the Take in hand finish,
// and takes less than two seconds beside it.
func (p *Poller) Run(ctx context.Context) error {
	account, err := p.Account.complete()
	if err != nil {
		return err
	}
	p.log = slog.New(slog.DiscardHandler)
	if p.Log != nil {
		p.log = p.Log.With("mailbox", account.Name)
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	p.careful, p.strikes = map[string]uint32{}, map[uidKey]*strike{}
	for attempt := 0; ctx.Err() == nil; {
		p.progress = false
		err := p.serve(ctx, account)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what a stop broke is no failure
		}
		if p.progress {
			attempt = 0
		}
		if err == nil {
			continue // of age
		}
		pause := backoff(attempt, classOf(err) == ClassLogin, rand.Float64())
		attempt++
		p.failed(err, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// backoff returns how long to wait before connecting again: twice as long each
// time, from 1 s to 5 min, and shortened at random (0 <= random < 1) by up to
// half, so that many mailboxes do not come back in step. Refused logins wait
// long at once: servers lock accounts, and a wrong password stays wrong.
func backoff(attempt int, login bool, random float64) time.Duration {
	pause := 5 * time.Minute
	if attempt < 9 && !login {
		pause = min(pause, time.Second<<attempt)
	}
	return pause/2 + time.Duration(random*float64(pause/2))
}

// failed records that a connection ended in an error.
func (p *Poller) failed(err error, pause time.Duration) {
	p.mu.Lock()
	p.health.Failures++
	p.health.Err = err
	failures := p.health.Failures
	p.mu.Unlock()
	p.reported = ""
	p.log.Warn("mailbox failed", "class", string(classOf(err)), "error", err, "hint", hintOf(err),
		"failures", failures, "retry_in", pause.Round(time.Millisecond))
}

// ended records a round over all folders; problem is what did not work
// although the connection does.
func (p *Poller) ended(problem error) {
	p.progress = true
	p.mu.Lock()
	recovered := p.health.Failures > 0
	p.health.LastRound, p.health.Failures, p.health.Err = p.Now(), 0, problem
	p.mu.Unlock()
	text := ""
	if problem != nil {
		text = problem.Error()
	}
	switch {
	case text != "" && text != p.reported:
		p.log.Warn("mailbox works in part", "class", string(classOf(problem)), "error", problem, "hint", hintOf(problem))
	case text == "" && (recovered || p.reported != ""):
		p.log.Info("mailbox works again")
	}
	p.reported = text
}

func hintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint()
	}
	return ""
}
