package facts

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

//go:embed lexicon.txt
var lexiconText string

// meaning is what a phrase stands for: the place of a name in one of the
// lists of the lexicon.
type meaning struct {
	role  string // evidence, concept, sign, sharp, plain, wish or product
	index int
}

// lexicon finds phrases by their last word. It is immutable.
type lexicon struct {
	concepts, signs []string
	exact, stems    map[string]uint16
	heads           map[string]bool // first three bytes of the stems
	ending          [][]phrase      // by the number of the last word
}

type phrase struct {
	words []uint16 // all but the last; 0 stands for up to three words
	means meaning
}

const longestStem = 32 // in bytes

func newLexicon() *lexicon {
	return &lexicon{exact: map[string]uint16{}, stems: map[string]uint16{}, heads: map[string]bool{}, ending: make([][]phrase, 1)}
}

// theLexicon returns the lexicon of all languages, from lexicon.txt. A defect
// in that file is a defect of the program and panics; a test reads it.
var theLexicon = sync.OnceValue(func() *lexicon {
	lex := newLexicon()
	var now meaning
	for line := range strings.Lines(lexiconText) {
		line = strings.TrimSpace(line)
		heading, ok := strings.CutPrefix(line, "[")
		switch {
		case line == "" || line[0] == '#':
		case ok:
			role, name, _ := strings.Cut(strings.TrimSuffix(heading, "]"), " ")
			now = meaning{role, lex.index(role, name)}
			if now.index < 0 {
				panic("facts: lexicon.txt: unknown heading " + line)
			}
		default:
			lex.add(now, line)
		}
	}
	return lex
})

// index returns the place of a name in the list of its role, or -1.
func (lex *lexicon) index(role, name string) int {
	switch role {
	case "evidence":
		return slices.IndexFunc(kinds, func(k evidenceKind) bool { return k.kind == Kind(name) })
	case "sharp", "plain":
		return slices.IndexFunc(weaknesses, func(w Weakness) bool { return w.Class == name })
	case "wish":
		return slices.Index(wishes, WishKind(name))
	case "concept":
		lex.concepts = append(lex.concepts, name)
		return len(lex.concepts) - 1
	case "sign":
		lex.signs = append(lex.signs, name)
		return len(lex.signs) - 1
	}
	return -1
}

// add adds phrases parted by "|".
func (lex *lexicon) add(means meaning, phrases string) {
	var buf []byte
	for text := range strings.SplitSeq(phrases, "|") {
		var ids []uint16
		for field := range strings.FieldsSeq(text) {
			if field == "_" {
				ids = append(ids, 0)
				continue
			}
			eachWord(field, &buf, func(word []byte, _, to int) {
				list := lex.exact
				if to < len(field) && field[to] == '*' && len(word) >= 3 && len(word) <= longestStem {
					list = lex.stems
					lex.heads[string(word[:3])] = true
				}
				if list[string(word)] == 0 {
					list[string(word)] = uint16(len(lex.ending))
					lex.ending = append(lex.ending, nil)
				}
				ids = append(ids, list[string(word)])
			})
		}
		if n := len(ids); n > 0 {
			lex.ending[ids[n-1]] = append(lex.ending[ids[n-1]], phrase{ids[:n-1], means})
		}
	}
}

// lookup appends the numbers of the entries that word is one of.
func (lex *lexicon) lookup(word []byte, ids []uint16) []uint16 {
	if id := lex.exact[string(word)]; id != 0 {
		ids = append(ids, id)
	}
	if len(word) < 3 || !lex.heads[string(word[:3])] {
		return ids
	}
	for n := 3; n <= min(len(word), longestStem); n++ {
		if id := lex.stems[string(word[:n])]; id != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// matcher runs a lexicon over words. It remembers the last few of them, so
// the work for a word is bounded by the lexicon alone.
type matcher struct {
	lex   *lexicon
	n     int // words so far, and some for each interruption
	since int // no phrase reaches back to this word
	ring  [16]struct {
		ids  []uint16
		from int
	}
}

// forget lets no phrase reach back beyond this point.
func (m *matcher) forget() {
	m.n += 8
	m.since = m.n
}

// take calls hit for every phrase that ends with this word.
func (m *matcher) take(word []byte, from, to int, hit func(means meaning, from, to int)) {
	m.n++
	e := &m.ring[m.n%len(m.ring)]
	e.ids, e.from = m.lex.lookup(word, e.ids[:0]), from
	for _, id := range e.ids {
		for _, p := range m.lex.ending[id] {
			if before := m.back(p.words, m.n-1); before >= 0 {
				hit(p.means, m.ring[(before+1)%len(m.ring)].from, to)
			}
		}
	}
}

// back returns the number of the word before a phrase of which words are all
// but the last and at is the last but one, or -1 if the phrase is not there.
func (m *matcher) back(words []uint16, at int) int {
	for i := len(words) - 1; i >= 0; i, at = i-1, at-1 {
		if words[i] == 0 {
			for skip := range 4 {
				if before := m.back(words[:i], at-skip); before >= 0 {
					return before
				}
			}
			return -1
		}
		if at <= m.since || at <= m.n-len(m.ring) {
			return -1
		}
		found := false
		for _, id := range m.ring[at%len(m.ring)].ids {
			found = found || id == words[i]
		}
		if !found {
			return -1
		}
	}
	return at
}

// eachWord calls f for every run of letters and digits, in lower case, with
// where it stands in text. Words such as can't are one, so that they do not
// begin with another one. The word is valid until f returns; buf is reused.
// Runs of more than 64 bytes are nobody's words and are left out.
func eachWord(text string, buf *[]byte, f func(word []byte, from, to int)) {
	word, from := (*buf)[:0], 0
	end := func(at, next int) {
		if *buf = word; len(word) > 0 && at-from <= 64 {
			f(word, from, at)
		}
		word, from = (*buf)[:0], next
	}
	var size int
	for i := 0; i < len(text); i += size {
		r := rune(text[i])
		if size = 1; r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case r < utf8.RuneSelf && alnum(byte(r)), r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)):
			word = utf8.AppendRune(word, unicode.ToLower(r))
		case (r == '\'' || r == '’') && len(word) > 0 && strings.HasPrefix(text[i+size:], "t") && wordEnd(text[i+size:min(len(text), i+size+8)]) == 1:
		default:
			end(i, i+size)
		}
	}
	end(len(text), len(text))
}

// wordEnd returns where the letters end that text begins with.
func wordEnd(text string) int {
	for i, r := range text {
		if !unicode.IsLetter(r) {
			return i
		}
	}
	return len(text)
}
