package triage

import (
	"time"

	"vdpd/triage/facts"
)

// grade is how likely it is that a mail in a shared mailbox is a report.
type grade int

const (
	no    grade = iota // ordinary mail: untouched, counted
	maybe              // untouched, and people are asked
	yes                // a report
)

// grade looks at a mail in a shared mailbox. A missed report is the worst
// outcome and a needless question the cheapest, so words can raise the grade
// and never lower it. A mail encrypted to a key that we do not have counts as
// a report, because nobody else can tell what it is.
func (p *Policy) grade(m *Message) grade {
	switch {
	case m.Encrypted(), p.ReportFolder != "" && m.Source.Folder == p.ReportFolder, p.tagged(m):
		return yes
	}
	switch g, _ := facts.Shared(m.Facts); {
	case g == facts.GradeNo:
		return no
	case g == facts.GradeMaybe, m.Kind == KindList, m.Kind == KindAutomatic:
		return maybe // newsletters of the trade have the words too
	}
	return yes
}

// Hints sets what a person would look for first in the words of a mail, and
// the sketch by which mails that are alike are found. Apart from the question
// whether a mail in a shared mailbox is a report at all, nothing is decided by
// them.
func (p *Policy) Hints(m *Message) {
	in := facts.Input{Subject: m.Subject.Reveal(), Text: m.Text.Reveal(), Scope: facts.Scope{In: p.ScopeIn, Out: p.ScopeOut}}
	for _, part := range m.Parts {
		in.Attachments = append(in.Attachments, facts.Attachment{Name: part.Name.Reveal(), SHA256: part.SHA256})
	}
	m.Facts = facts.Find(in)
	m.Sketch = facts.NewSketch(facts.Key{}, in, m.Facts) // sealed with the case, so the key need not be secret
}

// tagged reports whether a mail was sent to the plus address for reports.
func (p *Policy) tagged(m *Message) bool {
	if p.ReportAddress == "" {
		return false
	}
	for _, a := range m.To {
		if sameAddress(a.Address, p.ReportAddress) {
			return true
		}
	}
	return false
}

// takeTwin makes a report of a mail that is in question, or was left, because a
// person has now moved it to the report folder.
func (p *Policy) takeTwin(now time.Time, k Known) Change {
	c := Change{Disposition: AsReport, Case: k.Twin.Ref}
	p.take(now, &c, k.Twin, Actor{Kind: Staff, Method: "report folder"})
	return c
}

// take makes a report of a mail in question: everybody is told who would have
// been, and the receipt leaves unless something else holds it.
func (p *Policy) take(now time.Time, change *Change, c *Case, by Actor) {
	change.add(now, by, Taken{})
	made := *c
	made.Apply(change.Events[len(change.Events)-1])
	change.queue(now, p.tellOpened(now, &made)...)
	for _, m := range c.Mails {
		if m.Notice.Held == heldByQuestion {
			change.add(now, by, Released{Notice: m.Notice.ID})
		}
	}
}
