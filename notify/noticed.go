package notify

import (
	"fmt"
	"strings"

	"vdpd/triage"
	"vdpd/triage/facts"
)

const maxNoticed = 6 // entries of one hint

// noticed fills the hints: what the words of a report speak of. A summary gets
// those that tell neither where the weakness is nor who found it.
func (v *staffView) noticed(f *facts.Facts, full bool) {
	for _, w := range f.Weakness {
		v.Weakness = append(v.Weakness, fmt.Sprintf("%s (CWE-%d)", w.Class, w.CWE))
	}
	for _, ids := range [][]string{f.CVE, f.GHSA, f.CWE} {
		v.Identifiers = append(v.Identifiers, ids...)
	}
	for _, c := range f.CVSS {
		v.Scores = append(v.Scores, fmt.Sprintf("%.1f %s", c.Score, c.Severity))
	}
	for _, w := range f.Wishes {
		v.wish(w.Kind)
	}
	v.Issues = f.Issues
	if !full {
		return
	}
	for _, h := range f.Hosts {
		switch h.Scope {
		case facts.ScopeIn:
			v.InScope = append(v.InScope, safeLine(h.Name))
		case facts.ScopeOut:
			v.OutOfScope = append(v.OutOfScope, safeLine(h.Name))
		}
	}
}

// alike fills the cases that may be about the same, where the notice is about
// the mail that opened the case.
func (v *staffView) alike(c *triage.Case) {
	for _, a := range c.Alike {
		v.Alike = append(v.Alike, alikeView{a.Ref, a.Likeness, listed(a.Reasons)})
	}
}

func (v *staffView) wish(kind facts.WishKind) {
	for _, k := range v.Wishes {
		if k == kind {
			return
		}
	}
	v.Wishes = append(v.Wishes, kind)
}

// listed joins the first entries of a hint.
func listed(all []string) string {
	if len(all) > maxNoticed {
		all = append(all[:maxNoticed:maxNoticed], "…")
	}
	return strings.Join(all, ", ")
}

// why says what made us ask about a mail in a shared mailbox, in constant
// words of ours.
func why(m *triage.Message) string {
	_, reasons := facts.Shared(m.Facts)
	return listed(reasons)
}
