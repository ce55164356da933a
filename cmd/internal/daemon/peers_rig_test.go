//go:build peers

package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vdpd/cmd/internal/api"
	"vdpd/mailbox/mailboxtest"
	"vdpd/notify/notifytest"
	"vdpd/triage"
)

// peers is a configuration, and the real servers that it names.
type peers struct {
	*rig
	dovecot *mailboxtest.Dovecot
	postfix *notifytest.Postfix
	mailers map[string]*mailboxtest.Client // by user: who looks at the mailbox and delivers
}

func newPeers(t *testing.T) *peers {
	t.Helper()
	p := &peers{rig: &rig{t: t, dir: t.TempDir(), log: &logBuffer{}, stop: func() error { return nil }}, mailers: map[string]*mailboxtest.Client{}}
	var err error
	if p.dovecot, err = mailboxtest.StartDovecot(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.dovecot.Close)
	if p.postfix, err = notifytest.StartPostfix("sam@identity.example", "olga@identity.example", "carl@identity.example", "eve@identity.example",
		"bea@relocation.example", "rita@researcher.example", "robin@researcher.example"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.postfix.Close)
	for _, user := range []string{security, backoffice} {
		conn, err := net.Dial("tcp", p.dovecot.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if p.mailers[user], err = mailboxtest.NewClient(conn, user, "secret"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.mailers[user].Close)
	}
	p.configure()
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the daemon says:\n%s\nPostfix says:\n%s", p.log, p.postfix.Log())
		}
	})
	return p
}

func (p *peers) configure() {
	p.t.Helper()
	port := func(addr string) string {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			p.t.Fatal(err)
		}
		return port
	}
	main := p.text("vdpd.toml", "IMAP_PORT", port(p.dovecot.Addr), "IMAPS_PORT", port(p.dovecot.AddrTLS), "SMTP_PORT", port(p.postfix.Addr), "SAM_UID", strconv.Itoa(os.Getuid()))
	files := map[string]string{
		"vdpd.toml":       main,
		"identity.toml":   p.read(filepath.Join(testdata, "script", "etc", "identity.toml")),
		"relocation.toml": p.read(filepath.Join(testdata, "script", "etc", "relocation.toml")),
		"master.key":      strings.Repeat("5e", 32), "identity.password": "secret", "relocation.password": "secret",
		"ca.pem": p.dovecotCA() + string(p.postfix.CA),
	}
	for _, key := range []string{"own-iw.sec", "own-retired.sec", "own-ep.sec", "sam.pub", "olga.pub", "carl.pub", "dsa.pub"} {
		files["keys/"+key+".asc"] = p.read(filepath.Join(testdata, "keys", key+".asc"))
	}
	if err := os.Mkdir(filepath.Join(p.dir, "keys"), 0o700); err != nil {
		p.t.Fatal(err)
	}
	for name, text := range files {
		p.write(name, text)
	}
}

// write writes a file of the configuration.
func (p *peers) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// dovecotCA returns the certificate of Dovecot, which vouches for itself.
func (p *peers) dovecotCA() string {
	p.t.Helper()
	conn, err := tls.Dial("tcp", p.dovecot.AddrTLS, &tls.Config{RootCAs: p.dovecot.RootCAs})
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw}))
}

func (p *peers) append(user, raw string, arrived time.Time) {
	p.t.Helper()
	if _, err := p.mailers[user].Append("INBOX", []byte(crlf(raw)), arrived); err != nil {
		p.t.Fatal(err)
	}
}

// folder returns a line for each message of a folder, in order: its UID,
// flags, arrival and octets. Whether it is \Recent is a matter of the session
// that asks.
func (p *peers) folder(user, folder string) (lines []string) {
	p.t.Helper()
	messages, err := p.mailers[user].Messages(folder)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, m := range messages {
		flags := slices.DeleteFunc(m.Flags, func(f string) bool { return f == `\Recent` })
		lines = append(lines, fmt.Sprintf("%d %q %s %x", m.UID, flags, m.Arrived.UTC(), sha256.Sum256(m.Raw)))
	}
	return lines
}

// mail returns the one mail that Postfix has for an address.
func (p *peers) mail(address string) []byte {
	p.t.Helper()
	return p.mails(address, 1)[0]
}

// mails waits for the mails of an address. None of them shows outside of its
// encryption what a report said.
func (p *peers) mails(address string, n int) [][]byte {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	mails, err := p.postfix.Mails(ctx, address, n)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.log)
	}
	if len(mails) != n {
		p.t.Errorf("%s got %d mails, want %d", address, len(mails), n)
	}
	for _, raw := range mails {
		if bytes.Contains(raw, []byte("canary")) {
			p.t.Errorf("a mail to %s shows a canary:\n%s", address, raw)
		}
	}
	return mails
}

// onlyCase returns the one case that Sam may read.
func (p *peers) onlyCase(client *api.Client) triage.Case {
	p.t.Helper()
	list, err := client.Cases(p.t.Context(), api.Filter{All: true})
	if err != nil || len(list.Cases) != 1 {
		p.t.Fatalf("%+v, %v", list, err)
	}
	v, err := client.Case(p.t.Context(), list.Cases[0].Ref)
	if err != nil {
		p.t.Fatal(err)
	}
	return v.Case
}

// gnupg is the GnuPG of one person.
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
		g.must("", "--import", filepath.Join(testdata, "keys", name+".asc"))
	}
	return g
}

func (g *gnupg) run(stdin string, args ...string) (stdout, status string, err error) {
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--quiet", "--no-tty", "--trust-model", "always", "--status-fd", "2"}, args...)...)
	var out, log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &log
	err = cmd.Run()
	return out.String(), log.String(), err
}

func (g *gnupg) must(stdin string, args ...string) string {
	g.t.Helper()
	out, status, err := g.run(stdin, args...)
	if err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, status)
	}
	return out
}

// report is a PGP/MIME report by Rita to the one organisation, with her key.
func (p *peers) report(rita *gnupg) string {
	payload := p.text("report.mime", "ARMOR", rita.must("", "--export", "--armor", "rita@researcher.example"))
	return p.text("report.eml", "ARMOR", rita.must(crlf(payload), "--sign", "--encrypt", "--armor", "--recipient", security))
}

// inline is a report by Robin to the other, encrypted as text, without a key.
func (p *peers) inline(robin *gnupg) string {
	return p.text("inline.eml", "ARMOR",
		robin.must("Files of other customers can be read: canary-body.\n", "--sign", "--encrypt", "--armor", "--recipient", backoffice))
}

// answer is a signed answer by Rita, whose domain doesn't vouch for it.
func (p *peers) answer(rita *gnupg, to string) string {
	const payload = "Content-Type: text/plain; charset=utf-8\n\nIt happens in every browser: canary-body."
	return p.text("answer.eml", "RECEIPT", to, "PAYLOAD", payload,
		"ARMOR", rita.must(crlf(payload), "--detach-sign", "--armor", "--digest-algo", "SHA512"))
}

// open returns what a mail says as GnuPG reads it: the protected subject and
// the text, in one line. It fails unless all of it is signed with the key of
// that address, and where somebody else can open it too.
func (g *gnupg) open(raw []byte, by string) (string, error) {
	var status string
	var err error
	payload := string(raw)
	if _, signed, ok := strings.Cut(payload, "multipart/signed"); ok {
		_, signed, _ = strings.Cut(signed, "\r\n\r\n--")
		boundary, rest, _ := strings.Cut(signed, "\r\n")
		var signature string
		payload, signature, _ = strings.Cut(rest, "\r\n--"+boundary)
		file := filepath.Join(g.home, "signature")
		if err := os.WriteFile(file, []byte(signature), 0o600); err != nil {
			return "", err
		}
		_, status, err = g.run(payload, "--verify", file, "-")
	} else {
		payload, status, err = g.run(payload, "--decrypt") // GnuPG finds the armor
	}
	if err != nil || !containsAll(status, "[GNUPG:] GOODSIG", "[GNUPG:] VALIDSIG", " <"+by+">\n") || strings.Count(status, "[GNUPG:] ENC_TO ") > 1 {
		return "", errors.Join(err, errors.New(status))
	}
	m, err := mail.ReadMessage(strings.NewReader(payload))
	if err != nil {
		return "", err
	}
	subject := m.Header.Get("Subject")
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	body := io.Reader(quotedprintable.NewReader(m.Body))
	if boundary := params["boundary"]; boundary != "" {
		if body, err = multipart.NewReader(m.Body, boundary).NextPart(); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(body)
	return strings.Join(strings.Fields(subject+" "+string(text)), " "), err
}

// text is a file of the tests with real servers, with words of it replaced.
func (p *peers) text(name string, oldnew ...string) string {
	p.t.Helper()
	return strings.NewReplacer(oldnew...).Replace(p.read(filepath.Join(testdata, "peers", name)))
}

// long writes a time as mails in English do.
func long(t time.Time) string { return t.Format("Monday 2 January 2006, 15:04 (MST)") }

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

func containsAll(s string, all ...string) bool {
	return !slices.ContainsFunc(all, func(part string) bool { return !strings.Contains(s, part) })
}
