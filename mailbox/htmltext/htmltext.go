// Package htmltext makes plain text of an HTML body, for people who must not
// be shown the HTML of a stranger: paragraphs, lists, tables as lines of
// cells, links with their targets, quotations marked by ">", and text that a
// browser would hide marked as hidden. Nothing is fetched.
//
// It walks the tokens of golang.org/x/net/html once, so that time and memory
// are linear in the input however deep the elements nest. It is pure and
// starts no goroutines. (k3a/html2text was tried: it shows hidden text
// unmarked, breaks no line at <p class=x>, <div> or <tr>, and loses the line
// breaks of <pre>.)
package htmltext

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Render returns the text of an HTML document. hidden says that parts of the
// text are marked as hidden. The text is at most a few times as long as the
// source: marks for quotations and lists are what it adds.
func Render(source string) (text string, hidden bool) {
	var r renderer
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		switch z.Next() {
		case html.ErrorToken: // the end of the source
			r.closeHidden()
			text = strings.ReplaceAll(r.out.String(), "\u00a0", " ")
			return strings.TrimSpace(text), r.sawHidden
		case html.TextToken:
			r.text(string(z.Text()))
		case html.StartTagToken:
			r.start(element(z))
		case html.SelfClosingTagToken:
			tag := element(z)
			r.start(tag)
			if !voids[tag.name] {
				r.end(tag.name)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			r.end(atom.Lookup(name))
		}
	}
}

// tag is a start tag with the attributes that matter here.
type tag struct {
	name   atom.Atom
	href   string
	alt    string
	hidden bool
}

func element(z *html.Tokenizer) tag {
	const maxAttributes = 64
	name, more := z.TagName()
	t := tag{name: atom.Lookup(name)}
	for n := 0; more && n < maxAttributes; n++ {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "href":
			t.href = strings.TrimSpace(string(value))
		case "alt":
			t.alt = strings.TrimSpace(string(value))
		case "hidden":
			t.hidden = true
		case "style":
			t.hidden = t.hidden || hides(string(value))
		}
	}
	return t
}

// hides reports whether a style keeps its element from being seen.
func hides(style string) bool {
	s := strings.ToLower(strings.Join(strings.Fields(style), ""))
	for _, rule := range strings.Split(s, ";") {
		switch strings.TrimSuffix(rule, "!important") {
		case "display:none", "visibility:hidden", "font-size:0", "font-size:0px", "font-size:0pt", "opacity:0", "mso-hide:all":
			return true
		}
	}
	return false
}

var voids = map[atom.Atom]bool{
	atom.Br: true, atom.Hr: true, atom.Img: true, atom.Input: true, atom.Link: true, atom.Meta: true,
	atom.Area: true, atom.Base: true, atom.Col: true, atom.Embed: true, atom.Source: true, atom.Track: true, atom.Wbr: true,
}

// silent are the elements whose content is no text for people. All are such
// that nothing nests in them, so one without an end hides no more here than it
// does in a browser.
var silent = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Title: true, atom.Iframe: true, atom.Noembed: true, atom.Noframes: true,
}

// breaks gives the number of line breaks that an element has around it.
var breaks = map[atom.Atom]int{
	atom.P: 2, atom.H1: 2, atom.H2: 2, atom.H3: 2, atom.H4: 2, atom.H5: 2, atom.H6: 2, atom.Blockquote: 2, atom.Pre: 2,
	atom.Table: 2, atom.Ul: 2, atom.Ol: 2, atom.Dl: 2,
	atom.Div: 1, atom.Tr: 1, atom.Li: 1, atom.Dt: 1, atom.Dd: 1, atom.Section: 1, atom.Article: 1, atom.Header: 1, atom.Footer: 1,
	atom.Address: 1, atom.Center: 1, atom.Fieldset: 1, atom.Form: 1, atom.Option: 1, atom.Body: 1, atom.Caption: 1, atom.Figure: 1,
	atom.Main: 1, atom.Nav: 1,
}

// renderer is the state of one walk.
type renderer struct {
	out       strings.Builder
	lines     int  // line breaks to write before the next text
	space     bool // a blank to write before the next text
	quotes    int  // open blockquotes
	pre       int  // open pre elements
	lists     []int
	skip      atom.Atom // the silent element that is open
	skipDepth int       // elements of that name within it
	hide      atom.Atom // the hidden element that is open
	hideDepth int
	fresh     bool // a list marker was just written
	marked    bool // the opening mark of the hidden element is written
	sawHidden bool
	link      string // target of the open link
	linkFrom  int    // where its text begins
}

func (r *renderer) start(t tag) {
	if r.skip != 0 {
		if t.name == r.skip {
			r.skipDepth++
		}
		return
	}
	if silent[t.name] {
		r.skip, r.skipDepth = t.name, 1
		return
	}
	r.breakLines(breaks[t.name])
	if r.hide != 0 && t.name == r.hide {
		r.hideDepth++
	} else if r.hide == 0 && t.hidden && t.name != 0 && !voids[t.name] {
		r.hide, r.hideDepth = t.name, 1
	}
	switch t.name {
	case atom.Br:
		r.lines++
		r.space = false
	case atom.Hr:
		r.breakLines(1)
		r.word("________________________________")
		r.breakLines(1)
	case atom.Img:
		if t.alt != "" && !t.hidden {
			r.word("[" + collapse(t.alt) + "]")
		}
	case atom.A:
		r.endLink()
		r.link, r.linkFrom = t.href, r.out.Len()
	case atom.Ul, atom.Menu:
		r.lists = append(r.lists, -1)
	case atom.Ol:
		r.lists = append(r.lists, 0)
	case atom.Li:
		r.item()
	case atom.Td, atom.Th:
		if r.lines == 0 && r.out.Len() > 0 {
			r.out.WriteString("\t")
			r.space = false
		}
	case atom.Blockquote:
		r.quotes++
	case atom.Pre:
		r.pre++
	}
}

func (r *renderer) end(name atom.Atom) {
	if r.skip != 0 {
		if name == r.skip {
			if r.skipDepth--; r.skipDepth == 0 {
				r.skip = 0
			}
		}
		return
	}
	if name == r.hide && r.hide != 0 {
		if r.hideDepth--; r.hideDepth == 0 {
			r.closeHidden()
		}
	}
	switch name {
	case atom.A:
		r.endLink()
	case atom.Ul, atom.Ol, atom.Menu:
		r.lists = r.lists[:max(0, len(r.lists)-1)]
	case atom.Blockquote:
		r.quotes = max(0, r.quotes-1)
	case atom.Pre:
		r.pre = max(0, r.pre-1)
	}
	r.breakLines(breaks[name])
}

// item begins an entry of the innermost list.
func (r *renderer) item() {
	marker := "- "
	if n := len(r.lists); n > 0 {
		if r.lists[n-1] >= 0 {
			r.lists[n-1]++
			marker = strconv.Itoa(r.lists[n-1]) + ". "
		}
		marker = strings.Repeat("  ", min(n, 8)-1) + marker
	}
	r.word(marker)
	r.fresh = true
}

// endLink writes the target of the open link where its text does not.
func (r *renderer) endLink() {
	target := r.link
	r.link = ""
	bare := strings.TrimSuffix(strings.TrimPrefix(target, "mailto:"), "/")
	lower := strings.ToLower(target)
	if bare == "" || strings.HasPrefix(target, "#") || strings.HasPrefix(lower, "javascript:") || strings.HasPrefix(lower, "data:") {
		return
	}
	if !strings.Contains(r.out.String()[min(r.linkFrom, r.out.Len()):], bare) {
		r.space = r.out.Len() > r.linkFrom
		r.word("<" + collapse(target) + ">")
	}
}

// text writes character data.
func (r *renderer) text(s string) {
	if r.skip != 0 || s == "" {
		return
	}
	if r.pre > 0 {
		s = strings.ReplaceAll(s, "\r\n", "\n")
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				r.lines++
			}
			if line != "" {
				r.word(line)
			}
		}
		return
	}
	if blank(s[0]) {
		r.space = true
	}
	if c := collapse(s); c != "" {
		r.word(c)
		r.space = blank(s[len(s)-1])
	}
}

// word writes text after the breaks and blanks that are due.
func (r *renderer) word(s string) {
	switch {
	case r.out.Len() == 0:
		r.out.WriteString(r.quoteMark())
	case r.lines > 0:
		for range min(r.lines, 3) {
			r.out.WriteString("\n" + r.quoteMark())
		}
	case r.space:
		r.out.WriteString(" ")
	}
	r.lines, r.space, r.fresh = 0, false, false
	if r.hide != 0 && !r.marked {
		r.out.WriteString("[hidden: ")
		r.marked, r.sawHidden = true, true
	}
	r.out.WriteString(s)
}

func (r *renderer) quoteMark() string {
	const deepest = 5
	if r.quotes == 0 {
		return ""
	}
	return strings.Repeat(">", min(r.quotes, deepest)) + " "
}

func (r *renderer) closeHidden() {
	if r.marked {
		r.out.WriteString("]")
	}
	r.hide, r.hideDepth, r.marked = 0, 0, false
}

// breakLines asks for n line breaks before the next text, but not between the
// marker of a list entry and its text.
func (r *renderer) breakLines(n int) {
	if !r.fresh {
		r.lines = max(r.lines, n)
	}
}

// collapse joins words by single blanks, as a browser does.
func collapse(s string) string { return strings.Join(strings.FieldsFunc(s, isSpace), " ") }

// isSpace is the white space of HTML. A no-break space is text, though most
// writers use it as filler, so it becomes an ordinary blank at the end.
func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }

func blank(c byte) bool { return isSpace(rune(c)) }
