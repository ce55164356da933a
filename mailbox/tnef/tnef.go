// Package tnef unpacks application/ms-tnef, the winmail.dat in which Outlook
// hides attachments and sometimes the text of a mail ([MS-OXTNEF]). Start at
// [Read]. It is pure, starts no goroutines, and is linear in its input.
package tnef

import (
	"encoding/binary"
	"unicode/utf16"
)

// Content is what a winmail.dat holds.
type Content struct {
	Files []File
	Text  []byte // plain text of the message, in some single-byte charset or UTF-8; nil: none
	HTML  []byte // nil: none
	RTF   []byte // unpacked; nil: none
}

// File is an attachment.
type File struct {
	Name    string // UTF-8, or as written; may be a path
	Type    string // media type, mostly ""
	Content []byte
}

const (
	signature = 0x223e9f78
	maxFiles  = 1000
	maxRTF    = 16 << 20
)

// Attributes, without the type in their upper half.
const (
	attBody           = 0x800c
	attAttachData     = 0x800f
	attAttachTitle    = 0x8010
	attAttachRenddata = 0x9002
	attMsgProps       = 0x9003
	attAttachment     = 0x9005
)

// Properties ([MS-OXPROPS]).
const (
	propBody         = 0x1000
	propRTF          = 0x1009
	propHTML         = 0x1013
	propDisplayName  = 0x3001
	propData         = 0x3701
	propFileName     = 0x3704
	propLongFileName = 0x3707
	propMIMEType     = 0x370e
)

// Read unpacks what is readable. ok is false where the data is none, or breaks
// off, or is malformed.
func Read(b []byte) (c Content, ok bool) {
	r := reader{b: b}
	if r.u32() != signature {
		return c, false
	}
	r.u16()
	for !r.bad && len(r.b) > 0 {
		r.take(1) // level
		id := r.u32()
		data := r.take(int(r.u32()))
		r.u16() // checksum: many writers get it wrong
		if r.bad {
			break
		}
		c.attribute(uint16(id), data)
	}
	return c, !r.bad
}

func (c *Content) attribute(id uint16, data []byte) {
	if id == attAttachRenddata && len(c.Files) < maxFiles {
		c.Files = append(c.Files, File{})
	}
	var file *File
	if n := len(c.Files); n > 0 {
		file = &c.Files[n-1]
	}
	switch {
	case id == attBody:
		c.Text = cutNUL(data)
	case id == attMsgProps:
		for p := range properties(data) {
			switch p.id {
			case propBody:
				c.Text = []byte(p.text())
			case propHTML:
				c.HTML = []byte(p.text())
			case propRTF:
				c.RTF = unpackRTF(p.data)
			}
		}
	case file == nil:
	case id == attAttachTitle && file.Name == "":
		file.Name = string(cutNUL(data))
	case id == attAttachData:
		file.Content = data
	case id == attAttachment:
		file.properties(data)
	}
}

func (f *File) properties(data []byte) {
	for p := range properties(data) {
		switch p.id {
		case propLongFileName:
			f.Name = p.text()
		case propFileName, propDisplayName:
			if f.Name == "" {
				f.Name = p.text()
			}
		case propMIMEType:
			f.Type = p.text()
		case propData:
			if f.Content == nil {
				f.Content = p.data
			}
		}
	}
}

func cutNUL(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

// property is one value of a property.
type property struct {
	kind, id uint16
	data     []byte
}

const (
	kindObject  = 0x0d
	kindString8 = 0x1e
	kindUnicode = 0x1f
	kindBinary  = 0x102
)

// text returns the value as text: UTF-8 of a Unicode string, else as it is.
func (p property) text() string {
	if p.kind != kindUnicode {
		return string(cutNUL(p.data))
	}
	units := make([]uint16, len(p.data)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(p.data[2*i:])
	}
	for len(units) > 0 && units[len(units)-1] == 0 {
		units = units[:len(units)-1]
	}
	return string(utf16.Decode(units))
}

// properties yields the values of a property list ([MS-OXTNEF], section
// 2.1.3.4) up to the first malformed one.
func properties(b []byte) func(yield func(property) bool) {
	return func(yield func(property) bool) {
		r := reader{b: b}
		for range r.u32() {
			p := property{kind: r.u16(), id: r.u16()}
			if p.id >= 0x8000 { // named
				r.take(16)
				if r.u32() == 0 {
					r.u32()
				} else {
					r.padded(int(r.u32()))
				}
			}
			many := p.kind&0x1000 != 0
			p.kind &^= 0x1000
			size, fixed := fixedSize(p.kind)
			values := uint32(1)
			if many || !fixed {
				values = r.u32()
			}
			for range values {
				if fixed {
					p.data = r.padded(size)
				} else if p.data = r.padded(int(r.u32())); p.kind == kindObject {
					p.data = p.data[min(16, len(p.data)):] // behind the interface identifier
				}
				if r.bad || !yield(p) {
					return
				}
			}
			if r.bad {
				return
			}
		}
	}
}

func fixedSize(kind uint16) (int, bool) {
	switch kind {
	case kindObject, kindString8, kindUnicode, kindBinary:
		return 0, false
	case 5, 6, 7, 0x14, 0x40: // double, currency, date, 64-bit integer, time
		return 8, true
	case 0x48: // identifier
		return 16, true
	}
	return 4, true
}

// reader takes little-endian values off a buffer. Once it ran over the end it
// is bad and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// padded takes n octets and the padding to a multiple of four.
func (r *reader) padded(n int) []byte {
	out := r.take(n)
	r.take(min(-n&3, len(r.b)))
	return out
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}
