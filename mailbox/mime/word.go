package mime

import (
	"bytes"
	"strings"
)

// DecodeText decodes a header value for people: encoded words (RFC 2047), also
// where the standard forbids them and with the blanks and breaks that broken
// software leaves in them, and unlabelled 8-bit characters.
func DecodeText(s string) string {
	if !strings.Contains(s, "=?") {
		return guessText(s)
	}
	var (
		out     strings.Builder
		pending []byte // octets of neighbouring words in one charset: a character may be split between them
		source  int    // length of the words that pending comes from
		charset string
	)
	flush := func(end int) {
		text, ok := DecodeCharset(charset, pending)
		if !ok && strings.ContainsFunc(text, isGarbage) {
			text = s[end-source : end] // no charset makes a text of this
		}
		out.WriteString(text)
		pending, source = nil, 0
	}
	at, last := 0, strings.LastIndex(s, "?=")
	for {
		i := strings.Index(s[at:], "=?")
		if i < 0 || at+i >= last {
			break
		}
		w, n := cutWord(s[at+i:])
		between := s[at : at+i]
		if n == 0 {
			flush(at)
			out.WriteString(guessText(between + "=?"))
			at += i + 2
			continue
		}
		joins := source > 0 && strings.TrimSpace(between) == ""
		if !joins || !strings.EqualFold(w.charset, charset) {
			flush(at)
		}
		if !joins {
			out.WriteString(guessText(between))
		}
		charset = w.charset
		pending = append(pending, w.octets...)
		if source > 0 {
			source += i
		}
		source += n
		at += i + n
	}
	flush(at)
	out.WriteString(guessText(s[at:]))
	return out.String()
}

// isGarbage recognises characters that no text has, as they come from decoding
// what is no text.
func isGarbage(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffd' || r >= 0x7f && r < 0xa0
}

// word is one encoded word.
type word struct {
	charset string
	octets  []byte
}

// cutWord reads the encoded word that s begins with and its length, or 0 where
// it is none. The text may hold blanks, and question marks if Q-encoded.
func cutWord(s string) (word, int) {
	const longestCharset = 64
	body := s[2:]
	i := strings.IndexByte(body[:min(len(body), longestCharset)], '?')
	if i < 0 || len(body) < i+3 || body[i+2] != '?' {
		return word{}, 0
	}
	charset, _, _ := strings.Cut(body[:i], "*") // RFC 2231, section 5: a language may follow
	encoding, text := body[i+1], body[i+3:]
	if !strings.ContainsRune("bBqQ", rune(encoding)) {
		return word{}, 0
	}
	end := strings.Index(text, "?=")
	if end < 0 {
		return word{}, 0
	}
	w := word{charset: charset}
	if encoding == 'b' || encoding == 'B' {
		w.octets, _ = decodeBase64([]byte(text[:end]))
	} else {
		w.octets = decodeQ(text[:end])
	}
	return w, 2 + i + 3 + end + 2
}

// decodeQ undoes the Q encoding (RFC 2047, section 4.2).
func decodeQ(s string) []byte {
	return decodeQuotedPrintable(bytes.ReplaceAll([]byte(s), []byte("_"), []byte(" ")), false)
}

// guessText makes UTF-8 of header text without a label.
func guessText(s string) string {
	if isASCII(s) {
		return s
	}
	text, _ := DecodeCharset("", []byte(s))
	return text
}

func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] == 0x1b {
			return false
		}
	}
	return true
}
