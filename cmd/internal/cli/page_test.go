package cli

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"", []string{""}},
		{"one two", []string{"one two"}},
		{"one two three", []string{"one two", "three"}},
		{"12345678 x", []string{"12345678", "x"}},
		{"1234567890", []string{"12345678", "90"}},
		{"  1234567890", []string{"  123456", "7890"}},
		{"日本語日本", []string{"日本語日", "本"}},
		{"e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301", []string{"e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301"}},
	}
	for _, test := range tests {
		if got := wrap(test.in, 8); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
}

// FuzzPage checks that words of a sender stay behind the bar and in their
// column, have no power over the terminal, and lose no letter.
func FuzzPage(f *testing.F) {
	f.Add("plain words\nand more")
	f.Add("\x1b[2J\r\n\u202e\u2028\x9b\tx")
	f.Add(strings.Repeat("漏", 90) + strings.Repeat(" ", 90) + strings.Repeat("\u0301", 90))
	f.Fuzz(func(t *testing.T, s string) {
		p := &page{}
		p.quote(s)
		for l := range strings.Lines(p.String()) {
			if !strings.HasPrefix(l, "  |") {
				t.Errorf("no bar before %q", l)
			}
		}
		p.field("label", s)
		p.field(s, "value")
		p.hang(3, s)
		out := p.String()
		if !utf8.ValidString(out) {
			t.Errorf("not UTF-8: %q", out)
		}
		checkPage(t, out)
		if letters(s) != "" && !strings.HasPrefix(letters(out), letters(s)) {
			t.Errorf("letters of %q are missing in %q", s, out)
		}
	})
}

// letters returns what no escape of ours has: the capital letters.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, s)
}
