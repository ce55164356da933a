package smime

import "encoding/asn1"

// First octets of the values that occur here. BER may send [n] IMPLICIT OCTET
// STRING as one value or in parts, so that bit 6, constructed, says little.
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagOID      = 0x06
	tagSequence = 0x30
	tagSet      = 0x31
	tagContext0 = 0xa0
	tagContext1 = 0xa1

	constructed = 0x20

	maxOID = 64 // octets
)

// value is one BER value (ITU-T X.690). S/MIME has to be read as BER, because
// programs that stream don't know lengths; encoding/asn1 reads DER only.
type value struct {
	tag  byte
	body []byte // without the end-of-contents octets
	raw  []byte // all of it
}

// header reads the tag and the length of the value that b begins with. length
// is -1 where it is indefinite, and may be more than there is.
func header(b []byte) (tag byte, size, length int, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f { // no tag of CMS needs the long form
		return 0, 0, 0, false
	}
	tag, size, length = b[0], 2, int(b[1])
	switch {
	case length == 0x80:
		return tag, size, -1, tag&constructed != 0
	case length > 0x80:
		octets := length & 0x7f
		if len(b) < 2+octets {
			return 0, 0, 0, false
		}
		size, length = 2+octets, 0
		for _, c := range b[2:size] {
			if length >= 1<<31 {
				return 0, 0, 0, false
			}
			length = length<<8 | int(c)
		}
	}
	return tag, size, length, true
}

// endOfContents returns where the contents of a value of indefinite length
// end; b begins with them. There is no recursion, which input could deepen
// until the stack bursts.
func endOfContents(b []byte) (end int, ok bool) {
	for depth, pos := 1, 0; pos < len(b); {
		tag, size, length, ok := header(b[pos:])
		switch {
		case !ok || length > len(b)-pos-size:
			return 0, false
		case length < 0:
			depth++
			length = 0
		case tag == 0 && length == 0:
			if depth--; depth == 0 {
				return pos, true
			}
		}
		pos += size + length
	}
	return 0, false
}

// set returns the DER encoding of v as a SET, whatever its tag: what signatures
// and tags over attributes are computed from.
func (v value) set() []byte {
	der, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: v.body})
	return der
}

// reader reads the values that follow one another. After a failure it, and all
// readers entered from the same one, give empty values and stay failed.
type reader struct {
	rest   []byte
	failed *bool
}

func newReader(b []byte) *reader { return &reader{b, new(bool)} }

func (r *reader) fail() value {
	r.rest, *r.failed = nil, true
	return value{}
}

// has reports whether the next value has the tag, constructed or not.
func (r *reader) has(tag byte) bool {
	return len(r.rest) > 0 && r.rest[0]&^constructed == tag&^constructed
}

// next reads the next value, whatever it is.
func (r *reader) next() value {
	tag, size, length, ok := header(r.rest)
	end := size + length
	if ok && length < 0 {
		length, ok = endOfContents(r.rest[size:])
		end = size + length + 2
	}
	if !ok || end > len(r.rest) || *r.failed {
		return r.fail()
	}
	v := value{tag, r.rest[size : size+length], r.rest[:end]}
	r.rest = r.rest[end:]
	return v
}

// get reads the next value, which must have the tag.
func (r *reader) get(tag byte) value {
	if !r.has(tag) {
		return r.fail()
	}
	return r.next()
}

// skip reads over the next value if it has the tag.
func (r *reader) skip(tag byte) {
	if r.has(tag) {
		r.next()
	}
}

// enter returns a reader of what is inside the next value, which must have the
// tag.
func (r *reader) enter(tag byte) *reader {
	v := r.get(tag)
	if v.tag&constructed == 0 {
		r.fail()
	}
	return &reader{v.body, r.failed}
}

// oid reads an object identifier; it is empty where there is none.
func (r *reader) oid() string {
	var oid asn1.ObjectIdentifier
	if v := r.get(tagOID); len(v.raw) > maxOID {
		r.fail()
	} else if _, err := asn1.Unmarshal(v.raw, &oid); err != nil {
		r.fail()
	}
	return oid.String()
}

// octets reads an OCTET STRING. One that was sent in parts, whatever their
// nesting, is put together in one pass.
func (r *reader) octets(tag byte) []byte {
	v := r.get(tag)
	if v.tag&constructed == 0 {
		return v.body
	}
	octets := make([]byte, 0, len(v.body))
	for b := v.body; len(b) > 0; {
		tag, size, length, ok := header(b)
		switch {
		case !ok || length > len(b)-size || tag&^constructed != tagOctets && (tag != 0 || length != 0):
			return r.fail().body
		case tag&constructed != 0:
			length = 0
		default:
			octets = append(octets, b[size:size+length]...)
		}
		b = b[size+length:]
	}
	return octets
}
