package mailbox

import (
	"bytes"
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
)

// maxLayers bounds the encrypted and signed layers of one message that are
// worked on. Each may cost a private-key operation for every key of ours.
const maxLayers = 32

// layers is what the walk over the cryptographic layers found.
type layers struct {
	count      int // layers worked on
	encrypted  int // encrypted layers met
	opened     int // of those, decrypted
	whole      bool
	problem    string      // the first
	signatures []signature // in the order of the walk, from the outside
	octets     int64       // that decryption gave and signatures cover
}

// openLayers walks the message from the top, decrypts what is encrypted,
// judges what is signed, and sets the payload: the part within those layers
// that span the whole message, which are the cryptographic envelope of RFC
// 9787. A layer spans the whole message if nothing that says anything stands
// beside it.
func (r *reader) openLayers() {
	r.openPart(r.root, true)
	l, out := &r.layers, &r.m.OpenPGP
	switch {
	case l.encrypted > 0 && l.whole:
		out.Encrypted = "full"
	case l.encrypted > 0:
		out.Encrypted = "part"
	}
	out.Decrypted = l.encrypted > 0 && l.opened == l.encrypted
	out.Problem = l.problem
	r.summarise()
}

// openPart handles one part. whole says that only layers stand between it and
// the whole message.
func (r *reader) openPart(p *mime.Part, whole bool) {
	switch {
	case p.Type == "multipart/encrypted" && len(p.Children) > 0:
		r.openEncrypted(p, whole)
	case p.Type == "multipart/signed" && len(p.Children) >= 2 && isSigned(p):
		r.verifySigned(p, whole)
	case p.IsMessage() && len(p.Children) == 1:
		r.openPart(p.Children[0], false)
	case len(p.Children) > 0:
		r.openMultipart(p, whole)
	case p.Type == "text/plain" || p.Type == "text/html":
		r.openText(p, whole)
	default:
		r.openFile(p, whole)
	}
}

// openMultipart goes through the parts. Exchange turns multipart/encrypted
// into multipart/mixed and puts an empty text in front.
func (r *reader) openMultipart(p *mime.Part, whole bool) {
	var telling []*mime.Part
	mangled := false
	for _, c := range p.Children {
		switch {
		case isVersion(c):
			mangled = true
		case !isBlank(c):
			telling = append(telling, c)
		}
	}
	whole = whole && len(telling) == 1
	for _, c := range telling {
		if cipher, ok := cipherOf(c); ok && mangled {
			r.openCipher(c, cipher, whole)
			continue
		}
		if p.Type == "multipart/alternative" && c.Type == "text/html" && r.anyOpened(p.Children) {
			continue // the twin of a text with an armored block
		}
		r.openPart(c, whole)
	}
}

func (r *reader) anyOpened(parts []*mime.Part) bool {
	for _, p := range parts {
		if r.opened[p] != nil {
			return true
		}
	}
	return false
}

// openEncrypted handles PGP/MIME (RFC 3156, section 4).
func (r *reader) openEncrypted(p *mime.Part, whole bool) {
	for _, c := range p.Children {
		if cipher, ok := cipherOf(c); ok {
			r.openCipher(p, cipher, whole)
			return
		}
	}
	r.budget.Fault("multipart/encrypted without OpenPGP data")
}

// openCipher decrypts what stands for the part p, a MIME entity, and goes on
// in it.
func (r *reader) openCipher(p *mime.Part, cipher []byte, whole bool) {
	if inner := r.decrypt(cipher, whole); inner != nil {
		r.replace(p, mime.ParseAt(inner, p.Depth+1, r.budget), whole)
	}
}

// replace puts what was decrypted in the place of a part and goes on in it.
func (r *reader) replace(p, inner *mime.Part, whole bool) {
	r.opened[p] = inner
	if whole {
		r.payload = inner
	}
	r.openPart(inner, whole)
}

// cipherOf returns the octets of a part that holds an encrypted message.
func cipherOf(p *mime.Part) ([]byte, bool) {
	if len(p.Children) > 0 {
		return nil, false
	}
	octets, _ := p.Decode()
	if openpgp.IsMessage(octets) {
		return octets, true
	}
	blocks := openpgp.Blocks(octets)
	return octets, len(blocks) > 0 && blocks[0].Kind == openpgp.KindMessage
}

// isVersion recognises the first part of PGP/MIME, which only says "Version:
// 1", also under another type.
func isVersion(p *mime.Part) bool {
	if p.Type == "application/pgp-encrypted" {
		return true
	}
	return len(p.Children) == 0 && len(p.Body) < 100 && strings.EqualFold(strings.TrimSpace(string(p.Body)), "version: 1")
}

// isBlank reports whether a part is a text that says nothing.
func isBlank(p *mime.Part) bool {
	return p.Type == "text/plain" && len(p.Children) == 0 && p.FileName == "" && len(bytes.TrimSpace(p.Body)) == 0
}
