package mime

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// ParseValue splits a structured value such as that of Content-Type into its
// first word, in lower case, and its parameters, decoded (RFC 2045, section
// 5.1; RFC 2231), by lower-case name. Of equal parameters the first wins.
func ParseValue(s string) (value string, params map[string]string) {
	items := splitItems(s)
	value, _, _ = strings.Cut(items[0], "(")
	value = strings.ToLower(strings.Trim(value, " \t\""))
	params = map[string]string{}
	var pieces []piece
	for _, item := range items[1:] {
		name, v, ok := strings.Cut(item, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || name == "" {
			continue
		}
		base, section, extended := strings.Cut(name, "*")
		v = unquote(strings.TrimSpace(v), base)
		if extended {
			pieces = append(pieces, newPiece(strings.TrimSpace(base), section, v))
		} else if _, seen := params[name]; !seen {
			params[name] = DecodeText(v)
		}
	}
	// The extended form was written by software that knows it; the plain form
	// beside it is for software that does not (RFC 6266, section 4.3).
	joinPieces(pieces, params)
	return value, params
}

// splitItems cuts at semicolons outside of quoted values. A quote that never
// ends is an ordinary character. It returns at least one item.
func splitItems(s string) []string {
	var items []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ';':
			items = append(items, s[start:i])
			start = i + 1
		case '"':
			if !strings.HasSuffix(strings.TrimRight(s[start:i], " \t"), "=") {
				continue
			}
			n := quotedLength(s[i:])
			if n == 0 {
				return append(items, strings.Split(s[start:], ";")...)
			}
			i += n - 1
		}
	}
	return append(items, s[start:])
}

// quotedLength returns the length of the quoted string that s begins with,
// quotes included, or 0 where it has no end.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// unquote returns the content of a quoted string, or a bare value. A bare
// value ends at a blank or comment, except a file name, which people and
// programs write with both.
func unquote(v, name string) string {
	if strings.HasPrefix(v, `"`) {
		n := quotedLength(v)
		if n == 0 {
			return v[1:]
		}
		return unescape(v[1 : n-1])
	}
	if name == "name" || name == "filename" {
		return v
	}
	if i := strings.IndexAny(v, " \t("); i >= 0 {
		v = v[:i]
	}
	return v
}

// unescape undoes the backslash before quotes and backslashes. Before anything
// else it is kept: file names with Windows paths have it.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// piece is one section of a parameter in the form of RFC 2231, section 3.
type piece struct {
	name    string
	number  int
	percent bool // percent-encoded; the first such piece names the charset
	value   string
}

func newPiece(name, section, value string) piece {
	p := piece{name: name, value: value}
	section, p.percent = strings.CutSuffix(strings.TrimSpace(section), "*")
	if section == "" { // name*=
		p.percent = true
	}
	p.number, _ = strconv.Atoi(section)
	return p
}

// joinPieces puts continued and extended parameters together into params.
func joinPieces(pieces []piece, params map[string]string) {
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(strings.Compare(a.name, b.name), a.number-b.number)
	})
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].name == pieces[0].name {
			n++
		}
		params[pieces[0].name] = joinValue(pieces[:n])
		pieces = pieces[n:]
	}
}

func joinValue(pieces []piece) string {
	var (
		octets  []byte
		charset string
		encoded bool
		last    = -1
	)
	for _, p := range pieces {
		if p.number == last {
			continue // a repeat
		}
		last = p.number
		v := p.value
		if p.percent {
			if !encoded {
				if parts := strings.SplitN(v, "'", 3); len(parts) == 3 {
					charset, v = parts[0], parts[2]
				}
			}
			encoded = true
			octets = append(octets, unpercent(v)...)
		} else {
			octets = append(octets, v...)
		}
	}
	if !encoded {
		return DecodeText(string(octets))
	}
	text, _ := DecodeCharset(charset, octets)
	return text
}

// unpercent undoes percent-encoding and keeps what is none.
func unpercent(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(b))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return out
}
