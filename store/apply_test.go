package store_test

import (
	"errors"
	"fmt"
	"testing"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

var errFault = errors.New("injected fault")

// commits are the shapes of step that a fault can hit.
func commits() map[string]store.Commit {
	withOutcome := storetest.Join(ref(1), storetest.Mail(2, 1), triage.ViaThread, 1)
	withOutcome.Settle = []triage.Outcome{{Ref: ref(1), Notice: "R1.1", Result: triage.Sent, At: storetest.Start}}
	return map[string]store.Commit{
		"a new case":         storetest.Open(ref(2), storetest.Mail(2, 1)),
		"a mail for a case":  storetest.Join(ref(1), storetest.Mail(2, 1), triage.ViaThread, 1),
		"a mail, an outcome": withOutcome,
		"a mail of no case":  storetest.Left(storetest.Mail(2, 1)),
		"a note":             storetest.Change(ref(1), storetest.Start, triage.Noted{Text: "x"}),
	}
}

// lacks reports whether a step does not come to a point: without events it
// prepares nothing, and only a mail has a blob.
func lacks(c store.Commit, point string) bool {
	switch point {
	case store.FailKeyWritten, store.FailBlobWritten:
		return len(c.Change.Events) == 0
	case store.FailBlobSync:
		return len(c.Change.Events) == 0 || c.Raw == nil
	}
	return false
}

// TestFaults fails a commit at each of its points. The store goes on, or, where
// it cannot know what is on the disk, refuses to; after it is tried again,
// everything is there once.
func TestFaults(t *testing.T) {
	for name, commit := range commits() {
		for _, point := range []string{
			store.FailStart, store.FailKeyWritten, store.FailBlobSync, store.FailBlobWritten, store.FailCommitSync, store.FailCommitted,
		} {
			t.Run(name+"/"+point, func(t *testing.T) {
				t.Parallel()
				fail := false
				dir := t.TempDir()
				s := storetest.At(t, dir, func(o *store.Options) {
					o.FailAt = func(at string) error {
						if fail && at == point {
							fail = false
							return errFault
						}
						return nil
					}
				})
				storetest.Must(t, s, storetest.Open(ref(1), storetest.Mail(1, 1)))
				before, _, err := s.Head(t.Context())
				check(t, err)

				fail = true
				err = s.Apply(t.Context(), commit)
				if fail != lacks(commit, point) {
					t.Fatalf("the point was passed: %t", !fail)
				}
				if fail {
					return
				}
				if err == nil {
					t.Fatal("the fault was swallowed")
				}
				unsafe := point == store.FailBlobSync || point == store.FailCommitSync
				if errors.Is(err, store.ErrUnsafe) != unsafe {
					t.Errorf("got %v", err)
				}
				if unsafe {
					if err := s.Apply(t.Context(), storetest.Left(storetest.Mail(9, 9))); !errors.Is(err, store.ErrUnsafe) {
						t.Errorf("the next commit: %v", err)
					}
					if _, _, err := s.Claim(t.Context(), storetest.Mail(9, 9).Source.Arrived, 9); !errors.Is(err, store.ErrUnsafe) {
						t.Errorf("the next claim: %v", err)
					}
					if _, err := s.Case(t.Context(), ref(1)); err != nil {
						t.Errorf("reading: %v", err)
					}
					s = storetest.At(t, storetest.Kill(t, dir))
				}
				again(t, s, commit, before)
			})
		}
	}
}

// TestKilled leaves at each point of a commit what a killed process would
// leave, and goes on from that.
func TestKilled(t *testing.T) {
	for name, commit := range commits() {
		for _, point := range []string{store.FailStart, store.FailKeyWritten, store.FailBlobSync, store.FailBlobWritten, store.FailCommitted} {
			t.Run(name+"/"+point, func(t *testing.T) {
				t.Parallel()
				dir, left := t.TempDir(), ""
				armed := false
				s := storetest.At(t, dir, func(o *store.Options) {
					o.FailAt = func(at string) error {
						if armed && at == point {
							left = storetest.Kill(t, dir)
						}
						return nil
					}
				})
				storetest.Must(t, s, storetest.Open(ref(1), storetest.Mail(1, 1)))
				before, _, err := s.Head(t.Context())
				check(t, err)
				armed = true
				storetest.Must(t, s, commit)
				armed = false
				if (left == "") != lacks(commit, point) {
					t.Fatalf("the point was passed: %t", left != "")
				}
				if left == "" {
					return
				}
				s = storetest.At(t, left)
				if r := storetest.Verify(t, s); r.Orphans != 0 {
					t.Errorf("%d blobs were not swept", r.Orphans)
				}
				again(t, s, commit, before)
			})
		}
	}
}

// again tries a commit once more and expects all of it exactly once.
func again(t *testing.T, s *store.Store, c store.Commit, before uint64) {
	t.Helper()
	err := s.Apply(t.Context(), c)
	if err != nil && !errors.Is(err, store.ErrTaken) && !errors.Is(err, store.ErrStale) {
		t.Fatal(err)
	}
	want := before + uint64(len(c.Change.Events)+len(c.Settle))
	seq, _, herr := s.Head(t.Context())
	check(t, herr)
	if c.Source == nil && err == nil && seq != want && seq != want+1 {
		t.Errorf("%d events, want %d", seq, want)
	}
	if c.Source != nil && seq != want {
		t.Errorf("%d events, want %d", seq, want)
	}
	if r := storetest.Verify(t, s); r.Orphans != 0 {
		t.Errorf("%d blobs are left over", r.Orphans)
	}
}

// TestSpareKeys: commits that are refused use up no data keys.
func TestSpareKeys(t *testing.T) {
	s := storetest.New(t)
	storetest.Must(t, s, storetest.Open(ref(1), storetest.Mail(1, 1)))
	same := storetest.Mail(1, 1)
	same.Source.UID = 2
	for range 40 {
		if err := s.Apply(t.Context(), storetest.Open(ref(2), same)); !errors.Is(err, store.ErrStale) {
			t.Fatal(err)
		}
	}
	storetest.Must(t, s, storetest.Open(ref(2), storetest.Mail(3, 1)))
	if one, two := s.Slot(ref(1)), s.Slot(ref(2)); two != one-1 {
		t.Errorf("slots %d and %d", one, two)
	}
}

// TestMistakes: what no correct caller asks for is refused in words.
func TestMistakes(t *testing.T) {
	s := storetest.New(t)
	storetest.Must(t, s, storetest.Open(ref(1), storetest.Mail(1, 1)))
	note := triage.Noted{Text: "x"}
	for name, c := range map[string]store.Commit{
		"another case":     {Change: triage.Change{Case: ref(1), Events: []triage.Event{{Case: ref(2), Data: note}}}},
		"no case":          {Change: triage.Change{Events: []triage.Event{{Data: note}}}},
		"no data":          {Change: triage.Change{Case: ref(1), Events: []triage.Event{{Case: ref(1)}}}},
		"a number already": {Change: triage.Change{Case: ref(1), Events: []triage.Event{{Case: ref(1), Seq: 7, Data: note}}}},
		"opened twice":     storetest.Change(ref(3), storetest.Start, triage.Opened{}, triage.Opened{}),
		"two mails":        storetest.Change(ref(1), storetest.Start, triage.Received{}, triage.Received{}),
		"too much actor": {Change: triage.Change{Case: ref(1), Events: []triage.Event{{
			Case: ref(1), Data: note, By: triage.Actor{ID: string(make([]byte, 70000))},
		}}}},
	} {
		if err := s.Apply(t.Context(), c); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
}

// TestConcurrent has two mailboxes, staff, the sender and a check at work at
// the same time.
func TestConcurrent(t *testing.T) {
	s := storetest.New(t)
	done := make(chan error)
	work := []func(n uint32) error{
		func(n uint32) error { return s.Apply(t.Context(), storetest.Open(ref(n), storetest.Mail(n, int(n)))) },
		func(n uint32) error {
			m := storetest.Mail(1000+n, int(n))
			m.Source.Mailbox = "backoffice"
			return s.Apply(t.Context(), storetest.Open(ref(1000+n), m))
		},
		func(uint32) error {
			letters, _, err := s.Claim(t.Context(), storetest.Start.AddDate(1, 0, 0), 7)
			if err != nil {
				return err
			}
			return s.Settle(t.Context(), outcomes(letters, triage.Sent, storetest.Start)...)
		},
		func(n uint32) error {
			_, err := s.Known(t.Context(), storetest.Policy, storetest.Mail(n, int(n)))
			return err
		},
		func(uint32) error {
			_, err := s.Cases(t.Context(), store.Filter{})
			return err
		},
		func(uint32) error {
			r, err := s.Check(t.Context())
			if err == nil && !r.OK() {
				err = fmt.Errorf("findings: %v", r.Findings)
			}
			return err
		},
	}
	for _, f := range work {
		go func() {
			var err error
			for n := uint32(1); n <= 25 && err == nil; n++ {
				err = f(n)
			}
			done <- err
		}()
	}
	for range work {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if r := storetest.Verify(t, s); r.Cases != 50 {
		t.Errorf("%d cases, want 50", r.Cases)
	}
}
