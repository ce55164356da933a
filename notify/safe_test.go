package notify

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// TestDefang: whatever a sender writes, no link survives, and no line can pass
// for one of ours.
func TestDefang(t *testing.T) {
	for in, want := range map[string]string{
		"see https://a.b.example/x.y?u=http://c.example": "see hxxps://a[.]b[.]example/x.y?u=hxxp://c[.]example",
		"HTTP://A.example:80/":                           "hxxp://A[.]example:80/",
		"http://http://c.example":                        "hxxp://http[:]//c[.]example",
		"ftp://a.example":                                "ftp[:]//a[.]example",
		"www.a.example":                                  "www[.]a.example",
		"https://user@a.example":                         "hxxps://user@a[.]example",
		"://":                                            "[:]//",
		"a.b without a link":                             "a.b without a link",
	} {
		if got := defang(in); got != want {
			t.Errorf("defang(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"http", "https://", "://", "www.", "\n", "\r", " ", "a.b", "\x1b[2J", "\u202e"}))
		text := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		checkSafe(t, safeText(text))
	})
}

func FuzzSafeText(f *testing.F) {
	f.Add("http://a.example\r\nFrom x\n\u202ehttps://b")
	f.Add("\x1b]8;;http://a\x07 | http")
	f.Fuzz(func(t *testing.T, s string) { checkSafe(t, safeText(s)) })
}

func checkSafe(t interface{ Errorf(string, ...any) }, out string) {
	lower := strings.ToLower(out)
	for _, bad := range []string{"http://", "https://", "ftp://", "www.", "\x1b", "\r", "\u202e", "\x00"} {
		if strings.Contains(lower, bad) {
			t.Errorf("%q survives in %q", bad, out)
		}
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\n"), "\n") {
		if out != "" && !strings.HasPrefix(line, "|") {
			t.Errorf("a line is not marked: %q", line)
		}
	}
}

// TestLongText: a long report is cut, and the mail says so.
func TestLongText(t *testing.T) {
	r := testRenderer(t)
	m := report()
	m.Text = triage.Secret(strings.Repeat("é", maxNoticeText))
	m.Subject = triage.Secret(strings.Repeat("long ", 1000))
	for range 1000 {
		m.Parts = append(m.Parts, triage.Part{Name: "x", Type: "a/b"})
	}
	_, ls := intake(identity(), m, triage.Case{})
	d, err := r.compose(ptr(letterOf(t, ls, triage.NewReport, "support")), now)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(d.text, "é"); n != maxNoticeText/2 {
		t.Errorf("%d characters of the text", n)
	}
	if !strings.Contains(d.text, "The whole text: vdp show "+string(testRef)) {
		t.Error("the mail doesn't say that the text is cut")
	}
	if len(d.text) > maxNoticeText+8000 {
		t.Errorf("%d bytes", len(d.text))
	}
	checkBytes(t, d.payload())
}

// TestNoRender names why a letter can't be rendered, and never says whose.
func TestNoRender(t *testing.T) {
	_, ls := intake(identity(), canaryReport(), triage.Case{})
	r1, s1 := letterOf(t, ls, triage.Receipt, ""), letterOf(t, ls, triage.NewReport, "support")
	tests := map[string]struct {
		letter triage.Letter
		spoil  func(*directory, *triage.Letter)
		want   string
	}{
		"no address": {r1, func(_ *directory, l *triage.Letter) { l.Case.Reporter.Address = "" }, ErrNoRecipient.Error()},
		"no policy":  {r1, func(d *directory, _ *triage.Letter) { delete(d.organisations, "iw") }, `policy "iw" is not in the configuration`},
		"no own key": {r1, func(d *directory, _ *triage.Letter) { d.organisations["iw"] = Organisation{Policy: identity()} }, `policy "iw" has no key of its own to sign with`},
		"no person":  {s1, func(d *directory, _ *triage.Letter) { delete(d.people, "sam") }, `person "sam" is not in the configuration`},
		"public only": {s1, func(d *directory, _ *triage.Letter) {
			o := d.organisations["iw"]
			o.Own = testKey(t, "own-iw.pub")
			d.organisations["iw"] = o
		}, openpgp.ErrCannotSign.Error()},
		"kind": {s1, func(_ *directory, l *triage.Letter) { l.Notice.Kind = "S2" }, "there is no template en/S2.txt"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := testRenderer(t)
			l := test.letter
			test.spoil(r.Directory.(*directory), &l)
			_, err := r.Render(l, now)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if strings.Contains(fmt.Sprintf("%+v %#v", err, err), canary) {
				t.Error("the error holds words of the report")
			}
		})
	}
}

// TestExpiredKeys: a key that is no longer good for encryption is as good as
// none, and a new pinned key of the reporter must be the pinned one.
func TestExpiredKeys(t *testing.T) {
	r := testRenderer(t)
	dir := r.Directory.(*directory)
	sam := dir.people["sam"]
	sam.Key = testKey(t, "own-retired.pub")
	dir.people["sam"] = sam
	_, ls := intake(identity(), report(), triage.Case{})
	m, err := r.Render(letterOf(t, ls, triage.NewReport, "support"), now)
	if err != nil || m.Protection != protStub || m.Key != "" {
		t.Errorf("protection %q, key %q, error %v", m.Protection, m.Key, err)
	}
	l := letterOf(t, ls, triage.Receipt, "")
	for name, key := range map[string]triage.Key{
		"other fingerprint": {Fingerprint: "00", Cert: ritasKey(t).Cert},
		"not a key":         {Fingerprint: "00", Cert: "hello"},
	} {
		l.Case.Reporter.Key = &key
		m, err := r.Render(l, now)
		if err != nil || m.Protection != protSigned || m.Key != "" {
			t.Errorf("%s: protection %q, key %q, error %v", name, m.Protection, m.Key, err)
		}
	}
}

// TestAddresses covers what the world puts before and after an @.
func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "<>",
		"a@b.example":                   "<a@b.example>",
		"A.b+c@B.example":               "<A.b+c@B.example>",
		"a b@c.example":                 `<"a b"@c.example>`,
		`"a b"@c.example`:               `<"a b"@c.example>`,
		"a@bücher.example":              "<a@xn--bcher-kva.example>",
		"a>b@c.example":                 `<"a>b"@c.example>`,
		"jörg@c.example":                "<jörg@c.example>",
		"a@[192.0.2.1]":                 "<a@[192.0.2.1]>",
		"a":                             "error",
		"a@":                            "error",
		"@b.example":                    "error",
		"a@b.example> SIZE=1":           "error",
		"a@b.example\r\nRSET":           "error",
		"a\r\nRSET@b.example":           "error",
		"a@b example":                   "error",
		"a@" + strings.Repeat("b", 300): "error",
	} {
		got, utf8, err := envelopePath(in)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if err == nil && utf8 != !ascii(got) {
			t.Errorf("%q: utf8 is %v", in, utf8)
		}
	}
}

// TestDates covers both languages, zones and the change to summer time.
func TestDates(t *testing.T) {
	zone := identity().Calendar.Zone
	for _, test := range []struct{ in, lang, want string }{
		{"2026-11-25T16:00:00Z", "en", "Wednesday 25 November 2026, 17:00 (CET)"},
		{"2026-11-25T16:00:00Z", "nl", "woensdag 25 november 2026, 17.00 uur (CET)"},
		{"2027-03-31T15:00:00Z", "en", "Wednesday 31 March 2027, 17:00 (CEST)"},
		{"2027-03-31T15:00:00Z", "nl", "woensdag 31 maart 2027, 17.00 uur (CEST)"},
	} {
		at, err := time.Parse(time.RFC3339, test.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := date(test.lang, at, zone); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.in, test.lang, got, test.want)
		}
	}
	if got := date("en", time.Time{}, zone) + utc(time.Time{}); got != "" {
		t.Errorf("no time: %q", got)
	}
}

func BenchmarkRender(b *testing.B) {
	r := testRenderer(b)
	m := report()
	m.Text = triage.Secret(strings.Repeat("A line of a report with about sixty characters in it, or so.\n", 33)) // 2 KB
	_, ls := intake(identity(), m, triage.Case{})
	key := ritasKey(b)
	encrypted := letterOf(b, ls, triage.Receipt, "")
	encrypted.Case.Reporter.Key = &key
	for _, bench := range []struct {
		name   string
		letter triage.Letter
	}{
		{"S1-full-2KB", letterOf(b, ls, triage.NewReport, "support")},
		{"S1-stub", letterOf(b, ls, triage.NewReport, "ceo")},
		{"R1-signed", letterOf(b, ls, triage.Receipt, "")},
		{"R1-encrypted", encrypted},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(bench.letter, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestText: quoted-printable gives the text back, and no line disturbs a
// signature on the way.
func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"From here\n":                  "=46rom=20=\r\nhere\r\n",
		"to From\n.\n":                 "to From\r\n.\r\n",
		"a \n-- \n":                    "a=20\r\n--=20\r\n",
		"é\n":                          "=C3=A9\r\n",
		strings.Repeat("x", 76) + "\n": strings.Repeat("x", 75) + "=\r\nx\r\n",
	} {
		if got := string(textPart(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"From ", "\n", " \n", "\t", "=", ".\n", strings.Repeat("x", 75)}))
		text := strings.ReplaceAll(strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), ""), "\r", "")
		encoded := textPart(text)
		got, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(encoded)))
		if err != nil || string(got) != strings.ReplaceAll(text, "\n", "\r\n") {
			t.Fatalf("%q comes back as %q, %v", text, got, err)
		}
		for line := range strings.SplitSeq(string(encoded), "\r\n") {
			if len(line) > 76 || strings.HasPrefix(line, "From ") || strings.TrimRight(line, " \t") != line {
				t.Fatalf("line %q", line)
			}
		}
	})
}

// TestForeignNames: an organisation may have any name; headers stay in ASCII
// and in one piece.
func TestForeignNames(t *testing.T) {
	r := testRenderer(t)
	p := identity()
	p.Org, p.SignOff = "Identität & Größe \"GmbH\"\r\nBcc: x@y.example", "Jörg"
	o := r.Directory.(*directory).organisations["iw"]
	o.Policy = p
	r.Directory.(*directory).organisations["iw"] = o
	_, ls := intake(p, report(), triage.Case{})
	for _, l := range ls {
		m, err := r.Render(l, now)
		if err != nil {
			if !strings.Contains(err.Error(), "the subject must be one line") {
				t.Error(err)
			}
			continue
		}
		checkBytes(t, m.Raw)
		head, _, _ := strings.Cut(string(m.Raw), "\r\n\r\n")
		parsed, err := mail.ReadMessage(strings.NewReader(head + "\r\n\r\n"))
		if err != nil || parsed.Header.Get("Bcc") != "" {
			t.Errorf("%v, header %q", err, head)
		}
	}
	p.Org = "Identität & Größe"
	m, err := r.Render(letterOf(t, ls, triage.Receipt, ""), now)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	from, err := parsed.Header.AddressList("From")
	if err != nil || from[0].Name != p.Org {
		t.Errorf("From %v %v", from, err)
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil || subject != "[7K3M-Q9XT-2H4C] Identität & Größe security report" {
		t.Errorf("Subject %q %v", subject, err)
	}
}

// panics is a Directory with a defect.
type panics struct{}

func (panics) Organisation(string) (Organisation, bool) { panic(canary) }
func (panics) Person(string) (Person, bool)             { panic(canary) }

func TestPanic(t *testing.T) {
	r := testRenderer(t)
	r.Directory = panics{}
	m, err := r.Render(triage.Letter{}, now)
	if m != nil || err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("%v %v", m, err)
	}
}
