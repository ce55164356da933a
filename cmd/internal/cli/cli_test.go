package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"go.uber.org/goleak"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon is an api.Backend over the cases of cases_test.go.
type daemon struct {
	list   api.List
	status api.Status
	views  map[triage.Ref]api.View
	raw    []byte
	err    error
	filter api.Filter
	acts   []triage.Action
}

func (d *daemon) Cases(_ context.Context, _ triage.Actor, f api.Filter) (api.List, error) {
	d.filter = f
	return d.list, d.err
}

func (d *daemon) Case(_ context.Context, _ triage.Actor, ref triage.Ref) (api.View, error) {
	v, ok := d.views[ref]
	if !ok {
		return v, cmp.Or(d.err, api.ErrNoCase)
	}
	return v, d.err
}

func (d *daemon) Raw(_ context.Context, _ triage.Actor, ref triage.Ref, item int) ([]byte, error) {
	if n := len(d.views[ref].Case.Items); item >= n {
		return nil, fmt.Errorf("%w: it has %d mails", api.ErrNoCase, n)
	}
	return d.raw, d.err
}

func (d *daemon) Act(_ context.Context, _ triage.Actor, ref triage.Ref, a triage.Action) (api.Result, error) {
	d.acts = append(d.acts, a)
	s := d.views[ref].Summary
	s.Seen, s.Notes = []string{"support", "ciso"}, 2
	return api.Result{Changed: a.Role != "ciso", Summary: s}, d.err
}

func (d *daemon) Status(context.Context, triage.Actor) (api.Status, error) { return d.status, d.err }

// desk runs commands against a daemon.
type desk struct {
	socket   string
	stdin    string
	terminal bool
	now      time.Time
}

func serve(t *testing.T, d *daemon) *desk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vdpd.sock")
	l, err := api.Listen(path, 0o600, "")
	if err != nil {
		t.Fatal(err)
	}
	server := api.NewServer(d, api.Options{
		Who: func(uint32) (triage.Actor, bool) { return triage.Actor{Kind: triage.Staff, ID: "sam"}, true },
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &desk{socket: path, now: monday}
}

func (d *desk) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), args, Env{
		Stdin: strings.NewReader(d.stdin), Stdout: &out, Stderr: &errs,
		StdinTerminal: d.terminal, StdoutTerminal: d.terminal,
		Getenv: func(k string) string { return map[string]string{"VDP_SOCKET": d.socket}[k] },
		Now:    func() time.Time { return d.now },
	})
	return code, out.String(), errs.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (go test -update writes it anew):\n%s", path, got)
	}
}

func TestPages(t *testing.T) {
	d := exampleDaemon()
	desk := serve(t, d)
	for name, args := range map[string][]string{
		"list.txt":      {"list"},
		"list.json":     {"list", "--json"},
		"show.txt":      {"show", string(encrypted)},
		"show.json":     {"show", string(encrypted), "--json"},
		"hostile.txt":   {"show", string(hostile)},
		"hostile.json":  {"--json", "show", string(hostile)},
		"bounce.txt":    {"show", strings.ToLower(strings.ReplaceAll(string(filed), "-", ""))},
		"status.txt":    {"status"},
		"status.json":   {"status", "--json"},
		"seen.txt":      {"seen", string(encrypted)},
		"seen.json":     {"seen", string(encrypted), "--json"},
		"help.txt":      {"--help"},
		"help-list.txt": {"list", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := desk.run(t, args...)
			if code != 0 || errs != "" {
				t.Fatalf("exit %d, %s", code, errs)
			}
			golden(t, name, out)
			if strings.HasSuffix(name, ".json") {
				checkJSON(t, out)
			} else if !strings.HasPrefix(name, "help") {
				checkPage(t, out)
			}
		})
	}
}

// checkPage makes sure that nothing of a sender has power over the terminal.
func checkPage(t *testing.T, out string) {
	t.Helper()
	if bad := regexp.MustCompile(`[^\P{Cc}\n]|\p{Cf}|\p{Co}|\p{Zl}|\p{Zp}`).FindString(out); bad != "" {
		t.Errorf("the page holds %+q", bad)
	}
	for l := range strings.Lines(out) {
		if n := textWidth(strings.TrimSuffix(l, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

func checkJSON(t *testing.T, out string) {
	t.Helper()
	if !json.Valid([]byte(out)) {
		t.Error("not one JSON document")
	}
	if bad := regexp.MustCompile(`[^\P{Cc}\n]|\p{Cf}|\p{Co}|\p{Zl}|\p{Zp}`).FindString(out); bad != "" {
		t.Errorf("the document holds %+q", bad)
	}
	for _, stamp := range regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*"`).FindAllString(out, -1) {
		if !strings.HasSuffix(stamp, `Z"`) {
			t.Errorf("not in UTC: %s", stamp)
		}
	}
}

// TestSenderCannotForgeOurLines looks for what the hostile report tries to say
// in our name at the beginning of a line.
func TestSenderCannotForgeOurLines(t *testing.T) {
	_, out, _ := serve(t, exampleDaemon()).run(t, "show", string(hostile))
	if n := strings.Count(out, "READ BY"); n < 2 {
		t.Fatal("the report does not try")
	}
	for i, l := range strings.Split(out, "\n") {
		if at := strings.Index(l, "FORGED"); at >= 0 && !strings.HasPrefix(l, "  | ") && strings.TrimSpace(l[:min(at, labelWidth)]) == "" && at < labelWidth {
			t.Errorf("line %d begins with words of the sender: %s", i+1, l)
		}
	}
}

func TestNobodyWaits(t *testing.T) {
	desk := serve(t, &daemon{})
	for _, test := range []struct{ arg, want string }{{"", "Nothing waits for you.\n"}, {"--all", "There is no case yet.\n"}, {"--json", "{\n  \"cases\": [],\n  \"more\": false\n}\n"}} {
		if _, out, _ := desk.run(t, strings.Fields("list "+test.arg)...); out != test.want {
			t.Errorf("%s: %s", test.arg, out)
		}
	}
}

func TestListAsksForWhatWasAskedFor(t *testing.T) {
	d := exampleDaemon()
	desk := serve(t, d)
	for line, want := range map[string]api.Filter{
		"list":           {Limit: 100},
		"list --all":     {All: true, Limit: 100},
		"list --limit 5": {Limit: 5},
	} {
		if code, _, errs := desk.run(t, strings.Fields(line)...); code != 0 || d.filter != want {
			t.Errorf("%s: %+v, want %+v; %s", line, d.filter, want, errs)
		}
	}
}

func TestEvaluation(t *testing.T) {
	s := api.Summary{Zone: "Europe/Amsterdam", Promised: true, Due: time.Date(2026, 11, 25, 16, 0, 0, 0, time.UTC), BusinessDays: 2}
	target := s
	target.Promised = false
	today := s
	today.BusinessDays = 0
	tests := []struct {
		s    api.Summary
		now  time.Time
		want string
	}{
		{s, monday, "due Wed 25 Nov 17:00, in 2 business days"},
		{target, monday, "target Wed 25 Nov 17:00, in 2 business days"},
		{today, s.Due.Add(-time.Hour), "due today 17:00"},
		{today, s.Due, "due today 17:00"},
		{today, s.Due.Add(time.Second), "LATE since Wed 25 Nov 17:00"},
		{target, s.Due.Add(time.Second), "past its target of Wed 25 Nov 17:00"},
		{s, s.Due.AddDate(1, 0, 0), "LATE since Wed 25 Nov 2026 17:00"},
		{api.Summary{}, monday, "no date"},
	}
	for _, test := range tests {
		if got := evaluation(test.s, test.now); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestActions(t *testing.T) {
	ref := string(encrypted)
	long := strings.Repeat("x", triage.MaxNote)
	tests := []struct {
		name, stdin string
		terminal    bool
		args        []string
		code        int
		want        triage.Action
		says        string
	}{
		{name: "seen", args: []string{"seen", ref}, want: triage.Action{Verb: triage.VerbSeen}, says: "has been read by support, ciso.\n"},
		{name: "seen again", args: []string{"seen", ref, "--role", "ciso"}, want: triage.Action{Verb: triage.VerbSeen, Role: "ciso"}, says: "It was marked so before."},
		{name: "note", args: []string{"note", ref, "asked", "the team"}, want: triage.Action{Verb: triage.VerbNote, Text: "asked the team"}, says: "has 2 notes now"},
		{name: "note from a pipe", stdin: "one\ntwo\n", args: []string{"note", ref, "-"}, want: triage.Action{Verb: triage.VerbNote, Text: "one\ntwo\n"}},
		{name: "longest note", stdin: long, args: []string{"note", ref, "-"}, want: triage.Action{Verb: triage.VerbNote, Text: triage.Secret(long)}},
		{name: "note too long", stdin: long + "x", args: []string{"note", ref, "-"}, code: 2, says: "too long"},
		{name: "release agreed", stdin: "y\n", terminal: true, args: []string{"release", ref}, want: triage.Action{Verb: triage.VerbRelease, Notice: "R1.1"}, says: "rita@researcher.example"},
		{name: "release declined", stdin: "\n", terminal: true, args: []string{"release", ref}, code: 1, says: "nothing was sent"},
		{name: "release at the end of input", terminal: true, args: []string{"release", ref}, code: 1, says: "nothing was sent"},
		{name: "release by name", args: []string{"release", ref, "R1.1", "--yes"}, want: triage.Action{Verb: triage.VerbRelease, Notice: "R1.1"}, says: "on its way"},
		{name: "release without anybody to ask", stdin: "y\n", args: []string{"release", ref}, code: 2, says: "--yes"},
		{name: "release what is not held", args: []string{"release", ref, "S1.ceo.1", "--yes"}, code: 1, says: "held are R1.1"},
		{name: "release where nothing is held", args: []string{"release", string(filed), "--yes"}, code: 1, says: "has no held mail"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := exampleDaemon()
			desk := serve(t, d)
			desk.stdin, desk.terminal = test.stdin, test.terminal
			code, out, errs := desk.run(t, test.args...)
			if code != test.code || !strings.Contains(out+errs, test.says) {
				t.Errorf("exit %d, want %d and %q: %s%s", code, test.code, test.says, out, errs)
			}
			if test.want.Verb == "" && len(d.acts) > 0 || test.want.Verb != "" && (len(d.acts) != 1 || d.acts[0] != test.want) {
				t.Errorf("asked for %+v, want %+v", d.acts, test.want)
			}
		})
	}
}

func TestReleaseShowsTheMailFirst(t *testing.T) {
	desk := serve(t, exampleDaemon())
	desk.terminal = true
	_, out, errs := desk.run(t, "release", string(encrypted))
	if out != "" {
		t.Errorf("standard output: %s", out)
	}
	golden(t, "release.txt", errs)
	checkPage(t, errs)
}

func TestRaw(t *testing.T) {
	d := exampleDaemon()
	d.raw = []byte("Subject: \x1b[2J\r\n\r\n\x00\xff")
	desk := serve(t, d)
	ref := string(encrypted)
	if code, out, errs := desk.run(t, "raw", ref); code != 0 || out != string(d.raw) {
		t.Errorf("pipe: exit %d, %q, %s", code, out, errs)
	}
	desk.terminal = true
	if code, out, errs := desk.run(t, "raw", ref); code != 2 || out != "" || !strings.Contains(errs, "with -o") {
		t.Errorf("terminal: exit %d, %q, %s", code, out, errs)
	}
	if code, out, _ := desk.run(t, "raw", ref, "--force"); code != 0 || out != string(d.raw) {
		t.Errorf("by force: exit %d, %q", code, out)
	}
	file := filepath.Join(t.TempDir(), "mail.eml")
	if code, _, errs := desk.run(t, "raw", ref, "-o", file); code != 0 {
		t.Fatal(errs)
	}
	b, err := os.ReadFile(file)
	if info, statErr := os.Stat(file); err != nil || statErr != nil || info.Mode() != 0o600 || !bytes.Equal(b, d.raw) {
		t.Errorf("file: %v, %q, %v, %v", info.Mode(), b, err, statErr)
	}
	d.raw = []byte("other")
	if code, _, errs := desk.run(t, "raw", ref, "-o", file); code != 1 || !strings.Contains(errs, "exists already") {
		t.Errorf("existing file: exit %d, %s", code, errs)
	}
	if again, _ := os.ReadFile(file); !bytes.Equal(again, b) {
		t.Error("the existing file was changed")
	}
	if code, _, errs := desk.run(t, "raw", ref, "--item", "9", "-o", file+"2"); code != 1 || !strings.Contains(errs, "it has 2 mails") {
		t.Errorf("missing mail: exit %d, %s", code, errs)
	}
	if _, err := os.Stat(file + "2"); err == nil {
		t.Error("a failed command left a file")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	ref := string(encrypted)
	wrong := []byte(ref)
	wrong[len(wrong)-1] ^= 1
	tests := []struct {
		args []string
		err  error
		code int
		says string
	}{
		{args: []string{"show", string(wrong)}, code: 2, says: "did you mistype it?"},
		{args: []string{"show"}, code: 2, says: "--help"},
		{args: []string{"shw"}, code: 2, says: "Did you mean this?"},
		{args: []string{"list", "--limit", "0"}, code: 2, says: "from 1 to 1000"},
		{args: []string{"list", "--limit", "1001"}, code: 2, says: "from 1 to 1000"},
		{args: []string{"list", "extra"}, code: 2, says: "--help"},
		{args: []string{"list", "--unknown"}, code: 2, says: "unknown flag"},
		{args: []string{"note", ref}, code: 2, says: "--help"},
		{args: []string{"raw", ref, "--item", "0"}, code: 2, says: "counts from 1"},
		{args: []string{"show", "\x1b[31mred"}, code: 2, says: "is not a reference"},
		{args: []string{"show", "0000-0000-0000"}, code: 1, says: "vdp list --all"},
		{args: []string{"list"}, err: triage.ErrDenied, code: 1, says: "The operator gives roles"},
		{args: []string{"list"}, err: &triage.Refusal{Reason: "not now"}, code: 1, says: "vdp: not now\n"},
		{args: []string{"list"}, err: fs.ErrClosed, code: 1, says: "its log says why"},
	}
	for _, test := range tests {
		d := exampleDaemon()
		d.err = test.err
		code, out, errs := serve(t, d).run(t, test.args...)
		if code != test.code || out != "" || !strings.Contains(strings.Join(strings.Fields(errs), " "), strings.TrimSpace(test.says)) {
			t.Errorf("%q: exit %d, want %d and %q: %s%s", test.args, code, test.code, test.says, out, errs)
		}
		checkPage(t, errs)
	}
}

func TestNoDaemon(t *testing.T) {
	desk := &desk{socket: filepath.Join(t.TempDir(), "vdpd.sock"), now: monday}
	code, _, errs := desk.run(t, "list")
	if text := strings.Join(strings.Fields(errs), " "); code != 1 || !strings.Contains(text, desk.socket) || !strings.Contains(text, "systemctl status vdpd") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestSocketGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vdpd.sock")
	if got := socketGroup(path); !strings.Contains(got, "directory") {
		t.Error(got)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := socketGroup(path); !strings.Contains(got, "members of the group") {
		t.Error(got)
	}
}

func TestManualAndCompletion(t *testing.T) {
	desk := &desk{now: monday}
	dir := t.TempDir()
	if code, _, errs := desk.run(t, "man", dir); code != 0 {
		t.Fatal(errs)
	}
	for _, name := range []string{"vdp.1", "vdp-list.1", "vdp-release.1"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(b, []byte(api.DefaultSocket)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if code, out, _ := desk.run(t, "completion", "bash"); code != 0 || !strings.Contains(out, "__start_vdp") {
		t.Errorf("completion: exit %d", code)
	}
}
