package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	_ "time/tzdata"

	"go.uber.org/goleak"
)

// TestDemo: the story is told to the end, its counts are those of the SMTP
// server, and nothing is left running or lying about.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var out, logs bytes.Buffer
	if err := Run(context.Background(), &out, &logs, Options{Once: true, JSON: true, Verbose: true}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &out, &logs)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var got Counts
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
		t.Fatal(err)
	}
	if want := (Counts{Cases: 3, Receipts: 3, Notices: 12, EncryptedNotices: 12}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	for _, part := range []string{
		"the evaluation is promised for", "Thank you for writing to Identity Platform",
		"Login tokens survive a password change", "planner.png", "an invoice too: 1 message",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the story does not tell %q", part)
		}
	}
	if strings.Contains(logs.String(), "Login tokens") || strings.Contains(logs.String(), "rita@") {
		t.Error("the log tells what is nobody's business")
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDemoEnds: Ctrl-C in the middle ends the demo, and it says so.
func TestDemoEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	out := &untilInvited{cancel: cancel}
	if err := Run(ctx, out, out, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "Goodbye") {
		t.Errorf("no farewell:\n%s", out)
	}
}

// untilInvited presses Ctrl-C when the story is told.
type untilInvited struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (u *untilInvited) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "Ctrl-C ends the demo") {
		u.cancel()
	}
	return u.Buffer.Write(p)
}
