package mailbox

import (
	"strings"

	"golang.org/x/net/html/charset"

	"vdpd/mailbox/htmltext"
	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
	"vdpd/mailbox/uu"
)

// readText makes text of a text part, and attachments of the files that were
// put into it in the way of before MIME.
func (r *reader) readText(p *mime.Part, octets []byte) content {
	var c content
	for _, b := range openpgp.Blocks(octets) {
		if b.Kind == openpgp.KindPublicKey {
			r.takeKeys(octets[b.Start:b.End], "inline")
		}
	}
	var text string
	if p.Type == "text/html" {
		text, c.html = r.renderHTML(p, octets), true
	} else {
		octets = c.cutFiles(octets)
		text = r.decodeText(p, octets)
	}
	if strings.TrimSpace(text) != "" {
		c.texts = []string{text}
	}
	return c
}

// cutFiles takes the uuencoded and yEnc files out of a text.
func (c *content) cutFiles(text []byte) []byte {
	var rest []byte
	end := 0
	for b := range uu.Blocks(text) {
		name, _ := mime.DecodeCharset("", []byte(b.Name))
		c.parts = append(c.parts, part(mime.FileName(name), "application/octet-stream", b.Content))
		rest = append(rest, text[end:b.Start]...)
		end = b.End
	}
	if end == 0 {
		return text
	}
	return append(rest, text[end:]...)
}

// decodeText makes UTF-8 with line feeds of the octets of a plain text.
func (r *reader) decodeText(p *mime.Part, octets []byte) string {
	text, ok := mime.DecodeCharset(p.Params["charset"], r.cutText(octets))
	r.checkCharset(ok)
	text = lineEnds(text)
	if strings.EqualFold(p.Params["format"], "flowed") {
		text = mime.Unflow(text, strings.EqualFold(p.Params["delsp"], "yes"))
	}
	return text
}

// renderHTML makes text of the octets of an HTML part.
func (r *reader) renderHTML(p *mime.Part, octets []byte) string {
	label := p.Params["charset"]
	if label == "" {
		_, label, _ = charset.DetermineEncoding(octets, "text/html")
	}
	source, ok := mime.DecodeCharset(label, r.cutText(octets))
	r.checkCharset(ok)
	text, hidden := htmltext.Render(source)
	if hidden {
		r.budget.Fault("HTML with hidden text")
	}
	return text
}

// cutText cuts one text at the limit, before work is done on it.
func (r *reader) cutText(octets []byte) []byte {
	if len(octets) <= r.opt.Limits.Text {
		return octets
	}
	r.budget.Hit("text")
	return octets[:r.opt.Limits.Text]
}

func (r *reader) checkCharset(ok bool) {
	if !ok {
		r.budget.Fault("a text with a missing or wrong charset")
	}
}

// lineEnds makes every line end a line feed and drops NULs, which no display
// can show and some databases cannot store.
func lineEnds(s string) string { return lineEnding.Replace(s) }

var lineEnding = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "")

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
