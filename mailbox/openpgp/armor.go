package openpgp

import (
	"bytes"
	"encoding/base64"
)

// Kind says what an armored block holds.
type Kind string

// The kinds of armored blocks, as their BEGIN lines name them (RFC 9580,
// section 6.2, and section 7 for cleartext signatures).
const (
	KindMessage    Kind = "PGP MESSAGE"
	KindSigned     Kind = "PGP SIGNED MESSAGE"
	KindPublicKey  Kind = "PGP PUBLIC KEY BLOCK"
	KindPrivateKey Kind = "PGP PRIVATE KEY BLOCK"
	KindSignature  Kind = "PGP SIGNATURE"
)

// Block is an armored block inside a text: text[Start:End], from the BEGIN
// line to the end of the END line, its line ending included.
type Block struct {
	Kind       Kind
	Start, End int
}

// Blocks finds the complete armored blocks of a text, in order and without
// overlap, in linear time. A marker counts only at the start of a line, so
// that a block quoted with "> " is none; blanks after it do no harm. A BEGIN
// line inside an open block abandons that block.
func Blocks(text []byte) []Block {
	blocks, _ := scan(text)
	return blocks
}

// scan also returns the last block if its END line is missing.
func scan(text []byte) (blocks []Block, unfinished *Block) {
	var open *Block
	for pos := 0; pos < len(text); {
		end := pos + lineLength(text[pos:])
		begin, kind := marker(text[pos:end])
		switch {
		case kind == "":
		case !begin && open != nil && closes(kind, open.Kind):
			open.End = end
			blocks = append(blocks, *open)
			open = nil
		case !begin:
			open = nil
		case open != nil && open.Kind == KindSigned && kind == KindSignature:
			// The second half of a cleartext signature.
		default:
			open = &Block{Kind: kind, Start: pos, End: len(text)}
		}
		pos = end
	}
	return blocks, open
}

func closes(end, open Kind) bool {
	return end == open && open != KindSigned || open == KindSigned && end == KindSignature
}

// marker recognises a BEGIN or END line; kind is empty for any other line.
func marker(line []byte) (begin bool, kind Kind) {
	line = bytes.TrimPrefix(trimBlanks(line), utf8BOM)
	rest, begin := bytes.CutPrefix(line, []byte("-----BEGIN "))
	if !begin {
		var ok bool
		if rest, ok = bytes.CutPrefix(line, []byte("-----END ")); !ok {
			return false, ""
		}
	}
	name, ok := bytes.CutSuffix(rest, []byte("-----"))
	if !ok {
		return false, ""
	}
	switch k := Kind(name); k {
	case KindMessage, KindSigned, KindPublicKey, KindPrivateKey, KindSignature:
		return begin, k
	case "PGP SECRET KEY BLOCK": // PGP 2
		return begin, KindPrivateKey
	}
	return false, ""
}

var utf8BOM = []byte("\xef\xbb\xbf")

// lineLength is the length of the first line, its ending included.
func lineLength(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// trimBlanks cuts what mail programs leave at the end of armor lines: blanks,
// line endings and no-break spaces in UTF-8 or Latin-1.
func trimBlanks(line []byte) []byte {
	for {
		line = bytes.TrimRight(line, " \t\r\n\v\f")
		switch {
		case bytes.HasSuffix(line, []byte("\xc2\xa0")):
			line = line[:len(line)-2]
		case bytes.HasSuffix(line, []byte("\xa0")):
			line = line[:len(line)-1]
		default:
			return line
		}
	}
}

// dearmor decodes one block, given from its BEGIN line on. The checksum is
// ignored, as RFC 9580 (section 6.1) demands. It repairs what mail does to
// armor: no blank line after the headers, blanks, no-break spaces and empty
// lines anywhere, lines of any length, no END line.
func dearmor(block []byte) ([]byte, error) {
	b64 := make([]byte, 0, len(block))
	block = block[lineLength(block):]
	for len(block) > 0 {
		n := lineLength(block)
		start := len(b64)
		b64 = appendGraphic(b64, block[:n])
		line := b64[start:]
		block = block[n:]
		if start == 0 && !isBase64(line) {
			b64 = b64[:0] // a header, its continuation, or the blank line after them
		} else if bytes.HasPrefix(line, []byte("-----")) || len(line) > 2 && line[0] == '=' {
			b64 = b64[:start] // END line or checksum
			break
		}
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(b64)))
	n, err := base64.StdEncoding.Decode(data, b64)
	if err != nil || n == 0 {
		return nil, malformed("the armor is damaged")
	}
	return data[:n], nil
}

// appendGraphic leaves out blanks and all that is not ASCII, which armor never
// holds.
func appendGraphic(b, line []byte) []byte {
	for _, c := range line {
		if c > ' ' && c < 0x7f {
			b = append(b, c)
		}
	}
	return b
}

func isBase64(line []byte) bool {
	for _, c := range bytes.TrimRight(line, "=") {
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/') {
			return false
		}
	}
	return len(line) > 0 && line[0] != '='
}

// enarmor encodes data without armor headers, which would tell about this
// program, but with the checksum, which RFC 9580 (section 6.1) advises against:
// GnuPG 2.2 takes the END line for data where neither "=" nor checksum comes
// before it. Lines end in LF.
func enarmor(kind Kind, data []byte) []byte {
	const width = 64
	b64 := base64.StdEncoding.EncodeToString(data)
	out := make([]byte, 0, len(b64)+len(b64)/width+100)
	out = append(out, "-----BEGIN "+kind+"-----\n\n"...)
	for len(b64) > width {
		out = append(append(out, b64[:width]...), '\n')
		b64 = b64[width:]
	}
	out = append(append(out, b64...), '\n')
	sum := crc24(data)
	out = base64.StdEncoding.AppendEncode(append(out, '='), []byte{byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return append(out, "\n-----END "+kind+"-----\n"...)
}

// crc24 is the checksum of RFC 9580, section 6.1.1.
func crc24(data []byte) uint32 {
	var table [256]uint32
	for i := range table {
		crc := uint32(i) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= 0x1864cfb
			}
		}
		table[i] = crc
	}
	crc := uint32(0xb704ce)
	for _, b := range data {
		crc = crc<<8 ^ table[byte(crc>>16)^b]
	}
	return crc & 0xffffff
}

// unwrap returns the packets of b, which is binary, or text with an armored
// block of one of the kinds; other text around that block is ignored.
func unwrap(b []byte, kinds ...Kind) ([]byte, error) {
	if leadingTag(b) != 0 {
		return b, nil
	}
	blocks, unfinished := scan(b)
	if unfinished != nil {
		blocks = append(blocks, *unfinished)
	}
	for _, block := range blocks {
		for _, kind := range kinds {
			if block.Kind == kind {
				return dearmor(b[block.Start:block.End])
			}
		}
	}
	if len(blocks) > 0 {
		return nil, errOtherArmor
	}
	return nil, malformed("neither OpenPGP packets nor armor")
}

// IsMessage reports whether b begins like an encrypted message: with the
// armor of a message, or with a packet that only such messages begin with.
// Armor may still turn out to hold a message that is merely signed. Only the
// first octets are looked at: [Blocks] finds armor further down.
func IsMessage(b []byte) bool {
	switch leadingTag(b) {
	case tagPKESK, tagSKESK, tagSEIPD, tagAEAD:
		return true
	}
	return leadingArmor(b) == KindMessage
}

// IsPublicKey reports whether b begins like a public key, armored or not.
func IsPublicKey(b []byte) bool {
	return leadingTag(b) == tagPublicKey || leadingArmor(b) == KindPublicKey
}

// leadingArmor is the kind of the block that the first line which isn't blank
// begins.
func leadingArmor(b []byte) Kind {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, utf8BOM), " \t\r\n")
	begin, kind := marker(b[:lineLength(b)])
	if !begin {
		return ""
	}
	return kind
}

// Packet tags (RFC 9580, section 5).
const (
	tagPKESK     = 1
	tagSignature = 2
	tagSKESK     = 3
	tagOnePass   = 4
	tagSecretKey = 5
	tagPublicKey = 6
	tagCompress  = 8
	tagMarker    = 10
	tagLiteral   = 11
	tagSEIPD     = 18
	tagAEAD      = 20
)

// leadingTag returns the tag of the packet that b begins with, or 0 where b
// doesn't look like a packet. Beside the header it looks at the version byte,
// because text that isn't ASCII begins with bytes that could be headers.
func leadingTag(b []byte) int {
	if len(b) < 3 || b[0]&0x80 == 0 {
		return 0
	}
	var tag int
	var lengths int // octets of the length
	if b[0]&0x40 == 0 {
		tag = int(b[0] >> 2 & 0x0f)
		lengths = []int{1, 2, 4, 0}[b[0]&3]
	} else {
		tag = int(b[0] & 0x3f)
		switch {
		case b[1] < 192 || b[1] >= 224 && b[1] < 255:
			lengths = 1
		case b[1] < 224:
			lengths = 2
		default:
			lengths = 5
		}
	}
	if len(b) <= 1+lengths {
		return 0
	}
	if bytes.IndexByte(versions[tag], b[1+lengths]) < 0 {
		return 0
	}
	return tag
}

// versions lists the first octets that a packet body may begin with. Data
// without integrity protection (tag 9) is missing: it begins with any octet,
// and is of no use without a session key in front.
var versions = map[int][]byte{
	tagPKESK:     {2, 3, 6},
	tagSignature: {2, 3, 4, 5, 6},
	tagSKESK:     {4, 5, 6},
	tagOnePass:   {3, 6},
	tagSecretKey: {2, 3, 4, 5, 6},
	tagPublicKey: {2, 3, 4, 5, 6},
	tagCompress:  {0, 1, 2, 3},
	tagMarker:    {'P'},
	tagLiteral:   {'b', 't', 'u', 'l', 'm', '1'},
	tagSEIPD:     {1, 2},
	tagAEAD:      {1},
}
