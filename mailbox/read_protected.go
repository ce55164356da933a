package mailbox

import (
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/triage"
)

// readProtectedHead lets header fields within the cryptographic envelope win
// over those outside (RFC 9788, and protected-headers="v1" before it). From
// stays the outer one, because that is what the sender's domain vouches for.
func (r *reader) readProtectedHead() {
	h := r.protectedHeader()
	if h == nil {
		return
	}
	m := r.m
	if inner := triage.Secret(h.Subject()); h.Has("Subject") && inner != m.Subject {
		m.OuterSubject, m.Subject = m.Subject, inner
	}
	if id := h.MessageID("In-Reply-To"); id != "" {
		m.InReplyTo = id
	}
	if h.Has("References") {
		m.References = mime.MessageIDs(h.Get("References"))
	}
	if h.Has("From") {
		inner, outer := h.Addresses("From"), r.root.Header.Addresses("From")
		if len(inner) != 1 || len(outer) != 1 || !strings.EqualFold(inner[0].Addr, outer[0].Addr) {
			r.budget.Fault("the protected From differs from the outer one")
		}
	}
}

// protectedHeader returns the fields that the payload says are those of the
// message, or nil. It says so by a parameter of its type; by being a message
// that is not a forwarded one (RFC 8551, section 3.1); or, within encryption,
// by having fields that only a message has, as the first drafts did.
func (r *reader) protectedHeader() mime.Header {
	p := r.payload
	if p == r.root || p.Type == "multipart/encrypted" {
		return nil
	}
	if p.IsMessage() && len(p.Children) == 1 && strings.EqualFold(p.Params["forwarded"], "no") {
		r.opened[p] = p.Children[0]
		return p.Children[0].Header
	}
	declared := strings.EqualFold(p.Params["protected-headers"], "v1") || p.Params["hp"] != ""
	early := r.m.OpenPGP.Encrypted == "full" && p.Header.Has("Subject") && p.Header.Has("From")
	if !declared && !early {
		return nil
	}
	if len(p.Children) > 1 && r.isLegacyDisplay(p.Children[0]) {
		r.opened[p.Children[0]] = &mime.Part{Type: "multipart/mixed"}
	}
	return p.Header
}

// isLegacyDisplay recognises the part that repeats protected fields for
// programs that cannot read them, and holds nothing else.
func (r *reader) isLegacyDisplay(p *mime.Part) bool {
	if !strings.EqualFold(p.Params["protected-headers"], "v1") || p.Type != "text/plain" && p.Type != "text/rfc822-headers" {
		return false
	}
	octets, _ := p.Decode()
	_, rest := mime.ReadHeader(octets, r.budget)
	return len(strings.TrimSpace(string(rest))) == 0
}
