package mime

import (
	"bytes"
	"strings"
)

// Part is a node of a message: the message itself, a part of a multipart, or
// a message within a message.
type Part struct {
	Header Header
	Raw    []byte // header section and body as they stand: what a signature covers
	Body   []byte // as it stands, still transfer-encoded

	Type   string            // media type in lower case; text/plain where there is none
	Params map[string]string // of Content-Type, decoded
	// Disposition is inline, attachment, another word, or "".
	Disposition string
	FileName    string // decoded, without folders; "" where there is none

	Children []*Part // of a multipart; the one message of a message/rfc822
	Depth    int     // of nesting, 0 at the top
}

// Parse reads a whole message.
func Parse(raw []byte, budget *Budget) *Part { return ParseAt(raw, 0, budget) }

// ParseAt reads a message that was found inside another, such as the content
// of an encryption, at that depth of nesting.
func ParseAt(raw []byte, depth int, budget *Budget) *Part {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if text := bytes.TrimLeft(raw, " \t\r\n"); len(text) < len(raw) && goesOn(text) {
		raw = text // blank lines in front of the header section
	}
	p, _ := (&parser{raw: raw, budget: budget}).part(0, "text/plain", depth)
	return p
}

// IsMultipart reports whether the part is made of other parts.
func (p *Part) IsMultipart() bool { return strings.HasPrefix(p.Type, "multipart/") }

// IsMessage reports whether the part is a message within a message.
func (p *Part) IsMessage() bool {
	return p.Type == "message/rfc822" || p.Type == "message/global" || p.Type == "message/news"
}

// parser walks one buffer from front to back. Boundaries nest: a line that is
// the boundary of an outer multipart ends all inner ones, also those whose end
// is missing.
type parser struct {
	raw        []byte
	boundaries []string // of the multiparts that are open, the innermost last
	budget     *Budget
}

// part reads a part that starts at an offset, up to the boundary line that
// ends it, and returns where that line begins.
func (p *parser) part(start int, fallback string, depth int) (*Part, int) {
	p.budget.parts++
	end, _ := p.nextBoundary(start)
	part := &Part{Depth: depth}
	var body []byte
	part.Header, body = ReadHeader(p.raw[start:lineBreakBefore(p.raw, start, end)], p.budget)
	part.readType(fallback)
	bodyStart := lineBreakBefore(p.raw, start, end) - len(body)
	if part.mayNest(p.budget) {
		end = p.children(part, bodyStart, end)
	}
	last := lineBreakBefore(p.raw, start, end)
	part.Raw, part.Body = p.raw[start:last], p.raw[min(bodyStart, last):last]
	if part.IsMultipart() && part.Children == nil {
		part.salvage(p.budget)
	}
	return part, end
}

// mayNest reports whether the part has parts that the limits allow to read.
func (p *Part) mayNest(budget *Budget) bool {
	switch {
	case !p.IsMultipart() && !p.IsMessage():
		return false
	case p.Depth >= budget.limits.Depth:
		budget.Hit(LimitDepth)
		return false
	case budget.parts >= budget.limits.Parts:
		budget.Hit(LimitParts)
		return false
	}
	return true
}

// children reads the parts within a part whose body starts at an offset. end
// is where the part would end if it had none; the new end is returned.
func (p *parser) children(part *Part, bodyStart, end int) int {
	if part.IsMessage() {
		var child *Part
		switch part.encoding() {
		case "", "8bit":
			child, end = p.part(bodyStart, "text/plain", part.Depth+1)
		default:
			part.Body = p.raw[bodyStart:lineBreakBefore(p.raw, bodyStart, end)]
			octets, _ := part.Decode()
			child = ParseAt(octets, part.Depth+1, p.budget)
		}
		part.Children = []*Part{child}
		return end
	}
	boundary := strings.TrimRight(part.Params["boundary"], " \t")
	if boundary == "" {
		return end
	}
	return p.sections(part, boundary, bodyStart)
}

// sections reads the parts of a multipart (RFC 2046, section 5.1.1). What
// stands before the first boundary line and after the last is dropped.
func (p *parser) sections(part *Part, boundary string, at int) int {
	p.boundaries = append(p.boundaries, boundary)
	defer func() { p.boundaries = p.boundaries[:len(p.boundaries)-1] }()
	fallback := "text/plain"
	if part.Type == "multipart/digest" {
		fallback = "message/rfc822"
	}
	closed := false
	for {
		end, line := p.nextBoundary(at)
		if line.boundary != boundary {
			if part.Children != nil && !closed {
				p.budget.Fault("multipart without an end")
			}
			return end
		}
		closed = line.closing
		switch {
		case closed:
			at = line.next
		case p.budget.parts >= p.budget.limits.Parts:
			p.budget.Hit(LimitParts)
			p.boundaries[len(p.boundaries)-1] = "\n" // matches no line
			end, _ = p.nextBoundary(line.next)
			return end
		default:
			// A boundary line at the very end begins no part.
			var child *Part
			if child, at = p.part(line.next, fallback, part.Depth+1); len(child.Raw) > 0 || at < len(p.raw) {
				part.Children = append(part.Children, child)
			}
		}
	}
}

// boundaryLine is a line that one of the open multiparts takes for its own.
type boundaryLine struct {
	boundary string
	closing  bool
	next     int // where the next line begins
}

// nextBoundary finds the first boundary line of an open multipart at or after
// an offset that begins a line. Without one it returns the end of the buffer.
func (p *parser) nextBoundary(at int) (int, boundaryLine) {
	for len(p.boundaries) > 0 && at < len(p.raw) {
		if bytes.HasPrefix(p.raw[at:], []byte("--")) && (at == 0 || p.raw[at-1] == '\n' || p.raw[at-1] == '\r') {
			line, rest := cutLine(p.raw[at:])
			if b, ok := p.match(string(bytes.TrimRight(line[2:], " \t"))); ok {
				b.next = len(p.raw) - len(rest)
				return at, b
			}
		}
		i := bytes.Index(p.raw[at+1:], []byte("--"))
		if i < 0 {
			break
		}
		at += 1 + i
	}
	return len(p.raw), boundaryLine{}
}

// match compares a line, without the leading dashes, with the open boundaries,
// the innermost first.
func (p *parser) match(line string) (boundaryLine, bool) {
	for i := len(p.boundaries) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(line, p.boundaries[i]); ok && (rest == "" || rest == "--") {
			return boundaryLine{boundary: p.boundaries[i], closing: rest == "--"}, true
		}
	}
	return boundaryLine{}, false
}

// lineBreakBefore returns where the line break before an offset begins, if it
// is not before start. It belongs to the boundary line (RFC 2046, section
// 5.1.1). The end of the buffer has none to give.
func lineBreakBefore(raw []byte, start, at int) int {
	if at == len(raw) {
		return at
	}
	if at > start && raw[at-1] == '\n' {
		at--
	}
	if at > start && raw[at-1] == '\r' {
		at--
	}
	return at
}

// salvage reads a multipart in whose body its boundary did not occur: it may
// be transfer-encoded, which the standard forbids, or name another boundary
// than it has. What is left is a text.
func (p *Part) salvage(budget *Budget) {
	if p.Depth < budget.limits.Depth && budget.parts < budget.limits.Parts {
		body := p.Body
		boundary := strings.TrimRight(p.Params["boundary"], " \t")
		if octets, _ := p.Decode(); p.encoding() == "base64" || p.encoding() == "quoted-printable" {
			body = octets
		}
		for _, b := range []string{boundary, guessBoundary(body)} {
			if b == "" || p.Children != nil {
				continue
			}
			(&parser{raw: body, budget: budget}).sections(p, b, 0)
		}
	}
	if p.Children != nil {
		budget.Fault("multipart without its boundary")
		return
	}
	budget.Fault("multipart without parts")
	p.Type = "text/plain"
}

// guessBoundary finds the boundary of a multipart that names none or a wrong
// one: the first line that looks like one and is followed by a field.
func guessBoundary(body []byte) string {
	const tries = 1000
	for range tries {
		var line []byte
		if line, body = cutLine(body); len(line) == 0 && len(body) == 0 {
			return ""
		}
		if len(line) < 3 || len(line) > 200 || !bytes.HasPrefix(line, []byte("--")) {
			continue
		}
		next, _ := cutLine(body)
		if len(next) > 8 && strings.EqualFold(string(next[:8]), "content-") {
			return string(bytes.TrimRight(line[2:], " \t"))
		}
	}
	return ""
}

func (p *Part) readType(fallback string) {
	p.Type, p.Params = ParseValue(p.Header.Get("Content-Type"))
	major, minor, ok := strings.Cut(p.Type, "/")
	if !ok || major == "" || minor == "" || strings.ContainsAny(p.Type, " \t,=") {
		p.Type = fallback
	}
	var params map[string]string
	p.Disposition, params = ParseValue(p.Header.Get("Content-Disposition"))
	p.FileName = FileName(params["filename"])
	if p.FileName == "" {
		p.FileName = FileName(p.Params["name"])
	}
}

// FileName returns the last element of what may be a path, in one line: no
// folder of a sender means anything here.
func FileName(s string) string {
	s = cleanText(s)
	return strings.TrimSpace(s[strings.LastIndexAny(s, `/\`)+1:])
}
