package facts

import (
	"os"
	"strings"
	"testing"
)

var relocation = Scope{In: []string{"*.relocation.example", "relocation.example"}}

// sample is one mail of testdata.
type sample struct {
	name string
	in   Input
}

func samples(t testing.TB, file string) []sample {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var list []sample
	for _, mail := range strings.Split(string(text), "\n== ")[1:] {
		name, rest, _ := strings.Cut(mail, "\n")
		subject, body, ok := strings.Cut(strings.TrimPrefix(rest, "Subject:"), "\n\n")
		if !ok {
			t.Fatalf("%s: %s has no body", file, name)
		}
		in := Input{Text: body, Scope: relocation}
		subject, files, _ := strings.Cut(subject, "\nAttachments:")
		in.Subject = strings.TrimSpace(subject)
		for _, f := range strings.Fields(files) {
			in.Attachments = append(in.Attachments, Attachment{Name: f})
		}
		list = append(list, sample{name, in})
	}
	return list
}

func TestSharedOnSamples(t *testing.T) {
	count := func(file string, show func(Grade) bool) map[Grade]int {
		n := map[Grade]int{}
		for _, s := range samples(t, file) {
			grade, reasons := Shared(Find(s.in))
			n[grade]++
			if show(grade) {
				t.Logf("%s: %s is %s %q", file, s.name, grade, reasons)
			}
		}
		return n
	}
	reports := count("reports.txt", func(g Grade) bool { return g == GradeNo })
	ordinary := count("ordinary.txt", func(g Grade) bool { return g != GradeNo })
	total := func(n map[Grade]int) int { return n[GradeYes] + n[GradeMaybe] + n[GradeNo] }
	t.Logf("reports:  %3d, of them yes %d, maybe %d, no %d", total(reports), reports[GradeYes], reports[GradeMaybe], reports[GradeNo])
	t.Logf("ordinary: %3d, of them yes %d, maybe %d, no %d", total(ordinary), ordinary[GradeYes], ordinary[GradeMaybe], ordinary[GradeNo])
	if total(reports) < 60 || total(ordinary) < 100 {
		t.Fatal("the samples are too small")
	}
	if reports[GradeNo] > 0 {
		t.Error("a report was graded no")
	}
	if ordinary[GradeYes] > 0 || ordinary[GradeMaybe]*100 > 15*total(ordinary) {
		t.Error("too much ordinary mail was graded yes or maybe")
	}
}
