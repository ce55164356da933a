// Package storetest makes stores for tests, each verified in full at the end
// of its test, and holds the suite of behaviour that every engine must pass.
//
// Start at [New]; [Mail], [Open] and [Join] give commits to put in. [Run] is
// the suite: it speaks to an [Engine], so that an engine other than the
// embedded one can be held to it.
package storetest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"vdpd/store"
	"vdpd/triage"
)

// Key is the master key of every store of this package.
func Key() store.MasterKey {
	var k store.MasterKey
	copy(k[:], "throw-away master key for tests\x00")
	return k
}

// New returns a new store in a temporary directory. At the end of the test it
// is checked in full and closed.
func New(t testing.TB, adapt ...func(*store.Options)) *store.Store {
	t.Helper()
	return At(t, t.TempDir(), adapt...)
}

// At is New for a directory of the caller, which may hold a store already. A
// test that closed the store itself has it opened again for the check.
func At(t testing.TB, dir string, adapt ...func(*store.Options)) *store.Store {
	t.Helper()
	opt := store.Options{Create: true}
	for _, f := range adapt {
		f(&opt)
	}
	s, err := store.Open(dir, Key(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		Verify(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Verify fails the test where a full check of the store finds anything.
func Verify(t testing.TB, s interface {
	Check(context.Context) (store.Report, error)
}) store.Report {
	t.Helper()
	report, err := s.Check(context.Background())
	if err != nil {
		t.Errorf("check: %v", err)
	}
	for _, f := range report.Findings {
		t.Errorf("check: %s", f)
	}
	return report
}

// Clock gives a store a clock that stands at *now.
func Clock(now *time.Time) func(*store.Options) {
	return func(o *store.Options) { o.Now = func() time.Time { return *now } }
}

// Log gives a store a logger.
func Log(l *slog.Logger) func(*store.Options) {
	return func(o *store.Options) { o.Log = l }
}

// Must fails the test where a commit does not succeed.
func Must(t testing.TB, s interface {
	Apply(context.Context, store.Commit) error
}, commits ...store.Commit) {
	t.Helper()
	for i, c := range commits {
		if err := s.Apply(t.Context(), c); err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
	}
}

// Fresh asks the store for a reference that is not in use.
func Fresh(t testing.TB, s interface {
	Known(ctx context.Context, policy string, m *triage.Message) (triage.Known, error)
}) triage.Ref {
	t.Helper()
	k, err := s.Known(t.Context(), Policy, &triage.Message{})
	if err != nil {
		t.Fatal(err)
	}
	return k.Fresh
}
