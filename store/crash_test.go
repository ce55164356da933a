package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

// childEnv makes the test binary a process that works on a store until it is
// killed, or until the disk is full.
const childEnv = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println("error", err)
			if errors.Is(err, store.ErrUnsafe) || errors.Is(err, store.ErrFull) {
				os.Exit(3)
			}
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child commits, claims and settles. It prints the UID of each mail after the
// commit.
func child(dir string) error {
	ctx := context.Background()
	s, err := store.Open(dir, storetest.Key(), store.Options{Create: true})
	if err != nil {
		return err
	}
	if limit := os.Getenv(childEnv + "_LIMIT"); limit != "" {
		var n uint64
		if _, err := fmt.Sscan(limit, &n); err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	p, err := s.Position(ctx, "security", "INBOX")
	if err != nil {
		return err
	}
	for uid := p.Last + 1; ; uid++ {
		m := storetest.Mail(uid, int(uid%5))
		if _, err := s.Attempt(m.Source); err != nil {
			return err
		}
		c := storetest.Open(ref(uid), m)
		if uid%3 == 0 {
			c = storetest.Join(ref(uid-1), m, triage.ViaThread, 1)
		}
		if err := s.Apply(ctx, c); err != nil {
			return err
		}
		fmt.Println("committed", uid)
		letters, _, err := s.Claim(ctx, m.Source.Arrived.AddDate(0, 0, 1), 3)
		if err != nil {
			return err
		}
		for _, l := range letters {
			fmt.Println("sent", l.Token)
		}
		if err := s.Settle(ctx, outcomes(letters, triage.Sent, m.Source.Arrived)...); err != nil {
			return err
		}
		for _, l := range letters {
			fmt.Println("settled", l.Token)
		}
	}
}

// run starts a child, reads what it prints until stop says so, and returns what
// it said.
func run(t *testing.T, dir string, stop func(line string) bool, env ...string) (lines []string, exit int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"="+dir), env...)
	out, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	for in := bufio.NewScanner(out); in.Scan(); {
		lines = append(lines, in.Text())
		if stop(in.Text()) {
			check(t, cmd.Process.Kill())
			break
		}
	}
	_ = cmd.Wait()
	return lines, cmd.ProcessState.ExitCode()
}

// TestKill kills a process that works on a store, again and again, at moments
// that nobody chose. What it said is committed is there, what is settled is
// not sent again, and the store is whole each time.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	last := uint32(0)
	settled := map[string]bool{}
	for round := range 8 {
		commits := 0
		lines, _ := run(t, dir, func(line string) bool {
			if strings.HasPrefix(line, "committed") {
				commits++
			}
			return commits == 5+3*round
		})
		for _, line := range lines {
			var token string
			if n, _ := fmt.Sscanf(line, "settled %s", &token); n == 1 {
				settled[token] = true
			}
			if n, _ := fmt.Sscanf(line, "sent %s", &token); n == 1 && settled[token] {
				t.Errorf("round %d: a settled mail was sent again", round)
			}
			_, _ = fmt.Sscanf(line, "committed %d", &last)
		}
		s, err := open(dir)
		check(t, err)
		if r := storetest.Verify(t, s); r.Orphans != 0 {
			t.Errorf("round %d: %d blobs were not swept", round, r.Orphans)
		}
		p, err := s.Position(t.Context(), "security", "INBOX")
		check(t, err)
		if p.Last != last && p.Last != last+1 {
			t.Errorf("round %d: committed up to %d, the position is %d", round, last, p.Last)
		}
		check(t, s.Close())
	}
}

// TestFull gives a process no room to write: first for the raw mail, then for
// the database. It stops with a plain sentence, and nothing is half-written.
func TestFull(t *testing.T) {
	for _, limit := range []int{20, 64 << 10, 320 << 10} {
		dir := closed(t)
		lines, exit := run(t, dir, func(string) bool { return false }, fmt.Sprintf("%s_LIMIT=%d", childEnv, limit))
		said := lines[len(lines)-1]
		if exit != 3 || !strings.Contains(said, store.ErrFull.Error()) {
			t.Errorf("limit %d: exit %d, %q", limit, exit, said)
		}
		for _, canary := range storetest.Canaries() {
			if strings.Contains(said, canary) {
				t.Errorf("the error holds %q", canary)
			}
		}
		s, err := open(dir)
		check(t, err)
		r := storetest.Verify(t, s)
		p, err := s.Position(t.Context(), "security", "INBOX")
		check(t, err)
		if r.Ledger != int(p.Last) || r.Orphans != 0 {
			t.Errorf("limit %d: %d mails in the ledger, position %d, %d orphans", limit, r.Ledger, p.Last, r.Orphans)
		}
		check(t, s.Close())
	}
}
