package inspect

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vdpd/mailbox/openpgp"
)

const testdata = "../../../testdata"

func mail(name string) string { return filepath.Join(testdata, "mail", name+".eml") }

func ring(t *testing.T, name string) *openpgp.Ring {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, "keys", name+".asc"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := openpgp.ParseKeys(b)
	if err != nil {
		t.Fatal(err)
	}
	return openpgp.NewRing(keys...)
}

func run(t *testing.T, opt Options, files ...string) string {
	t.Helper()
	opt.Now = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	if err := Run(&out, opt, files); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestJSON checks the contract: one object a line in the order of the files,
// every key there, lists never null.
func TestJSON(t *testing.T) {
	opt := Options{JSON: true, Own: ring(t, "own-iw.sec"), Certs: ring(t, "rita.pub")}
	lines := strings.Split(strings.TrimSpace(run(t, opt, mail("pgp-mime-signed-encrypted"), mail("bounce-hard"))), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	keys := []string{"file", "kind", "reason", "from", "to", "reply_to", "date", "message_id", "in_reply_to", "references", "subject", "outer_subject",
		"text", "html_only", "reply", "parts", "openpgp", "keys", "bounces", "limits", "faults"}
	for _, line := range lines {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		if len(o) != len(keys) {
			t.Errorf("%d keys, want %d", len(o), len(keys))
		}
		for _, k := range keys {
			if v, ok := o[k]; !ok || v == nil {
				t.Errorf("%s: %v", k, v)
			}
		}
	}
	for _, want := range []string{
		`"subject":"IDOR in the export page","outer_subject":"..."`, `"signature":"valid"`, `"signer_is_sender":true`, `"name":"poc.py","type":"text/plain","size":8`,
		`"date":"2026-06-01T08:59:00+02:00"`, `"from":{"name":"Rita Maas","address":"rita@researcher.example"}`,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	if want := `"bounces":[{"recipient":"rita@researcher.example","action":"failed","status":"5.1.1"`; !strings.Contains(lines[1], want) {
		t.Errorf("no %s in %s", want, lines[1])
	}
}

// TestOwnKeySigns checks that a signature by a key given as one of ours is
// judged too: whoever tries his own key pair wants to see it.
func TestOwnKeySigns(t *testing.T) {
	out := run(t, Options{JSON: true, Own: ring(t, "rita.sec")}, mail("pgp-mime-signed"))
	if !strings.Contains(out, `"signature":"valid"`) {
		t.Error(out)
	}
}

func TestText(t *testing.T) {
	opt := Options{Own: ring(t, "own-iw.sec"), Certs: ring(t, "rita.pub")}
	for name, wants := range map[string][]string{
		"pgp-mime-signed-encrypted": {"opens a case", "the whole message, decrypted", "valid, over the whole message; key 1C5A", "which has the From address", "poc.py", "outside it reads: ..."},
		"pgp-mime-wrong-key":        {"nobody can read yet", "not decrypted: no key of ours"},
		"pgp-mime-signed-in-list":   {"waits for a person", "list-id", "proves nothing about the whole"},
		"pgp-mime-signed-altered":   {"Signature    invalid: the signature does not fit the text"},
		"vacation":                  {"kept as automatic mail", "auto-submitted: auto-replied", "held for a person"},
		"bounce-hard":               {"filed as a bounce", "rita@researcher.example failed 5.1.1", "550 5.1.1"},
		"receipt-reflected":         {"our own mail come back"},
		"answer":                    {"joins the case", "without quotations and signature\n  | It works with the second payload too.\n"},
		"html-only":                 {"Text, made from HTML", "HTML with hidden text", "[hidden: pay us first]"},
		"from-unreadable":           {"(no address)", "no readable From"},
		"autocrypt":                 {"1C5A87691E7BFABEE7A4D42ED1388F324F745DBA (autocrypt, rita@researcher.example)"},
	} {
		out := run(t, opt, mail(name))
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", name, want, out)
			}
		}
	}
}

// TestTerminal checks that nothing of a sender reaches the terminal as a
// control sequence, from no field.
func TestTerminal(t *testing.T) {
	evil := "\x1b[2J\u202e"
	raw := "From: \"" + evil + "\" <a" + evil + "@b.example>\r\nSubject: =?utf-8?B?G1sySuKArg==?=\r\nMessage-ID: <" + evil + "@x>\r\nReply-To: " + evil + " <c@d.example>\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + evil + "\r\n--b\r\nContent-Type: x/" + evil + "\r\nContent-Disposition: attachment; filename=\"" + evil + ".exe\"\r\n\r\nx\r\n--b--\r\n"
	file := filepath.Join(t.TempDir(), "evil.eml")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, Options{}, file); strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("%q", out)
	}
}

func TestMissingFile(t *testing.T) {
	if err := Run(&bytes.Buffer{}, Options{}, []string{"no-such-file.eml"}); err == nil || !strings.Contains(err.Error(), "no-such-file.eml") {
		t.Errorf("error %v", err)
	}
}
