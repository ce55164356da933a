package mime

import "strings"

// Address is one mailbox of an address field. Either part may be empty where
// the field was broken.
type Address struct {
	Name string // decoded
	Addr string // local@domain without angle brackets
}

// maxAddresses bounds the list of one field. Nobody needs the rest, and a
// list of a hundred thousand serves only to cost.
const maxAddresses = 1000

// ParseAddresses reads an address list (RFC 5322, section 3.4) in the forms
// that occur: without quotes where there should be, with several angle
// brackets, with encoded words around commas, with groups. What holds no
// address is kept as a name.
func ParseAddresses(s string) []Address {
	var list []Address
	pending := "" // a name in front of a comma that should have been in quotes
	for _, item := range splitAddresses(s) {
		a := parseAddress(item)
		switch {
		case a.Addr != "" && pending != "":
			a.Name = strings.TrimSuffix(pending+", "+a.Name, ", ")
			pending = ""
		case a.Addr == "" && pending == "":
			pending = a.Name
		case a.Addr == "" && a.Name != "":
			pending += ", " + a.Name
		}
		if a.Addr != "" {
			list = append(list, a)
		}
		if len(list) == maxAddresses {
			return list
		}
	}
	if pending != "" {
		list = append(list, Address{Name: pending})
	}
	return list
}

// token is a piece of an address field.
type token struct {
	kind byte // 'w' bare word, 'q' quoted string, '<' content of angle brackets, '(' comment
	text string
}

// splitAddresses cuts a field into the tokens of its mailboxes.
func splitAddresses(s string) [][]token {
	var (
		list [][]token
		item []token
		bare strings.Builder
		// Once a quote or comment was found to have no end, none is sought
		// again: that keeps the time linear.
		noQuote, noComment bool
		hasAt              bool // in bare
	)
	word := func() {
		if t := strings.TrimSpace(bare.String()); t != "" {
			item = append(item, token{'w', t})
		}
		bare.Reset()
		hasAt = false
	}
	next := func() {
		word()
		if len(item) > 0 {
			list = append(list, item)
		}
		item = nil
	}
	lastWord := strings.LastIndex(s, "?=")
	for i := 0; i < len(s) && len(list) <= maxAddresses; i++ {
		switch c := s[i]; c {
		case '=':
			n := 1
			if i < lastWord && strings.HasPrefix(s[i:], "=?") {
				_, n = cutWord(s[i:])
				n = max(n, 1)
			}
			bare.WriteString(s[i : i+n])
			i += n - 1
		case ',', ';':
			next()
		case ':':
			// The name of a group, unless a route or a "mailto:".
			if len(item) == 0 && !hasAt {
				bare.Reset()
				item = nil
			} else {
				bare.WriteByte(c)
			}
		case '"':
			n := 0
			if !noQuote {
				n = quotedLength(s[i:])
			}
			if n == 0 {
				noQuote = true
				continue
			}
			word()
			item = append(item, token{'q', unescape(s[i+1 : i+n-1])})
			i += n - 1
		case '(':
			n := 0
			if !noComment {
				n = commentLength(s[i:])
			}
			if n == 0 {
				noComment = true
				bare.WriteByte(c)
				continue
			}
			word()
			item = append(item, token{'(', s[i+1 : i+n-1]})
			i += n - 1
		case '<':
			word()
			end := strings.IndexAny(s[i+1:], "<>")
			if end < 0 {
				item = append(item, token{'<', s[i+1:]})
				i = len(s)
				continue
			}
			item = append(item, token{'<', s[i+1 : i+1+end]})
			i += end
			if s[i+1] == '>' {
				i++
			}
		default:
			hasAt = hasAt || c == '@'
			bare.WriteByte(c)
		}
	}
	next()
	return list
}

// commentLength returns the length of the comment that s begins with, or 0
// where it has no end. Comments nest.
func commentLength(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

func parseAddress(item []token) Address {
	var (
		a       Address
		names   []string
		comment string
	)
	for _, t := range item {
		text := strings.TrimSpace(t.text)
		switch {
		case t.kind == '<' && strings.Contains(text, "@") && !strings.Contains(a.Addr, "@"):
			a.Addr = addrSpec(text)
		case t.kind == '<' && a.Addr == "" && text != "":
			a.Addr = addrSpec(text)
		case t.kind == '<':
		case t.kind == '(':
			comment = text
		default:
			names = append(names, text)
		}
	}
	if a.Addr == "" {
		a.Addr, names = bareAddress(names)
	}
	a.Name = cleanText(DecodeText(strings.Join(names, " ")))
	if a.Name == "" {
		a.Name = cleanText(DecodeText(comment))
	}
	return a
}

// bareAddress finds the address among words without angle brackets.
func bareAddress(words []string) (addr string, rest []string) {
	joined := strings.Join(words, " ")
	// "local part"@domain
	if len(words) == 2 && strings.HasPrefix(words[1], "@") {
		return cleanText(`"` + words[0] + `"` + words[1]), nil
	}
	for _, f := range strings.Fields(joined) {
		if addr == "" && (strings.Contains(f, "@") && !strings.HasPrefix(f, "=?") || f == "MAILER-DAEMON") {
			addr = addrSpec(f)
		} else {
			rest = append(rest, f)
		}
	}
	return addr, rest
}

// addrSpec cleans an address: no blanks, no mailto:, no source route (RFC
// 5322, section 4.4).
func addrSpec(s string) string {
	s = strings.Trim(s, " \t<>'")
	s = strings.TrimPrefix(s, "mailto:")
	if strings.HasPrefix(s, "@") {
		if _, after, ok := strings.Cut(s, ":"); ok {
			s = after
		}
	}
	if strings.ContainsAny(s, " \t") && !strings.HasPrefix(s, `"`) {
		s = strings.Join(strings.Fields(s), "")
	}
	return cleanText(s)
}

// cleanText makes one line of decoded text: an encoded word may hold line
// breaks and other control characters.
func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// StripComments removes comments from a structured value, and puts "_" in the
// place of each quoted string. balanced is false where a comment or a quoted
// string has no end; the rest is cut then.
func StripComments(s string) (out string, balanced bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(', '"':
			n := commentLength(s[i:])
			if s[i] == '"' {
				n = quotedLength(s[i:])
				b.WriteByte('_')
			}
			if n == 0 {
				return b.String(), false
			}
			i += n - 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), true
}
