package notify

import (
	"context"
	"errors"
	"time"

	"vdpd/triage"
)

// line is the connection of one round, opened when the first mail needs it.
type line struct {
	*Sender
	hard    context.Context // of transactions: outlives the one that asks to stop
	session Session
	worked  bool // this connection brought a transaction to its end
}

// open connects where there is no connection.
func (l *line) open(ctx context.Context) error {
	if l.session != nil {
		return nil
	}
	session, err := l.Transport.Open(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.down(err)
		}
		return err
	}
	l.session, l.worked, l.failures = session, false, 0
	return nil
}

// send offers one mail. The result is [NotTried] where there is no connection.
// Servers end a connection that was idle or had many mails; a mail that meets
// such an end is offered once more on a fresh one.
func (l *line) send(ctx context.Context, m *Mail) (Reply, error) {
	for {
		if err := l.open(ctx); err != nil {
			return Reply{Result: triage.NotTried}, err
		}
		reply, err := l.session.Send(l.hard, m)
		if err == nil {
			l.worked = true
			return reply, nil
		}
		l.close()
		if !l.worked || reply.Result != triage.Retry || ctx.Err() != nil {
			return reply, err
		}
	}
}

func (l *line) close() {
	if l.session != nil {
		l.session.Close()
		l.session = nil
	}
}

// down puts off all letters, the longer the more connections failed in a row.
func (s *Sender) down(err error) {
	s.failures++
	delay, _ := retryDelay(s.failures, s.Random())
	s.downUntil = s.Now().Add(min(delay, maxDownDelay))
	class, hint := "connection", ""
	if e, ok := errors.AsType[*ConnectError](err); ok {
		class, hint = string(e.Stage), e.Hint
	}
	s.trouble(class, "mail server out of reach, all mails wait", err, "stage", class, "hint", hint, "until", s.downUntil)
}

// Health is what an operator may know of the outbox.
type Health struct {
	LastSent time.Time // zero: nothing was sent since the start
	// Trouble is the class of the trouble that lasts: connect, tls, greeting,
	// login, connection, outbox or render; empty where there is none.
	Trouble   string
	TroubleAt time.Time // since when it lasts
	// Waiting counts the letters that could not be sent when they were due;
	// Oldest is when the first of them was decided.
	Waiting int
	Oldest  time.Time
}

type letterID struct {
	ref    triage.Ref
	notice string
}

// Health returns the state of the outbox. It may be called at any time.
func (s *Sender) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{LastSent: s.lastSent, Trouble: s.class, TroubleAt: s.classAt, Waiting: len(s.waiting)}
	for _, at := range s.waiting {
		if h.Oldest.IsZero() || at.Before(h.Oldest) {
			h.Oldest = at
		}
	}
	return h
}

// waits notes whether a letter that was due still waits.
func (s *Sender) waits(l *triage.Letter, still bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := letterID{l.Case.Ref, l.Notice.ID}
	if still {
		s.waiting[id] = l.Notice.At
	} else {
		delete(s.waiting, id)
	}
}

// trouble logs what went wrong and shows it in Health until a round passes
// without any. The error must hold nothing of a letter.
func (s *Sender) trouble(class, what string, err error, attrs ...any) {
	s.troubled = true
	s.Log.Error("trouble", append(attrs, "class", class, "what", what, "error", err)...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.class == "" {
		s.classAt = s.Now()
	}
	s.class = class
}

// allClear ends the trouble that a round without any has overcome. A letter
// that can't be rendered is trouble until it leaves.
func (s *Sender) allClear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.troubled && (s.class != "render" || len(s.waiting) == 0) {
		s.class, s.classAt = "", time.Time{}
	}
}
