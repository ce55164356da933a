package facts

import (
	"fmt"
	"slices"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"
)

// CVSS is a vector that is valid by its specification (FIRST CVSS 2.0, 3.0,
// 3.1 or 4.0). Score is the base score, for 4.0 the score of all the metrics
// given. It is the sender's claim.
type CVSS struct {
	Vector   string  `json:"vector"` // with its prefix, also where the mail left it out; 2.0 has none
	Version  string  `json:"version"`
	Score    float64 `json:"score"`
	Severity string  `json:"severity"` // NONE, LOW, MEDIUM, HIGH or CRITICAL
	Line     int     `json:"line"`
}

// Pointer is a place in code: a file with or without a line, a function, or
// both.
type Pointer struct {
	File string `json:"file,omitempty"`
	Row  int    `json:"row,omitempty"`  // line in that file, 0 where not given
	Func string `json:"func,omitempty"` // with its offset, such as nft_set_destroy+0x1a
	Line int    `json:"line"`           // of the mail
}

// marks looks at every byte of a line where an identifier, a vector or a
// payload may begin.
func (s *scan) marks(line string) {
	for i := 0; i < len(line); i++ {
		b := line[i] | 0x20
		inside := i > 0 && alnum(line[i-1]) && alnum(line[i]) // of a word
		if (b == 'c' || b == 'g' || b == 'a' && (i == 0 || line[i-1] != '/')) && !inside {
			s.identifier(line[i:min(len(line), i+200)])
		}
		for _, p := range payloads()[line[i]] {
			if !inside && len(line)-i >= len(p) && strings.EqualFold(line[i:i+len(p)], p) {
				s.add("payload")
				break
			}
		}
	}
}

func alnum(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}

// identifier notes the CVE, GHSA or CWE identifier or the CVSS vector that
// text begins with, if it does.
func (s *scan) identifier(text string) {
	if len(text) < 5 {
		return
	}
	switch strings.ToLower(text[:3]) {
	case "cve":
		year, n := leadingNumber(trimJoint(text[3:]), 4)
		if n != 4 || year < 1999 || year > 2099 {
			return
		}
		rest := trimJoint(text[3:])[4:]
		if digits := trimJoint(rest); len(digits) < len(rest) {
			if _, n := leadingNumber(digits, 7); n >= 4 {
				s.f.CVE = s.id(s.f.CVE, "cve", fmt.Sprintf("CVE-%d-%s", year, digits[:n]))
			}
		}
	case "cwe":
		if n, digits := leadingNumber(trimJoint(text[3:]), 4); digits > 0 && n > 0 && n < 2000 {
			s.f.CWE = s.id(s.f.CWE, "cwe", fmt.Sprintf("CWE-%d", n))
			for i, w := range weaknesses {
				if w.CWE == n {
					s.classes[i] += 3
				}
			}
		}
	case "ghs":
		const form = "GHSA-xxxx-xxxx-xxxx"
		if len(text) < len(form) || len(text) > len(form) && alnum(text[len(form)]) {
			return
		}
		for i := range form {
			if (form[i] == '-') != (text[i] == '-') || form[i] == 'x' && !alnum(text[i]) {
				return
			}
		}
		s.f.GHSA = s.id(s.f.GHSA, "ghsa", "GHSA"+strings.ToLower(text[4:len(form)]))
	case "cvs", "av:":
		s.vector(text)
	}
}

func (s *scan) id(list []string, k Kind, id string) []string {
	s.add(k)
	return keep(s, list, id, "identifiers", func(o string) bool { return o == id })
}

// trimJoint drops the one or two characters that join the pieces of an
// identifier, in all the forms word processors make of a hyphen.
func trimJoint(text string) string {
	for range 2 {
		switch {
		case text != "" && strings.IndexByte("-_: #", text[0]) >= 0:
			text = text[1:]
		case len(text) > 2 && text[:2] == "\u2010"[:2] && text[2] >= 0x90 && text[2] <= 0x95:
			text = text[3:]
		}
	}
	return text
}

func (s *scan) vector(text string) {
	end := 0
	for end < len(text) && (alnum(text[end]) || strings.IndexByte(":./", text[end]) >= 0) {
		end++
	}
	text = strings.TrimRight(text[:end], ":./")
	if strings.Count(text, "/") < 5 {
		return
	}
	if c, err := gocvss20.ParseVector(text); err == nil {
		s.score(CVSS{text, "2.0", c.BaseScore(), "", s.line})
		return
	}
	text = strings.ToUpper(text)
	if !strings.HasPrefix(text, "CVSS:") {
		version := "3.1"
		if strings.Contains(text, "/AT:") {
			version = "4.0"
		}
		text = "CVSS:" + version + "/" + text
	}
	switch {
	case strings.HasPrefix(text, "CVSS:3.0/"):
		if c, err := gocvss30.ParseVector(text); err == nil {
			s.score(CVSS{text, "3.0", c.BaseScore(), "", s.line})
		}
	case strings.HasPrefix(text, "CVSS:3.1/"):
		if c, err := gocvss31.ParseVector(text); err == nil {
			s.score(CVSS{text, "3.1", c.BaseScore(), "", s.line})
		}
	default:
		if c, err := gocvss40.ParseVector(text); err == nil {
			s.score(CVSS{text, "4.0", c.Score(), "", s.line})
		}
	}
}

func (s *scan) score(c CVSS) {
	// The scale of 3.1 is that of 3.0 and 4.0, and is commonly used for 2.0.
	c.Severity, _ = gocvss31.Rating(c.Score)
	s.add("cvss")
	s.f.CVSS = keep(s, s.f.CVSS, c, "cvss", func(o CVSS) bool { return o.Vector == c.Vector })
}

var sourceEndings = strings.Fields("c h cc cpp cxx hpp m mm go rs java kt scala groovy py rb php phtml js mjs jsx ts tsx vue cs vb swift pl pm sh ps1 sql asp aspx jsp lua ex erl html tpl twig")

// code reports whether a token is a place in code, and notes it.
func (s *scan) code(tok, prev string) bool {
	if name, offset, ok := strings.Cut(tok, "+0x"); ok && identifierLike(name) && offset != "" {
		s.pointer(Pointer{Func: tok, Line: s.line})
		return true
	}
	if row, digits := leadingNumber(tok, 7); digits > 0 && digits == len(tok) && s.file != "" && (prev == "line" || prev == "regel" || prev == "Zeile" || prev == "ligne") {
		s.pointer(Pointer{File: s.file, Row: row, Line: s.line})
		s.file = ""
		return true
	}
	file, rest, _ := strings.Cut(tok, ":")
	dot := strings.LastIndexByte(file, '.')
	if first, _, path := strings.Cut(file, "/"); dot <= 0 || !slices.Contains(sourceEndings, strings.ToLower(file[dot+1:])) || path && s.bare(first) {
		return false
	}
	s.file, s.left = file, 4
	row, digits := leadingNumber(rest, 7)
	if digits > 0 {
		s.file = ""
		p := Pointer{File: file, Row: row, Line: s.line}
		if identifierLike(prev) && strings.ContainsAny(prev, "._$") {
			p.Func = prev // at com.example.Form.submit(Form.java:42)
		}
		s.pointer(p)
		return true
	}
	if rest != "" || file[0] == '/' || !strings.Contains(file, "/") || strings.Contains(file, "?") {
		return false // /app/login.php may as well be the path of a URL
	}
	s.pointer(Pointer{File: file, Line: s.line})
	return true
}

func (s *scan) pointer(p Pointer) {
	s.add("code")
	s.f.Code = keep(s, s.f.Code, p, "code", func(o Pointer) bool {
		return o.File == p.File && o.Row == p.Row && o.Func == p.Func
	})
}

func identifierLike(name string) bool {
	for i := range len(name) {
		if b := name[i]; !alnum(b) && b != '_' && b != '.' && b != '$' {
			return false
		}
	}
	return name != ""
}
