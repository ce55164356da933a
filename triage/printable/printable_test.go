package printable

import (
	"strings"
	"testing"
	"unicode"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, größer, 漢字, 🙂": "plain text, größer, 漢字, 🙂",
		"\x1b[31mred":               `\u{1b}[31mred`,
		"\x1b]0;title\x07":          `\u{1b}]0;title\u{7}`,
		"a\u009b31m":                `a\u{9b}31m`,
		"one\ntwo\tthree\r":         `one two three\u{d}`,
		"invoice\u202efdp.exe":      `invoice\u{202e}fdp.exe`,
		"\u2066a\u2069":             `\u{2066}a\u{2069}`,
		"zero\u200bwidth\ufeff":     `zero\u{200b}width\u{feff}`,
		"line\u2028break":           `line\u{2028}break`,
		"tag\U000e0041":             `tag\u{e0041}`,
		"\xff\xfe":                  `\xff\xfe`,
		"replaced \ufffd":           "replaced \ufffd",
		"":                          "",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Text("a\r\nb\tc\rd\x1b"); got != "a\nb\tc\\u{d}d\\u{1b}" {
		t.Errorf("Text: %q", got)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		bad := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }
		if got := Line(s); strings.ContainsFunc(got, bad) {
			t.Errorf("Line(%q) = %q", s, got)
		}
		if got := Text(s); strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(got), bad) {
			t.Errorf("Text(%q) = %q", s, got)
		}
	})
}
