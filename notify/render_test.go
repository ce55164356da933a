package notify

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

const canary = "kanarie"

// canaryReport has the canary in every field that a sender controls, but for
// the address.
func canaryReport() *triage.Message {
	m := report()
	m.From[0].Name = canary + " name"
	m.Subject, m.OuterSubject = canary+" subject", canary+" outer"
	m.Text, m.Reply = canary+" text\nhttps://"+canary+".example/", canary+" reply"
	m.Parts[0].Name = canary + ".txt"
	m.MessageID = canary + " id@researcher.example"
	m.InReplyTo, m.References = canary, []string{canary}
	m.To = []triage.Address{{Name: canary, Address: canary + "@elsewhere.example"}}
	m.ReplyTo = m.To
	return m
}

// TestReportNeverInClear renders every notice of a report to people without a
// key: nothing of the report may be readable, in any encoding that mail has.
func TestReportNeverInClear(t *testing.T) {
	r := testRenderer(t)
	key := ritasKey(t)
	for _, withKeys := range []bool{false, true} {
		if !withKeys {
			for id, p := range r.Directory.(*directory).people {
				p.Key = nil
				r.Directory.(*directory).people[id] = p
			}
		} else {
			r = testRenderer(t)
		}
		for _, p := range []*triage.Policy{identity(), relocation()} {
			c, opened := intake(p, canaryReport(), triage.Case{})
			_, followed := intake(p, canaryReport(), c)
			for _, l := range append(opened, followed...) {
				if withKeys {
					l.Case.Reporter.Key = &key
				}
				m, err := r.Render(l, now)
				if err != nil {
					t.Fatal(err)
				}
				want := protEncrypted
				if m.Key == "" {
					want = protStub
					if l.Notice.Kind.ToReporter() {
						want = protSigned
					}
				}
				if m.Protection != want {
					t.Errorf("%s: protection %s, want %s", l.Notice.ID, m.Protection, want)
				}
				for _, form := range readable(m.Raw) {
					if strings.Contains(strings.ToLower(form), canary) {
						t.Errorf("%s %s: the report is readable", p.ID, l.Notice.ID)
					}
				}
			}
		}
	}
}

// readable gives a mail as it is and with its encodings taken off.
func readable(raw []byte) []string {
	flat := strings.NewReplacer("=\r\n", "", "\r\n ", " ").Replace(string(raw))
	words, err := new(mime.WordDecoder).DecodeHeader(flat)
	if err != nil {
		words = ""
	}
	forms := []string{string(raw), flat, words}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if b, err := base64.StdEncoding.DecodeString(line); err == nil {
			forms = append(forms, string(b))
		}
	}
	return forms
}

// TestReporterMailIndependentOfReport: what a reporter gets depends on the
// facts alone. Two reports that differ in all that their senders wrote give
// the same bytes.
func TestReporterMailIndependentOfReport(t *testing.T) {
	r := testRenderer(t)
	key := ritasKey(t)
	payload := func(t *rapid.T, p *triage.Policy, m *triage.Message, kind triage.NoticeKind) []byte {
		_, ls := intake(p, m, triage.Case{})
		for _, l := range ls {
			if l.Notice.Kind == kind {
				l.Case.Reporter.Key = &key
				d, err := r.compose(&l, now)
				if err != nil {
					t.Fatal(err)
				}
				return d.payload()
			}
		}
		t.Fatalf("no %s", kind)
		return nil
	}
	secret := rapid.Custom(func(t *rapid.T) triage.Secret { return triage.Secret(rapid.String().Draw(t, "words")) })
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]*triage.Policy{identity(), relocation()}).Draw(t, "policy")
		m := report()
		m.From[0].Name, m.Subject, m.OuterSubject = secret.Draw(t, "name"), secret.Draw(t, "subject"), secret.Draw(t, "outer")
		m.Text, m.Reply = secret.Draw(t, "text"), secret.Draw(t, "reply")
		m.Parts = []triage.Part{{Name: secret.Draw(t, "file"), Size: rapid.Int64().Draw(t, "size")}}
		m.To = []triage.Address{{Name: secret.Draw(t, "to"), Address: secret.Draw(t, "to address")}}
		m.Size, m.Date = rapid.Int64().Draw(t, "octets"), now.Add(time.Duration(rapid.Int64().Draw(t, "date")))
		m.Faults, m.Limits = []string{"f"}, []string{"l"}
		plain := report()
		kind := triage.Receipt
		if rapid.Bool().Draw(t, "unreadable") {
			kind = triage.Unreadable
			m.OpenPGP.Decrypted, plain.OpenPGP.Decrypted = false, false
			m.OpenPGP.Problem = "what went wrong is for the operator"
		}
		if got, want := payload(t, p, m, kind), payload(t, p, plain, kind); !bytes.Equal(got, want) {
			t.Errorf("the mail depends on the report:\n%s\n%s", got, want)
		}
	})
}

// TestReporterViewHasNoRoom: a field that could hold text of a report must
// not be added to the view without a thought.
func TestReporterViewHasNoRoom(t *testing.T) {
	known := "Ref Org Address SignOff URL Version Fingerprint MessageID Received ReceivedUTC Evaluation Embargo EmbargoUTC Wait"
	var got []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[reporterView]()) {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != known {
		t.Errorf("fields are %v; prove for a new one that nothing of a report gets into it", got)
	}
}

// TestStructure takes mails apart again: the outside says nothing, the inside
// is whole, and both signatures are good.
func TestStructure(t *testing.T) {
	r := testRenderer(t)
	own := testKey(t, "own-iw.sec")
	certs := openpgp.NewRing(own)
	_, ls := intake(identity(), canaryReport(), triage.Case{})

	t.Run("encrypted", func(t *testing.T) {
		m, err := r.Render(letterOf(t, ls, triage.NewReport, "support"), now)
		if err != nil {
			t.Fatal(err)
		}
		head, parts := takeApart(t, m.Raw, "multipart/encrypted")
		if want := "[7K3M-Q9XT-2H4C] Identity Platform security report"; head.Get("Subject") != want {
			t.Errorf("outer subject %q, want %q", head.Get("Subject"), want)
		}
		for _, name := range []string{"Cc", "Bcc", "User-Agent", "X-Mailer", "List-Id", "In-Reply-To", "References", "Autocrypt"} {
			if v := head.Get(name); v != "" {
				t.Errorf("header %s: %q", name, v)
			}
		}
		for name, want := range map[string]string{
			"From": `"Identity Platform" <security@identity.example>`, "To": "<sam@identity.example>",
			"Message-Id": "<" + testToken + "@identity.example>", "Auto-Submitted": "auto-generated",
			"X-Auto-Response-Suppress": "All", "Date": "Fri, 20 Nov 2026 09:01:42 +0000",
		} {
			if got := head.Get(name); got != want {
				t.Errorf("header %s: %q, want %q", name, got, want)
			}
		}
		if m.From != "security+"+testToken+"@identity.example" || m.To != "sam@identity.example" {
			t.Errorf("envelope %q", m.From)
		}
		if len(parts) != 2 || parts[0] != "Version: 1\r\n" {
			t.Fatalf("%d parts", len(parts))
		}
		// The staff keys in the tests have their secret parts in files too.
		opened, err := openpgp.Open([]byte(parts[1]), openpgp.NewRing(testKey(t, "sam.sec")), certs, 1<<20, now)
		if err != nil {
			t.Fatal(err)
		}
		if opened.Signature.State != triage.SigValid || opened.Signature.Signer != own.Fingerprint() {
			t.Errorf("signature %v by %s", opened.Signature.State, opened.Signature.Signer)
		}
		inner, err := mail.ReadMessage(bytes.NewReader(opened.Plaintext))
		if err != nil {
			t.Fatal(err)
		}
		if want := "[7K3M-Q9XT-2H4C] Identity Platform security report: new (support)"; inner.Header.Get("Subject") != want {
			t.Errorf("inner subject %q", inner.Header.Get("Subject"))
		}
		_, params, err := mime.ParseMediaType(inner.Header.Get("Content-Type"))
		if err != nil || params["hp"] != "cipher" {
			t.Errorf("no header protection: %v %v", params, err)
		}
		outer := map[string]string{}
		for _, f := range inner.Header["Hp-Outer"] {
			name, value, _ := strings.Cut(f, ": ")
			outer[name] = value
			if got := head.Get(name); got != value {
				t.Errorf("HP-Outer says %s: %q, the message has %q", name, value, got)
			}
		}
		if len(outer) != 7 {
			t.Errorf("%d fields in HP-Outer", len(outer))
		}
	})

	t.Run("signed", func(t *testing.T) {
		m, err := r.Render(letterOf(t, ls, triage.Receipt, ""), now)
		if err != nil {
			t.Fatal(err)
		}
		head, parts := takeApart(t, m.Raw, "multipart/signed")
		if want := "<security+" + testReply + "@identity.example>"; head.Get("Reply-To") != want {
			t.Errorf("Reply-To %q, want %q", head.Get("Reply-To"), want)
		}
		if head.Get("Auto-Submitted") != "auto-replied" || head.Get("In-Reply-To") != "" {
			t.Errorf("Auto-Submitted %q, In-Reply-To %q (the report's Message-ID is not a clean one)", head.Get("Auto-Submitted"), head.Get("In-Reply-To"))
		}
		start := bytes.Index(m.Raw, []byte("\r\n--=_")) + 2
		start += bytes.Index(m.Raw[start:], []byte("\r\n")) + 2
		d, err := r.compose(ptr(letterOf(t, ls, triage.Receipt, "")), now)
		if err != nil {
			t.Fatal(err)
		}
		signed := m.Raw[start : start+len(d.payload())]
		if v := openpgp.Verify(signed, []byte(parts[1]), certs, now); v.State != triage.SigValid {
			t.Errorf("signature %s: %s", v.State, v.Problem)
		}
		_, params, _ := mime.ParseMediaType(head.Get("Content-Type"))
		if !strings.HasPrefix(params["micalg"], "pgp-sha") || params["protocol"] != "application/pgp-signature" {
			t.Errorf("parameters %v", params)
		}
		data := strings.ReplaceAll(head.Get("Autocrypt"), " ", "")
		cert, err := base64.StdEncoding.DecodeString(data[strings.Index(data, "keydata=")+len("keydata="):])
		if err != nil {
			t.Fatal(err)
		}
		keys, err := openpgp.ParseCerts(cert)
		if err != nil || keys[0].Fingerprint() != own.Fingerprint() {
			t.Errorf("Autocrypt: %v %v", keys, err)
		}
		if !bytes.Contains(m.Raw, []byte("BEGIN PGP PUBLIC KEY BLOCK")) {
			t.Error("our key is not attached")
		}
	})
}

func ptr[T any](v T) *T { return &v }

// takeApart parses a message of that type and returns the header and the
// bodies of its parts.
func takeApart(t *testing.T, raw []byte, mediaType string) (mail.Header, []string) {
	t.Helper()
	checkBytes(t, raw)
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	got, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || got != mediaType {
		t.Fatalf("type %q, want %q: %v", got, mediaType, err)
	}
	var parts []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, parts
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(b))
	}
}
