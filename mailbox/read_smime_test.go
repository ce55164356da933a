package mailbox

import (
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vdpd/mailbox/smime"
	"vdpd/triage"
)

func smimeFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("smime", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReadSMIME: what is signed is unpacked, what is encrypted is opened with a
// certificate of ours, and what can't be is a report that nobody can read yet.
func TestReadSMIME(t *testing.T) {
	made, err := time.Parse(time.RFC3339, strings.TrimSpace(string(smimeFile(t, "made"))))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(smimeFile(t, "root.pem"))
	identities, err := smime.ParseIdentity(append(smimeFile(t, "own.pem"), smimeFile(t, "own.key.pem")...), "")
	if err != nil {
		t.Fatal(err)
	}
	trusting := Options{Now: made.Add(time.Hour), Roots: roots, SMIME: identities}
	mail := func(file string) []byte {
		return []byte("From: rita@researcher.example\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(smimeFile(t, file)))
	}
	beside := "From: rita@researcher.example\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n" +
		"--b\r\n" + string(smimeFile(t, "text")) + "\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(smimeFile(t, "detached.p7s")) + "\r\n--b--\r\n"

	for _, tt := range []struct {
		name string
		raw  []byte
		opt  Options
		want triage.SMIME // Signer and Problem are not compared
		read bool         // the text is there
	}{
		{"signed, trusted", mail("rsa.p7m"), trusting, triage.SMIME{Signature: triage.SigValid}, true},
		{"signed, nobody is trusted", mail("rsa.p7m"), Options{Now: trusting.Now}, triage.SMIME{Signature: triage.SigUnknownKey}, true},
		{"signed beside", []byte(beside), trusting, triage.SMIME{Signature: triage.SigValid}, true},
		{"altered beside", []byte(strings.Replace(beside, "e", "E", 40)), Options{Now: trusting.Now}, triage.SMIME{Signature: triage.SigInvalid}, false},
		{"encrypted to us", mail("gcm.p7m"), trusting, triage.SMIME{Encrypted: true, Decrypted: true, Signature: triage.SigNone}, true},
		{"encrypted to others", mail("to-rita.p7m"), trusting, triage.SMIME{Encrypted: true, Signature: triage.SigNone}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Read(tt.raw, tt.opt)
			if m.SMIME == nil {
				t.Fatalf("no S/MIME; faults %v", m.Faults)
			}
			got := *m.SMIME
			got.Signer, got.Problem, got.SignerIsSender = "", "", false
			if got != tt.want {
				t.Errorf("%+v, want %+v (%s)", got, tt.want, m.SMIME.Problem)
			}
			if (strings.TrimSpace(m.Text.Reveal()) != "") != tt.read && tt.name != "altered beside" {
				t.Errorf("the text has %d bytes", len(m.Text))
			}
			if m.Unreadable() != (tt.want.Encrypted && !tt.want.Decrypted) {
				t.Errorf("unreadable: %v", m.Unreadable())
			}
		})
	}
}
