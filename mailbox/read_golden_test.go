package mailbox

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

var update = flag.Bool("update", false, "write the expected outcomes in testdata/mail anew")

const (
	mailDir = "../testdata/mail"
	keyDir  = "../testdata/keys"
)

// readAt is when the mails of the tests are read.
var readAt = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)

// testOptions are those of a mailbox of the Identity Platform that knows Rita
// and has sent two mails.
func testOptions(t testing.TB) Options {
	return Options{
		Own:        ring(t, "own-iw.sec", "own-retired.sec"),
		Certs:      ring(t, "rita.pub"),
		AuthServID: "mx.identity.example",
		IsOurs:     func(id string) bool { return strings.HasPrefix(id, "ours.") },
		Now:        readAt,
	}
}

func ring(t testing.TB, names ...string) *openpgp.Ring {
	t.Helper()
	r := openpgp.NewRing()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(keyDir, name+".asc"))
		if err != nil {
			t.Fatal(err)
		}
		keys, err := openpgp.ParseKeys(b, "throw-away")
		if err != nil {
			t.Fatal(err)
		}
		r.Add(keys...)
	}
	return r
}

// TestGolden reads every mail in testdata/mail and compares the message with
// the expected outcome beside it. With -update it writes the outcomes.
func TestGolden(t *testing.T) {
	opt := testOptions(t)
	files, err := filepath.Glob(filepath.Join(mailDir, "*.eml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no mails in %s: %v", mailDir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".eml"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := outcome(t, Read(raw, opt))
			golden := strings.TrimSuffix(file, ".eml") + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("another outcome than %s (go test -run Golden -update writes it):\n%s", filepath.Base(golden), got)
			}
		})
	}
}

// outcome is the message as JSON, without what is the same everywhere.
func outcome(t *testing.T, m *triage.Message) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"source", "size", "digest"} {
		delete(fields, name)
	}
	if m.Reply == m.Text {
		delete(fields, "reply")
	}
	if !m.Auth.Checked {
		delete(fields, "auth")
	}
	if m.OpenPGP == (triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone}) {
		delete(fields, "openpgp")
	}
	if keys, ok := fields["keys"].([]any); ok {
		for _, k := range keys {
			delete(k.(map[string]any), "cert")
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestWordsDecideNothing reads the mails that other products lost for a word
// in their subject, or for a harmless field.
func TestWordsDecideNothing(t *testing.T) {
	opt := testOptions(t)
	people, _ := filepath.Glob(filepath.Join(mailDir, "subject-*.eml"))
	for _, name := range []string{
		"auto-submitted-no", "auto-submitted-no-comment", "bare", "from-malformed", "from-unreadable", "return-path-ses", "return-path-verp",
		"from-postmaster", "from-groot", "from-replyman", "suppress-human", "bounce-forwarded", "subject-backslash",
	} {
		people = append(people, filepath.Join(mailDir, name+".eml"))
	}
	if len(people) < 19 {
		t.Fatalf("only %d mails", len(people))
	}
	for _, file := range people {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m := Read(raw, opt); m.Kind != triage.KindReport {
			t.Errorf("%s: is %q (%s), want a report", filepath.Base(file), m.Kind, m.Reason)
		}
	}
}

// TestSameMail checks that two ways of one mail have one Content, and another
// mail with the same Message-ID has not.
func TestSameMail(t *testing.T) {
	content := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(mailDir, name+".eml"))
		if err != nil {
			t.Fatal(err)
		}
		return Read(raw, testOptions(t)).Content
	}
	if content("same-1") != content("same-2") {
		t.Error("one mail by two ways: Content differs")
	}
	if content("same-1") == content("same-id-other-mail") {
		t.Error("two mails with one Message-ID: Content is equal")
	}
	with := Read([]byte("Subject: a\r\n\r\nb"), testOptions(t)).Content
	if without := Read([]byte("Subject: a\r\n\r\nb"), Options{}).Content; with != without {
		t.Error("Content depends on the keys")
	}
}
