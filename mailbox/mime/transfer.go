package mime

import (
	"bytes"
	"strings"

	"vdpd/mailbox/uu"
)

// Decode undoes the transfer encoding of the body (RFC 2045, section 6). It
// keeps what can be decoded; ok is false where something could not.
func (p *Part) Decode() (octets []byte, ok bool) {
	switch p.encoding() {
	case "base64":
		return decodeBase64(p.Body)
	case "quoted-printable":
		return decodeQuotedPrintable(p.Body, true), true
	case "x-uuencode", "uuencode", "x-uue", "uue":
		for b := range uu.Blocks(p.Body) {
			return b.Content, b.Complete
		}
		return p.Body, false
	case "", "7bit", "8bit", "binary":
		return p.Body, true
	}
	return p.Body, false
}

// encoding returns the bare name of the transfer encoding, with the misspelt
// forms that are seen in mail put right.
func (p *Part) encoding() string {
	e, _, _ := strings.Cut(p.Header.Get("Content-Transfer-Encoding"), ";")
	e = strings.ToLower(strings.Trim(e, " \t\"'"))
	switch {
	case strings.HasPrefix(e, "base64"), e == "base-64":
		return "base64"
	case strings.HasPrefix(e, "quoted"):
		return "quoted-printable"
	case strings.HasPrefix(e, "7") || strings.HasPrefix(e, "8") || strings.HasPrefix(e, "binary"):
		return "8bit"
	}
	return e
}

// sextet gives the value of a base64 character, 0xff for any other.
var sextet = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = byte(i)
	}
	return t
}()

// decodeBase64 decodes all that is base64 and passes over the rest. Padding
// within the text, as where two encoded texts were put together, only ends a
// group. ok is false where characters had to be passed over or some are
// missing at the end.
func decodeBase64(b []byte) (out []byte, ok bool) {
	out = make([]byte, 0, len(b)/4*3+3)
	ok = true
	var acc uint32
	n := 0
	flush := func() {
		if n >= 2 {
			acc <<= uint(4-n) * 6
			out = append(out, []byte{byte(acc >> 16), byte(acc >> 8), byte(acc)}[:n-1]...)
		}
		acc, n = 0, 0
	}
	for _, c := range b {
		v := sextet[c]
		switch {
		case v != 0xff:
			acc = acc<<6 | uint32(v)
			if n++; n == 4 {
				out = append(out, byte(acc>>16), byte(acc>>8), byte(acc))
				acc, n = 0, 0
			}
		case c == '=':
			flush()
		case c > ' ':
			ok = false
		}
	}
	ok = ok && n == 0
	flush()
	return out, ok
}

// decodeQuotedPrintable decodes =XX and joins soft line breaks; an equals sign
// that is neither stays. With trim, blanks at the end of a line, which are
// never meant (RFC 2045, section 6.7, rule 3), go.
func decodeQuotedPrintable(b []byte, trim bool) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		i := bytes.IndexAny(b, "=\n")
		if i < 0 {
			break
		}
		if b[i] == '\n' {
			line := b[:i]
			eol := "\n"
			if bytes.HasSuffix(line, []byte("\r")) {
				line, eol = line[:i-1], "\r\n"
			}
			out = append(out, line...)
			if trim {
				out = bytes.TrimRight(out, " \t")
			}
			out = append(out, eol...)
			b = b[i+1:]
			continue
		}
		out = append(out, b[:i]...)
		b = b[i+1:]
		if len(b) >= 2 && hexDigit(b[0]) >= 0 && hexDigit(b[1]) >= 0 {
			out = append(out, byte(hexDigit(b[0])<<4|hexDigit(b[1])))
			b = b[2:]
			continue
		}
		rest := bytes.TrimLeft(b, " \t")
		switch {
		case bytes.HasPrefix(rest, []byte("\r\n")):
			b = rest[2:]
		case bytes.HasPrefix(rest, []byte("\n")):
			b = rest[1:]
		case len(rest) == 0:
			b = nil
		default:
			out = append(out, '=')
		}
	}
	return append(out, b...)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
