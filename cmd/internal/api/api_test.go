package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ref = triage.NewRef([7]byte{1, 2, 3, 4, 5, 6, 7})

// fake is a Backend that answers what it is told to, and keeps what it was asked.
type fake struct {
	mu     sync.Mutex
	asked  []string
	actor  triage.Actor
	err    error
	panics any
	raw    []byte
	gate   chan struct{} // where set, Status waits for it
	inside chan struct{}
}

func (f *fake) ask(by triage.Actor, format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.actor = by
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	if f.panics != nil {
		panic(f.panics)
	}
	return f.err
}

func (f *fake) Cases(_ context.Context, by triage.Actor, q api.Filter) (api.List, error) {
	return api.List{Cases: []api.Summary{{Ref: ref, From: "anna@researcher.example"}}}, f.ask(by, "cases %v %d", q.All, q.Limit)
}

func (f *fake) Case(_ context.Context, by triage.Actor, r triage.Ref) (api.View, error) {
	return api.View{Case: triage.Case{Ref: r, Reporter: triage.Party{Address: "anna@researcher.example"}}}, f.ask(by, "case %s", r)
}

func (f *fake) Raw(_ context.Context, by triage.Actor, r triage.Ref, item int) ([]byte, error) {
	return f.raw, f.ask(by, "raw %s %d", r, item)
}

func (f *fake) Act(_ context.Context, by triage.Actor, r triage.Ref, a triage.Action) (api.Result, error) {
	return api.Result{Changed: true}, f.ask(by, "act %s %s %s %s %s", r, a.Verb, a.Role, a.Text.Reveal(), a.Notice)
}

func (f *fake) Status(_ context.Context, by triage.Actor) (api.Status, error) {
	if f.gate != nil {
		close(f.inside)
		<-f.gate
	}
	return api.Status{Version: "v1"}, f.ask(by, "status")
}

// logged is a log that tests may read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var staff = triage.Actor{Kind: triage.Staff, ID: "sam", Method: "peercred"}

type running struct {
	path   string
	client *api.Client
	log    *logged
	stop   context.CancelFunc
	done   chan error
}

// serve runs a server of b that knows this process's uid as who.
func serve(t *testing.T, b api.Backend, who func(uint32) (triage.Actor, bool)) *running {
	t.Helper()
	r := &running{path: filepath.Join(t.TempDir(), "vdpd.sock"), log: &logged{}, done: make(chan error, 1)}
	l, err := api.Listen(r.path, 0o666, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	server := api.NewServer(b, api.Options{Who: who, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	go func() { r.done <- server.Serve(ctx, l); close(r.done) }()
	r.client = api.Dial(r.path)
	t.Cleanup(func() {
		r.client.Close()
		stop()
		if err := <-r.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

func known(uint32) (triage.Actor, bool) { return staff, true }

func TestMethodsReachTheBackend(t *testing.T) {
	b := &fake{raw: []byte("From: x\r\n\r\n\x00\x1b[31m\xff")}
	c := serve(t, b, known).client
	list, err := c.Cases(t.Context(), api.Filter{All: true, Limit: 5})
	if err != nil || len(list.Cases) != 1 || list.Cases[0].From != "anna@researcher.example" {
		t.Errorf("Cases: %+v, %v", list, err)
	}
	if view, err := c.Case(t.Context(), ref); err != nil || view.Case.Ref != ref || view.Case.Reporter.Address != "anna@researcher.example" {
		t.Errorf("Case: %+v, %v", view, err)
	}
	if raw, err := c.Raw(t.Context(), ref, 2); err != nil || !bytes.Equal(raw, b.raw) {
		t.Errorf("Raw: %q, %v", raw, err)
	}
	note := triage.Action{Verb: triage.VerbNote, Text: "<café> & \u202e"}
	if result, err := c.Act(t.Context(), ref, note); err != nil || !result.Changed {
		t.Errorf("Act: %+v, %v", result, err)
	}
	if status, err := c.Status(t.Context()); err != nil || status.Version != "v1" {
		t.Errorf("Status: %+v, %v", status, err)
	}
	want := []string{"cases true 5", "case " + string(ref), "raw " + string(ref) + " 2", "act " + string(ref) + " note  <café> & \u202e ", "status"}
	if strings.Join(b.asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
	if b.actor.ID != "sam" {
		t.Errorf("actor is %+v", b.actor)
	}
}

func TestCallerIsLearntOncePerConnection(t *testing.T) {
	var uids []uint32
	r := serve(t, &fake{}, func(uid uint32) (triage.Actor, bool) {
		uids = append(uids, uid)
		return staff, true
	})
	for range 3 {
		if _, err := r.client.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(uids) != 1 || uids[0] != uint32(os.Getuid()) {
		t.Errorf("asked for %v, want once for %d", uids, os.Getuid())
	}
}

func TestStrangerIsRefused(t *testing.T) {
	b := &fake{}
	r := serve(t, b, func(uint32) (triage.Actor, bool) { return triage.Actor{}, false })
	_, err := r.client.Case(t.Context(), ref)
	if !errors.Is(err, api.ErrStranger) || !strings.Contains(err.Error(), `add user = "`) ||
		!strings.Contains(err.Error(), fmt.Sprintf("uid %d", os.Getuid())) {
		t.Errorf("got %v", err)
	}
	if len(b.asked) > 0 {
		t.Errorf("the backend was asked %q", b.asked)
	}
}

// TestOtherUsers connects as other users, which only root can do. Nobody is
// let in who hides behind the overflow uid, even if the configuration says so.
func TestOtherUsers(t *testing.T) {
	uids := map[int]int{os.Getuid(): http.StatusOK}
	if os.Getuid() == 0 {
		uids = map[int]int{0: http.StatusForbidden, 4711: http.StatusOK, 4712: http.StatusForbidden, 65534: http.StatusForbidden}
	}
	r := serve(t, &fake{}, func(uid uint32) (triage.Actor, bool) {
		return staff, uid == 4711 || uid == 65534 || uid != 0 && int(uid) == os.Getuid()
	})
	for dir := filepath.Dir(r.path); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for uid, want := range uids {
		if got := statusAs(t, uid, r.path); got != want {
			t.Errorf("uid %d: status %d, want %d", uid, got, want)
		}
	}
}

func statusAs(t *testing.T, uid int, path string) int {
	type dialled struct {
		conn net.Conn
		err  error
	}
	c := make(chan dialled)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			c <- dialled{nil, errno}
			return
		}
		conn, err := net.Dial("unix", path)
		c <- dialled{conn, err}
	}()
	d := <-c
	if d.err != nil {
		t.Fatal(d.err)
	}
	defer func() { _ = d.conn.Close() }()
	return send(t, d.conn, "GET /v1/status HTTP/1.1\r\nHost: vdpd\r\n\r\n")
}

func send(t *testing.T, conn net.Conn, request string) int {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestRequestsThatAreRefused(t *testing.T) {
	act := "POST /v1/cases/" + string(ref) + "/actions HTTP/1.1\r\nHost: vdpd\r\n"
	body := func(s string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(s), s) }
	tests := []struct {
		name, request string
		want          int
	}{
		{"good", "GET /v1/status HTTP/1.1\r\nHost: vdpd\r\n\r\n", 200},
		{"Origin", "GET /v1/status HTTP/1.1\r\nHost: vdpd\r\nOrigin: null\r\n\r\n", 403},
		{"Referer", "GET /v1/status HTTP/1.1\r\nHost: vdpd\r\nReferer: http://x.example/\r\n\r\n", 403},
		{"wrong Host", "GET /v1/status HTTP/1.1\r\nHost: x.example\r\n\r\n", 403},
		{"no Host", "GET /v1/status HTTP/1.0\r\n\r\n", 403},
		{"Host with port", "GET /v1/status HTTP/1.1\r\nHost: vdpd:80\r\n\r\n", 403},
		{"absolute path to another host", "GET http://x.example/v1/status HTTP/1.1\r\nHost: vdpd\r\n\r\n", 403},
		{"unknown path", "GET /v2/status HTTP/1.1\r\nHost: vdpd\r\n\r\n", 404},
		{"wrong method", "DELETE /v1/cases/" + string(ref) + " HTTP/1.1\r\nHost: vdpd\r\n\r\n", 404},
		{"headers too large", "GET /v1/status HTTP/1.1\r\nHost: vdpd\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		{"no reference", "GET /v1/cases/nonsense HTTP/1.1\r\nHost: vdpd\r\n\r\n", 404},
		{"no number", "GET /v1/cases/" + string(ref) + "/items/x/raw HTTP/1.1\r\nHost: vdpd\r\n\r\n", 400},
		{"negative number", "GET /v1/cases/" + string(ref) + "/items/-1/raw HTTP/1.1\r\nHost: vdpd\r\n\r\n", 400},
		{"bad limit", "GET /v1/cases?limit=0 HTTP/1.1\r\nHost: vdpd\r\n\r\n", 400},
		{"action", act + body(`{"verb":"seen"}`), 200},
		{"action unknown to us", act + body(`{"verb":"seen","as":"ceo"}`), 400},
		{"two actions", act + body(`{"verb":"seen"}{"verb":"seen"}`), 400},
		{"not JSON", act + body("verb=seen"), 400},
		{"too large", act + body(`{"verb":"note","text":"`+strings.Repeat("x", 1<<20)+`"}`), 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := &fake{}
			conn, err := net.Dial("unix", serve(t, b, known).path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			go func() { _, _ = io.WriteString(conn, test.request) }()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != test.want {
				t.Errorf("status %d, want %d", resp.StatusCode, test.want)
			}
			if asked := len(b.asked) > 0; asked != (test.want == 200) {
				t.Errorf("backend asked: %v", b.asked)
			}
		})
	}
}

func TestErrorsCrossTheSocket(t *testing.T) {
	const canary = "canary-of-a-report"
	b := &fake{}
	r := serve(t, b, known)
	tests := []struct {
		name   string
		err    error
		target error
		text   string
	}{
		{"no case", api.ErrNoCase, api.ErrNoCase, "there is no such case"},
		{"no mail of a case", fmt.Errorf("%w: it has 2 mails", api.ErrNoCase), api.ErrNoCase, "there is no such case: it has 2 mails"},
		{"denied", triage.ErrDenied, triage.ErrDenied, triage.ErrDenied.Error()},
		{"refused", fmt.Errorf("act: %w", &triage.Refusal{Reason: "it is not held"}), nil, "it is not held"},
		{"anything else", errors.New("disk on fire at sector 7"), api.ErrInternal, api.ErrInternal.Error()},
		{"time", context.DeadlineExceeded, api.ErrInternal, api.ErrInternal.Error()},
	}
	for _, test := range tests {
		b.err = test.err
		_, err := r.client.Act(t.Context(), ref, triage.Action{Verb: triage.VerbNote, Text: canary})
		if err == nil || err.Error() != test.text {
			t.Errorf("%s: got %q, want %q", test.name, err, test.text)
		}
		if _, refused := errors.AsType[*triage.Refusal](err); refused != (test.target == nil) || test.target != nil && !errors.Is(err, test.target) {
			t.Errorf("%s: wrong class of error: %v", test.name, err)
		}
	}
	b.panics = "panic with " + canary
	if _, err := r.client.Case(t.Context(), ref); !errors.Is(err, api.ErrInternal) {
		t.Errorf("panic: got %v", err)
	}
	log := r.log.String()
	if !strings.Contains(log, "sector 7") || !strings.Contains(log, "panic of type string") {
		t.Errorf("the log lacks the details:\n%s", log)
	}
	if strings.Contains(log, canary) {
		t.Errorf("the log holds words of a report:\n%s", log)
	}
}

func TestOperatorLearnsNoSender(t *testing.T) {
	r := serve(t, &fake{}, func(uint32) (triage.Actor, bool) { return triage.Actor{Kind: triage.Operator}, true })
	list, err := r.client.Cases(t.Context(), api.Filter{})
	if err != nil || len(list.Cases) != 1 || list.Cases[0].From != "" {
		t.Errorf("got %+v, %v", list.Cases, err)
	}
}

func TestLimitOfAListIsBounded(t *testing.T) {
	b := &fake{}
	r := serve(t, b, known)
	for _, limit := range []int{0, api.MaxCases + 1} {
		if _, err := r.client.Cases(t.Context(), api.Filter{Limit: limit}); err != nil {
			t.Fatal(err)
		}
	}
	for _, asked := range b.asked {
		if asked != fmt.Sprintf("cases false %d", api.MaxCases) {
			t.Errorf("asked %q", asked)
		}
	}
}

func TestStopLetsAnAnswerFinish(t *testing.T) {
	b := &fake{gate: make(chan struct{}), inside: make(chan struct{})}
	r := serve(t, b, known)
	answer := make(chan error)
	go func() {
		_, err := r.client.Status(context.Background())
		answer <- err
	}()
	<-b.inside
	r.stop()
	for r.listening() { // the listener goes first
		runtime.Gosched()
	}
	close(b.gate)
	if err := <-answer; err != nil {
		t.Errorf("the answer in progress: %v", err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := os.Lstat(r.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func (r *running) listening() bool {
	conn, err := net.DialTimeout("unix", r.path, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func TestNobodyAnswers(t *testing.T) {
	c := api.Dial(filepath.Join(t.TempDir(), "vdpd.sock"))
	if _, err := c.Status(t.Context()); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("got %v", err)
	}
}

func TestClientOfSomethingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.sock")
	l, err := api.Listen(path, 0o600, "")
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]int{"hello": 200, `{"error":{}}`: 500, `{"cases":7}`: 200, "[]": 404}
	for body, status := range answers {
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})}
		served := make(chan struct{})
		go func() { defer close(served); _ = server.Serve(l) }()
		c := api.Dial(path)
		if _, err := c.Cases(t.Context(), api.Filter{}); !errors.Is(err, api.ErrProtocol) {
			t.Errorf("%s: got %v", body, err)
		}
		c.Close()
		_ = server.Close()
		<-served
		if l, err = api.Listen(path, 0o600, ""); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Close()
}
