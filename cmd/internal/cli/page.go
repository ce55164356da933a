package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"vdpd/triage/printable"
)

const (
	columns    = 80 // at most; a terminal that wraps could make a line of the sender look like ours
	labelWidth = 14
)

// page is text for a person. Its methods are the only way from an answer to
// the terminal: they make control characters visible and wrap every line
// themselves, so that nothing of a sender begins where our own words do.
type page struct{ b strings.Builder }

func (p *page) String() string { return p.b.String() }

// blank ends a section.
func (p *page) blank() { p.b.WriteByte('\n') }

// hang writes s at an indent, and what doesn't fit on more lines below it.
func (p *page) hang(indent int, s string) { p.labelled(indent, "", s) }

// field writes a label and, beside it, its value.
func (p *page) field(label, value string) { p.labelled(labelWidth, label, value) }

// labelled writes label within the indent of s, or above s if it is too long.
func (p *page) labelled(indent int, label, s string) {
	label = printable.Line(label)
	if label != "" && textWidth(label) >= indent {
		p.hang(0, label)
		label = ""
	}
	for _, l := range wrap(printable.Line(s), columns-indent) {
		p.b.WriteString(strings.TrimRight(pad(label, indent)+l, " ") + "\n")
		label = ""
	}
}

// quote writes text of somebody else with a bar before each line.
func (p *page) quote(text string) {
	const bar = "  | "
	text = strings.ReplaceAll(printable.Text(text), "\t", "    ") // a tab has no width of its own
	for l := range strings.Lines(strings.TrimRight(text, "\n")) {
		for _, part := range wrap(strings.TrimRight(l, "\n"), columns-len(bar)) {
			p.b.WriteString(strings.TrimRight(bar+part, " ") + "\n")
		}
	}
}

// wrap cuts s into lines of at most width columns, at spaces where it can.
func wrap(s string, width int) []string {
	var lines []string
	for {
		used, space, end := 0, -1, len(s)
		for i, r := range s {
			used += runeWidth(r)
			if used > width && i > 0 {
				end = i
				break
			}
			if r == ' ' && strings.TrimSpace(s[:i]) != "" {
				space = i
			}
		}
		switch {
		case end == len(s):
			return append(lines, s)
		case s[end] == ' ':
			lines, s = append(lines, s[:end]), s[end+1:]
		case space > 0:
			lines, s = append(lines, s[:space]), s[space+1:]
		default:
			lines, s = append(lines, s[:end]), s[end:]
		}
	}
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < utf8.RuneSelf:
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-textWidth(s))) }

// zone returns the zone in which people read the dates of a case.
func zone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return z
}

// date writes an instant as people say it, with the year where it is not this one.
func date(t, now time.Time, z *time.Location) string {
	t, now = t.In(z), now.In(z)
	if t.Year() != now.Year() {
		return t.Format("Mon 2 Jan 2006 15:04")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// span writes a length of time roughly.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return count(max(0, int(d/time.Second)), "second")
	case d < 2*time.Hour:
		return count(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/(24*time.Hour)), "day")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000_000)
}

// join puts together what is not empty.
func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}
