package htmltext

import (
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"paragraphs":          {"<p class=x>one\ntwo</p><p>three</p>", "one two\n\nthree"},
		"divs":                {"<div>one</div><div>two</div>", "one\ntwo"},
		"breaks":              {"one<br>two<br/><br>three", "one\ntwo\n\nthree"},
		"headings":            {"<h1>Title</h1>text", "Title\n\ntext"},
		"entities":            {"&lt;a&gt; &amp; b&nbsp;c &euro; &#x41;", "<a> & b c € A"},
		"list":                {"<ul><li>one<li><p>two</p></ul>", "- one\n- two"},
		"numbers":             {"<ol><li>one</li><li>two<ul><li>deep</li></ul></li></ol>", "1. one\n2. two\n\n  - deep"},
		"table":               {"<table><tr><th>host<th>port<tr><td>a<td>80</table>", "host\tport\na\t80"},
		"link":                {`see <a href="https://x.example/a?b=1&amp;c">here</a>.`, "see here <https://x.example/a?b=1&c>."},
		"link that says it":   {`<a href="https://x.example/">https://x.example</a>`, "https://x.example"},
		"mail link":           {`<a href="mailto:a@b.example">a@b.example</a>`, "a@b.example"},
		"script link":         {`<a href="javascript:alert(1)">click</a>`, "click"},
		"image":               {`<img alt="a chart" src=x><img src=y>`, "[a chart]"},
		"pre":                 {"<pre>GET /\n  Host: x</pre>", "GET /\n  Host: x"},
		"quotation":           {"<p>new</p><blockquote>old<blockquote>older</blockquote></blockquote>", "new\n> \n> old\n>> \n>> older"},
		"head":                {"<head><title>t</title><style>p{}</style><meta x><p>body", "body"},
		"script":              {"a<script>alert('<p>')</script>b", "ab"},
		"comment":             {"a<!-- <p>secret</p> -->b", "ab"},
		"conditional comment": {"a<![if !mso]>b<![endif]>", "ab"},
		"svg without end":     {"<svg onload=x><p>text</p>", "text"},
		"unfinished":          {"text <b", "text"},
		"no html":             {"just text", "just text"},
		"empty":               {"", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, hidden := Render(test.in)
			if got != test.want || hidden {
				t.Errorf("got %q (hidden %t)\nwant %q", got, hidden, test.want)
			}
		})
	}
}

// TestHidden checks that text which a browser does not show is there, and
// marked.
func TestHidden(t *testing.T) {
	for in, want := range map[string]string{
		`a<div style="display: none">b<div>c</div></div>d`:      "a\n[hidden: b\nc]\nd",
		`a<span style="x:y; FONT-SIZE:0PX !important">b</span>`: "a[hidden: b]",
		`<p hidden>b`:                          "[hidden: b]",
		`<i style="visibility:hidden">b</i>c`:  "[hidden: b]c",
		`<div style="opacity:0"></div>nothing`: "nothing",
	} {
		got, hidden := Render(in)
		if got != want || hidden != strings.Contains(want, "hidden") {
			t.Errorf("%s\ngot  %q (%t)\nwant %q", in, got, hidden, want)
		}
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range []string{"<p>a</p>", "<li><ol><blockquote>", `<a href="x">y<a>`, "<pre>\n\n<td>", "<div style=display:none>x</p></div>", "<plaintext><script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, _ := Render(s); len(got) > 40*len(s)+100 {
			t.Errorf("%d octets of %d", len(got), len(s))
		}
	})
}
