package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
	"vdpd/mailbox/reply"
	"vdpd/mailbox/tnef"
	"vdpd/triage"
)

// content is the readable side of a part and of all below it. Texts are kept
// apart until the end, so that many small ones are not copied many times.
type content struct {
	texts    []string // of the message itself; none is blank
	html     bool     // texts were made from HTML
	enclosed []string // of messages within the message
	attached string   // of the first text among the attachments
	parts    []triage.Part
}

// readBody collects text and attachments of the whole message, decrypted.
func (r *reader) readBody() {
	c := r.collect(r.root)
	if c.texts == nil && c.enclosed == nil && c.attached != "" {
		c.texts = []string{c.attached} // all that there is to read
	}
	r.m.Parts = c.parts
	r.m.HTMLOnly = c.html
	r.m.Text = triage.Secret(r.join(append(c.texts[:len(c.texts):len(c.texts)], c.enclosed...)))
	r.m.Reply = triage.Secret(reply.Strip(r.join(c.texts), r.isAnswer()))
}

// join puts texts together, with a blank line between, up to the limit.
func (r *reader) join(texts []string) string {
	var b strings.Builder
	for i, t := range texts {
		t = strings.TrimRight(t, "\n")
		if b.Len()+len(t) > r.opt.Limits.Text {
			r.budget.Hit("text")
			t = strings.ToValidUTF8(t[:max(0, r.opt.Limits.Text-b.Len())], "")
		}
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(t)
	}
	return b.String()
}

// add puts what follows behind what came before.
func (c *content) add(next content) {
	if next.texts != nil {
		c.html = next.html && (c.html || c.texts == nil)
	}
	c.texts = append(c.texts, next.texts...)
	c.enclosed = append(c.enclosed, next.enclosed...)
	if c.attached == "" {
		c.attached = next.attached
	}
	c.parts = append(c.parts, next.parts...)
}

// collect walks a part. Decrypted content stands in for the encrypted part.
func (r *reader) collect(p *mime.Part) content {
	if inner := r.opened[p]; inner != nil {
		c := r.collect(inner)
		if c.texts == nil && c.attached != "" {
			// A text that somebody took the trouble to encrypt by itself is
			// what the mail is about.
			c.enclosed, c.attached = append(c.enclosed, "[encrypted file]", c.attached), ""
		}
		return c
	}
	switch {
	case p.Type == "multipart/alternative":
		return r.collectAlternative(p)
	case p.IsMultipart():
		var all content
		for _, child := range p.Children {
			all.add(r.collect(child))
		}
		return all
	case p.IsMessage() && len(p.Children) == 1:
		return r.collectMessage(p)
	}
	return r.collectLeaf(p)
}

// collectAlternative takes the plainest alternative that says anything, and
// the attachments of all. Plain texts beside each other that differ are no
// alternatives, whatever the sender calls them.
func (r *reader) collectAlternative(p *mime.Part) content {
	var best content
	for _, child := range p.Children {
		c := r.collect(child)
		switch {
		case c.texts == nil:
		case best.texts == nil, best.html && !c.html:
			best.texts, best.html = c.texts, c.html
		case !best.html && !c.html && strings.TrimSpace(c.texts[0]) != strings.TrimSpace(best.texts[0]):
			best.texts = append(best.texts, c.texts...)
		}
		c.texts = nil
		best.add(c)
	}
	return best
}

// collectMessage takes a message within the message: it is an attachment, and
// its text and attachments are read too.
func (r *reader) collectMessage(p *mime.Part) content {
	inner := p.Children[0]
	var head strings.Builder
	head.WriteString("[message]\n")
	for _, name := range []string{"From", "To", "Date", "Subject"} {
		if v := inner.Header.Text(name); v != "" {
			head.WriteString(name + ": " + v + "\n")
		}
	}
	octets, _ := p.Decode()
	c := r.collect(inner)
	return content{
		enclosed: append(append([]string{head.String()}, c.texts...), c.enclosed...),
		parts:    append([]triage.Part{describe(p, octets)}, c.parts...),
	}
}

// collectLeaf takes a single part: as text, as an attachment, or as both where
// a text has a name.
func (r *reader) collectLeaf(p *mime.Part) content {
	if isVersion(p) && p.Type != "text/plain" {
		return content{} // the control part of PGP/MIME
	}
	octets, ok := p.Decode()
	if !ok {
		r.budget.Fault("a part with a broken transfer encoding")
	}
	if p.Type == "application/pgp-keys" || openpgp.IsPublicKey(octets) && saysOpenPGP(p) {
		r.takeKeys(octets, "attached")
	}
	c := content{parts: []triage.Part{describe(p, octets)}}
	switch {
	case p.Type == "text/plain" || p.Type == "text/html":
		text := r.readText(p, octets)
		switch {
		case p.Disposition == "attachment":
			if text.texts != nil {
				c.attached = text.texts[0]
			}
		case p.FileName != "":
			c.add(text)
		default:
			c = text
		}
	case p.Type == "application/ms-tnef" || p.Type == "application/vnd.ms-tnef" || strings.EqualFold(p.FileName, "winmail.dat"):
		c.add(r.unpackTNEF(octets))
	}
	return c
}

// unpackTNEF reads what Outlook packed up. Its text counts where the message
// has no other.
func (r *reader) unpackTNEF(octets []byte) content {
	var c content
	packed, ok := tnef.Read(octets)
	if !ok {
		r.budget.Fault("a winmail.dat that is incomplete or malformed")
	}
	for _, f := range packed.Files {
		name, _ := mime.DecodeCharset("", []byte(f.Name))
		mediaType, _ := mime.ParseValue(f.Type)
		if !strings.Contains(mediaType, "/") {
			mediaType = "application/octet-stream"
		}
		c.parts = append(c.parts, part(mime.FileName(name), mediaType, f.Content))
	}
	if packed.RTF != nil {
		c.parts = append(c.parts, part("message.rtf", "application/rtf", packed.RTF))
	}
	switch {
	case packed.Text != nil:
		text, _ := mime.DecodeCharset("", packed.Text)
		c.attached = lineEnds(text)
	case packed.HTML != nil:
		c.attached = r.renderHTML(&mime.Part{}, packed.HTML)
	}
	return c
}

// describe makes the entry of a MIME part in the list of attachments.
func describe(p *mime.Part, octets []byte) triage.Part {
	a := part(p.FileName, p.Type, octets)
	a.Inline = p.Disposition == "inline"
	return a
}

func part(name, mediaType string, octets []byte) triage.Part {
	sum := sha256.Sum256(octets)
	return triage.Part{Name: triage.Secret(name), Type: mediaType, Size: int64(len(octets)), SHA256: hex.EncodeToString(sum[:])}
}
