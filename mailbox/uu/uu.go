// Package uu finds files that were put into the text of a mail before MIME:
// uuencode (POSIX) and yEnc.
//
// Everything here is pure, starts no goroutines and is linear in its input.
package uu

import (
	"bytes"
	"iter"
)

// Block is one embedded file.
type Block struct {
	Name     string // as written
	Content  []byte
	Complete bool // it had its end, and nothing in it was malformed
	Start    int  // where its first line begins in the text
	End      int  // where the line after its last begins
}

// Blocks yields the embedded files of a text in order.
func Blocks(text []byte) iter.Seq[Block] {
	return func(yield func(Block) bool) {
		for at := 0; at < len(text); {
			end := len(text)
			if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
				end = at + i + 1
			}
			line := trimEOL(text[at:end])
			var (
				b  Block
				ok bool
			)
			switch {
			case bytes.HasPrefix(line, []byte("begin ")):
				b, ok = readUU(text, at, end, line)
			case bytes.HasPrefix(line, []byte("=ybegin ")):
				b, ok = readYEnc(text, at, end, line)
			}
			if !ok {
				at = end
				continue
			}
			if !yield(b) {
				return
			}
			at = max(b.End, end)
		}
	}
}

// readUU reads a block whose first line, "begin MODE NAME", spans from start
// to next. A block counts as one only if its second line is as long as its
// length character says, so that prose that begins with "begin" stays prose.
func readUU(text []byte, start, next int, line []byte) (Block, bool) {
	mode, name, ok := bytes.Cut(bytes.TrimLeft(line[len("begin "):], " "), []byte(" "))
	if !ok || len(mode) < 3 || len(mode) > 5 || len(bytes.Trim(mode, "01234567")) > 0 {
		return Block{}, false
	}
	b := Block{Name: string(bytes.TrimSpace(name)), Start: start, End: next}
	lines := 0
	for b.End < len(text) {
		end := len(text)
		if i := bytes.IndexByte(text[b.End:], '\n'); i >= 0 {
			end = b.End + i + 1
		}
		l := trimEOL(text[b.End:end])
		switch {
		case bytes.Equal(bytes.TrimSpace(l), []byte("end")):
			b.End = end
			b.Complete = true
			return b, true
		case len(l) == 0 || l[0] == '`' || l[0] == ' ' && len(bytes.TrimSpace(l)) == 0:
			// The empty line before "end".
		default:
			octets, ok := uuLine(l)
			if !ok {
				return b, lines > 0
			}
			b.Content = append(b.Content, octets...)
			lines++
		}
		b.End = end
	}
	return b, lines > 0
}

// uuLine decodes one line: a length character and groups of four. Blanks at
// the end may have been cut off on the way; they stand for zero.
func uuLine(l []byte) ([]byte, bool) {
	n := int(l[0]-' ') & 63
	want := (n + 2) / 3 * 4
	if l[0] < ' ' || l[0] > '`' || n == 0 || len(l)-1 > want+4 || len(l)-1 < want-8 {
		return nil, false
	}
	out := make([]byte, 0, n+2)
	at := func(i int) uint32 {
		if i < len(l) {
			return uint32(l[i]-' ') & 63
		}
		return 0
	}
	for i := 1; i <= want; i += 4 {
		v := at(i)<<18 | at(i+1)<<12 | at(i+2)<<6 | at(i+3)
		out = append(out, byte(v>>16), byte(v>>8), byte(v))
	}
	for _, c := range l[1:] {
		if c < ' ' || c > '`' {
			return nil, false
		}
	}
	return out[:n], true
}

// readYEnc reads a block whose first line, "=ybegin ... name=NAME", spans from
// start to next.
func readYEnc(text []byte, start, next int, line []byte) (Block, bool) {
	_, name, ok := bytes.Cut(line, []byte(" name="))
	if !ok || !bytes.Contains(line, []byte(" line=")) {
		return Block{}, false
	}
	b := Block{Name: string(bytes.TrimSpace(name)), Start: start, End: next}
	for b.End < len(text) {
		end := len(text)
		if i := bytes.IndexByte(text[b.End:], '\n'); i >= 0 {
			end = b.End + i + 1
		}
		l := trimEOL(text[b.End:end])
		b.End = end
		if bytes.HasPrefix(l, []byte("=yend")) {
			b.Complete = true
			break
		}
		if bytes.HasPrefix(l, []byte("=ypart ")) {
			continue
		}
		for i := 0; i < len(l); i++ {
			c := l[i]
			if c == '=' && i+1 < len(l) {
				i++
				c = l[i] - 64
			}
			b.Content = append(b.Content, c-42)
		}
	}
	return b, true
}

func trimEOL(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}
