package facts

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var testKey = Key{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func sketch(in Input) Sketch { return NewSketch(testKey, in, Find(in)) }

func sketchText(text string, files ...string) Sketch {
	in := Input{Text: text, Scope: relocation}
	for _, sum := range files {
		in.Attachments = append(in.Attachments, Attachment{SHA256: sum})
	}
	return sketch(in)
}

func checkSketch(t testing.TB, s Sketch) {
	t.Helper()
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 600 {
		t.Errorf("a sketch of %d bytes", len(out))
	}
	var back Sketch
	if err := json.Unmarshal(out, &back); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("came back from JSON as %+v, %v", back, err)
	}
}

// TestSipHash holds the first vectors that the authors of SipHash published.
func TestSipHash(t *testing.T) {
	var p []byte
	for i, want := range []uint64{0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d} {
		if got := sipHash(0x0706050403020100, 0x0f0e0d0c0b0a0908, p); got != want {
			t.Errorf("%d bytes: %x, want %x", i, got, want)
		}
		p = append(p, byte(i))
	}
	for i := byte(4); i < 15; i++ {
		p = append(p, i)
	}
	if got := sipHash(0x0706050403020100, 0x0f0e0d0c0b0a0908, p); got != 0xa129ca6149be45e5 {
		t.Errorf("15 bytes: %x", got)
	}
}

func TestCompare(t *testing.T) {
	const full = `Hello team, I found a reflected cross-site scripting issue on https://portal.relocation.example/search?q=test.
Steps to reproduce: open the page, put the payload into the box, and the script runs in the session of the visitor.
The impact is that an attacker can read the messages of a client who follows a link. Please let me know when it is fixed.`
	for _, tt := range []struct {
		name string
		a, b Sketch
		want Likeness
	}{
		{"other words, same spot", sketchText(full), sketchText("xss here: portal.relocation.example/search?lang=en&q=1"), Strong},
		{"other record of the same page", sketchText("idor on https://portal.relocation.example/files/1042/view"), sketchText("IDOR: https://portal.relocation.example/files/77/view"), Strong},
		{"path without host", sketchText(full), sketchText("found xss on /search"), Medium},
		{"other class at the same page", sketchText(full), sketchText("https://portal.relocation.example/search has no rate limiting"), Weak},
		{"same class at another page", sketchText(full), sketchText("stored xss on https://portal.relocation.example/profile/name"), Weak},
		{"same attachment", sketchText("see file", strings.Repeat("ab", 32)), sketchText("Bitte ansehen", strings.Repeat("AB", 32)), Strong},
		{"same identifier", sketchText("CVE-2024-3400 on vpn1"), sketchText("you run cve-2024-3400"), Medium},
		{"same identifier and page", sketchText("CVE-2024-3400 https://vpn.relocation.example/global-protect/login"), sketchText("https://vpn.relocation.example/global-protect/login CVE-2024-3400"), Strong},
		{"missing SPF twice", sketchText("relocation.example has no SPF record"), sketchText("Email spoofing: www.relocation.example, DMARC missing"), Strong},
		{"same reference", sketchText("csrf, see https://owasp.org/www-community/attacks/csrf"), sketchText("CSRF https://owasp.org/www-community/attacks/csrf"), Different},
		{"nothing", sketchText(""), sketchText(""), Different},
		{"forwarded with a line on top", sketchText(full), sketchText("Forwarding this, no idea if it matters. Karin\n\n" + full), Strong},
	} {
		checkSketch(t, tt.a)
		got, reasons := Compare(tt.a, tt.b)
		if got != tt.want || (got == Different) != (len(reasons) == 0) {
			t.Errorf("%s: %q %q, want %q", tt.name, got, reasons, tt.want)
		}
	}
	other := NewSketch(Key{1}, Input{Text: full}, Find(Input{Text: full}))
	if got, _ := Compare(sketchText(full), other); got != Different {
		t.Errorf("sketches of two keys are %s alike", got)
	}
}

// vocabulary makes reports of one's own: unrelated ones share words, not runs
// of them.
var vocabulary = strings.Fields(`account attacker browser button click code contract cookie customer data
dialog document email error field file form host id image invoice issue link list login mail message name number
page parameter password person portal profile reset response result script search send server session site step
table text token upload user value visitor window when then which with from that this shows opens reads writes`)

func drawText(t *rapid.T, label string, n int) []string {
	words := make([]string, n)
	for i := range words {
		words[i] = rapid.SampledFrom(vocabulary).Draw(t, label)
	}
	return words
}

func TestCompareProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(minShingle+shingle-1, 200).Draw(t, "words")
		a, b := drawText(t, "a", n), drawText(t, "b", n)
		sa, sb := sketchText(strings.Join(a, " ")), sketchText(strings.Join(b, " "))
		if l, _ := Compare(sa, sa); l != Strong {
			t.Fatalf("like itself: %q", l)
		}
		ab, why := Compare(sa, sb)
		ba, yhw := Compare(sb, sa)
		slices.Sort(why)
		slices.Sort(yhw)
		if ab != ba || !slices.Equal(why, yhw) {
			t.Fatalf("not symmetric: %q %q and %q %q", ab, why, ba, yhw)
		}
		if ab.rank() >= Medium.rank() {
			t.Fatalf("unrelated texts are %s alike: %q", ab, why)
		}
		// One word in forty is another one, and the lines break elsewhere.
		edited := slices.Clone(a)
		for range max(1, n/40) {
			edited[rapid.IntRange(0, n-1).Draw(t, "at")] = "zebra"
		}
		if n >= 40 {
			if l, _ := Compare(sa, sketchText(strings.Join(edited, "\n"))); l.rank() < Medium.rank() {
				t.Fatalf("an edited text of %d words is %q alike", n, l)
			}
		}
	})
}

// TestSamplesDiffer compares every two reports of the samples.
func TestSamplesDiffer(t *testing.T) {
	reports := samples(t, "reports.txt")
	var sketches []Sketch
	for _, s := range reports {
		sketches = append(sketches, sketch(s.in))
	}
	pairs, alike := 0, 0
	for i := range sketches {
		for j := range i {
			pairs++
			if l, reasons := Compare(sketches[i], sketches[j]); l.rank() >= Medium.rank() {
				alike++
				t.Logf("%s and %s are %s alike: %q", reports[i].name, reports[j].name, l, reasons)
			}
		}
	}
	t.Logf("%d of %d pairs at least MEDIUM", alike, pairs)
	if alike*1000 > pairs {
		t.Error("too many")
	}
}

func TestIndexAgainstModel(t *testing.T) {
	reports := samples(t, "reports.txt")
	rapid.Check(t, func(t *rapid.T) {
		var x Index
		model := map[string]Sketch{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			ref := fmt.Sprint("case-", rapid.IntRange(0, 9).Draw(t, "ref"))
			if rapid.Bool().Draw(t, "remove") {
				x.Remove(ref)
				delete(model, ref)
				continue
			}
			s := sketch(rapid.SampledFrom(reports).Draw(t, "report").in)
			x.Add(ref, s)
			model[ref] = s
		}
		probe := sketch(rapid.SampledFrom(reports).Draw(t, "probe").in)
		want := map[string]Likeness{}
		for ref, s := range model {
			if l, _ := Compare(probe, s); l.rank() >= Medium.rank() {
				want[ref] = l
			}
		}
		got := map[string]Likeness{}
		for _, m := range x.Near(probe) {
			if m.Likeness.rank() >= Medium.rank() {
				got[m.Ref] = m.Likeness
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("near %v, want %v", got, want)
		}
		for ref := range model {
			x.Remove(ref)
		}
		if len(x.postings) != 0 || len(x.sketches) != 0 {
			t.Fatal("something stayed behind")
		}
	})
}

func TestNearIsBounded(t *testing.T) {
	var x Index
	for i := range 1000 {
		x.Add(fmt.Sprintf("case-%04d", i), sketchText("xss on https://portal.relocation.example/search?q=1"))
	}
	got := x.Near(sketchText("xss: https://portal.relocation.example/search?q=2"))
	if len(got) != maxMatches || got[0].Likeness != Strong || got[0].Ref != "case-0744" {
		t.Errorf("%d matches, first %+v", len(got), got[0])
	}
}

// manySketches are of reports with their own words on one of 50 hosts.
func manySketches(n int) []Sketch {
	list := make([]Sketch, n)
	for i := range list {
		var b strings.Builder
		fmt.Fprintf(&b, "xss on https://h%d.relocation.example/page%d\n", i%50, i%997)
		for w := range 120 {
			b.WriteString(vocabulary[(i*7919+w*w*31+i*w)%len(vocabulary)] + " ")
		}
		list[i] = sketchText(b.String())
	}
	return list
}

func BenchmarkIndexNear(b *testing.B) {
	for _, n := range []int{1000, 10000, 20000} {
		sketches := manySketches(n + 100)
		var x Index
		for i, s := range sketches[:n] {
			x.Add(fmt.Sprint("case-", i), s)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				x.Near(sketches[n+i%100])
			}
		})
	}
}

func BenchmarkSketch(b *testing.B) {
	for _, kb := range []int{2, 64, 128, 256} {
		in := Input{Text: long(b, kb<<10), Scope: relocation}
		f := Find(in)
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			b.SetBytes(int64(len(in.Text)))
			for b.Loop() {
				NewSketch(testKey, in, f)
			}
		})
	}
}
