package triage

import (
	"strings"

	"golang.org/x/net/idna"
)

// marks says what a person should know about the sender before believing the
// From line.
func (p *Policy) marks(m *Message, k Known) []Mark {
	sender := m.Sender().Reveal()
	if sender == "" {
		return nil
	}
	var marks []Mark
	if !k.Prior {
		marks = append(marks, MarkFirst)
	}
	domain := sender[strings.LastIndexByte(sender, '@')+1:]
	if shown, err := idna.ToUnicode(domain); err == nil {
		domain = shown
	}
	switch own := p.Domain; {
	case domain == own || strings.HasSuffix(domain, "."+own):
		if !m.DomainVouches() {
			marks = append(marks, MarkOwn)
		}
	case looksLike(domain, own):
		marks = append(marks, MarkLookAlike)
	}
	return marks
}

// confusable maps letters that are drawn alike to one of them. Pairs of two
// letters are replaced first.
var confusable = strings.NewReplacer(
	"rn", "m", "vv", "w", "cl", "d",
	"0", "o", "1", "l", "i", "l", "5", "s", "8", "b", "-", "",
	"\u0430", "a", "\u0435", "e", "\u043e", "o", "\u0440", "p", "\u0441", "c", "\u0445", "x", "\u0443", "y", "\u0456", "l",
	"\u03bf", "o", "\u03b1", "a", "\u0131", "l",
)

// looksLike reports whether one domain is drawn like the other, is one letter
// away from it, or has its name in it under another top-level domain.
func looksLike(domain, own string) bool {
	name, _, _ := strings.Cut(own, ".")
	if len(name) < 4 {
		return false // too short to say anything
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == name || confusable.Replace(label) == confusable.Replace(name) || oneOff(label, name) {
			return true
		}
	}
	return false
}

// oneOff reports whether a becomes b by one letter inserted, deleted, changed
// or exchanged with its neighbour.
func oneOff(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) != len(b) {
		return a[i:] == b[i+1:]
	}
	if i == len(a) {
		return true
	}
	swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	return swapped || a[i+1:] == b[i+1:]
}
