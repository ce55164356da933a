package mailbox

import (
	"bytes"

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
	case p.Type == "multipart/signed" && len(p.Children) >= 2 && isSigned(p):
		r.verifySigned(p, whole)
	case p.Type == "multipart/signed" && len(p.Children) >= 2 && isSMIMESigned(p):
		r.verifySMIME(p, whole)
	case p.IsMessage() && len(p.Children) == 1:
		r.openPart(p.Children[0], false)
	case len(p.Children) > 0:
		r.openMultipart(p, whole)
	case p.Type == "text/plain" || p.Type == "text/html":
		r.openText(p, whole)
	case isSMIME(p):
		r.openSMIME(p, whole)
	default:
		r.openFile(p, whole)
	}
}

// openMultipart goes through the parts. In PGP/MIME (RFC 3156, section 4) one
// of them is encrypted and another only says so. Exchange turns that into
// multipart/mixed and puts an empty text in front.
func (r *reader) openMultipart(p *mime.Part, whole bool) {
	var telling []*mime.Part
	encrypted := p.Type == "multipart/encrypted"
	for _, c := range p.Children {
		switch {
		case isVersion(c):
			encrypted = true
		case !isBlank(c):
			telling = append(telling, c)
		}
	}
	whole = whole && len(telling) == 1
	found := false
	for _, c := range telling {
		if cipher, ok := cipherOf(c); ok && encrypted {
			found = true
			if inner := r.decrypt(cipher, whole); inner != nil {
				r.replace(c, mime.ParseAt(inner, c.Depth+1, r.budget), whole)
			}
			continue
		}
		if p.Type == "multipart/alternative" && c.Type == "text/html" && r.anyOpened(p.Children) {
			continue // the twin of a text with an armored block
		}
		r.openPart(c, whole)
	}
	if p.Type == "multipart/encrypted" && !found {
		r.budget.Fault("multipart/encrypted without OpenPGP data")
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

// isVersion recognises the control part of PGP/MIME. Its content, "Version: 1",
// counts more than its type, which gateways change; and people attach keys
// under that type.
func isVersion(p *mime.Part) bool {
	if len(p.Children) > 0 || len(p.Body) > 100 {
		return false
	}
	octets, _ := p.Decode()
	text := bytes.ToLower(bytes.TrimSpace(octets))
	return bytes.HasPrefix(text, []byte("version: 1")) || p.Type == "application/pgp-encrypted" && len(text) == 0
}

// isBlank reports whether a part is a text that says nothing.
func isBlank(p *mime.Part) bool {
	return p.Type == "text/plain" && len(p.Children) == 0 && p.FileName == "" && len(bytes.TrimSpace(p.Body)) == 0
}
