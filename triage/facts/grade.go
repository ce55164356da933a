package facts

import (
	"slices"
	"strings"
	"sync"
)

// Kind names a kind of evidence that a mail reports a weakness: the first
// column of kinds.
type Kind string

type evidenceKind struct {
	kind   Kind
	weight int
	most   int
	direct bool
	reason string
}

// kinds gives what each kind of evidence weighs, up to how many times it
// counts, and whether it shows a weakness in a certain place rather than talk
// about weaknesses. No kind weighs less than nothing: words may raise the
// grade of a mail and never lower it.
var kinds = []evidenceKind{
	{"payload", 4, 1, true, "holds an attack string"},
	{"http", 3, 1, true, "holds an HTTP request or response"},
	{"endpoint", 2, 1, true, "names an HTTP method and path"},
	{"command", 3, 1, true, "holds a curl or wget command"},
	{"proof-of-concept", 3, 1, true, "offers a proof of concept or steps to reproduce"},
	{"cvss", 4, 1, false, "holds a CVSS vector"},
	{"cve", 3, 1, false, "names a CVE"},
	{"ghsa", 3, 1, false, "names a GitHub advisory"},
	{"cwe", 3, 1, false, "names a CWE"},
	{"file", 2, 1, false, "has an attachment such as testers send"},
	{"code", 2, 2, true, "points into source code"},
	{"weakness", 3, 2, false, "names a class of weakness"},
	{"term", 2, 2, false, "uses terms of vulnerability reports"},
	{"tool", 3, 1, false, "names a tool of testers"},
	{"attack", 2, 1, false, "speaks of attackers or a break-in"},
	{"others-data", 3, 1, true, "says that data of others can be seen or changed"},
	{"tampering", 3, 1, true, "says that changing an address or number gives access"},
	{"no-login", 3, 1, true, "says that something opens without logging in"},
	{"exposed", 3, 1, true, "says that secrets or internals can be seen"},
	{"popup", 3, 1, true, "says that a script ran"},
	{"unsafe-site", 2, 1, false, "says that a site is broken or unsafe"},
	{"extortion", 3, 1, false, "claims stolen data"},
	{"slight", 1, 4, false, "has slight signs"},
	{"reward", 1, 1, false, "asks for a reward"},
	{"deadline", 1, 1, false, "speaks of publication"},
	{"in-scope-target", 2, 1, true, "names a page of a host in scope"},
	{"in-scope", 1, 1, false, "names a host or product in scope"},
}

// rules make evidence, or a slight sign, of concepts that stand within so many
// words of each other.
var rules = [...]struct {
	kind   Kind // "" for a sign
	sign   sign
	within int
	needs  string
}{
	{"others-data", 0, 16, "others see thing"},
	{"tampering", 0, 16, "tamper number see thing"},
	{"tampering", 0, 24, "tamper number others"},
	{"tampering", 0, 16, "number others thing"},
	{"no-login", 0, 14, "nologin see thing"},
	{"no-login", 0, 10, "nologin see web"},
	{"no-login", 0, 10, "nologin internals"},
	{"no-login", 0, 12, "stale secret"},
	{"no-login", 0, 12, "stale access"},
	{"exposed", 0, 8, "secret seen"},
	{"exposed", 0, 8, "internals open"},
	{"exposed", 0, 8, "leaks thing web"},
	{"popup", 0, 20, "popup script"},
	{"unsafe-site", 0, 8, "unsafe web"},
	{"unsafe-site", 0, 10, "unsafe secret"},
	{"unsafe-site", 0, 10, "worry web"},
	{"extortion", 0, 12, "stolen database"},
	{"", signAbility, 0, "able"},
	{"", signOthers, 0, "others"},
	{"", signWorry, 0, "worry"},
	{"", signFault, 0, "unsafe"},
	{"", signRecords, 14, "see thing web"},
}

// needs gives for each concept the rules that need it, and for each rule its
// concepts.
var needs = sync.OnceValue(func() (n struct{ of, rules [][]int }) {
	lex := theLexicon()
	n.rules = make([][]int, len(lex.concepts))
	for i, r := range rules {
		var of []int
		for name := range strings.FieldsSeq(r.needs) {
			c := slices.Index(lex.concepts, name) // a test sees to it that it is there
			of = append(of, c)
			n.rules[c] = append(n.rules[c], i)
		}
		n.of = append(n.of, of)
	}
	return n
})

// hit notes what a phrase of the lexicon stands for.
func (s *scan) hit(m meaning, from, to int) {
	switch m.role {
	case "evidence":
		s.add(kinds[m.index].kind)
	case "concept":
		s.concepts[m.index] = s.words.n
		s.combine(m.index)
	case "sign":
		s.slight(signWords + sign(m.index))
	case "sharp":
		s.class(m.index, true)
	case "plain":
		s.class(m.index, false)
	case "wish":
		s.wish(wishes[m.index], from, to)
	}
}

// combine applies the rules that a concept just seen may make true.
func (s *scan) combine(c int) {
	n := needs()
	for _, i := range n.rules[c] {
		near := true
		for _, need := range n.of[i] {
			near = near && s.concepts[need] > 0 && s.words.n-s.concepts[need] <= rules[i].within
		}
		switch {
		case !near:
		case rules[i].kind == "":
			s.slight(rules[i].sign)
		default:
			s.add(rules[i].kind)
		}
	}
}

// sign is a slight sign: one of those below or a group of words.
type sign int

// The slight signs that are no groups of words of lexicon.txt.
const (
	signPath    sign = iota // a path such as /search
	signAbility             // what one is able to do
	signOthers              // other people
	signWorry               // something is not as it should be
	signFault               // something is broken or unsafe
	signRecords             // records are seen on a site
	signWords               // the first group of words
)

const signReach = 40 // words within which slight signs count together

// slight notes a slight sign, and how many different ones stand close
// together. One is nothing; long mails hold many, but far apart.
func (s *scan) slight(sg sign) {
	s.signs[sg] = s.words.n + 1
	count := 0
	for _, n := range s.signs {
		if n > 0 && s.words.n+1-n <= signReach {
			count++
		}
	}
	if i := s.evidence("slight"); count > s.f.Evidence[i].Count {
		s.f.Evidence[i].Count, s.f.Evidence[i].Line = count, s.line
	}
}

// product notes a product word of the scope.
func (s *scan) product(m meaning, _, _ int) {
	p := s.scope.names[m.index]
	p.Line = s.line
	if p.Scope == ScopeIn {
		s.add("in-scope")
	}
	s.f.Products = keep(s, s.f.Products, p, "products", func(o Product) bool { return o.Name == p.Name })
}

// Grade is how much a mail in a shared mailbox looks like a report.
type Grade string

// The grades. What a mail's structure tells (it is encrypted to us, it belongs
// to a known thread, it was sent to the report address) goes before them.
const (
	GradeYes   Grade = "yes"   // take it as a report
	GradeMaybe Grade = "maybe" // ask a person
	GradeNo    Grade = "no"    // leave it alone
)

// Marks on the scale of Weight. A missed report is the worst outcome and a
// needless question the cheapest, so one term of the field is enough to ask.
const (
	maybeFrom = 2
	yesFrom   = 8
)

// Weight says how much the facts look like a report, from 0 upwards, and why.
// The reasons are constant texts in a fixed order; none has words of the
// sender.
func Weight(f Facts) (score int, reasons []string) {
	score, _, reasons = weigh(f)
	return score, reasons
}

// Shared grades a mail in a mailbox that receives other mail too. Adding words
// to a mail never lowers its grade.
func Shared(f Facts) (Grade, []string) {
	score, direct, reasons := weigh(f)
	switch {
	case score >= yesFrom && direct:
		return GradeYes, reasons
	case score >= maybeFrom:
		return GradeMaybe, reasons
	}
	return GradeNo, reasons
}

func weigh(f Facts) (score int, direct bool, reasons []string) {
	for _, k := range kinds {
		i := slices.IndexFunc(f.Evidence, func(e Evidence) bool { return e.Kind == k.kind })
		if i < 0 {
			continue
		}
		if k.kind == "in-scope-target" && score == 0 || k.kind == "in-scope" && score < maybeFrom {
			continue // everybody who writes to us names our site
		}
		score += k.weight * min(f.Evidence[i].Count, k.most)
		direct = direct || k.direct
		reasons = append(reasons, k.reason)
	}
	return score, direct, reasons
}
