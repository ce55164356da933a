package tnef

import "encoding/binary"

// preset is what the dictionary of the compression starts with ([MS-OXRTFCP],
// section 2.1.2.1).
const preset = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor ` +
	"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"

// unpackRTF undoes the compression of [MS-OXRTFCP], up to maxRTF octets. Two
// octets become seventeen at most, so the result stays linear in the input.
func unpackRTF(b []byte) []byte {
	const headerSize = 16
	if len(b) < headerSize {
		return nil
	}
	size := min(int(binary.LittleEndian.Uint32(b[4:])), maxRTF)
	kind := string(b[8:12])
	b = b[headerSize:]
	if kind == "MELA" { // not compressed
		return b[:min(size, len(b))]
	}
	if kind != "LZFu" {
		return nil
	}
	var window [4096]byte
	at := copy(window[:], preset)
	out := make([]byte, 0, min(size, 16*len(b)))
	put := func(c byte) {
		out = append(out, c)
		window[at] = c
		at = (at + 1) % len(window)
	}
	for len(b) > 0 && len(out) < size {
		control := b[0]
		b = b[1:]
		for bit := range 8 {
			if control>>bit&1 == 0 {
				if len(b) < 1 {
					return out
				}
				put(b[0])
				b = b[1:]
				continue
			}
			if len(b) < 2 {
				return out
			}
			reference := binary.BigEndian.Uint16(b)
			b = b[2:]
			from := int(reference >> 4)
			if from == at {
				return out // the end
			}
			for i := range int(reference&0xf) + 2 {
				put(window[(from+i)%len(window)])
			}
		}
	}
	return out[:min(size, len(out))]
}
