package mime

import (
	"bytes"
	"strings"
)

// Field is one header field, unfolded, its value still encoded.
type Field struct {
	Name  string // as written
	Value string // without the line breaks of folding, trimmed
}

// Header is a header section in the order of the message, the topmost first.
type Header []Field

// Get returns the value of the topmost field of that name, or "".
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Has reports whether there is a field of that name, even an empty one.
func (h Header) Has(name string) bool {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// All returns the values of all fields of that name, the topmost first.
func (h Header) All(name string) []string {
	var values []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Text returns the value of the topmost field of that name that has one, for
// people: encoded words and unlabelled 8-bit characters decoded.
func (h Header) Text(name string) string {
	for _, v := range h.All(name) {
		if v != "" {
			return DecodeText(v)
		}
	}
	return ""
}

// ReadHeader splits octets into a header section and what follows it.
//
// The section ends at the first empty line. A line that can be neither a field
// nor a continuation ends it too and belongs to the body, unless a field that
// mail has follows in the section: then it is rubbish that a gateway put in.
func ReadHeader(b []byte, budget *Budget) (h Header, body []byte) {
	var (
		limits = budget.limits
		value  strings.Builder // of the last field in h
		size   int
		known  int // length of b up to where a field is known to follow
	)
	finish := func() {
		if len(h) > 0 {
			h[len(h)-1].Value = strings.TrimSpace(value.String())
		}
		value.Reset()
	}
	defer finish()
	for len(b) > 0 {
		line, rest := cutLine(b)
		text := bytes.TrimSpace(line)
		if len(line) == 0 || len(text) == 0 && !goesOn(rest) {
			return h, rest
		}
		size += len(line)
		continues := isBlankChar(line[0]) && len(h) > 0
		name, val, isField := cutField(line)
		switch {
		case size > limits.HeaderBytes:
			budget.Hit(LimitHeaderBytes)
		case continues:
			value.WriteByte(' ')
			value.Write(text)
		case isField && len(h) >= limits.HeaderCount:
			budget.Hit(LimitHeaderCount)
		case isField:
			finish()
			h = append(h, Field{Name: name})
			value.Write(val)
		case len(h) == 0 && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")):
			// The separator of the mbox format, left in by an export.
		default:
			if known == 0 || len(rest) < known {
				var follows bool
				if known, follows = fieldAhead(rest); !follows {
					budget.Fault("header section without an end")
					return h, b
				}
			}
			budget.Fault("a header line that is no field")
		}
		b = rest
	}
	return h, nil
}

// goesOn reports whether the next line goes on with a header section: it is a
// continuation with text, or a field that mail has.
func goesOn(b []byte) bool {
	line, _ := cutLine(b)
	if len(line) > 0 && isBlankChar(line[0]) && len(bytes.TrimSpace(line)) > 0 {
		return true
	}
	name, _, ok := cutField(line)
	return ok && isMailField(name)
}

// fieldAhead looks for a field that mail has before the next empty line. It
// returns how much of b is left there.
func fieldAhead(b []byte) (left int, ok bool) {
	for len(b) > 0 {
		line, rest := cutLine(b)
		if len(line) == 0 {
			break
		}
		if name, _, ok := cutField(line); ok && isMailField(name) {
			return len(b), true
		}
		b = rest
	}
	return 0, false
}

// isMailField reports whether a name is one that header sections of mail have,
// and prose hardly ever.
func isMailField(name string) bool {
	n := strings.ToLower(name)
	for _, prefix := range []string{"x-", "content-", "list-", "dkim-", "arc-", "resent-", "received-", "authentication-"} {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	switch n {
	case "from", "to", "cc", "bcc", "subject", "date", "message-id", "received", "return-path", "mime-version", "reply-to", "sender",
		"in-reply-to", "references", "delivered-to", "user-agent", "importance", "precedence", "auto-submitted", "autocrypt", "envelope-to", "delivery-date":
		return true
	}
	return false
}

// cutField splits a line at the colon of a field name (RFC 5322, section
// 2.2): printable characters without blanks, though blanks before the colon
// were once allowed (section 4.5).
func cutField(line []byte) (name string, value []byte, ok bool) {
	const longestName = 128
	i := bytes.IndexByte(line[:min(len(line), longestName)], ':')
	if i < 0 {
		return "", nil, false
	}
	n := bytes.TrimRight(line[:i], " \t")
	if len(n) == 0 {
		return "", nil, false
	}
	for _, c := range n {
		if c <= ' ' || c == 0x7f {
			return "", nil, false
		}
	}
	return string(n), bytes.TrimSpace(line[i+1:]), true
}

// cutLine splits off the first line. CRLF, LF and a CR that stands alone end
// it, and CR CR LF, which some gateways make of CRLF, ends it once.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexAny(b, "\r\n")
	if i < 0 {
		return b, nil
	}
	switch {
	case bytes.HasPrefix(b[i:], []byte("\r\n")):
		return b[:i], b[i+2:]
	case bytes.HasPrefix(b[i:], []byte("\r\r\n")):
		return b[:i], b[i+3:]
	}
	return b[:i], b[i+1:]
}

func isBlankChar(c byte) bool { return c == ' ' || c == '\t' }
