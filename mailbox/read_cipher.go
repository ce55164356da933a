package mailbox

import (
	"bytes"
	"errors"
	"path"
	"strings"
	"unicode/utf8"

	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// decrypt opens one encrypted layer, or one that is armored alike but only
// signed. It returns nil where that fails, and why stays with the operator.
func (r *reader) decrypt(cipher []byte, whole bool) []byte {
	l := &r.layers
	left := int64(r.opt.Limits.Decompressed) - l.octets
	if l.count++; l.count > maxLayers || left <= 0 {
		r.budget.Hit("openpgp layers")
		l.encrypted++
		return nil
	}
	o, err := openpgp.Open(cipher, r.opt.Own, r.opt.Certs, left, r.opt.Now)
	if errors.Is(err, openpgp.ErrNotEncrypted) {
		return r.openSigned(cipher, left, whole)
	}
	l.encrypted++
	l.whole = l.whole || whole
	if err != nil {
		if errors.Is(err, openpgp.ErrTooLarge) {
			r.budget.Hit("decompressed")
		}
		r.problem(err)
		return nil
	}
	l.opened++
	l.octets += int64(len(o.Plaintext))
	if o.Signature.State != triage.SigNone {
		l.signatures = append(l.signatures, signature{o.Signature, whole, func(certs *openpgp.Ring) openpgp.Verdict {
			again, err := openpgp.Open(cipher, r.opt.Own, certs, left, r.opt.Now)
			if err != nil {
				return openpgp.Verdict{State: triage.SigInvalid}
			}
			return again.Signature
		}})
	}
	return o.Plaintext
}

// openSigned reads a message that is signed and not encrypted.
func (r *reader) openSigned(message []byte, max int64, whole bool) []byte {
	text, v, err := openpgp.OpenSigned(message, r.opt.Certs, max, r.opt.Now)
	if err != nil {
		r.problem(err)
		return nil
	}
	r.layers.octets += int64(len(text))
	if v.State != triage.SigNone {
		r.layers.signatures = append(r.layers.signatures, signature{v, whole, func(certs *openpgp.Ring) openpgp.Verdict {
			_, v, _ := openpgp.OpenSigned(message, certs, max, r.opt.Now)
			return v
		}})
	}
	return text
}

// openFile handles a file that was encrypted by itself.
func (r *reader) openFile(p *mime.Part, whole bool) {
	if p.Type == "application/pgp-signature" || p.Type == "application/pgp-keys" ||
		!strings.HasPrefix(p.Type, "application/") && !saysOpenPGP(p) {
		return
	}
	octets, _ := p.Decode()
	// Binary data must say what it is, because many files begin like an
	// OpenPGP packet by chance.
	if !openpgp.IsMessage(octets) || octets[0] >= 0x80 && !saysOpenPGP(p) {
		return
	}
	if inner := r.decrypt(octets, whole); inner != nil {
		r.replace(p, decryptedFile(p, inner, r.budget), whole)
	}
}

// saysOpenPGP reports whether a part says by its name or type that it is
// OpenPGP data.
func saysOpenPGP(p *mime.Part) bool {
	switch strings.ToLower(path.Ext(p.FileName)) {
	case ".pgp", ".gpg", ".asc":
		return true
	}
	switch p.Type {
	case "application/pgp", "application/pgp-encrypted", "application/x-pgp", "text/pgp", "text/x-pgp":
		return true
	}
	return false
}

// decryptedFile is the part that stands for a file that was encrypted by
// itself. Its type follows from the name that is left without ".pgp".
func decryptedFile(p *mime.Part, inner []byte, budget *mime.Budget) *mime.Part {
	if looksLikeMIME(inner) {
		return mime.ParseAt(inner, p.Depth+1, budget)
	}
	file := &mime.Part{Type: "application/octet-stream", FileName: p.FileName, Disposition: p.Disposition, Raw: inner, Body: inner, Depth: p.Depth + 1}
	if saysOpenPGP(p) {
		file.FileName = strings.TrimSuffix(p.FileName, path.Ext(p.FileName))
	}
	switch strings.ToLower(path.Ext(file.FileName)) {
	case ".txt", ".text", ".md", ".log":
		file.Type = "text/plain"
	case "":
		if utf8.Valid(inner) && !bytes.ContainsRune(inner, 0) {
			file.Type = "text/plain"
			if file.FileName == "" {
				file.Disposition = ""
			}
		}
	}
	return file
}

// looksLikeMIME reports whether decrypted octets begin with a MIME field.
func looksLikeMIME(b []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimLeft(b, "\r\n"), []byte("\n"))
	name, _, ok := strings.Cut(strings.ToLower(string(line[:min(len(line), 100)])), ":")
	return ok && (strings.HasPrefix(name, "content-") || name == "mime-version")
}

// openText handles the armored blocks in a text. The part is replaced by the
// clear text around the blocks and by what they hold, in order.
func (r *reader) openText(p *mime.Part, whole bool) {
	octets, _ := p.Decode()
	if p.Type == "text/html" {
		if !bytes.Contains(octets, []byte("-----BEGIN PGP")) {
			return
		}
		octets = []byte(r.renderHTML(p, octets))
	}
	blocks := openpgp.Blocks(octets)
	whole = whole && len(blocks) == 1 && len(bytes.TrimSpace(octets[:blocks[0].Start])) == 0 && len(bytes.TrimSpace(octets[blocks[0].End:])) == 0
	var pieces []*mime.Part
	end := 0
	for _, b := range blocks {
		var inner []byte
		switch b.Kind {
		case openpgp.KindMessage:
			inner = r.decrypt(octets[b.Start:b.End], whole)
		case openpgp.KindSigned:
			inner = r.openClear(octets[b.Start:b.End], whole)
		}
		if inner != nil {
			pieces = append(pieces, textPart(p, octets[end:b.Start]), textPart(p, inner))
			end = b.End
		}
	}
	if pieces != nil {
		pieces = append(pieces, textPart(p, octets[end:]))
		r.opened[p] = &mime.Part{Type: "multipart/mixed", Children: pieces, Depth: p.Depth}
	}
}

// openClear judges a cleartext signed block and returns what it speaks for.
func (r *reader) openClear(block []byte, whole bool) []byte {
	text, _, err := openpgp.VerifyClear(block, nil, r.opt.Now)
	if err != nil {
		r.problem(err)
	}
	r.verify(len(block), whole, func(certs *openpgp.Ring) openpgp.Verdict {
		_, v, _ := openpgp.VerifyClear(block, certs, r.opt.Now)
		return v
	})
	return text
}

// textPart is a text in the place of p. What was encrypted is UTF-8, if it can
// be, whatever the label of the mail around it says.
func textPart(p *mime.Part, text []byte) *mime.Part {
	charset := p.Params["charset"]
	if utf8.Valid(text) && !bytes.ContainsRune(text, 0x1b) {
		charset = "utf-8"
	}
	return &mime.Part{Type: "text/plain", Params: map[string]string{"charset": charset}, Raw: text, Body: text, Depth: p.Depth + 1}
}

// problem keeps the first problem, for the operator.
func (r *reader) problem(err error) {
	if r.layers.problem == "" {
		r.layers.problem = err.Error() // fixed words; see package openpgp
	}
}
