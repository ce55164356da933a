package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"vdpd/cmd/internal/api"
	"vdpd/cmd/internal/config"
	"vdpd/mailbox/mailboxtest"
	"vdpd/notify/notifytest"
)

const (
	security   = "security@identity.example"
	backoffice = "backoffice@relocation.example"
	patience   = time.Minute // before a test that waits for the daemon fails
)

// rig is a configuration with two organisations, and the servers it names, in
// this process.
type rig struct {
	t    testing.TB
	dir  string
	imap *mailboxtest.Server
	smtp *notifytest.Server
	log  *logBuffer

	failAt func(point string) error
	stop   func() error // of the daemon that runs
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &logBuffer{}, stop: func() error { return nil }}
	var err error
	if r.imap, err = mailboxtest.NewServer(mailboxtest.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.imap.Close)
	for _, user := range []string{security, backoffice} {
		if err := r.imap.AddUser(user, "secret", "Reports", "Processed"); err != nil {
			t.Fatal(err)
		}
	}
	if r.smtp, err = notifytest.Start(notifytest.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.smtp.Close)
	r.writeConfig()
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	return r
}

// writeConfig takes the configuration of the scripts.
func (r *rig) writeConfig() {
	r.t.Helper()
	port := func(addr string) string {
		_, p, err := net.SplitHostPort(addr)
		if err != nil {
			r.t.Fatal(err)
		}
		return p
	}
	fill := strings.NewReplacer("IMAP_PORT", port(r.imap.Addr()), "SMTP_PORT", port(r.smtp.Addr().String()), "SAM_UID", strconv.Itoa(os.Getuid()))
	root := filepath.Join("..", "..", "..", "testdata")
	files := map[string]string{"mail.password": "secret\n", "master.key": strings.Repeat("5e", 32) + "\n"}
	for _, name := range []string{"vdpd.toml", "identity.toml", "relocation.toml"} {
		files[name] = fill.Replace(r.read(filepath.Join(root, "script", "etc", name)))
	}
	keys, err := os.ReadDir(filepath.Join(root, "keys"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, k := range keys {
		files["keys/"+k.Name()] = r.read(filepath.Join(root, "keys", k.Name()))
	}
	if err := os.Mkdir(filepath.Join(r.dir, "keys"), 0o700); err != nil {
		r.t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) read(path string) string {
	r.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// edit changes a file of the configuration.
func (r *rig) edit(name, old, replacement string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	text := r.read(path)
	if !strings.Contains(text, old) {
		r.t.Fatalf("%s has no %q", name, old)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, old, replacement)), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) config() *config.Config {
	r.t.Helper()
	cfg, err := config.Load(filepath.Join(r.dir, "vdpd.toml"), func(string) string { return "" })
	if err != nil {
		r.t.Fatal(err)
	}
	// The path of a socket is short, and that of a test's folder may not be.
	short, err := os.MkdirTemp("", "vdpd")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = os.RemoveAll(short) })
	cfg.Socket.Path = filepath.Join(short, "s")
	return cfg
}

// start runs a daemon and returns a client of its socket. A daemon ends by
// r.stop, or when the test does.
func (r *rig) start() (*Daemon, *api.Client) {
	r.t.Helper()
	cfg := r.config()
	d, err := New(cfg, Options{
		Log:    slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		failAt: r.failAt, Version: "test",
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	client := api.Dial(cfg.Socket.Path)
	var once sync.Once
	r.stop = func() (err error) {
		once.Do(func() {
			client.Close()
			cancel()
			err = <-ended
		})
		return err
	}
	return d, client
}

func (r *rig) deliver(user, folder, raw string) {
	r.t.Helper()
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	if _, err := r.imap.Append(user, folder, []byte(raw), time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

// mails waits until n mails have left.
func (r *rig) mails(n int) []notifytest.Envelope {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	mails, err := r.smtp.Wait(ctx, n)
	if err != nil {
		r.t.Fatalf("%d of %d mails left: %v\n%s", len(mails), n, err, r.log)
	}
	return mails
}

// await waits until ok says yes; what it looks at is changed by the daemon.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			r.t.Fatalf("never: %s\n%s", what, r.log)
		}
	}
}

// inFolder counts what is in a folder.
func (r *rig) inFolder(user, folder string) int {
	r.t.Helper()
	messages, err := r.imap.Messages(user, folder)
	if err != nil {
		r.t.Fatal(err)
	}
	return len(messages)
}

// logBuffer is a log that a test may read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// report is a plain report by a sender whose domain vouches.
func report(id int) string {
	return fmt.Sprintf(`Return-Path: <rita%[1]d@researcher.example>
Authentication-Results: mx.identity.example; dmarc=pass header.from=researcher.example
From: Rita <rita%[1]d@researcher.example>
To: security@identity.example
Subject: Session not invalidated at logout %[1]d
Date: Fri, 20 Nov 2026 10:00:00 +0000
Message-ID: <r%[1]d@researcher.example>
Content-Type: text/plain; charset=utf-8

The session of account %[1]d lives on after a logout.
`, id)
}

// Variables by which a test tells its child process what to do.
const (
	childConfig = "VDPD_TEST_CONFIG"
	childDiesAt = "VDPD_TEST_DIES_AT"
)

// dieAt runs the daemon in a process of its own, which ends without any
// farewell when the store reaches the point.
func (r *rig) dieAt(point string) {
	r.t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), childConfig+"="+filepath.Join(r.dir, "vdpd.toml"), childDiesAt+"="+point)
	out, err := child.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != diedAsTold {
		r.t.Fatalf("the child ended with %v\n%s", err, out)
	}
}

const diedAsTold = 9

// TestChild is the other end of dieAt.
func TestChild(t *testing.T) {
	path, point := os.Getenv(childConfig), os.Getenv(childDiesAt)
	if path == "" {
		return // not called as a child
	}
	r := &rig{t: t, dir: filepath.Dir(path), log: &logBuffer{}}
	r.failAt = func(at string) error {
		if at == point {
			os.Exit(diedAsTold)
		}
		return nil
	}
	r.start()
	select {} // until the daemon reaches the point
}
