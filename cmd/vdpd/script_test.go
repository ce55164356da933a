package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vdpd/cmd/internal/cli"
	"vdpd/mailbox/mailboxtest"
	"vdpd/notify/notifytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"vdpd": func() { os.Exit(run(os.Args[1:])) },
		"vdp": func() {
			os.Exit(cli.Run(context.Background(), os.Args[1:], cli.Env{
				Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now,
			}))
		},
	})
}

// TestScripts runs both programs as people do. Beside the usual commands of
// testscript a script has:
//
//	servers                     an IMAP and an SMTP server, and a configuration in etc/ that names them
//	deliver USER FOLDER FILE    a mail arrives
//	ready                       waits until the daemon says READY=1
//	mails N                     waits until the SMTP server has N mails, written to sent/1-RECIPIENT.eml ...
//	folder USER FOLDER FILE     writes what is in a folder, a line each: UID and flags
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(e *testscript.Env) error { return setUp(e) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"servers": cmdServers, "deliver": cmdDeliver, "ready": cmdReady, "mails": cmdMails, "folder": cmdFolder,
		},
	})
}

// patience is how long a script waits for the daemon before it fails.
const patience = time.Minute

// world is what a script's commands share.
type world struct {
	imap   *mailboxtest.Server
	smtp   *notifytest.Server
	notify *net.UnixConn // where the daemon says READY=1
}

func setUp(e *testscript.Env) error {
	w := &world{}
	e.Values[world{}] = w
	dir, err := os.MkdirTemp("", "vdpd") // short, because the path of a socket is
	if err != nil {
		return err
	}
	e.Defer(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	if w.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		return err
	}
	e.Defer(func() { _ = w.notify.Close() })
	e.Setenv("NOTIFY_SOCKET", path)
	e.Setenv("VDP_SOCKET", filepath.Join(e.WorkDir, "etc", "vdpd.sock"))
	for from, to := range map[string]string{"../keys": "etc/keys", "mail": "mail", "etc": "etc"} {
		if err := copyDir(filepath.Join("../../testdata/script", from), filepath.Join(e.WorkDir, to)); err != nil {
			return err
		}
	}
	return nil
}

func copyDir(from, to string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(world{}).(*world) }

func usageOf(ts *testscript.TestScript, neg bool, args []string, want int, usage string) {
	if neg || len(args) != want {
		ts.Fatalf("usage: %s", usage)
	}
}

func cmdServers(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, args, 0, "servers")
	w := worldOf(ts)
	var err error
	w.imap, err = mailboxtest.NewServer(mailboxtest.Options{})
	ts.Check(err)
	ts.Defer(w.imap.Close)
	for _, user := range []string{"security@identity.example", "backoffice@relocation.example"} {
		ts.Check(w.imap.AddUser(user, "secret", "Reports"))
	}
	w.smtp, err = notifytest.Start(notifytest.Options{})
	ts.Check(err)
	ts.Defer(w.smtp.Close)

	port := func(addr string) string {
		_, p, err := net.SplitHostPort(addr)
		ts.Check(err)
		return p
	}
	fill := strings.NewReplacer("IMAP_PORT", port(w.imap.Addr()), "SMTP_PORT", port(w.smtp.Addr().String()), "SAM_UID", strconv.Itoa(os.Getuid()))
	main := ts.MkAbs("etc/vdpd.toml")
	ts.Check(os.WriteFile(main, []byte(fill.Replace(ts.ReadFile(main))), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("etc/mail.password"), []byte("secret\n"), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("etc/master.key"), []byte(strings.Repeat("5e", 32)+"\n"), 0o600))
}

func cmdDeliver(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, args, 3, "deliver USER FOLDER FILE")
	raw := strings.ReplaceAll(ts.ReadFile(args[2]), "\n", "\r\n")
	_, err := worldOf(ts).imap.Append(args[0], args[1], []byte(raw), time.Now())
	ts.Check(err)
}

func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, args, 0, "ready")
	w := worldOf(ts)
	ts.Check(w.notify.SetReadDeadline(time.Now().Add(patience)))
	for b := make([]byte, 4096); ; {
		n, err := w.notify.Read(b)
		ts.Check(err)
		if bytes.Equal(b[:n], []byte("READY=1")) {
			return
		}
	}
}

func cmdMails(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, args, 1, "mails N")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	mails, err := worldOf(ts).smtp.Wait(ctx, n)
	if err != nil || len(mails) != n {
		ts.Fatalf("the SMTP server has %d mails, want %d", len(mails), n)
	}
	ts.Check(os.MkdirAll(ts.MkAbs("sent"), 0o755))
	for i, m := range mails {
		if len(m.To) != 1 {
			ts.Fatalf("mail %d has %d recipients", i+1, len(m.To))
		}
		name, _, _ := strings.Cut(m.To[0], "@")
		ts.Check(os.WriteFile(ts.MkAbs(fmt.Sprintf("sent/%d-%s.eml", (i/5)+1, name)), m.Raw, 0o600))
	}
}

func cmdFolder(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, args, 3, "folder USER FOLDER FILE")
	messages, err := worldOf(ts).imap.Messages(args[0], args[1])
	ts.Check(err)
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "%d %v\n", m.UID, m.Flags)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(b.String()), 0o600))
}
