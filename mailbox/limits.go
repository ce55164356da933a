package mailbox

import (
	"cmp"

	"vdpd/mailbox/mime"
)

// Limits bound what one message may cost. A limit that is reached cuts, and is
// named in [triage.Message].Limits; the message is kept whatever it is. A zero
// field means the default.
type Limits struct {
	Bytes        int // octets of the message that are read; 25 MiB
	Parts        int // MIME parts, decrypted and unpacked ones included; 1000
	Depth        int // of nesting; 20
	HeaderBytes  int // of one header section; 256 KiB
	HeaderCount  int // fields of one header section; 1000
	Text         int // octets of Text; 4 MiB
	Decompressed int // octets that decryption may unpack, over all layers; 100 MiB
}

func (l Limits) withDefaults() Limits {
	const kiB, miB = 1 << 10, 1 << 20
	return Limits{
		Bytes:        cmp.Or(l.Bytes, 25*miB),
		Parts:        cmp.Or(l.Parts, 1000),
		Depth:        cmp.Or(l.Depth, 20),
		HeaderBytes:  cmp.Or(l.HeaderBytes, 256*kiB),
		HeaderCount:  cmp.Or(l.HeaderCount, 1000),
		Text:         cmp.Or(l.Text, 4*miB),
		Decompressed: cmp.Or(l.Decompressed, 100*miB),
	}
}

func (l Limits) mime() mime.Limits {
	return mime.Limits{Parts: l.Parts, Depth: l.Depth, HeaderBytes: l.HeaderBytes, HeaderCount: l.HeaderCount}
}
