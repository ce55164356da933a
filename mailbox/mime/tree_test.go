package mime

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shape writes a tree as type(children), and leaves with their decoded body.
func shape(p *Part) string {
	if len(p.Children) == 0 {
		octets, _ := p.Decode()
		return fmt.Sprintf("%s%q", p.Type, octets)
	}
	var parts []string
	for _, c := range p.Children {
		parts = append(parts, shape(c))
	}
	return p.Type + "(" + strings.Join(parts, " ") + ")"
}

func TestParse(t *testing.T) {
	const mixed = "Content-Type: multipart/mixed; boundary=b\n\n"
	tests := map[string]struct{ in, want string }{
		"text":                {"Subject: x\n\nhello\n", `text/plain"hello\n"`},
		"no type":             {"Content-Type: text\n\nhello", `text/plain"hello"`},
		"two parts":           {mixed + "preamble\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\nepilogue\n", `multipart/mixed(text/plain"one" text/html"two")`},
		"no end":              {mixed + "--b\n\none\n--b\n\ntwo\n", `multipart/mixed(text/plain"one" text/plain"two\n")`},
		"parts after the end": {mixed + "--b\n\none\n--b--\n\n--b\n\ntwo\n--b--\n", `multipart/mixed(text/plain"one" text/plain"two")`},
		"blanks at boundary":  {mixed + "--b  \n\none\n--b--\t\n", `multipart/mixed(text/plain"one")`},
		"like a boundary":     {mixed + "--b\n\n--bc\n --b\nx--b\n--b--\n", `multipart/mixed(text/plain"--bc\n --b\nx--b")`},
		"no boundary":         {"Content-Type: multipart/mixed\n\n--q\nContent-Type: text/html\n\none\n--q--\n", `multipart/mixed(text/html"one")`},
		"wrong boundary":      {"Content-Type: multipart/mixed; boundary=z\n\n--q\nContent-Type: text/html\n\none\n--q--\n", `multipart/mixed(text/html"one")`},
		"no parts":            {mixed + "just a text\n", `text/plain"just a text\n"`},
		"empty part":          {mixed + "--b\n--b\n\nx\n--b--", `multipart/mixed(text/plain"" text/plain"x")`},
		"inner without end":   {mixed + "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--\n", `multipart/mixed(multipart/mixed(text/plain"one") text/plain"two")`},
		"inner of the same":   {mixed + "--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b--\n", `multipart/mixed(multipart/mixed(text/plain"one"))`},
		"boundary that ends in dashes": {"Content-Type: multipart/mixed; boundary=\"a--\"\n\n--a--\nContent-Type: multipart/mixed; boundary=\"a----\"\n\n--a----\n\none\n--a------\n--a----\n",
			`multipart/mixed(multipart/mixed(text/plain"one"))`},
		"digest":           {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b--\n", `multipart/digest(message/rfc822(text/plain"one"))`},
		"message":          {"Content-Type: message/rfc822\n\nSubject: y\n\none\n", `message/rfc822(text/plain"one\n")`},
		"message, encoded": {"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeQoKb25l", `message/rfc822(text/plain"one")`},
		"multipart, encoded": {"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n" +
			base64.StdEncoding.EncodeToString([]byte("--b\n\none\n--b--\n")), `multipart/mixed(text/plain"one")`},
		"base64 with rubbish":   {"Content-Transfer-Encoding: base64\n\nb25 l!\n*IHR3bw==b25l", `text/plain"one twoone"`},
		"base64 cut off":        {"Content-Transfer-Encoding: base64\n\nb25lI", `text/plain"one"`},
		"quoted-printable":      {"Content-Transfer-Encoding: Quoted-Printable\n\na=3Db  \nc=\nd=e=4", `text/plain"a=b\ncd=e=4"`},
		"an encoding misspelt":  {"Content-Transfer-Encoding: quoted printable\n\n=41", `text/plain"A"`},
		"uuencoded as encoding": {"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#0V%T\n`\nend\n", `text/plain"Cat"`},
		"BOM and blank lines":   {"\xef\xbb\xbf\r\n\r\nSubject: x\r\n\r\none", `text/plain"one"`},
		"only CR":               {"Subject: x\r\rone", `text/plain"one"`},
		"nothing":               {"", `text/plain""`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := shape(Parse([]byte(test.in), NewBudget(testLimits))); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestRaw checks that the octets of a part are those that a signature covers:
// without the line break in front of the boundary, and nothing else changed.
func TestRaw(t *testing.T) {
	signed := "Content-Type: text/plain\r\n\r\nHello \r\n\r\n"
	p := Parse([]byte("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"+signed+"\r\n--b\r\n\r\nsig\r\n--b--\r\n"), NewBudget(testLimits))
	if got := string(p.Children[0].Raw); got != signed {
		t.Errorf("got %q, want %q", got, signed)
	}
}

func TestParseLimits(t *testing.T) {
	var deep strings.Builder
	for i := range 100 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	many := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 10000) + "--b--\n"
	for limit, in := range map[string]string{LimitDepth: deep.String() + "\nthe end", LimitParts: many} {
		b := NewBudget(testLimits)
		p := Parse([]byte(in), b)
		if len(b.Limits()) != 1 || b.Limits()[0] != limit {
			t.Errorf("%s: limits %q", limit, b.Limits())
		}
		if n := count(p); n > testLimits.Parts {
			t.Errorf("%s: %d parts", limit, n)
		}
	}
}

func count(p *Part) int {
	n := 1
	for _, c := range p.Children {
		n += count(c)
	}
	return n
}

// TestRoundTrip writes random content in random encodings and nestings and
// reads it back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want [][]byte
		var write func(depth int) string
		write = func(depth int) string {
			if depth > 0 && rapid.Bool().Draw(t, "nest") {
				b := fmt.Sprintf("=_%d_%d", depth, rapid.IntRange(0, 1<<30).Draw(t, "boundary"))
				s := "Content-Type: multipart/mixed; boundary=\"" + b + "\"\r\n\r\n"
				for range rapid.IntRange(1, 3).Draw(t, "parts") {
					s += "--" + b + "\r\n" + write(depth-1) + "\r\n"
				}
				return s + "--" + b + "--"
			}
			content := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "content")
			want = append(want, content)
			if rapid.Bool().Draw(t, "base64") {
				return "Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(content)
			}
			var q bytes.Buffer
			w := quotedprintable.NewWriter(&q)
			w.Binary = true
			_, _ = w.Write(content)
			_ = w.Close()
			return "Content-Type: application/x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + q.String()
		}
		p := Parse([]byte("Subject: x\r\n"+write(3)), NewBudget(testLimits))
		var got [][]byte
		var collect func(p *Part)
		collect = func(p *Part) {
			if len(p.Children) == 0 {
				octets, _ := p.Decode()
				got = append(got, octets)
			}
			for _, c := range p.Children {
				collect(c)
			}
		}
		collect(p)
		if len(got) != len(want) {
			t.Fatalf("%d leaves, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("leaf %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}
