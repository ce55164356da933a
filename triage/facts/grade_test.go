package facts

import (
	"os"
	"slices"
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

// knownMisses are reports of the samples that words do not betray.
var knownMisses = []string{"c-23", "d-18", "d-20", "f-24", "f-28", "g-4", "g-10", "g-11"}

// TestSharedOnSamples prints and holds the two rates that matter in a shared
// mailbox: reports that would be missed, and needless questions.
func TestSharedOnSamples(t *testing.T) {
	reports, ordinary := map[Grade]int{}, map[Grade]int{}
	for _, s := range samples(t, "reports.txt") {
		grade, _ := Shared(Find(s.in))
		reports[grade]++
		if missed := grade == GradeNo; missed != slices.Contains(knownMisses, s.name) {
			t.Errorf("report %s is graded %s", s.name, grade)
		}
	}
	for _, s := range samples(t, "ordinary.txt") {
		grade, reasons := Shared(Find(s.in))
		ordinary[grade]++
		if grade != GradeNo {
			t.Logf("ordinary mail %s is graded %s: %q", s.name, grade, reasons)
		}
	}
	total := func(n map[Grade]int) int { return n[GradeYes] + n[GradeMaybe] + n[GradeNo] }
	found, asked := total(reports)-reports[GradeNo], total(ordinary)-ordinary[GradeNo]
	t.Logf("reports:  %d of %d at least maybe (%.1f %%), %d of them yes", found, total(reports), 100*float64(found)/float64(total(reports)), reports[GradeYes])
	t.Logf("ordinary: %d of %d at least maybe (%.1f %%), %d of them yes", asked, total(ordinary), 100*float64(asked)/float64(total(ordinary)), ordinary[GradeYes])
	if found*100 < 96*total(reports) {
		t.Error("too many reports are missed")
	}
	if ordinary[GradeYes] > 0 || asked*100 > 15*total(ordinary) {
		t.Error("too many needless questions")
	}
}
