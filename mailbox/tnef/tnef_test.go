package tnef

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// build is a writer of TNEF for the tests.
type build struct{ bytes.Buffer }

func (b *build) le(values ...any) *build {
	for _, v := range values {
		_ = binary.Write(b, binary.LittleEndian, v)
	}
	return b
}

func (b *build) attribute(level byte, id uint16, data []byte) *build {
	var sum uint16
	for _, c := range data {
		sum += uint16(c)
	}
	return b.le(level, uint32(id), uint32(len(data)), data, sum)
}

func (b *build) property(kind, id uint16, data []byte) *build {
	b.le(kind, id)
	if _, fixed := fixedSize(kind); !fixed {
		b.le(uint32(1), uint32(len(data)))
	}
	b.Write(data)
	b.Write(make([]byte, -len(data)&3))
	return b
}

func wide(s string) []byte {
	var b build
	b.le(utf16.Encode([]rune(s + "\x00")))
	return b.Bytes()
}

func sample() []byte {
	var message, first, second, all build
	message.le(uint32(2)).property(kindUnicode, propBody, wide("Grüße")).property(3, 0x0e07, []byte{1, 0, 0, 0})
	first.le(uint32(3)).property(kindUnicode, propLongFileName, wide("Prüfung.txt")).
		property(kindString8, propMIMEType, []byte("text/plain\x00"))
	first.le(uint16(kindString8), uint16(0x8001), make([]byte, 16), uint32(1), uint32(5), []byte("n\x00x\x00\x00\x00\x00\x00")) // a named property
	first.le(uint32(1), uint32(2), []byte("v\x00\x00\x00"))
	second.le(uint32(1)).property(kindObject, propData, append(make([]byte, 16), "nested"...))
	all.le(uint32(signature), uint16(1)).
		attribute(1, attMsgProps, message.Bytes()).
		attribute(2, attAttachRenddata, make([]byte, 14)).
		attribute(2, attAttachTitle, []byte("PRUEFU~1.TXT\x00")).
		attribute(2, attAttachData, []byte("content")).
		attribute(2, attAttachment, first.Bytes()).
		attribute(2, attAttachRenddata, make([]byte, 14)).
		attribute(2, attAttachTitle, []byte("other.msg\x00")).
		attribute(2, attAttachment, second.Bytes())
	return all.Bytes()
}

func TestRead(t *testing.T) {
	c, ok := Read(sample())
	if !ok || string(c.Text) != "Grüße" || len(c.Files) != 2 {
		t.Fatalf("got %+v, %t", c, ok)
	}
	if f := c.Files[0]; f.Name != "Prüfung.txt" || f.Type != "text/plain" || string(f.Content) != "content" {
		t.Errorf("first file: %+v", f)
	}
	if f := c.Files[1]; f.Name != "other.msg" || string(f.Content) != "nested" {
		t.Errorf("second file: %+v", f)
	}
}

// TestBroken cuts the sample off at every octet: what came before is there.
func TestBroken(t *testing.T) {
	whole := sample()
	for n := range whole {
		c, ok := Read(whole[:n])
		if ok && n < len(whole)-1 && len(c.Files) == 2 && c.Files[1].Content != nil {
			t.Errorf("%d of %d octets: called complete", n, len(whole))
		}
	}
	if _, ok := Read([]byte("%PDF-1.4")); ok {
		t.Error("a PDF was read")
	}
	c, ok := Read(append(sample(), "rubbish at the end"...))
	if ok || len(c.Files) != 2 {
		t.Errorf("with rubbish: %d files, %t", len(c.Files), ok)
	}
}

func TestUnpackRTF(t *testing.T) {
	pack := func(kind string, size int, data string) []byte {
		var b build
		b.le(uint32(len(data)+12), uint32(size), []byte(kind), uint32(0), []byte(data))
		return b.Bytes()
	}
	// The example of [MS-OXRTFCP], section 4.1: literals and references into
	// the preset dictionary.
	example := "\x03\x00\x0a\x00rcpg125\x42\x32\x0a\xf3 hel\x09\x00 bw\x05\xb0ld}\x0a\x80\x0f\xa0"
	if got := string(unpackRTF(pack("LZFu", 43, example))); got != "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n" {
		t.Errorf("compressed: %q", got)
	}
	if got := string(unpackRTF(pack("MELA", 5, "plain and more"))); got != "plain" {
		t.Errorf("not compressed: %q", got)
	}
	// Far fewer octets than the header promises.
	if got := unpackRTF(pack("LZFu", 1<<30, "\xff"+strings.Repeat("\x00\x0f", 8))); len(got) > 17*8 {
		t.Errorf("%d octets of 17", len(got))
	}
	for _, in := range []string{"", "short", string(pack("what", 4, "data"))} {
		if got := unpackRTF([]byte(in)); got != nil {
			t.Errorf("%q gives %q", in, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _ := Read(b)
		total := len(c.RTF) / 16
		for _, file := range c.Files {
			total += len(file.Content)
		}
		if total > len(b)+1000 {
			t.Errorf("%d octets out of %d", total, len(b))
		}
	})
}
