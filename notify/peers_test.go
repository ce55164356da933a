//go:build peers

package notify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vdpd/triage"
)

// postfix starts a real Postfix that takes mail for the people of the tests,
// and returns the way to it and the folder of its mailboxes.
func postfix(t *testing.T) (*SMTP, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("Postfix can be started by root only: run the tests with -tags peers as root")
	}
	// Not t.TempDir: its parents are closed to the users that Postfix turns into.
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	uid, gid := account(t, "nobody")
	folder(t, filepath.Join(dir, "mail"), uid, gid)
	folder(t, filepath.Join(dir, "queue"), 0, 0)
	daemonUID, daemonGID := account(t, "postfix")
	folder(t, filepath.Join(dir, "data"), daemonUID, daemonGID)

	config, pool := certificate(t, "mail.identity.example", time.Now().Add(24*time.Hour))
	key, err := x509.MarshalECPrivateKey(config.Certificates[0].PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "tls.pem"), append(
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]})...))

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	fill := strings.NewReplacer("@DIR@", dir, "@PORT@", strconv.Itoa(port), "@UID@", strconv.Itoa(uid), "@GID@", strconv.Itoa(gid))
	for _, name := range []string{"main.cf", "master.cf"} {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "peers", "postfix", name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), []byte(fill.Replace(string(b))))
	}

	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("postfix", "-c", dir, "start-fg")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("postfix", "-c", dir, "stop").CombinedOutput(); err != nil {
			t.Errorf("postfix stop: %v\n%s", err, out)
		}
		_ = cmd.Wait()
		_ = log.Close()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("Postfix says:\n%s", said)
		}
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	poll(t, "Postfix to listen", func() bool {
		c, err := dial(t.Context(), "tcp", "")
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return &SMTP{Host: "mail.identity.example", Port: port, TLS: StartTLS, RootCAs: pool, Dial: dial}, filepath.Join(dir, "mail")
}

func account(t *testing.T, name string) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ = strconv.Atoi(u.Uid)
	gid, _ = strconv.Atoi(u.Gid)
	return uid, gid
}

func folder(t *testing.T, path string, uid, gid int) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// poll waits for something outside this process.
func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestPeersPostfix sends the mails of a report through a real Postfix and
// gives what arrived to GnuPG.
func TestPeersPostfix(t *testing.T) {
	transport, boxes := postfix(t)
	probed, err := ProbeSMTP(t.Context(), transport)
	if err != nil || probed.TLS != "TLS 1.3" {
		t.Fatalf("%+v %v", probed, err)
	}

	_, ls := intake(identity(), canaryReport(), triage.Case{}) // four to staff, one to the reporter
	receipt := letterOf(t, ls, triage.Receipt, "")
	for _, address := range []triage.Secret{"rita@researcher.example", "later@identity.example", "nobody@identity.example"} {
		l := receipt
		l.Case.Reporter.Address = address
		if len(ls) == 5 {
			key := ritasKey(t)
			l.Case.Reporter.Key, l.Token = &key, "withkey"
		}
		ls = append(ls, l)
	}
	const sent = "sent 250 2.0.0"
	want := []string{sent, sent, sent, sent, sent, sent, "retry 450 4.2.1", "failed 550 5.1.1"}
	if got := sendNow(t, transport, ls); !slices.Equal(got, want) {
		t.Fatalf("replies %q", got)
	}

	gpg := newGnuPG(t, "own-iw.pub", "sam.sec", "olga.sec", "carl.sec", "rita.sec")
	own := testKey(t, "own-iw.pub").Fingerprint()
	for box, subjects := range map[string][]string{
		"sam":  {"Identity Platform security report: new (support)"},
		"olga": {"Identity Platform beveiligingsmelding: nieuw (so on duty)"},
		"carl": {"Identity Platform security report: new (ciso)"},
		"eve":  {"Identity Platform security report"}, // has no key
		"rita": {"Identity Platform security report", "Identity Platform security report: your receipt"},
	} {
		var files []string
		poll(t, "mail for "+box, func() bool {
			files, _ = filepath.Glob(filepath.Join(boxes, box, "new", "*"))
			return len(files) >= len(subjects)
		})
		var got []string
		for _, file := range files {
			stored, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, inner := gpg.read(bytes.ReplaceAll(stored, []byte("\n"), []byte("\r\n")), own)
			if subject := head.Get("Subject"); subject != "[7K3M-Q9XT-2H4C] Identity Platform security report" {
				t.Errorf("%s: outer subject %q", box, subject)
			}
			if path := head.Get("Return-Path"); !strings.HasPrefix(path, "<security+") {
				t.Errorf("%s: return path %q", box, path)
			}
			if received := head.Get("Received"); !strings.HasPrefix(received, "from [127.0.0.1]") {
				t.Errorf("%s: the trace tells of us: %q", box, received)
			}
			subject := strings.TrimPrefix(inner.Header.Get("Subject"), "[7K3M-Q9XT-2H4C] ")
			got = append(got, subject)
			body, err := io.ReadAll(inner.Body)
			if err != nil {
				t.Fatal(err)
			}
			// Support and the officer on duty get the words; nobody else does.
			if full := box == "sam" || box == "olga"; bytes.Contains(body, []byte(canary)) != full {
				t.Errorf("%s: the words of the report: want %v", box, full)
			}
			if !bytes.Contains(body, []byte(testRef)) {
				t.Errorf("%s: no reference", box)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, subjects) {
			t.Errorf("%s: protected subjects %q, want %q", box, got, subjects)
		}
	}
}

func sendNow(t *testing.T, transport Transport, ls []triage.Letter) (replies []string) {
	t.Helper()
	r := testRenderer(t)
	session, err := transport.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, l := range ls {
		m, err := r.Render(l, time.Now()) // GnuPG believes no other clock
		if err != nil {
			t.Fatal(err)
		}
		reply, err := session.Send(t.Context(), m)
		if err != nil {
			t.Fatal(reply.Code, err)
		}
		replies = append(replies, fmt.Sprintf("%s %s", reply.Result, reply.Code))
	}
	return replies
}

// gnupg is a GnuPG with a home of its own.
type gnupg struct {
	t    *testing.T
	home string
}

func newGnuPG(t *testing.T, keys ...string) *gnupg {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") // the agent's socket doesn't fit into a long path
	if err != nil {
		t.Fatal(err)
	}
	g := &gnupg{t, home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	for _, name := range keys {
		g.run("--import", filepath.Join("..", "testdata", "keys", name+".asc"))
	}
	return g
}

func (g *gnupg) run(args ...string) (stdout []byte, status string) {
	g.t.Helper()
	args = append([]string{"--homedir", g.home, "--batch", "--quiet", "--no-tty", "--trust-model", "always", "--status-fd", "2"}, args...)
	cmd := exec.Command("gpg", args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, log.String())
	}
	return out.Bytes(), log.String()
}

// read opens a mail as its recipient would and requires a good signature of
// own over all of it. It returns the header that everybody sees, and what is
// protected.
func (g *gnupg) read(raw []byte, own string) (mail.Header, *mail.Message) {
	g.t.Helper()
	outer, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		g.t.Fatal(err)
	}
	mediaType, params, err := mime.ParseMediaType(outer.Header.Get("Content-Type"))
	if err != nil {
		g.t.Fatal(err)
	}
	var parts [][]byte
	for r := multipart.NewReader(outer.Body, params["boundary"]); len(parts) < 2; {
		p, err := r.NextRawPart()
		if err != nil {
			g.t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			g.t.Fatal(err)
		}
		parts = append(parts, b)
	}
	file := filepath.Join(g.home, "part")
	put(g.t, file, parts[1])
	var payload []byte
	var status string
	switch mediaType {
	case "multipart/encrypted":
		payload, status = g.run("--decrypt", file)
	case "multipart/signed": // the signature covers the first part with its header, to the octet
		bound := []byte("--" + params["boundary"])
		_, rest, _ := bytes.Cut(raw, append(slices.Clone(bound), "\r\n"...))
		payload, _, _ = bytes.Cut(rest, append([]byte("\r\n"), bound...))
		put(g.t, file+".data", payload)
		_, status = g.run("--verify", file, file+".data")
	default:
		g.t.Fatalf("a mail of type %s", mediaType)
	}
	if !strings.Contains(status, "GOODSIG") || !strings.Contains(status, "VALIDSIG "+own) {
		g.t.Errorf("no good signature of %s:\n%s", own, status)
	}
	inner, err := mail.ReadMessage(bytes.NewReader(payload))
	if err != nil {
		g.t.Fatal(err)
	}
	return outer.Header, inner
}
