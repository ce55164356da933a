package uu

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// encode writes a block as the uuencode program does.
func encode(name string, content []byte) string {
	char := func(v byte) byte {
		if v &= 63; v == 0 {
			return '`'
		}
		return v + ' '
	}
	var b strings.Builder
	fmt.Fprintf(&b, "begin 644 %s\n", name)
	for len(content) > 0 {
		line := content[:min(45, len(content))]
		content = content[len(line):]
		b.WriteByte(char(byte(len(line))))
		line = append(bytes.Clone(line), 0, 0)
		for ; len(line) > 2; line = line[3:] {
			b.Write([]byte{char(line[0] >> 2), char(line[0]<<4 | line[1]>>4), char(line[1]<<2 | line[2]>>6), char(line[2])})
		}
		b.WriteByte('\n')
	}
	return b.String() + "`\nend\n"
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "content")
		before, after := "Hello,\n\n", "\nRita\n"
		text := before + encode("poc.bin", content) + after
		var got []Block
		for b := range Blocks([]byte(text)) {
			got = append(got, b)
		}
		if len(got) != 1 || !bytes.Equal(got[0].Content, content) || got[0].Name != "poc.bin" || !got[0].Complete ||
			text[:got[0].Start] != before || text[got[0].End:] != after {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestBlocks(t *testing.T) {
	tests := map[string]struct {
		in   string
		want string
	}{
		"two":              {"begin 644 a\n#0V%T\n`\nend\nbegin 644 b\n#0V%T\n`\nend\n", `a "Cat" true; b "Cat" true`},
		"without end":      {"begin 644 a\n#0V%T\nand so on", `a "Cat" false`},
		"blanks cut off":   {"begin 644 a\n#0V%T  \n \nend\n", `a "Cat" true`},
		"yEnc":             {"=ybegin line=128 size=3 name=a b.bin\r\n\x6d\x8b\x9e\r\n=yend size=3\r\n", `a b.bin "Cat" true`},
		"yEnc escape":      {"=ybegin line=128 size=1 name=a\n=n\n=yend size=1\n", `a "\x04" true`},
		"yEnc without end": {"=ybegin line=128 size=3 name=a\n\x6d\x8b", `a "Ca" false`},
		"prose":            {"begin 644 times\nand then some more words follow here\nend\n", ""},
		"more prose":       {"begin with this\nend\n", ""},
		"indented":         {" begin 644 a\n#0V%T\n", ""},
	}
	for name, test := range tests {
		var got []string
		for b := range Blocks([]byte(test.in)) {
			got = append(got, fmt.Sprintf("%s %q %t", b.Name, b.Content, b.Complete))
		}
		if s := strings.Join(got, "; "); s != test.want {
			t.Errorf("%s: got %s, want %s", name, s, test.want)
		}
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add([]byte("begin 644 a\n#0V%T\n`\nend\n"))
	f.Add([]byte("=ybegin line=1 name=a\n=\n=yend"))
	f.Fuzz(func(t *testing.T, text []byte) {
		at := 0
		for b := range Blocks(text) {
			if b.Start < at || b.End < b.Start || b.End > len(text) || len(b.Content) > b.End-b.Start {
				t.Fatalf("block from %d to %d after %d", b.Start, b.End, at)
			}
			at = b.End
		}
	})
}
