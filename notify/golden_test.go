package notify

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vdpd/triage"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden pins the bytes of every mail before it is signed or encrypted:
// each kind, in each language, under both policies, with every detail, with
// and without a key of the recipient.
func TestGolden(t *testing.T) {
	r := testRenderer(t)
	dir := r.Directory.(*directory)
	for _, p := range []*triage.Policy{identity(), relocation()} {
		for _, lang := range languages {
			p.Languages = []string{lang}
			for kind, letter := range everyKind(t, p) {
				if kind == triage.Unreadable && lang != "en" {
					continue // always in both
				}
				var all bytes.Buffer
				for _, v := range variants(t, kind) {
					l := letter
					l.Notice.Detail, l.Case.Reporter.Key = v.detail, v.reporterKey
					person := dir.people["sam"]
					if person.Lang = lang; !v.staffKey {
						person.Key = nil
					}
					l.Notice.Person = "golden"
					dir.people["golden"] = person
					d, err := r.compose(&l, now)
					if err != nil {
						t.Fatal(err)
					}
					payload := d.payload()
					if again, _ := r.compose(&l, now); !bytes.Equal(again.payload(), payload) {
						t.Errorf("%s %s: not the same bytes twice", kind, v.name)
					}
					checkBytes(t, payload)
					if kind.ToReporter() && !bytes.Contains(payload, []byte(crlf(d.attach))) {
						t.Errorf("%s %s: our key is not attached", kind, v.name)
					}
					text := string(payload)
					if d.attach != "" {
						text = strings.ReplaceAll(text, crlf(d.attach), "(our public key)\r\n")
					}
					fmt.Fprintf(&all, "=== %s: envelope from %s, %s\n%s", v.name, d.from, d.protection, strings.ReplaceAll(text, "\r\n", "\n"))
				}
				golden(t, fmt.Sprintf("%s.%s.%s.txt", kind, p.ID, lang), all.Bytes())
			}
		}
	}
}

type variant struct {
	name        string
	detail      triage.Detail
	staffKey    bool
	reporterKey *triage.Key
}

func variants(t *testing.T, kind triage.NoticeKind) []variant {
	if kind.ToReporter() {
		key := ritasKey(t)
		return []variant{{name: "with key", reporterKey: &key}, {name: "without key"}}
	}
	return []variant{
		{name: "full", detail: triage.DetailFull, staffKey: true},
		{name: "summary", detail: triage.DetailSummary, staffKey: true},
		{name: "stub", detail: triage.DetailStub, staffKey: true},
		{name: "full, without key", detail: triage.DetailFull},
	}
}

// everyKind makes one letter of each kind, by way of the rules.
func everyKind(t *testing.T, p *triage.Policy) map[triage.NoticeKind]triage.Letter {
	c, opened := intake(p, report(), triage.Case{})
	locked := report()
	locked.Text, locked.Parts = "", nil
	locked.OpenPGP = triage.OpenPGP{Encrypted: "full", Signature: triage.SigNone, Problem: "encrypted to other keys than ours: 0123456789ABCDEF"}
	locked.AutoReplyOff = true // the answer is held
	locked.Faults = []string{"part 2: not opened"}
	_, unread := intake(p, locked, triage.Case{})

	reply := report()
	reply.Kind, reply.Subject, reply.Text, reply.Reply = triage.KindReply, "Re: ...", "More.\n\n> quoted\n", "More.\n"
	reply.OpenPGP = triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone}
	reply.Auth = triage.Auth{}
	_, followed := intake(p, reply, c)

	failed := p.Failed(arrived, &c, triage.Outcome{Notice: "R1.1", Code: "550 5.1.1"})
	undelivered := letters(c, report(), failed.Events[0].Data.(triage.Queued).Notices)
	question, abuse := letterOf(t, opened, triage.NewReport, "support"), letterOf(t, opened, triage.NewReport, "support")
	question.Notice.Kind, abuse.Notice.Kind = triage.Question, triage.Abuse
	question.Case.Marks = []triage.Mark{triage.MarkFirst, triage.MarkLookAlike}
	return map[triage.NoticeKind]triage.Letter{
		triage.Question:    question,
		triage.Abuse:       abuse,
		triage.Receipt:     letterOf(t, opened, triage.Receipt, ""),
		triage.NewReport:   letterOf(t, opened, triage.NewReport, "so_on_duty"),
		triage.Unreadable:  letterOf(t, unread, triage.Unreadable, ""),
		triage.CannotRead:  letterOf(t, unread, triage.CannotRead, "support"),
		triage.FollowUp:    letterOf(t, followed, triage.FollowUp, "support"),
		triage.Undelivered: letterOf(t, undelivered, triage.Undelivered, "support"),
	}
}

// checkBytes holds a payload to what signatures need (RFC 3156, section 3):
// 7 bit, CRLF, no trailing blanks, no "From " at the start of a line.
func checkBytes(t *testing.T, b []byte) {
	t.Helper()
	for i, line := range bytes.Split(b, []byte("\r\n")) {
		switch {
		case bytes.ContainsAny(line, "\r\n"):
			t.Errorf("line %d: bare CR or LF", i+1)
		case bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }):
			t.Errorf("line %d: not 7 bit", i+1)
		case bytes.HasSuffix(line, []byte(" ")), bytes.HasSuffix(line, []byte("\t")):
			t.Errorf("line %d: ends in a blank: %q", i+1, line)
		case bytes.HasPrefix(line, []byte("From ")):
			t.Errorf("line %d: begins with From", i+1)
		case len(line) > 78 && !bytes.HasPrefix(line, []byte("References:")) && bytes.Count(line, []byte(" ")) > 1:
			t.Errorf("line %d: %d characters", i+1, len(line))
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it and run go test -run TestGolden -update\n%s", file, got)
	}
}
