package mailboxtest

import (
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// session counts, and asks Options.Refuse, before the session in memory does
// its work.
type session struct {
	imapserver.SessionIMAP4rev2
	server *Server
}

func (s *session) refused(command string, set imap.NumSet) error {
	if s.server.options.Refuse == nil {
		return nil
	}
	uids, _ := set.(imap.UIDSet)
	return s.server.options.Refuse(command, uids)
}

func (s *session) change(command string, set imap.NumSet) error {
	s.server.Changes.Add(1)
	return s.refused(command, set)
}

func (s *session) Login(user, password string) error {
	if err := s.refused("LOGIN", nil); err != nil {
		return err
	}
	return s.SessionIMAP4rev2.Login(user, password)
}

func (s *session) Create(folder string, o *imap.CreateOptions) error {
	if err := s.refused("CREATE", nil); err != nil {
		return err
	}
	return s.SessionIMAP4rev2.Create(folder, o)
}

func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	if err := s.refused("FETCH", set); err != nil {
		return err
	}
	return s.SessionIMAP4rev2.Fetch(w, set, o)
}

func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, f *imap.StoreFlags, o *imap.StoreOptions) error {
	if err := s.change("STORE", set); err != nil {
		return err
	}
	return s.SessionIMAP4rev2.Store(w, set, f, o)
}

func (s *session) Copy(set imap.NumSet, dest string) (*imap.CopyData, error) {
	if err := s.change("COPY", set); err != nil {
		return nil, err
	}
	return s.SessionIMAP4rev2.Copy(set, dest)
}

func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) error {
	if err := s.change("MOVE", set); err != nil {
		return err
	}
	return s.SessionIMAP4rev2.Move(w, set, dest)
}

func (s *session) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	var set imap.UIDSet
	if uids != nil {
		set = *uids
	}
	if err := s.change("EXPUNGE", set); err != nil {
		return err
	}
	return s.SessionIMAP4rev2.Expunge(w, uids)
}

// Idle also tells what came since the last command, as real servers do. The
// session in memory would not; the second look is for what came while it began.
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	var early sync.WaitGroup
	defer early.Wait()
	early.Go(func() {
		for _, wait := range []time.Duration{0, 100 * time.Millisecond} {
			select {
			case <-time.After(wait):
				_ = s.Poll(w, true)
			case <-stop:
				return
			}
		}
	})
	return s.SessionIMAP4rev2.Idle(w, stop)
}
