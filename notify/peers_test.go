//go:build peers

package notify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vdpd/notify/notifytest"
	"vdpd/triage"
)

// TestPeersPostfix sends the mails of a report through a real Postfix and
// gives what arrived to GnuPG.
func TestPeersPostfix(t *testing.T) {
	subjects := map[string][]string{ // by address, as the recipient reads them
		"sam@identity.example":    {"Identity Platform security report: new (support)"},
		"olga@identity.example":   {"Identity Platform beveiligingsmelding: nieuw (so on duty)"},
		"carl@identity.example":   {"Identity Platform security report: new (ciso)"},
		"eve@identity.example":    {"Identity Platform security report"}, // has no key
		"rita@researcher.example": {"Identity Platform security report", "Identity Platform security report: your receipt"},
	}
	server, err := notifytest.StartPostfix(slices.Collect(maps.Keys(subjects))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		if t.Failed() {
			t.Logf("Postfix says:\n%s", server.Log())
		}
	})
	address, err := net.ResolveTCPAddr("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	transport := &SMTP{Host: address.IP.String(), Port: address.Port, TLS: StartTLS, RootCAs: server.RootCAs}
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
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for box, subjects := range subjects {
		stored, err := server.Mails(ctx, box, len(subjects))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, raw := range stored {
			head, inner := gpg.read(raw, own)
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
			if full := strings.HasPrefix(box, "sam@") || strings.HasPrefix(box, "olga@"); bytes.Contains(body, []byte(canary)) != full {
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

// put writes a file for GnuPG and returns its path.
func (g *gnupg) put(name string, b []byte) string {
	g.t.Helper()
	path := filepath.Join(g.home, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
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
	file := g.put("part", parts[1])
	var payload []byte
	var status string
	switch mediaType {
	case "multipart/encrypted":
		payload, status = g.run("--decrypt", file)
	case "multipart/signed": // the signature covers the first part with its header, to the octet
		bound := []byte("--" + params["boundary"])
		_, rest, _ := bytes.Cut(raw, append(slices.Clone(bound), "\r\n"...))
		payload, _, _ = bytes.Cut(rest, append([]byte("\r\n"), bound...))
		_, status = g.run("--verify", file, g.put("data", payload))
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
