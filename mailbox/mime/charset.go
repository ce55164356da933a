package mime

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// DecodeCharset makes UTF-8 of octets in the charset that the sender named.
// Where the name is missing, unknown or evidently wrong it guesses. ok is
// false where characters were lost or the charset had to be guessed against
// the label.
func DecodeCharset(label string, b []byte) (text string, ok bool) {
	name := charsetName(label)
	switch name {
	case "", "us-ascii", "unknown":
		return guess(b), isASCII(b) || utf8.Valid(b)
	case "utf-8":
		if utf8.Valid(b) {
			return string(b), true
		}
		return guess(b), false
	case "utf-7":
		return decodeUTF7(b)
	case "utf-16":
		return decodeUTF16(b), len(b)%2 == 0
	case "iso-2022-kr":
		name, b = "euc-kr", shiftOut(b)
	case "iso-8859-1", "windows-1252":
		// Often said by software that doesn't look. Latin text that happens
		// to be well-formed UTF-8 beyond ASCII does not occur.
		if !isASCII(b) && utf8.Valid(b) {
			return string(b), false
		}
	}
	enc := encodingOf(name)
	if enc == nil {
		return guess(b), isASCII(b)
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return guess(b), false
	}
	return string(out), !bytes.ContainsRune(out, utf8.RuneError)
}

// charsetName brings the many spellings of a label to one. It is "" for no
// label, and otherwise a name that [encodingOf] may know.
func charsetName(label string) string {
	n := strings.ToLower(strings.Trim(label, " \t\"'<>"))
	n, _, _ = strings.Cut(n, ";")
	n, _, _ = strings.Cut(n, " ")
	switch n := strings.ReplaceAll(n, "_", "-"); {
	case n == "", n == "utf-8", n == "iso-8859-1", n == "us-ascii":
		return n
	case strings.HasPrefix(n, "utf-8"), n == "utf8", strings.HasPrefix(n, "unicode-1-1-utf-8"), n == "x-utf-8j", n == "utf8mb4", n == "x-unicode-2-0-utf-8":
		return "utf-8"
	case n == "utf-7", n == "utf7", n == "unicode-1-1-utf-7", n == "x-unicode-2-0-utf-7", n == "csunicode11utf7":
		return "utf-7"
	case n == "utf-16", n == "utf16", n == "ucs-2", n == "iso-10646-ucs-2", n == "unicode":
		return "utf-16"
	case n == "ascii", n == "ansi-x3.4-1968", n == "iso646-us", n == "x-us-ascii", n == "us":
		return "us-ascii"
	case strings.HasPrefix(n, "unknown"), n == "x-unknown", n == "default", n == "none", n == "default-charset", n == "ansi", n == "binary", n == "8bit", n == "x-user-defined", n == "user-defined":
		return "unknown"
	case n == "iso-2022-kr", n == "csiso2022kr":
		return "iso-2022-kr"
	case strings.HasPrefix(n, "iso8859"):
		return "iso-8859" + n[len("iso8859"):]
	case strings.HasPrefix(n, "iso-88-59"):
		return "iso-8859" + n[len("iso-88-59"):]
	}
	return n
}

// charsets are the labels that the standard tables lack, or mean something
// narrower by than software does.
var charsets = map[string]encoding.Encoding{
	"gb2312":           simplifiedchinese.GB18030,
	"gbk":              simplifiedchinese.GB18030,
	"cp936":            simplifiedchinese.GB18030,
	"x-gbk":            simplifiedchinese.GB18030,
	"euc-cn":           simplifiedchinese.GB18030,
	"hz-gb-2312":       simplifiedchinese.HZGB2312,
	"hz":               simplifiedchinese.HZGB2312,
	"gb-2312-80":       simplifiedchinese.GB18030,
	"chinese":          simplifiedchinese.GB18030,
	"big-5":            traditionalchinese.Big5,
	"big5-hkscs":       traditionalchinese.Big5,
	"cp950":            traditionalchinese.Big5,
	"euc-kr":           korean.EUCKR,
	"cp949":            korean.EUCKR,
	"ks-c-5601":        korean.EUCKR,
	"ks-c-5601-1987":   korean.EUCKR,
	"ks-c-5601-1989":   korean.EUCKR,
	"ksc5601":          korean.EUCKR,
	"uhc":              korean.EUCKR,
	"cp932":            japanese.ShiftJIS,
	"cp943":            japanese.ShiftJIS,
	"sjis":             japanese.ShiftJIS,
	"shift-jis":        japanese.ShiftJIS,
	"x-sjis-cp932":     japanese.ShiftJIS,
	"cp51932":          japanese.EUCJP,
	"eucjp":            japanese.EUCJP,
	"jis":              japanese.ISO2022JP,
	"iso-2022-jp":      japanese.ISO2022JP,
	"iso-2022-jp-1":    japanese.ISO2022JP,
	"iso-2022-jp-2":    japanese.ISO2022JP,
	"iso-2022-jp-3":    japanese.ISO2022JP,
	"iso-2022-jp-2004": japanese.ISO2022JP,
	"iso-2022-jp-ms":   japanese.ISO2022JP,
	"cp50220":          japanese.ISO2022JP,
	"cp50221":          japanese.ISO2022JP,
	"cp50222":          japanese.ISO2022JP,
	"utf-16be":         unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf-16le":         unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"ucs-4":            utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf-32":           utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf-32be":         utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf-32le":         utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
	"macroman":         charmap.Macintosh,
	"x-mac-roman":      charmap.Macintosh,
	"tis-620":          charmap.Windows874,
	"latin-1":          charmap.Windows1252,
	"latin9":           charmap.ISO8859_15,
	"latin-9":          charmap.ISO8859_15,
	"cp858":            charmap.CodePage858,
	"iso-8859-1":       charmap.Windows1252,
	"ansi-x3.110-1983": charmap.Windows1252,
	"iso-8859-8-i":     charmap.ISO8859_8,
	"iso-8859-8-e":     charmap.ISO8859_8,
	"iso-8859-9":       charmap.Windows1254,
	"iso-8859-11":      charmap.Windows874,
	"koi8":             charmap.KOI8R,
	"koi8-ru":          charmap.KOI8U,
	"cp1250":           charmap.Windows1250,
	"cp1251":           charmap.Windows1251,
}

// encodingOf returns the encoding of that name, or nil.
func encodingOf(name string) encoding.Encoding {
	spellings := []string{name}
	name = strings.ReplaceAll(name, "_", "-")
	spellings = append(spellings, name, strings.TrimPrefix(name, "x-"), strings.TrimPrefix(name, "cs"))
	// cp-1252, win-1252, windows1252, ibm-850 and so on.
	digits := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz-")
	switch letters := strings.Trim(name[:len(name)-len(digits)], "-"); letters {
	case "cp", "win", "windows", "x-cp", "ms", "microsoft-cp":
		spellings = append(spellings, "windows-"+digits, "ibm"+digits, "cp"+digits)
	case "ibm", "dos", "oem":
		spellings = append(spellings, "ibm"+digits)
	case "iso":
		spellings = append(spellings, "iso-"+digits)
	case "latin":
		spellings = append(spellings, "latin"+digits)
	}
	for _, n := range spellings {
		if e, ok := charsets[n]; ok {
			return e
		}
		if e, err := htmlindex.Get(n); err == nil && e != encoding.Replacement {
			return e
		}
		if e, err := ianaindex.MIME.Encoding(n); err == nil && e != nil {
			return e
		}
		if e, err := ianaindex.IANA.Encoding(n); err == nil && e != nil {
			return e
		}
	}
	return nil
}

// guess makes UTF-8 of octets whose charset nobody knows: UTF-8 where they
// are, or nearly are; the encodings that announce themselves; else Windows-1252,
// in which every octet means something.
func guess(b []byte) string {
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		b = b[3:]
	}
	switch {
	case bytes.Contains(b, []byte("\x1b$B")), bytes.Contains(b, []byte("\x1b$@")), bytes.Contains(b, []byte("\x1b(J")):
		if out, err := japanese.ISO2022JP.NewDecoder().Bytes(b); err == nil {
			return string(out)
		}
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return decodeUTF16(b)
	}
	if utf8.Valid(b) {
		return string(b)
	}
	good, bad := 0, 0
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			good++
		}
		i += n
	}
	if good >= bad {
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	out, _ := charmap.Windows1252.NewDecoder().Bytes(b)
	return string(out)
}

// decodeUTF16 decodes with or without a byte order mark. Without one, zero
// octets tell: text in most scripts has them in every high octet.
func decodeUTF16(b []byte) string {
	var order binary.ByteOrder = binary.BigEndian
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		order, b = binary.LittleEndian, b[2:]
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		b = b[2:]
	default:
		var zeros [2]int
		for i, c := range b {
			if c == 0 {
				zeros[i%2]++
			}
		}
		if zeros[1] > zeros[0] {
			order = binary.LittleEndian
		}
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// decodeUTF7 decodes RFC 2152, which mail of around 2000 uses.
func decodeUTF7(b []byte) (string, bool) {
	var out strings.Builder
	ok := true
	for {
		i := bytes.IndexByte(b, '+')
		if i < 0 {
			break
		}
		out.Write(b[:i])
		b = b[i+1:]
		n := 0
		for n < len(b) && sextet[b[n]] != 0xff {
			n++
		}
		if n == 0 {
			out.WriteByte('+') // "+-"
		}
		octets := make([]byte, base64.RawStdEncoding.DecodedLen(n))
		m, err := base64.RawStdEncoding.Decode(octets, b[:n])
		ok = ok && err == nil
		units := make([]uint16, m/2)
		for j := range units {
			units[j] = binary.BigEndian.Uint16(octets[2*j:])
		}
		out.WriteString(string(utf16.Decode(units)))
		b = bytes.TrimPrefix(b[n:], []byte("-"))
	}
	out.Write(b)
	return strings.ToValidUTF8(out.String(), "\ufffd"), ok
}

// shiftOut turns ISO-2022-KR into EUC-KR: between the shift characters the
// octets stand for those with the high bit.
func shiftOut(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\x1b$)C"), nil)
	out := make([]byte, 0, len(b))
	var high byte
	for _, c := range b {
		switch {
		case c == 0x0e:
			high = 0x80
		case c == 0x0f || c == '\n':
			high = 0
			if c == '\n' {
				out = append(out, c)
			}
		case c > ' ' && c < 0x7f:
			out = append(out, c|high)
		default:
			out = append(out, c)
		}
	}
	return out
}
