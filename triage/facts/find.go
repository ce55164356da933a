package facts

import (
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"slices"
	"strings"
)

// MaxText is how much of a text is read, in bytes. The rest is left out and
// "text" is named in [Facts.Cut].
const MaxText = 256 << 10

// Bounds of what one mail may yield, so that Facts stay small.
const (
	maxSubject = 4 << 10
	maxFiles   = 64 // attachments looked at
	maxList    = 32 // entries of any one list
	maxURL     = 400
	maxProse   = 4 << 10 // bytes of prose the language is guessed from
)

// Input is what is known of one mail. It prints as nothing.
type Input struct {
	Subject     string
	Text        string // the plain text of the body; more than MaxText is cut
	Attachments []Attachment
	Scope       Scope
}

// Attachment is one part of a mail. Parts that are repeated from mail to mail,
// such as the logo of a signature, are better left out.
type Attachment struct {
	Name   string
	SHA256 string // hex, of the decoded bytes
}

// Format implements [fmt.Formatter] without any of the mail.
func (Input) Format(st fmt.State, _ rune) { _, _ = io.WriteString(st, "facts.Input") }

// Facts are hints for the people who read a report. Nothing may be decided by
// them alone. Lists are short; what did not fit is named in Cut. Line numbers
// count from 1 in the text; line 0 is the subject, and -1 the name of an
// attachment.
//
// The strings are words of the sender. Whoever keeps or shows them seals and
// escapes them as such. Facts themselves print as counts in every way of
// formatting; only JSON holds them whole.
type Facts struct {
	URLs     []URL      `json:"urls,omitempty"`
	Hosts    []Host     `json:"hosts,omitempty"` // names and IP addresses, those of the URLs too
	Products []Product  `json:"products,omitempty"`
	CVE      []string   `json:"cve,omitempty"`  // CVE-2024-12345
	GHSA     []string   `json:"ghsa,omitempty"` // GHSA-xxxx-xxxx-xxxx
	CWE      []string   `json:"cwe,omitempty"`  // CWE-79
	CVSS     []CVSS     `json:"cvss,omitempty"`
	Code     []Pointer  `json:"code,omitempty"`
	Weakness []Weakness `json:"weakness,omitempty"` // at most three guesses, the likeliest first
	Evidence []Evidence `json:"evidence,omitempty"` // what [Weight] weighs, at most one for each kind
	Wishes   []Wish     `json:"wishes,omitempty"`
	Issues   int        `json:"issues,omitempty"` // numbered findings, where there are three or more

	Language   string   `json:"language,omitempty"` // en, nl, de, fr or es; "" where it is not clear
	Confidence float64  `json:"confidence,omitempty"`
	Cut        []string `json:"cut,omitempty"` // names of what was cut short
}

// Evidence says that something was seen, how often, and where first.
type Evidence struct {
	Kind  Kind `json:"kind"`
	Count int  `json:"count"`
	Line  int  `json:"line"`
}

// String returns how much was found, and nothing of it.
func (f Facts) String() string {
	return fmt.Sprintf("facts(urls=%d hosts=%d ids=%d cvss=%d code=%d weakness=%d evidence=%d wishes=%d issues=%d cut=%d)",
		len(f.URLs), len(f.Hosts), len(f.CVE)+len(f.GHSA)+len(f.CWE), len(f.CVSS), len(f.Code),
		len(f.Weakness), len(f.Evidence), len(f.Wishes), f.Issues, len(f.Cut))
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (f Facts) Format(st fmt.State, _ rune) { _, _ = io.WriteString(st, f.String()) }

// LogValue implements [slog.LogValuer] with what String returns.
func (f Facts) LogValue() slog.Value { return slog.StringValue(f.String()) }

// Find reads one mail. It never fails, gives equal facts for equal input, and
// takes time linear in the length of the text.
func Find(in Input) Facts {
	s := &scan{scope: compileScope(in.Scope), words: matcher{lex: theLexicon()}}
	s.products = matcher{lex: s.scope.products}
	s.classes = make([]int, len(weaknesses))
	s.concepts, s.signs = make([]int, len(s.words.lex.concepts)), make([]int, int(signWords)+len(s.words.lex.signs))
	s.read(s.limit(in.Subject, maxSubject, "subject"), 0)
	for _, a := range s.files(in.Attachments) {
		// A name such as poc_xss.html or pentest-report.pdf is evidence too.
		s.read(s.limit(a.Name, 256, "attachment name"), -1)
		if slices.Contains(testerFiles, strings.ToLower(a.Name[strings.LastIndexByte(a.Name, '.')+1:])) {
			s.add("file")
		}
	}
	s.read(s.limit(in.Text, MaxText, "text"), 1)
	s.f.Weakness = s.guess()
	s.f.Language, s.f.Confidence = language(s.prose)
	if n := bits.OnesCount64(s.headed); n >= 3 {
		s.f.Issues = n
	} else if n := bits.OnesCount64(s.listed); n >= 3 && len(s.f.Weakness) > 1 {
		s.f.Issues = n
	}
	return s.f
}

// testerFiles are endings of files that testers attach and offices do not.
var testerFiles = strings.Fields("md py sh rb pl go cpp js php har pcap pcapng burp nmap nessus patch diff cast")

// scan is the state of one Find.
type scan struct {
	f        Facts
	scope    scope
	words    matcher // terms of the field
	products matcher // product words of the scope
	concepts []int   // word at which each was seen last
	signs    []int   // likewise, one more
	classes  []int   // how often each was named
	sharp    uint64  // classes named by a term of the field

	text   string // what is being read
	line   int
	prev   string // the token before
	file   string // a source file named shortly before, which may get a line number
	left   int    // tokens for which file is good
	path   string // of a request line, until its Host header
	prose  []byte
	buf    []byte
	number int    // of the list item that the line begins, or 0
	named  bool   // the line names a class of weakness
	headed uint64 // findings seen in headings such as "Finding 2", a bit for each number
	listed uint64 // list items that name a class of weakness
}

// limit cuts a text to n bytes and notes that it did.
func (s *scan) limit(text string, n int, what string) string {
	if len(text) <= n {
		return text
	}
	s.cut(what)
	return text[:n]
}

func (s *scan) files(list []Attachment) []Attachment {
	if len(list) <= maxFiles {
		return list
	}
	s.cut("attachments")
	return list[:maxFiles]
}

func (s *scan) cut(what string) {
	if !slices.Contains(s.f.Cut, what) {
		s.f.Cut = append(s.f.Cut, what)
	}
}

// read takes a text line by line.
func (s *scan) read(text string, line int) {
	s.text, s.line = text, line
	s.words.forget()
	for start := 0; start < len(text); {
		end := start + strings.IndexByte(text[start:], '\n')
		if end < start {
			end = len(text)
		}
		s.readLine(start, end)
		if start = end + 1; line > 0 {
			s.line++
		}
	}
}

func (s *scan) readLine(start, end int) {
	line := s.text[start:end]
	if strings.TrimSpace(line) == "" {
		s.words.forget() // no phrase reaches over a blank line
		s.products.forget()
		return
	}
	s.prev, s.named = "", false
	s.number = s.heading(line)
	s.tokens(refang(line))
	s.marks(line)
	letters, before, address := 0, len(s.prose), 0
	eachWord(line, &s.buf, func(word []byte, from, to int) {
		if to > address && strings.HasPrefix(line[to:], "://") {
			address = urlEnd(line, to+3)
		}
		if from < address {
			return // the links of a newsletter are full of technical words
		}
		letters += to - from
		if len(s.prose) < maxProse {
			s.prose = append(append(s.prose, word...), ' ')
		}
		s.words.take(word, start+from, start+to, s.hit)
		s.products.take(word, start+from, start+to, s.product)
	})
	if letters*4 < len(line)*3 { // code, tables, headers: not prose
		s.prose = s.prose[:before]
	}
	if s.named && s.number > 0 {
		s.listed |= 1 << s.number
	}
}

// heading returns the number of the list item a line begins, or 0, and notes
// headings that count findings.
func (s *scan) heading(line string) int {
	line = strings.TrimLeft(line, " \t>#*-_")
	word := strings.ToLower(line[:wordEnd(line)])
	counted := slices.Contains(findingWords, word)
	if counted {
		line = strings.TrimLeft(line[len(word):], " \t#-")
	}
	n, digits := leadingNumber(line, 2)
	if digits == 0 || n == 0 || n > 63 {
		return 0
	}
	if counted {
		s.headed |= 1 << n
		return n
	}
	if rest := line[digits:]; rest == "" || !strings.ContainsRune(".):-", rune(rest[0])) {
		return 0
	}
	return n
}

// findingWords begin headings such as "Finding 2: ...".
var findingWords = []string{"finding", "issue", "vulnerability", "vuln", "bug", "bevinding", "kwetsbaarheid", "lek", "schwachstelle", "befund", "vulnérabilité", "faille", "vulnerabilidad", "hallazgo"}

// add notes one piece of evidence.
func (s *scan) add(k Kind) { s.f.Evidence[s.evidence(k)].Count++ }

// evidence returns the place of a kind of evidence, which is made if need be.
func (s *scan) evidence(k Kind) int {
	i := slices.IndexFunc(s.f.Evidence, func(e Evidence) bool { return e.Kind == k })
	if i < 0 {
		i = len(s.f.Evidence)
		s.f.Evidence = append(s.f.Evidence, Evidence{Kind: k, Line: s.line})
	}
	return i
}

// keep appends v unless an equal one is there or the list is full.
func keep[T any](s *scan, list []T, v T, what string, same func(T) bool) []T {
	switch {
	case slices.ContainsFunc(list, same):
		return list
	case len(list) == maxList:
		s.cut(what)
		return list
	}
	return append(list, v)
}

// leadingNumber reads up to limit digits at the start of text; more than that
// is no number. It returns their value and how many there are.
func leadingNumber(text string, limit int) (value, digits int) {
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		if digits == limit {
			return 0, 0
		}
		value = value*10 + int(text[digits]-'0')
		digits++
	}
	return value, digits
}
