package mailbox

import (
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/mailbox/smime"
	"vdpd/triage"
)

// isSMIME reports whether a part says that it is S/MIME data (RFC 8551,
// section 3.2).
func isSMIME(p *mime.Part) bool {
	return p.Type == "application/pkcs7-mime" || p.Type == "application/x-pkcs7-mime" ||
		p.Type == "application/octet-stream" && strings.HasSuffix(strings.ToLower(p.FileName), ".p7m")
}

// isSMIMESigned reports whether a multipart/signed is signed with S/MIME.
func isSMIMESigned(p *mime.Part) bool {
	t := p.Children[1].Type
	return t == "application/pkcs7-signature" || t == "application/x-pkcs7-signature"
}

// smime returns the place for what S/MIME did to the message.
func (r *reader) smime() *triage.SMIME {
	if r.m.SMIME == nil {
		r.m.SMIME = &triage.SMIME{Signature: triage.SigNone}
	}
	return r.m.SMIME
}

// openSMIME takes the content out of a part that was signed, compressed or
// encrypted as a whole, and goes on in it.
func (r *reader) openSMIME(p *mime.Part, whole bool) {
	octets, _ := p.Decode()
	l := &r.layers
	left := int64(r.opt.Limits.Decompressed) - l.octets
	if l.count++; l.count > maxLayers || left <= 0 {
		r.budget.Hit("smime layers")
		return
	}
	var content []byte
	var err error
	switch smime.Kind(octets) {
	case smime.KindEnveloped, smime.KindAuthEnveloped:
		out := r.smime()
		out.Encrypted = true
		var opened *smime.Opened
		if opened, err = smime.Open(octets, r.opt.SMIME, left); err == nil {
			content, out.Decrypted = opened.Content, true
		}
	case "":
		r.budget.Fault("S/MIME data that is none")
		return
	default:
		var v smime.Verdict
		content, v, err = smime.Unwrap(octets, r.opt.Roots, left, r.opt.Now)
		r.smimeVerdict(v, whole)
	}
	if err != nil {
		r.smime().Problem = err.Error()
	}
	l.octets += int64(len(content))
	if len(content) > 0 {
		r.replace(p, mime.ParseAt(content, p.Depth+1, r.budget), whole)
	}
}

// verifySMIME handles a signature beside what it signs (RFC 8551, section
// 3.5.3).
func (r *reader) verifySMIME(p *mime.Part, whole bool) {
	signed, others := p.Children[0], p.Children[2:]
	whole = whole && len(others) == 0
	l := &r.layers
	l.octets += int64(len(signed.Raw))
	if l.count++; l.count > maxLayers || l.octets > int64(r.opt.Limits.Decompressed) {
		r.budget.Hit("smime layers")
	} else {
		detached, _ := p.Children[1].Decode()
		r.smimeVerdict(smime.Verify(signed.Raw, detached, r.opt.Roots, r.opt.Now), whole)
	}
	if whole {
		r.payload = signed
	}
	// What another system protects within is not what the whole message claims
	// (RFC 9787, section 4: errant layers).
	r.openPart(signed, false)
	for _, o := range others {
		r.openPart(o, false)
	}
}

// smimeVerdict notes a verdict. The outermost signature speaks first, and a
// worse one below it speaks too.
func (r *reader) smimeVerdict(v smime.Verdict, whole bool) {
	if v.State == triage.SigNone {
		return
	}
	out := r.smime()
	if out.Signature != triage.SigNone && severity(v.State) <= severity(out.Signature) {
		return
	}
	out.Signature, out.Signer, out.Problem = v.State, v.Signer, v.Problem
	out.SignerIsSender = v.State == triage.SigValid && r.isSender(v.Addresses)
	if !whole {
		out.Signature = triage.SigPartial
	}
}
