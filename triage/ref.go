package triage

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Ref names a case towards everybody: staff, researchers and operators. It is
// random (55 bits), so that knowing one tells nothing about another, and ends
// in a check character, so that a misread one is noticed. It is written in
// Crockford's base 32 as three groups of four: 7K3M-Q9XT-2H4C.
//
// A Ref is not a secret, and holding one proves nothing.
type Ref string

const (
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	refDigits = 11 // random characters of 5 bits each; one check character follows
	refLength = refDigits + 1
)

// ErrBadRef is returned by [ParseRef] for text that cannot be a reference.
var ErrBadRef = errors.New("not a case reference (expected a form like 7K3M-Q9XT-2H4C)")

// NewRef makes a reference from random bytes, which the caller draws from a
// cryptographic source.
func NewRef(random [7]byte) Ref {
	digits := make([]byte, 0, refLength)
	var acc uint64
	for _, b := range random {
		acc = acc<<8 | uint64(b)
	}
	for range refDigits {
		digits = append(digits, crockford[acc&31])
		acc >>= 5
	}
	digits = append(digits, checkDigit(digits))
	return Ref(fmt.Sprintf("%s-%s-%s", digits[:4], digits[4:8], digits[8:]))
}

// ParseRef reads a reference as people type it: any case, with or without
// dashes or spaces, O for 0 and I or L for 1. It returns [ErrBadRef] where the
// length, an alphabet or the check character is wrong.
func ParseRef(s string) (Ref, error) {
	digits := make([]byte, 0, refLength)
	for _, r := range strings.ToUpper(s) {
		switch r {
		case '-', ' ':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(crockford, r) || len(digits) == refLength {
			return "", ErrBadRef
		}
		digits = append(digits, byte(r))
	}
	if len(digits) != refLength || checkDigit(digits[:refDigits]) != digits[refDigits] {
		return "", ErrBadRef
	}
	return Ref(fmt.Sprintf("%s-%s-%s", digits[:4], digits[4:8], digits[8:])), nil
}

var refInText = regexp.MustCompile(`(?i)\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b`)

// RefsIn returns the well-formed references that occur in text, in order and
// without repeats. They are hints about what a sender means, never evidence.
func RefsIn(text string) []Ref {
	var refs []Ref
	seen := map[Ref]bool{}
	for _, s := range refInText.FindAllString(text, 16) {
		if ref, err := ParseRef(s); err == nil && !seen[ref] {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	return refs
}

// checkDigit is the Luhn algorithm modulo 32: it finds every single wrong
// character and nearly every exchange of neighbours.
func checkDigit(digits []byte) byte {
	sum, factor := 0, 2
	for i := len(digits) - 1; i >= 0; i-- {
		addend := factor * strings.IndexByte(crockford, digits[i])
		sum += addend/32 + addend%32
		factor = 3 - factor
	}
	return crockford[(32-sum%32)%32]
}
