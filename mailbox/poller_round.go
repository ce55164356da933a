package mailbox

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"vdpd/triage"
)

const (
	// sessionAge is when a connection is replaced, whatever its state: a half-dead
	// one must not outlive the hour.
	sessionAge = 55 * time.Minute
	// roundMessages bounds what is taken from a folder before that is moved and
	// the other folders have their turn.
	roundMessages = 500
	takenAtOnce   = 1000
)

// serve is the life of one connection. It returns nil when the connection is of
// age.
func (p *Poller) serve(ctx context.Context, account Account) error {
	s, err := connect(ctx, account)
	if err != nil {
		return err
	}
	defer s.close()
	expires := p.Now().Add(sessionAge)
	if !errors.Is(p.stuck, errCopied) { // or each session would leave another copy
		p.stuck = nil
	}
	if !s.canMove() {
		p.stuck = s.failed(ClassMove, "looking for a way to move messages", errNoMove)
	}
	standing := p.stuck
	for _, folder := range account.ownFolders() {
		if _, err := s.ensure(ctx, folder); classOf(err) == ClassFolder {
			standing = err // reading goes on without
		} else if err != nil {
			return err
		}
	}
	for p.Now().Before(expires) {
		again, problem, err := p.round(ctx, s)
		if err != nil {
			return err
		}
		for _, still := range []error{standing, p.stuck, s.unmoved} {
			if problem == nil {
				problem = still
			}
		}
		p.ended(problem)
		if again {
			continue
		}
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// round looks at each folder once. again says that there is more to do at once;
// problem is what did not work in one folder and does not concern the others.
//
// After a move it always says again: opening the folder for the move may have
// swallowed the news of a message, on which IDLE would wait.
func (p *Poller) round(ctx context.Context, s *session) (again bool, problem, err error) {
	select {
	case <-s.wake:
	default:
	}
	for _, folder := range s.account.readFolders() {
		more, err := p.readFolder(ctx, s, folder)
		if classOf(err) == ClassFolder {
			problem = err
		} else if err != nil {
			return false, nil, err
		}
		again = again || more
	}
	return again, problem, nil
}

// readFolder takes what is new in a folder and then moves what was taken, and
// at its first call in a session what was taken earlier. The folder is opened
// anew each time, so that one that was deleted and re-created is noticed.
func (p *Poller) readFolder(ctx context.Context, s *session, folder string) (again bool, err error) {
	name := s.account.Name
	data, err := s.open(ctx, folder, true)
	if err != nil {
		return false, err
	}
	pos, err := p.Intake.Position(ctx, name, folder)
	if err != nil {
		return false, s.failed(ClassIntake, "asking for the position", err)
	}
	if pos.UIDValidity != data.UIDValidity {
		if pos.UIDValidity != 0 {
			p.log.Warn("folder was re-created on the server, reading it from its first message", "folder", folder)
		}
		pos = triage.Position{UIDValidity: data.UIDValidity}
	}
	var move, fresh []uint32
	if pos.Last > 0 && p.stuck == nil && !s.recovered[folder] {
		if move, err = p.leftBehind(ctx, s, folder, pos); err != nil {
			return false, err
		}
		s.recovered[folder] = true
	}
	if pos.Last < math.MaxUint32 {
		if fresh, err = s.search(ctx, pos.Last+1, 0); err != nil {
			return false, err
		}
	}
	n := min(len(fresh), roundMessages)
	taken, err := p.take(ctx, s, uidKey{folder, data.UIDValidity, 0}, fresh[:n])
	if err != nil && classOf(err) != ClassIntake {
		return false, err // what was taken is found by leftBehind
	}
	moved := 0
	if move = append(move, taken...); len(move) > 0 && p.stuck == nil {
		var moveErr error
		moved, moveErr = s.move(ctx, folder, data.UIDValidity, move)
		switch {
		case errors.Is(moveErr, errCopied):
			p.stuck = moveErr
		case classOf(moveErr) == ClassMove:
			s.unmoved = moveErr
		case err == nil:
			err = moveErr
		}
	}
	return n < len(fresh) || moved > 0, err
}

// leftBehind returns the UIDs at or before the position that are to be moved.
func (p *Poller) leftBehind(ctx context.Context, s *session, folder string, pos triage.Position) (move []uint32, err error) {
	old, err := s.search(ctx, 1, pos.Last)
	for some := range slices.Chunk(old, takenAtOnce) {
		taken, err := p.Intake.Taken(ctx, s.account.Name, folder, pos.UIDValidity, some)
		if err != nil {
			return nil, s.failed(ClassIntake, "asking what was taken", err)
		}
		move = append(move, taken...)
	}
	return move, err
}

// take hands messages to the intake in the order of their UIDs and returns
// those to be moved, also beside an error. key names the folder.
func (p *Poller) take(ctx context.Context, s *session, key uidKey, uids []uint32) (move []uint32, err error) {
	for len(uids) > 0 {
		var got map[uint32]*delivery
		n := 1
		if uids[0] > p.careful[key.folder] {
			if got, n, err = s.some(ctx, uids); err != nil {
				p.careful[key.folder] = uids[n-1] // one of them may be to blame
				return move, err
			}
		}
		for _, key.uid = range uids[:n] {
			d := got[key.uid]
			if d == nil || d.raw == nil {
				if d, err = p.alone(ctx, s, key); err != nil {
					return move, err
				}
				if d == nil {
					continue // gone: moved or deleted by somebody
				}
			}
			f := d.fetched(p.Now())
			f.Source.Mailbox, f.Source.Folder = s.account.Name, key.folder
			f.Source.UIDValidity, f.Source.UID = key.validity, key.uid
			yes, err := p.Intake.Take(context.WithoutCancel(ctx), f)
			if err != nil {
				return move, inFolder(s.failed(ClassIntake, "handing over a message", err), key.folder)
			}
			p.progress = true
			delete(p.strikes, key)
			if yes {
				move = append(move, key.uid)
			}
			if ctx.Err() != nil {
				return move, context.Cause(ctx)
			}
		}
		uids = uids[n:]
	}
	return move, nil
}

// strike counts how often a message could not be fetched alone.
type strike struct {
	broken int // the response could not be read, or was a refusal
	cut    int // the connection broke or stalled, which may be chance
	known  delivery
}

// hopeless says that nothing is gained by asking again, and that the messages
// behind it have waited long enough.
func (st *strike) hopeless() bool { return st.broken >= 3 || st.broken+st.cut >= 8 }

// alone fetches one message, with nothing else to blame for a failure. For a
// hopeless one it returns a delivery without content, so that it becomes a
// placeholder and not a gap. nil without an error: it is gone.
func (p *Poller) alone(ctx context.Context, s *session, key uidKey) (*delivery, error) {
	st := p.strikes[key]
	if st == nil {
		st = &strike{}
	}
	if st.hopeless() {
		p.log.Error("message cannot be fetched, handing over a placeholder",
			"folder", key.folder, "uid_validity", key.validity, "uid", key.uid)
		return &st.known, nil
	}
	// A date that does not parse kills the connection like any other garbage,
	// and is the one thing in the response that can be done without.
	d, err := s.alone(ctx, key.uid, st.broken == 0)
	if err == nil || ctx.Err() != nil {
		return d, err
	}
	if d != nil {
		st.known = delivery{size: d.size, arrived: d.arrived}
	}
	if classOf(err) == ClassConnection {
		st.cut++
	} else {
		st.broken++
	}
	p.strikes[key] = st
	return nil, inFolder(err, key.folder)
}

// wait returns when there may be something new: at once when the server says
// so in IDLE, else after the poll interval. A server may promise IDLE and stay
// silent, and many drop a long one, so that it is renewed at each poll; that
// its end is answered proves that the peer is alive. The client's own renewal
// (28 minutes, not to be set) never comes to it.
func (s *session) wait(ctx context.Context) error {
	poll := time.NewTimer(s.account.PollEvery)
	defer poll.Stop()
	var idle *imapclient.IdleCommand
	if s.caps.Has(imap.CapIdle) && !s.noIdle && s.c.State() == imap.ConnStateSelected {
		err := s.op(ctx, ClassServer, "starting IDLE", 0, func() (err error) {
			idle, err = s.c.Idle()
			return err
		})
		if s.noIdle = classOf(err) == ClassServer; err != nil && !s.noIdle {
			return err
		}
	}
	select {
	case <-s.wake:
	case <-poll.C:
	case <-s.c.Closed():
	case <-ctx.Done():
	}
	if idle == nil {
		return context.Cause(ctx) // opening the folder again is the poll
	}
	end, cancel := ctx, context.CancelFunc(func() {})
	if ctx.Err() != nil {
		end, cancel = context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	}
	defer cancel()
	err := s.op(end, ClassServer, "ending IDLE", 0, func() error {
		if err := idle.Close(); err != nil {
			return err
		}
		return idle.Wait()
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
