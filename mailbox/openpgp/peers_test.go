//go:build peers

package openpgp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vdpd/triage"
)

// gnupg is a GnuPG with a home of its own, which holds all secret keys of
// testdata/keys but ours.
type gnupg struct {
	t    testing.TB
	home string
}

func newGnuPG(t testing.TB, names ...string) *gnupg {
	t.Helper()
	// The agent's socket doesn't fit into a long path, which t.TempDir gives.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	g := &gnupg{t, home}
	t.Cleanup(func() {
		out, err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").CombinedOutput()
		if err != nil {
			t.Errorf("gpgconf: %v\n%s", err, out)
		}
		os.RemoveAll(home)
	})
	for _, name := range names {
		g.run(file(t, name+".asc"), "--import")
	}
	return g
}

func (g *gnupg) try(stdin []byte, args ...string) (stdout []byte, status string, err error) {
	args = append([]string{"--homedir", g.home, "--batch", "--yes", "--quiet", "--no-tty", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", "x", "--status-fd", "2"}, args...)
	cmd := exec.Command("gpg", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	return out.Bytes(), log.String(), err
}

func (g *gnupg) run(stdin []byte, args ...string) []byte {
	g.t.Helper()
	out, log, err := g.try(stdin, args...)
	if err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, log)
	}
	return out
}

const report = "There is an SQL injection in the search form.  \r\n- first\r\n-- \r\nFrom here on: Zoë\r\n"

func TestPeersGnuPGEncryptsOpenReads(t *testing.T) {
	g := newGnuPG(t, "own-iw.pub", "own-ep.pub", "sam.pub", "rita.sec", "rsa.sec", "dsa.sec")
	own := NewRing(secret(t, "own-iw"), secret(t, "own-ep"))
	certs := NewRing(public(t, "rita"), public(t, "rsa"))
	const iw, ep, sam = "security@identity.example", "backoffice@relocation.example", "sam@identity.example"
	const rita, rsa, dsa = "rita@researcher.example", "robin@researcher.example", "dora@researcher.example"
	for name, c := range map[string]struct {
		args   []string
		state  triage.Signature
		signer string
	}{
		"plain":            {[]string{"-r", iw}, triage.SigNone, ""},
		"binary":           {[]string{"--no-armor", "-r", iw}, triage.SigNone, ""},
		"signed":           {[]string{"-r", iw, "-s", "-u", rita}, triage.SigValid, "rita"},
		"signed RSA":       {[]string{"-r", iw, "-s", "-u", rsa}, triage.SigValid, "rsa"},
		"signed unknown":   {[]string{"-r", iw, "-s", "-u", dsa}, triage.SigUnknownKey, "dsa"},
		"signed twice":     {[]string{"-r", iw, "-s", "-u", dsa, "-u", rita}, triage.SigValid, "rita"},
		"text mode":        {[]string{"--textmode", "-r", iw, "-s", "-u", rita}, triage.SigValid, "rita"},
		"SHA-1":            {[]string{"--digest-algo", "SHA1", "-r", iw, "-s", "-u", rsa}, triage.SigInvalid, "rsa"},
		"second key":       {[]string{"-r", ep}, triage.SigNone, ""},
		"both":             {[]string{"-r", iw, "-r", ep, "-r", sam, "-s", "-u", rita}, triage.SigValid, "rita"},
		"hidden":           {[]string{"--hidden-recipient", ep}, triage.SigNone, ""},
		"thrown key ids":   {[]string{"--throw-keyids", "-r", sam, "-r", ep, "-s", "-u", rita}, triage.SigValid, "rita"},
		"Bcc":              {[]string{"-r", sam, "-R", iw}, triage.SigNone, ""},
		"zip":              {[]string{"--compress-algo", "zip", "-r", iw, "-s", "-u", rita}, triage.SigValid, "rita"},
		"zlib":             {[]string{"--compress-algo", "zlib", "-r", iw, "-s", "-u", rita}, triage.SigValid, "rita"},
		"bzip2":            {[]string{"--compress-algo", "bzip2", "-r", iw, "-s", "-u", rita}, triage.SigValid, "rita"},
		"uncompressed":     {[]string{"--compress-algo", "none", "-r", iw, "-s", "-u", rita}, triage.SigValid, "rita"},
		"AES-128":          {[]string{"--cipher-algo", "AES", "-r", iw}, triage.SigNone, ""},
		"3DES":             {[]string{"--cipher-algo", "3DES", "-r", iw}, triage.SigNone, ""},
		"key and password": {[]string{"-c", "-r", iw}, triage.SigNone, ""},
		"rfc4880":          {[]string{"--rfc4880", "-r", iw, "-s", "-u", rita}, triage.SigValid, "rita"},
	} {
		message := g.run([]byte(report), append([]string{"--armor", "-e"}, c.args...)...)
		if !IsMessage(message) {
			t.Errorf("%s: IsMessage is false", name)
		}
		o, err := Open(message, own, certs, limit, time.Now())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := report
		if name == "text mode" {
			want = strings.ReplaceAll(report, "\r\n", "\n")
		}
		if got := string(o.Plaintext); got != want {
			t.Errorf("%s: %q", name, got)
		}
		signer := ""
		if c.signer != "" {
			signer = public(t, c.signer).Fingerprint()
		}
		t.Run(name, func(t *testing.T) { wantState(t, o.Signature, c.state, signer) })
	}
}

func TestPeersGnuPGRefused(t *testing.T) {
	g := newGnuPG(t, "own-iw.pub", "sam.pub", "rita.sec")
	own := NewRing(secret(t, "own-iw"))
	const iw = "security@identity.example"
	for name, c := range map[string]struct {
		args []string
		want error
	}{
		"passphrase only": {[]string{"-c"}, ErrSymmetric},
		"rfc2440, no MDC": {[]string{"-e", "--rfc2440", "-r", iw}, ErrNoIntegrity},
		"disable-mdc":     {[]string{"-e", "--rfc2440", "--cipher-algo", "AES256", "--disable-mdc", "-r", iw}, ErrNoIntegrity},
		"to another":      {[]string{"-e", "-r", "sam@identity.example"}, ErrNotForUs},
		"hidden another":  {[]string{"-e", "-R", "sam@identity.example"}, ErrNotForUs},
		"signed only":     {[]string{"-s", "-u", "rita@researcher.example"}, ErrNotEncrypted},
	} {
		for _, form := range []string{"--armor", "--no-armor"} {
			message := g.run([]byte(report), append([]string{form}, c.args...)...)
			if o, err := Open(message, own, nil, limit, time.Now()); !errors.Is(err, c.want) || o != nil {
				t.Errorf("%s %s: %v, want %v", name, form, err, c.want)
			}
		}
	}
}

func TestPeersGnuPGBomb(t *testing.T) {
	g := newGnuPG(t, "own-iw.pub")
	own := NewRing(secret(t, "own-iw"))
	zeros := make([]byte, 64<<20)
	for _, algo := range []string{"zip", "zlib", "bzip2"} {
		bomb := g.run(zeros, "--no-armor", "--compress-algo", algo, "-e", "-r", "security@identity.example")
		start := time.Now()
		o, err := Open(bomb, own, nil, 10<<20, time.Now())
		if !errors.Is(err, ErrTooLarge) || o != nil {
			t.Errorf("%s: %v, %v", algo, o, err)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s: %d octets took %v", algo, len(bomb), d)
		}
	}
}

func TestPeersGnuPGExpiredKeyOfOurs(t *testing.T) {
	g := newGnuPG(t, "own-retired.pub")
	message := g.run([]byte(report), "--faked-system-time", "20240101T000000!", "--armor", "-e", "-r", "security@identity.example")
	o, err := Open(message, NewRing(secret(t, "own-iw"), secret(t, "own-retired")), nil, limit, time.Now())
	if err != nil || string(o.Plaintext) != report {
		t.Fatal(o, err)
	}
}

func TestPeersWeakKey(t *testing.T) {
	g := newGnuPG(t, "own-iw.pub")
	g.run([]byte(`%no-protection
Key-Type: DSA
Key-Length: 1024
Subkey-Type: ELG-E
Subkey-Length: 1024
Name-Email: old@researcher.example
Expire-Date: 0
%commit
`), "--gen-key")
	keys, err := ParseCerts(g.run(nil, "--export", "old@researcher.example"))
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Minute)
	signed := g.run([]byte(report), "--digest-algo", "SHA256", "-s", "-u", "old@researcher.example")
	_, v, err := OpenSigned(signed, NewRing(keys...), limit, soon)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, v, triage.SigInvalid, keys[0].Fingerprint())
	if v.Problem != "the key is too weak" {
		t.Error(v.Problem)
	}
	if _, err := Seal([]byte(report), keys[0], secret(t, "own-iw"), soon); !errors.Is(err, ErrCannotEncrypt) || keys[0].CanEncrypt(soon) {
		t.Error(err)
	}
}

// An operator who keeps the primary key offline exports the subkeys only.
func TestPeersOfflinePrimaryKey(t *testing.T) {
	g := newGnuPG(t, "rita.sec")
	keys, err := ParseKeys(g.run(nil, "--armor", "--export-secret-subkeys", "rita@researcher.example"))
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	message := g.run([]byte(report), "--armor", "-e", "-r", "rita@researcher.example")
	if o, err := Open(message, NewRing(keys...), nil, limit, time.Now()); err != nil || string(o.Plaintext) != report {
		t.Fatal(o, err)
	}
	if !keys[0].HasSecret() || keys[0].CanSign(time.Now()) {
		t.Errorf("HasSecret %v, CanSign %v", keys[0].HasSecret(), keys[0].CanSign(time.Now()))
	}
	if _, _, err := Sign(nil, keys[0], time.Now()); !errors.Is(err, ErrCannotSign) {
		t.Error(err)
	}
}

func TestPeersSealGnuPGReads(t *testing.T) {
	iw := secret(t, "own-iw")
	for _, name := range []string{"sam", "rita", "rsa", "dsa"} {
		g := newGnuPG(t, name+".sec", "own-iw.pub")
		for _, text := range []string{report, "", strings.Repeat(report, 20000)} {
			sealed, err := Seal([]byte(text), public(t, name), iw, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			out, status, err := g.try(bytes.ReplaceAll(sealed, []byte("\n"), []byte("\r\n")), "--decrypt")
			if err != nil || string(out) != text {
				t.Errorf("%s: %v\n%s", name, err, status)
			}
			for _, want := range []string{"[GNUPG:] GOODMDC", "[GNUPG:] VALIDSIG " + iw.Fingerprint(), "[GNUPG:] GOODSIG"} {
				if !strings.Contains(status, want) {
					t.Errorf("%s: no %q in\n%s", name, want, status)
				}
			}
		}
	}
}

func TestPeersDetached(t *testing.T) {
	g := newGnuPG(t, "own-iw.pub", "rita.sec", "rsa.sec")
	dir := t.TempDir()
	text, sig := filepath.Join(dir, "text"), filepath.Join(dir, "sig")
	for _, name := range []string{"own-iw", "rsa"} {
		k := secret(t, name)
		b, micalg, err := Sign([]byte(report), k, time.Now())
		if err != nil || micalg != "pgp-sha512" {
			t.Fatal(micalg, err)
		}
		if err := errors.Join(os.WriteFile(text, []byte(report), 0o600), os.WriteFile(sig, b, 0o600)); err != nil {
			t.Fatal(err)
		}
		_, status, err := g.try(nil, "--verify", sig, text)
		if err != nil || !strings.Contains(status, "VALIDSIG "+k.Fingerprint()) || !strings.Contains(status, " 10 00 ") {
			t.Errorf("%v\n%s", err, status)
		}
	}
	certs := NewRing(public(t, "rita"))
	for _, args := range [][]string{{"--armor"}, {"--no-armor"}, {"--armor", "--textmode"}, {"--armor", "--digest-algo", "SHA384"}} {
		b := g.run([]byte(report), append(args, "-b", "-u", "rita@researcher.example")...)
		wantState(t, Verify([]byte(report), b, certs, time.Now()), triage.SigValid, public(t, "rita").Fingerprint())
		bare := strings.ReplaceAll(report, "\r\n", "\n")
		wantState(t, Verify([]byte(bare), b, certs, time.Now()), triage.SigValid, public(t, "rita").Fingerprint())
		wantState(t, Verify([]byte(report+" "), b, certs, time.Now()), triage.SigInvalid, public(t, "rita").Fingerprint())
	}
}

func TestPeersCleartext(t *testing.T) {
	g := newGnuPG(t, "rita.sec", "rsa.sec")
	bare := strings.ReplaceAll(report, "\r\n", "\n")
	want := strings.ReplaceAll(strings.TrimSuffix(bare, "\n"), "  \n", "\n")
	want = strings.ReplaceAll(want, "-- \n", "--\n")
	for _, c := range []struct {
		signers []string
		state   triage.Signature
		signer  string
	}{
		{[]string{"-u", "rita@researcher.example"}, triage.SigValid, "rita"},
		{[]string{"-u", "robin@researcher.example"}, triage.SigUnknownKey, "rsa"},
		{[]string{"-u", "robin@researcher.example", "-u", "rita@researcher.example"}, triage.SigValid, "rita"},
	} {
		for _, text := range []string{report, bare} {
			b := g.run([]byte(text), append([]string{"--clearsign"}, c.signers...)...)
			blocks := Blocks(b)
			if len(blocks) != 1 || blocks[0].Kind != KindSigned {
				t.Fatalf("%v in\n%s", blocks, b)
			}
			got, v, err := VerifyClear(b, NewRing(public(t, "rita")), time.Now())
			if err != nil || string(got) != want {
				t.Errorf("%q, %v", got, err)
			}
			wantState(t, v, c.state, public(t, c.signer).Fingerprint())
		}
	}
}

func TestPeersOpaqueSigned(t *testing.T) {
	g := newGnuPG(t, "rita.sec")
	for _, form := range []string{"--armor", "--no-armor"} {
		b := g.run([]byte(report), form, "-s", "-u", "rita@researcher.example")
		text, v, err := OpenSigned(b, NewRing(public(t, "rita")), limit, time.Now())
		if err != nil || string(text) != report {
			t.Errorf("%q, %v", text, err)
		}
		wantState(t, v, triage.SigValid, public(t, "rita").Fingerprint())
	}
}

func TestPeersKeyExport(t *testing.T) {
	k, err := Generate("Identity Platform", "new@identity.example", time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	public, err := k.ArmorPublic()
	if err != nil {
		t.Fatal(err)
	}
	minimal, err := k.Minimal()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"public": []byte(public), "minimal": minimal} {
		g := newGnuPG(t)
		g.run(b, "--import")
		message := g.run([]byte(report), "--armor", "-e", "-r", "new@identity.example")
		if o, err := Open(message, NewRing(k), nil, limit, time.Now()); err != nil || string(o.Plaintext) != report {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	for _, passphrase := range []triage.Secret{"", "correct horse"} {
		secret, err := k.ArmorSecret(passphrase)
		if err != nil {
			t.Fatal(err)
		}
		g := newGnuPG(t)
		g.run([]byte(secret), "--passphrase", passphrase.Reveal(), "--import")
		signed := g.run([]byte(report), "--passphrase", passphrase.Reveal(), "-s", "-u", "new@identity.example")
		_, v, err := OpenSigned(signed, NewRing(k), limit, time.Now())
		if err != nil || v.State != triage.SigValid {
			t.Errorf("passphrase %q: %+v, %v", passphrase.Reveal(), v, err)
		}
	}
}

// A reporter's key as GnuPG exports it: several User IDs, one of them revoked
// later, and a signature by somebody else.
func TestPeersParseCerts(t *testing.T) {
	g := newGnuPG(t, "rita.sec", "sam.sec")
	g.run(nil, "--quick-add-uid", "rita@researcher.example", "Rita <second@researcher.example>")
	g.run(nil, "--quick-add-uid", "rita@researcher.example", "no address")
	g.run(nil, "-u", "sam@identity.example", "--quick-sign-key", public(t, "rita").Fingerprint())
	export := g.run(nil, "--armor", "--export", "rita@researcher.example")
	keys, err := ParseCerts(export)
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	addresses := keys[0].Addresses()
	slices.Sort(addresses)
	if fmt.Sprint(addresses) != "[rita@researcher.example second@researcher.example]" {
		t.Error(addresses)
	}
	armored, err := keys[0].ArmorPublic()
	if err != nil || len(armored) >= len(export) {
		t.Errorf("%d octets of %d, %v", len(armored), len(export), err)
	}
	g.run(nil, "--quick-revoke-uid", "rita@researcher.example", "Rita <second@researcher.example>")
	keys, err = ParseCerts(g.run(nil, "--export", "rita@researcher.example"))
	if err != nil || fmt.Sprint(keys[0].Addresses()) != "[rita@researcher.example]" {
		t.Error(keys, err)
	}
}
