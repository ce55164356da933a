package cli

import (
	"fmt"
	"strings"

	"vdpd/triage/facts"
)

var wishWords = map[facts.WishKind]string{
	facts.WishAnonymity: "the sender may wish to stay anonymous",
	facts.WishCredit:    "the sender may wish to be named",
	facts.WishDeadline:  "a date of publication may be meant",
	facts.WishTalk:      "a talk may be planned",
	facts.WishReward:    "a reward may be expected",
	facts.WishData:      "the sender may hold data of others",
	facts.WishLegal:     "the sender may worry about legal steps",
}

// showFacts shows what the words of a mail speak of. These are hints: a sender
// can write anything.
func showFacts(p *page, f *facts.Facts) {
	for _, w := range f.Weakness {
		p.field("  Hint", fmt.Sprintf("weakness: %s (CWE-%d)", w.Class, w.CWE))
	}
	if ids := strings.Join(append(append(append([]string{}, f.CVE...), f.GHSA...), f.CWE...), ", "); ids != "" {
		p.field("  Hint", "identifiers: "+ids)
	}
	for _, c := range f.CVSS {
		p.field("  Hint", fmt.Sprintf("their score: %.1f %s, %s", c.Score, c.Severity, c.Vector))
	}
	for _, h := range f.Hosts {
		if h.Scope != facts.ScopeUnknown {
			p.field("  Hint", fmt.Sprintf("%s of scope: %s", h.Scope, h.Name))
		}
	}
	for _, c := range f.Code {
		p.field("  Hint", join(" ", "code:", c.File, number(c.Row), c.Func))
	}
	if f.Issues > 0 {
		p.field("  Hint", fmt.Sprintf("%d numbered findings: consider a case for each", f.Issues))
	}
	asked := map[facts.WishKind]bool{}
	for _, w := range f.Wishes {
		if !asked[w.Kind] {
			asked[w.Kind] = true
			p.field("  Please ask", join(", ", word(wishWords, w.Kind), w.Date))
		}
	}
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
