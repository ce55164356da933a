package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"golang.org/x/net/html/charset"

	"vdpd/mailbox/htmltext"
	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
	"vdpd/mailbox/reply"
	"vdpd/mailbox/uu"
	"vdpd/triage"
)

// content is the readable side of a part and all below it.
type content struct {
	text     string // of the message itself
	enclosed string // of messages within the message
	attached string // of the first text among the attachments
	html     bool   // text was made from HTML
	parts    []triage.Part
}

// readBody collects text and attachments of the whole message, decrypted.
func (r *reader) readBody() {
	c := r.collect(r.root)
	m := r.m
	m.Parts = c.parts
	m.HTMLOnly = c.html
	if strings.TrimSpace(c.text) == "" && c.enclosed == "" {
		c.text = c.attached // all that there is to read
	}
	m.Text = triage.Secret(r.cutText(joinTexts(c.text, c.enclosed)))
	m.Reply = triage.Secret(reply.Strip(r.cutText(c.text), r.isAnswer()))
}

// collect walks a part. Decrypted content stands in for the encrypted part.
func (r *reader) collect(p *mime.Part) content {
	if inner := r.opened[p]; inner != nil {
		return r.collect(inner)
	}
	switch {
	case p.Type == "multipart/alternative":
		return r.collectAlternative(p)
	case p.IsMultipart() && p.Children != nil:
		var all content
		for _, child := range p.Children {
			all.add(r.collect(child))
		}
		return all
	case p.IsMessage() && p.Children != nil:
		return r.collectMessage(p)
	}
	return r.collectLeaf(p)
}

// add puts a part that follows behind what came before.
func (c *content) add(next content) {
	if strings.TrimSpace(next.text) != "" {
		c.html = next.html && (c.html || strings.TrimSpace(c.text) == "")
	}
	c.text = joinTexts(c.text, next.text)
	c.enclosed = joinTexts(c.enclosed, next.enclosed)
	if c.attached == "" {
		c.attached = next.attached
	}
	c.parts = append(c.parts, next.parts...)
}

// collectAlternative takes the plainest alternative that says anything, and
// the attachments of all. Plain texts beside each other that differ are no
// alternatives, whatever the sender calls them.
func (r *reader) collectAlternative(p *mime.Part) content {
	var best content
	for _, child := range p.Children {
		c := r.collect(child)
		best.add(content{enclosed: c.enclosed, attached: c.attached, parts: c.parts})
		switch {
		case strings.TrimSpace(c.text) == "":
		case strings.TrimSpace(best.text) == "", best.html && !c.html:
			best.text, best.html = c.text, c.html
		case !best.html && !c.html && strings.TrimSpace(c.text) != strings.TrimSpace(best.text):
			best.text = joinTexts(best.text, c.text)
		}
	}
	return best
}

// collectMessage takes a message within the message: it is an attachment, and
// its text and attachments are read too.
func (r *reader) collectMessage(p *mime.Part) content {
	inner := p.Children[0]
	c := r.collect(inner)
	var head strings.Builder
	for _, name := range []string{"From", "To", "Date", "Subject"} {
		if v := inner.Header.Text(name); v != "" {
			head.WriteString(name + ": " + v + "\n")
		}
	}
	self := attachment(p, inner.Raw)
	return content{
		enclosed: joinTexts("[message]\n"+head.String()+"\n"+c.text, c.enclosed),
		parts:    append([]triage.Part{self}, c.parts...),
	}
}

// collectLeaf takes a single part: as text, as an attachment, or as both where
// a text has a name.
func (r *reader) collectLeaf(p *mime.Part) content {
	octets, ok := p.Decode()
	if !ok {
		r.budget.Fault("a part with a broken transfer encoding")
	}
	if p.Type == "application/pgp-keys" || openpgp.IsPublicKey(octets) && saysOpenPGP(p) {
		r.takeKeys(octets, "attached")
	}
	var c content
	if p.Type == "text/plain" || p.Type == "text/html" {
		c = r.readText(p, octets)
		switch {
		case p.Disposition == "attachment":
			c.attached, c.text = c.text, ""
		case p.FileName == "":
			return c
		}
	}
	c.parts = append([]triage.Part{attachment(p, octets)}, c.parts...)
	return c
}

// readText makes text of a text part, and attachments of the files that were
// put into it in the old way.
func (r *reader) readText(p *mime.Part, octets []byte) content {
	var c content
	if p.Type == "text/html" {
		c.text, c.html = r.renderHTML(p, octets), true
		return c
	}
	plain, blocks := octets, []byte(nil)
	end := 0
	for b := range uu.Blocks(octets) {
		name, _ := mime.DecodeCharset("", []byte(b.Name))
		c.parts = append(c.parts, part(name, "application/octet-stream", b.Content, false))
		blocks = append(blocks, octets[end:b.Start]...)
		end = b.End
	}
	if end > 0 {
		plain = append(blocks, octets[end:]...)
	}
	for _, b := range openpgp.Blocks(plain) {
		if b.Kind == openpgp.KindPublicKey {
			r.takeKeys(plain[b.Start:b.End], "inline")
		}
	}
	text, ok := mime.DecodeCharset(p.Params["charset"], plain)
	r.checkCharset(ok)
	text = lineEnds(text)
	if strings.EqualFold(p.Params["format"], "flowed") {
		text = mime.Unflow(text, strings.EqualFold(p.Params["delsp"], "yes"))
	}
	c.text = text
	return c
}

// renderHTML makes text of HTML.
func (r *reader) renderHTML(p *mime.Part, octets []byte) string {
	label := p.Params["charset"]
	if label == "" {
		_, label, _ = charset.DetermineEncoding(octets, "text/html")
	}
	source, ok := mime.DecodeCharset(label, octets)
	r.checkCharset(ok)
	text, hidden, cut := htmltext.Render([]byte(source), r.opt.Limits.Text)
	if hidden {
		r.budget.Fault("HTML with hidden text")
	}
	if cut {
		r.budget.Hit("text")
	}
	return text
}

func (r *reader) checkCharset(ok bool) {
	if !ok {
		r.budget.Fault("a text with a missing or wrong charset")
	}
}

func (r *reader) cutText(s string) string {
	if len(s) <= r.opt.Limits.Text {
		return s
	}
	r.budget.Hit("text")
	return strings.ToValidUTF8(s[:r.opt.Limits.Text], "")
}

// attachment describes a part.
func attachment(p *mime.Part, octets []byte) triage.Part {
	return part(p.FileName, p.Type, octets, p.Disposition == "inline")
}

func part(name, mediaType string, octets []byte, inline bool) triage.Part {
	sum := sha256.Sum256(octets)
	return triage.Part{
		Name: triage.Secret(name), Type: mediaType, Size: int64(len(octets)),
		SHA256: hex.EncodeToString(sum[:]), Inline: inline,
	}
}

// lineEnds makes every line end a line feed and drops NULs, which no display
// can show and some databases cannot store.
func lineEnds(s string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(s)
}

func joinTexts(a, b string) string {
	switch {
	case strings.TrimSpace(a) == "":
		return b
	case strings.TrimSpace(b) == "":
		return a
	}
	return strings.TrimRight(a, "\n") + "\n\n" + b
}

// isAnswer reports whether the message answers another one. The prefix of the
// subject counts here, where nothing depends on it but how the text is shown.
func (r *reader) isAnswer() bool {
	if r.m.InReplyTo != "" || len(r.m.References) > 0 {
		return true
	}
	prefix, _, ok := strings.Cut(strings.ToLower(r.m.Subject.Reveal()), ":")
	if !ok {
		return false
	}
	switch strings.TrimSpace(prefix) {
	case "re", "aw", "antw", "sv", "vs", "r", "res", "odp", "ref", "rif", "rv", "回复", "回覆":
		return true
	}
	return false
}
