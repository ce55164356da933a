package mailbox

import (
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// signature is one verdict and how far it reaches.
type signature struct {
	openpgp.Verdict
	whole bool // it covers all that a reader of the message sees
	// judge repeats the verdict with other certificates.
	judge func(certs *openpgp.Ring) openpgp.Verdict
}

// isSigned reports whether a multipart/signed is signed with OpenPGP. Broken
// senders name another protocol.
func isSigned(p *mime.Part) bool {
	second := p.Children[1]
	if len(second.Children) > 0 {
		return false
	}
	if second.Type == "application/pgp-signature" || strings.EqualFold(p.Params["protocol"], "application/pgp-signature") {
		return true
	}
	octets, _ := second.Decode()
	blocks := openpgp.Blocks(octets)
	return len(blocks) > 0 && blocks[0].Kind == openpgp.KindSignature
}

// verifySigned handles PGP/MIME (RFC 3156, section 5): the signature covers the
// octets of the first part as they stand.
func (r *reader) verifySigned(p *mime.Part, whole bool) {
	signed, others := p.Children[0], p.Children[2:]
	whole = whole && len(others) == 0 // else there is more than was signed
	detached, _ := p.Children[1].Decode()
	// Whatever it says it is, it must not be shown as text: nobody signed it.
	p.Children[1].Type = "application/pgp-signature"
	r.verify(len(signed.Raw), whole, func(certs *openpgp.Ring) openpgp.Verdict {
		return openpgp.Verify(signed.Raw, detached, certs, r.opt.Now)
	})
	if whole {
		r.payload = signed
	}
	r.openPart(signed, whole)
	for _, o := range others {
		r.openPart(o, false)
	}
}

// verify judges one signature over so many octets.
func (r *reader) verify(octets int, whole bool, judge func(*openpgp.Ring) openpgp.Verdict) {
	l := &r.layers
	l.octets += int64(octets)
	if l.count++; l.count > maxLayers || l.octets > int64(r.opt.Limits.Decompressed) {
		r.budget.Hit("openpgp layers")
		return
	}
	if v := judge(r.opt.Certs); v.State != triage.SigNone {
		l.signatures = append(l.signatures, signature{v, whole, judge})
	}
}

// summarise makes one state of all signatures. Only one that covers the whole
// message counts for more than partial; of several such layers the worst says
// it, since each claims to speak for the message.
func (r *reader) summarise() {
	var best *signature
	for i := range r.layers.signatures {
		s := &r.layers.signatures[i]
		if best == nil || s.whole && !best.whole || s.whole == best.whole && severity(s.State) > severity(best.State) {
			best = s
		}
	}
	if best == nil {
		return
	}
	out := &r.m.OpenPGP
	out.Signature, out.Signer = best.State, best.Signer
	if !best.whole {
		out.Signature = triage.SigPartial
	}
	if out.Problem == "" {
		out.Problem = best.Problem
	}
	if best.Key != nil {
		out.SignerIsSender = r.isSender(best.Key.Addresses())
	}
}

func severity(s triage.Signature) int {
	switch s {
	case triage.SigInvalid:
		return 3
	case triage.SigValid:
		return 2
	case triage.SigUnknownKey:
		return 1
	}
	return 0
}

// isSender reports whether the From address, if there is one only, is among
// the addresses.
func (r *reader) isSender(addresses []string) bool {
	sender := r.m.Sender().Reveal()
	for _, a := range addresses {
		if sender != "" && strings.EqualFold(a, sender) {
			return true
		}
	}
	return false
}
