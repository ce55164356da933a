package mailbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"vdpd/mailbox/mailboxtest"
	"vdpd/triage"
)

// memIntake keeps what a daemon keeps, in memory. Set the hooks before the
// poller runs.
type memIntake struct {
	decide func(Fetched) (move bool, err error) // nil: take and move
	after  func(Fetched)                        // after the commit, before Take returns
	limit  time.Duration                        // of a wait; 0: 30 s

	mu      sync.Mutex
	changed chan struct{}
	pos     map[[2]string]triage.Position
	took    []Fetched
	moving  map[triage.Source]bool
	rounds  map[[2]string]int // calls of Position
}

func newMemIntake() *memIntake {
	return &memIntake{
		changed: make(chan struct{}), pos: map[[2]string]triage.Position{},
		moving: map[triage.Source]bool{}, rounds: map[[2]string]int{},
	}
}

// identity is a source without the time.
func identity(s triage.Source) triage.Source {
	s.Arrived = time.Time{}
	return s
}

func (in *memIntake) notify() {
	close(in.changed)
	in.changed = make(chan struct{})
}

func (in *memIntake) Position(_ context.Context, mailbox, folder string) (triage.Position, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	defer in.notify()
	in.rounds[[2]string{mailbox, folder}]++
	return in.pos[[2]string{mailbox, folder}], nil
}

func (in *memIntake) Take(ctx context.Context, f Fetched) (bool, error) {
	move := true
	if in.decide != nil {
		var err error
		if move, err = in.decide(f); err != nil {
			return false, err
		}
	}
	if err := ctx.Err(); err != nil {
		return false, err // as a store does
	}
	in.mu.Lock()
	in.took = append(in.took, f)
	in.moving[identity(f.Source)] = move
	in.pos[[2]string{f.Source.Mailbox, f.Source.Folder}] = triage.Position{UIDValidity: f.Source.UIDValidity, Last: f.Source.UID}
	in.notify()
	in.mu.Unlock()
	if in.after != nil {
		in.after(f)
	}
	return move, nil
}

func (in *memIntake) Taken(_ context.Context, mailbox, folder string, validity uint32, uids []uint32) (move []uint32, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, uid := range uids {
		if in.moving[triage.Source{Mailbox: mailbox, Folder: folder, UIDValidity: validity, UID: uid}] {
			move = append(move, uid)
		}
	}
	return move, nil
}

// wait returns when cond holds; it is asked after each call of the poller.
func (in *memIntake) wait(t testing.TB, what string, cond func() bool) {
	t.Helper()
	limit := time.NewTimer(cmp.Or(in.limit, 30*time.Second))
	defer limit.Stop()
	for {
		in.mu.Lock()
		ok, changed := cond(), in.changed
		in.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			in.mu.Lock()
			defer in.mu.Unlock()
			t.Fatalf("waited in vain for %s; taken so far: %d", what, len(in.took))
		}
	}
}

// waitTaken returns when n messages were taken and, as a further round has
// begun, also moved.
func (in *memIntake) waitTaken(t testing.TB, n int) []Fetched {
	t.Helper()
	var folder [2]string
	rounds := -1
	in.wait(t, fmt.Sprintf("%d messages", n), func() bool {
		if len(in.took) < n {
			return false
		}
		if rounds < 0 {
			last := in.took[len(in.took)-1].Source
			folder = [2]string{last.Mailbox, last.Folder}
			rounds = in.rounds[folder]
		}
		return in.rounds[folder] > rounds
	})
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.took)
}

// waitRound returns when a whole round began and ended after the call: the
// first one to begin may have looked at another folder before.
func (in *memIntake) waitRound(t testing.TB, mailbox, folder string) {
	t.Helper()
	key := [2]string{mailbox, folder}
	before := -1
	in.wait(t, "another round", func() bool {
		if before < 0 {
			before = in.rounds[key]
		}
		return in.rounds[key] >= before+3
	})
}

// startPoller runs a poller and returns what stops it and waits for it.
func startPoller(t testing.TB, p *Poller) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// testMail is a small mail with a number.
func testMail(n int) []byte {
	return fmt.Appendf(nil, "Received: from researcher.example by identity.example; Tue, 1 Sep 2026 09:00:%02d +0200\r\n"+
		"From: Rae <rae@researcher.example>\r\nSubject: report %d\r\nMessage-ID: <m%d@researcher.example>\r\n\r\nbody %d\r\n", n%60, n, n, n)
}

// arrival is when testMail n arrives at the server.
func arrival(n int) time.Time {
	return time.Date(2026, 9, 1, 7, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func uidsOf(messages []mailboxtest.Message) (uids []uint32) {
	for _, m := range messages {
		uids = append(uids, m.UID)
	}
	return uids
}
