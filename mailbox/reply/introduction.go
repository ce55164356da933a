package reply

import (
	"regexp"
	"strings"
)

// introduction returns how many lines at the start make up a line like "On
// Monday, May 4, 2026, Anna wrote:", which mail programs break at will, or 0.
func introduction(lines []string) int {
	const most = 4 // lines
	joined := ""
	for n := 1; n <= min(most, len(lines)); n++ {
		l := strings.TrimSpace(lines[n-1])
		if l == "" || isQuote(l) && !strings.HasPrefix(l, "> wrote:") && l != ">:" {
			return 0
		}
		if n == 1 && !strings.ContainsAny(l, "0123456789") {
			return 0
		}
		joined = strings.TrimSpace(joined + " " + l)
		if len(joined) > 400 {
			return 0
		}
		if introduces(joined) {
			return n
		}
	}
	return 0
}

var (
	aDate = regexp.MustCompile(`\d{1,2}[:.hH]\d{2}|\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}`)
	// aSender ends a line: an address in angle or square brackets.
	aSender = regexp.MustCompile(`[<\[(](?:mailto:)?[^<>\[\]\s]+@[^<>\[\]\s]+[>\])](?:>)?\s*:$`)
	// bareDate is the form of Gmail in languages without a verb.
	bareDate = regexp.MustCompile(`^\d{4}-\d{2}-\d{2} \d{1,2}:\d{2} GMT[+-]\d{2}:\d{2} \S.*$`)
	anchor   = regexp.MustCompile(`(?i)^(on|am|le|op|el|em|il|in data|w dniu|dnia|den|på|at|pe|ma|ti|ke|to|la|su|mon|tue|wed|thu|fri|sat|sun|пн|вт|ср|чт|пт|сб|вс|\d)`)
)

// introduces reports whether a line that was put together introduces a
// quotation: it has a date, and ends in a word for writing or in the address
// of a sender, and a colon.
func introduces(line string) bool {
	if bareDate.MatchString(line) {
		return true
	}
	if !aDate.MatchString(line) || !anchor.MatchString(line) {
		return false
	}
	s := strings.ToLower(strings.TrimRight(line, " \u00a0"))
	bare, colon := strings.CutSuffix(s, ":")
	if !colon {
		if bare, colon = strings.CutSuffix(s, "："); !colon {
			return strings.HasSuffix(s, " wrote") || strings.HasSuffix(s, " wrote -")
		}
	}
	if aSender.MatchString(s) {
		return true
	}
	bare = strings.TrimSpace(bare)
	for _, verb := range verbs {
		if strings.HasSuffix(bare, verb) || verbInside(bare, verb) {
			return true
		}
	}
	return false
}

// verbInside finds the verb before the name, as in "Am 3. Mai schrieb Anna".
func verbInside(s, verb string) bool {
	i := strings.Index(s, " "+verb+" ")
	return i > 0 && len(s)-i < 200 && strings.ContainsAny(s[:i], "0123456789")
}

var verbs = []string{
	"wrote", "writes", "schrieb", "schrieben", "geschrieben", "a écrit", "a ecrit", "écrit", "schreef", "geschreven", "ha scritto", "scritto",
	"escribió", "escribio", "escreveu", "napisał", "napisał(a)", "napisała", "napsal", "napsal(a)", "napísal", "skrev", "kirjoitti",
	"написал", "написал(а)", "написала", "пишет", "пише", "написав", "yazdı", "şunu yazdı", "írta", "a scris", "写道", "写道：", "寫道", "さんは書きました", "のメッセージ",
}
