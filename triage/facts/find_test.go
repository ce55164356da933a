package facts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var identity = Scope{
	In:  []string{"identity.example", "*.identity.example", "192.0.2.0/24", "Workforce Login"},
	Out: []string{"www.identity.example", "*.blog.identity.example", "192.0.2.7", "Marketing Site"},
}

func find(text string) Facts { return Find(Input{Text: text, Scope: identity}) }

func TestURLs(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"See https://login.identity.example/a?b=1.", "https://login.identity.example/a?b=1 in"},
		{"hxxps://login[.]identity[.]example/x", "https://login.identity.example/x in"},
		{"hXXp://evil[dot]researcher(.)example[:]8080/p", "http://evil.researcher.example:8080/p unknown"},
		{"<HTTPS://WWW.Identity.Example:443/A/b>", "https://www.identity.example/A/b out"},
		{"https://anna:secret@login.identity.example/", "https://login.identity.example/ in"},
		{"(https://login.identity.example/wiki/A_(b)),", "https://login.identity.example/wiki/A_(b) in"},
		{"[here](https://a.blog.identity.example/x) and", "https://a.blog.identity.example/x out"},
		{"https://login.identity.example/a#top", "https://login.identity.example/a in"},
		{"https://login.identity.example/#/users/1", "https://login.identity.example/#/users/1 in"},
		{"http://[2001:DB8:0::1]:8080/x!", "http://[2001:db8::1]:8080/x unknown"},
		{"http://192.0.2.7/x http://192.0.2.8/y", "http://192.0.2.7/x out|http://192.0.2.8/y in"},
		{"on login.identity.example/reset?token=1, twice", "login.identity.example/reset?token=1 in"},
		{"xss on /search?q= and km/h or and/or 1/2", "/search?q= unknown"},
		{"GET /api/v1/users/7 HTTP/1.1\nHost: login.identity.example\n", "/api/v1/users/7 unknown|login.identity.example/api/v1/users/7 in"},
		{`https://login.identity.example/s?q=<script>alert(1)</script>`, "https://login.identity.example/s?q= in"},
		{"http://x y http:// https://.. ftp://-bad/ javascript://login.identity.example/", "http://x unknown"},
		{"mail anna@login.identity.example or file:///etc", ""},
	} {
		var got []string
		for _, u := range find(tt.text).URLs {
			got = append(got, u.Text+" "+string(u.Scope))
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("%q\n got %s\nwant %s", tt.text, s, tt.want)
		}
	}
}

func TestHosts(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"login.identity.example, identity.example. and other.example", "login.identity.example in|identity.example in|other.example unknown"},
		{"192.0.2.1 192.0.2.7, 198.51.100.1:443 2001:DB8:0::1", "192.0.2.1 in|192.0.2.7 out|198.51.100.1 unknown|2001:db8::1 unknown"},
		{"at 12:30 in main.go of app.py, e.g. done.De sleutel, v1.2 and index.php", ""},
		{"anna@identity.example", ""},
		{"notidentity.example/x", "notidentity.example unknown"},
	} {
		var got []string
		for _, h := range find(tt.text).Hosts {
			got = append(got, h.Name+" "+string(h.Scope))
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("%q\n got %s\nwant %s", tt.text, s, tt.want)
		}
	}
	want := []Product{{"Workforce Login", ScopeIn, 2}, {"Marketing Site", ScopeOut, 3}}
	if got := find("I tried\nthe workforce-login\nand your marketing site").Products; !reflect.DeepEqual(got, want) {
		t.Errorf("products %+v", got)
	}
	all := Scope{In: []string{"*"}}
	if v := compileScope(all).verdict("anything.example"); v != ScopeUnknown {
		t.Errorf("* says %s of a host", v)
	}
}

func TestIdentifiers(t *testing.T) {
	f := find("CVE-2024-12345, cve_2024_12345 CVE\u20112021\u201144228 (cve 2020 0601) CVE-1888-1234 CVE-2024-123 CVE-2024-123456789\n" +
		"GHSA-Q7P4-pxjx-6h42 ghsa-q7p4-pxjx-6h4 XGHSA-q7p4-pxjx-6h42\nCWE-79 cwe: 0079 CWE 89 cwes CWE-0 CWE-99999")
	for _, tt := range []struct {
		got  []string
		want string
	}{
		{f.CVE, "CVE-2024-12345 CVE-2021-44228 CVE-2020-0601"},
		{f.GHSA, "GHSA-q7p4-pxjx-6h42"},
		{f.CWE, "CWE-79 CWE-89"},
	} {
		if s := strings.Join(tt.got, " "); s != tt.want {
			t.Errorf("got %s, want %s", s, tt.want)
		}
	}
	if len(f.Weakness) != 2 || f.Weakness[0] != (Weakness{"xss", 79, 6}) {
		t.Errorf("weakness %+v", f.Weakness)
	}
}

func TestCVSS(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H (9.8)", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H 3.1 9.8 CRITICAL"},
		{"CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N.", "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N 3.0 6.1 MEDIUM"},
		{"score: av:n/ac:l/pr:n/ui:r/s:c/c:l/i:l/a:n", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N 3.1 6.1 MEDIUM"},
		{"AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N 4.0 9.3 CRITICAL"},
		{"(AV:N/AC:L/Au:N/C:P/I:P/A:P)", "AV:N/AC:L/Au:N/C:P/I:P/A:P 2.0 7.5 HIGH"},
		{"CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H and CVSS 9.8 and AV:N/AC:L", ""},
	} {
		var got []string
		for _, c := range find(tt.text).CVSS {
			got = append(got, fmt.Sprintf("%s %s %.1f %s", c.Vector, c.Version, c.Score, c.Severity))
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("%q\n got %s\nwant %s", tt.text, s, tt.want)
		}
	}
}

func TestCode(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []Pointer
	}{
		{"crash in parse.go:118:4 +0x1d", []Pointer{{File: "parse.go", Row: 118, Line: 1}}},
		{"  at com.example.Form.submit(Form.java:42)", []Pointer{{File: "Form.java", Row: 42, Func: "com.example.Form.submit", Line: 1}}},
		{`  File "app/views.py", line 12, in get`, []Pointer{{File: "app/views.py", Line: 1}, {File: "app/views.py", Row: 12, Line: 1}}},
		{"Fatal error in /var/www/html/login.php on line 88", []Pointer{{File: "/var/www/html/login.php", Row: 88, Line: 1}}},
		{"[<0>] nft_set_destroy+0x1a/0x40", []Pointer{{Func: "nft_set_destroy+0x1a/0x40", Line: 1}}},
		{"`net/netfilter/nf_tables_api.c`", []Pointer{{File: "net/netfilter/nf_tables_api.c", Line: 1}}},
		{"login.identity.example/a/b.php:1 and report.pdf:3 and 12:30", nil},
	} {
		if got := find(tt.text).Code; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: got %+v", tt.text, got)
		}
	}
}

func TestWishes(t *testing.T) {
	for _, tt := range []struct {
		text string
		kind WishKind
		date string
		days int
	}{
		{"Please do not share my name with anybody.", WishAnonymity, "", 0},
		{"Ik blijf graag anoniem.", WishAnonymity, "", 0},
		{"I would like to be credited in your hall of fame.", WishCredit, "", 0},
		{"We will publish on 25 November 2026.", WishDeadline, "2026-11-25", 0},
		{"Public disclosure: 2026-12-01", WishDeadline, "2026-12-01", 0},
		{"On December 1st, 2026 I will publish this.", WishDeadline, "2026-12-01", 0},
		{"I will publish this in 30 days.", WishDeadline, "", 30},
		{"Wij publiceren dit over zes weken, dus binnen 6 weken", WishDeadline, "", 42},
		{"Wir veröffentlichen am 1.12.2026", WishDeadline, "2026-12-01", 0},
		{"I will publish on 3/4/2026", WishDeadline, "", 0},
		{"I will publish on 4/25/2026", WishDeadline, "2026-04-25", 0},
		{"I will publish on 31 February 2026", WishDeadline, "", 0},
		{"Pay within 72 hours or it is published", WishDeadline, "", 3},
		{"My talk at a conference is on 8 August 2026", WishTalk, "2026-08-08", 0},
		{"Is there a bounty?", WishReward, "", 0},
		{"I downloaded three records to be sure", WishData, "", 0},
		{"I hope that you take no legal action.", WishLegal, "", 0},
	} {
		text := "Hello,\n" + tt.text
		var got *Wish
		for _, w := range find(text).Wishes {
			if w.Kind == tt.kind && got == nil {
				got = &w
			}
		}
		switch {
		case got == nil:
			t.Errorf("%q: no wish", tt.text)
		case got.Date != tt.date || got.Days != tt.days || got.Line != 2 || got.Start < 7 || got.End <= got.Start || got.End > len(text):
			t.Errorf("%q: got %+v", tt.text, *got)
		}
	}
	if got := find("GET /a HTTP/1.1\nDate: 2026-12-01\n\nThe invoice is due in 30 days.").Wishes; got != nil {
		t.Errorf("wishes where there are none: %+v", got)
	}
}

func TestIssues(t *testing.T) {
	for text, want := range map[string]int{
		"1. XSS in name\n2. CSRF on /settings\n3. Open redirect":             3,
		"Finding 1: a\nx\nFinding 2: b\n\n## Finding 3: c\nFinding 3: again": 3,
		"Bevinding 1\nBevinding 2":                                           0,
		"1. Go to the page\n2. Put <script> in it\n3. See the XSS\n4. Done":  0,
	} {
		if got := find(text).Issues; got != want {
			t.Errorf("%q: %d issues, want %d", text, got, want)
		}
	}
}

func TestLanguage(t *testing.T) {
	for text, want := range map[string]string{
		"Hello, I found a problem on your website which shows the data of other customers":                 "en",
		"Beste mensen, ik heb een probleem gevonden waardoor de gegevens van andere klanten te zien zijn":  "nl",
		"Guten Tag, ich habe eine Lücke auf Ihrer Seite gefunden, durch die man fremde Daten sehen kann":   "de",
		"Bonjour, j'ai trouvé une faille sur votre site qui permet de voir les données des autres clients": "fr",
		"Buenos días, he encontrado un fallo en su sitio que permite ver los datos de los demás clientes":  "es",
		"hi team": "",
		"<?php echo 1; ?> $a=[1,2,3]; 0x41414141":         "",
		"Здравствуйте, я нашёл уязвимость на вашем сайте": "",
	} {
		f := find(text)
		if f.Language != want || (want == "") != (f.Confidence == 0) {
			t.Errorf("%q is %q (%.2f), want %q", text, f.Language, f.Confidence, want)
		}
	}
}

// TestBounds feeds more than fits and looks at what comes out.
func TestBounds(t *testing.T) {
	var b strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&b, "https://h%d.identity.example/p%d CVE-2024-%05d file%d.go:%d AV:N/AC:L/Au:N/C:P/I:P/A:P bounty\n", i, i, i, i, i)
	}
	f := Find(Input{Subject: strings.Repeat("s", 10000), Text: b.String(), Attachments: make([]Attachment, 1000), Scope: identity})
	checkBounds(t, f)
	if got := strings.Join(f.Cut, " "); got != "subject attachments text wishes hosts urls code identifiers" {
		t.Errorf("cut %s", got)
	}
}

// TestLexicon looks for words and rules that lead nowhere.
func TestLexicon(t *testing.T) {
	lex := theLexicon()
	if n := int(signWords) + len(lex.signs); n > 100 {
		t.Errorf("%d slight signs make Find slow", n)
	}
	for c, rules := range needs().rules {
		if len(rules) == 0 {
			t.Errorf("no rule needs concept %s", lex.concepts[c])
		}
	}
	has := map[meaning]bool{}
	for _, phrases := range lex.ending {
		for _, p := range phrases {
			has[p.means] = true
		}
	}
	for i, w := range weaknesses {
		if !has[meaning{"sharp", i}] {
			t.Errorf("no word names %s", w.Class)
		}
	}
	for i, k := range wishes {
		if !has[meaning{"wish", i}] {
			t.Errorf("no word expresses %s", k)
		}
	}
}

func checkBounds(t testing.TB, f Facts) {
	t.Helper()
	out, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 64<<10 {
		t.Errorf("facts of %d bytes", len(out))
	}
	if len(f.URLs) > maxList || len(f.Hosts) > maxList || len(f.Code) > maxList || len(f.CVE) > maxList || len(f.Weakness) > 3 || len(f.Evidence) > len(kinds) {
		t.Error("a list is too long")
	}
	for _, e := range f.Evidence {
		if !slices.ContainsFunc(kinds, func(k evidenceKind) bool { return k.kind == e.Kind }) {
			t.Errorf("evidence %s weighs nothing", e.Kind)
		}
	}
}

func TestFactsPrintCountsOnly(t *testing.T) {
	const canary = "canary.identity.example"
	f := find("https://" + canary + "/x?y=1 CVE-2024-1234 canary.go:12 canary+0x1a")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("found", "facts", f, "pointer", &f)
	slog.New(slog.NewTextHandler(&log, nil)).Info("found", "facts", f)
	in := Input{Subject: canary, Text: canary}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&log, verb, f)
		fmt.Fprintf(&log, verb, &f)
		fmt.Fprintf(&log, verb, []Facts{f})
		fmt.Fprintf(&log, verb, in)
	}
	if strings.Contains(log.String(), "canary") || !strings.Contains(log.String(), "urls=1 hosts=1 ids=1") {
		t.Errorf("printed %s", log.String())
	}
	if out, _ := json.Marshal(f); !strings.Contains(string(out), canary) {
		t.Error("JSON lost the address")
	}
}

// TestWordsOnlyRaise joins mails of the samples: no part may be graded higher
// alone than with more words around it.
func TestWordsOnlyRaise(t *testing.T) {
	rank := map[Grade]int{GradeNo: 0, GradeMaybe: 1, GradeYes: 2}
	all := append(samples(t, "reports.txt"), samples(t, "ordinary.txt")...)
	one := rapid.Custom(func(t *rapid.T) Input { return rapid.SampledFrom(all).Draw(t, "mail").in })
	rapid.Check(t, func(t *rapid.T) {
		a, b := one.Draw(t, "a"), one.Draw(t, "b")
		both := a
		both.Text += "\n\n" + b.Subject + "\n\n" + b.Text
		both.Attachments = append(append([]Attachment{}, a.Attachments...), b.Attachments...)
		ga, _ := Shared(Find(a))
		gb, _ := Shared(Find(b))
		g, _ := Shared(Find(both))
		if rank[g] < max(rank[ga], rank[gb]) {
			t.Fatalf("together %s, alone %s and %s", g, ga, gb)
		}
	})
}

func FuzzFind(f *testing.F) {
	for _, s := range samples(f, "reports.txt") {
		f.Add(s.in.Subject, s.in.Text)
	}
	f.Add("hxxp://[::]]]]", "http://)http://)\xff\xe2\x80 CVE\u2011 CVSS:4.0/AV:N/////// \u212aFinding 1")
	f.Fuzz(func(t *testing.T, subject, text string) {
		in := Input{Subject: subject, Text: text, Scope: identity, Attachments: []Attachment{{subject, "00"}}}
		got := Find(in)
		checkBounds(t, got)
		for _, w := range got.Wishes {
			if w.Line > 0 && (w.Start < 0 || w.End > len(text) || w.Start >= w.End) {
				t.Errorf("wish at %d:%d of %d", w.Start, w.End, len(text))
			}
		}
		if again := Find(in); !reflect.DeepEqual(got, again) {
			t.Error("not deterministic")
		}
		s := NewSketch(testKey, in, got)
		checkSketch(t, s)
		if l, _ := Compare(s, s); len(s.Min) > 0 && l != Strong {
			t.Errorf("like itself: %q", l)
		}
	})
}

// long repeats the samples up to n bytes.
func long(t testing.TB, n int) string {
	var b strings.Builder
	for b.Len() < n {
		for _, s := range samples(t, "reports.txt") {
			b.WriteString(s.in.Subject + "\n\n" + s.in.Text + "\n")
		}
	}
	return b.String()[:n]
}

func BenchmarkFind(b *testing.B) {
	repeat := func(s string) func(n int) string {
		return func(n int) string { return strings.Repeat(s, n/len(s)+1)[:n] }
	}
	texts := map[string]func(n int) string{
		"mail":     func(n int) string { return long(b, n) },
		"urls":     repeat("http://a.identity.example/x?y=(z).,;] "),
		"brackets": func(n int) string { return "http://" + repeat("]")(n)[7:] },
		"schemes":  repeat("a://"),
		"vectors":  repeat("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N "),
		"words":    repeat("change the number of another customer and see data "),
		"oneline":  repeat("1"),
	}
	for name, text := range texts {
		for _, kb := range []int{2, 64, 128, 256} {
			in := Input{Text: text(kb << 10), Scope: identity}
			b.Run(fmt.Sprintf("%s/%dKB", name, kb), func(b *testing.B) {
				b.SetBytes(int64(len(in.Text)))
				b.ReportAllocs()
				for b.Loop() {
					Find(in)
				}
			})
		}
	}
}
