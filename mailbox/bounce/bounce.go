// Package bounce recognises delivery reports and reads from them who did not
// get which mail and why: RFC 3464, and what mail servers wrote before it and
// beside it. Start at [Read].
//
// What makes a message a bounce is its structure: a delivery-status part,
// fields that only mail servers set, or a sender that is a mail server together
// with a returned message or with recipients in one of the forms that servers
// print. Words of a subject or a text never make one; within a message that is
// a bounce already they may tell a delay from a failure.
//
// The package is pure, starts no goroutines, and is linear in its input.
package bounce

import (
	"strings"

	"vdpd/mailbox/htmltext"
	"vdpd/mailbox/mime"
	"vdpd/triage"
)

// Report is what a delivery report says.
type Report struct {
	Reason     string // the evidence that it is one, in words of ours
	Recipients []triage.Bounce
	// Delivered says that no recipient failed or waits: a report of success,
	// which is automatic mail and no bounce.
	Delivered bool
}

const (
	maxRecipients = 100
	maxText       = 256 << 10 // octets of a report in prose that are looked at
)

// Read returns the delivery report that a message is, and whether it is one.
func Read(root *mime.Part, budget *mime.Budget) (Report, bool) {
	l := layoutOf(root, budget)
	server := senderOf(root.Header)
	var r Report
	switch {
	case strings.EqualFold(root.Params["report-type"], "delivery-status"), root.Type == "multipart/report" && l.status != nil, root.Type == "message/delivery-status":
		r.Reason = "delivery status notification"
	case l.status != nil && server > unlikely:
		r.Reason = "delivery status part from a mail server"
	case root.Header.Has("X-Failed-Recipients"):
		r.Reason = "x-failed-recipients"
	case root.Header.Has("X-DSNContext"):
		r.Reason = "x-dsncontext"
	case server > unlikely && l.returned.Has("X-MS-Embedded-Report"):
		r.Reason = "returned message with x-ms-embedded-report"
	case server >= nullPath && l.returned != nil:
		r.Reason = "returned message from a mail server"
	case server == certain && len(proseRecipients(l.prose)) > 0, server == nullPath && explained(proseRecipients(l.prose)):
		r.Reason = "list of recipients from a mail server"
	case server == likely && returnsTo(l.returned, root.Header):
		r.Reason = "message returned to its sender by a mail server"
	case server == likely && !root.Header.Has("Return-Path") && statusLines(l.prose, 3) != nil:
		r.Reason = "delivery status fields from a mail server"
	default:
		return Report{}, false
	}
	r.Recipients = l.recipients(root.Header)
	id := l.returned.MessageID("Message-ID")
	r.Delivered = len(r.Recipients) > 0
	for i := range r.Recipients {
		r.Recipients[i].OriginalMessageID = id
		switch r.Recipients[i].Action {
		case "delivered", "relayed", "expanded":
		default:
			r.Delivered = false
		}
	}
	return r, true
}

// recipients takes the most precise source that there is.
func (l layout) recipients(h mime.Header) []triage.Bounce {
	if list := statusRecipients(l.status); len(list) > 0 {
		return list
	}
	if list := statusRecipients(statusLines(l.prose, 2)); len(list) > 0 {
		return list
	}
	var named []string
	for _, a := range h.Addresses("X-Failed-Recipients") {
		named = append(named, a.Addr)
	}
	own := map[string]bool{}
	for _, a := range h.Addresses("From", "To") {
		own[strings.ToLower(a.Addr)] = true
	}
	return fromProse(l.prose, named, own)
}

// layout is the shape of a delivery report.
type layout struct {
	status   []mime.Header // delivery-status: the fields of the message, then of each recipient; nil: no such part
	returned mime.Header   // of the message that came back; nil: none did
	prose    string        // what is written for people, without the returned message
}

// layoutOf sorts the parts. It does not look into messages within the message:
// a bounce that a person forwards is no bounce.
func layoutOf(root *mime.Part, budget *mime.Budget) layout {
	var l layout
	var html string
	var visit func(p *mime.Part)
	visit = func(p *mime.Part) {
		switch {
		case p.IsMessage() && len(p.Children) == 1:
			if l.returned == nil {
				l.returned = notNil(p.Children[0].Header)
			}
		case p.IsMultipart():
			for _, c := range p.Children {
				visit(c)
			}
		case p.Type == "message/delivery-status" || p.Type == "message/global-delivery-status":
			octets, _ := p.Decode()
			for group := range strings.SplitSeq(lineEnding.Replace(string(octets)), "\n\n") {
				if h, _ := mime.ReadHeader([]byte(strings.Trim(group, "\n")), budget); len(h) > 0 && len(l.status) < 2*maxRecipients {
					l.status = append(l.status, h)
				}
			}
			l.status = append(l.status, mime.Header{})
		case p.Type == "text/rfc822-headers" || p.Type == "message/rfc822-headers" || p.Type == "text/rfc822-header":
			if octets, _ := p.Decode(); l.returned == nil {
				h, _ := mime.ReadHeader(octets, budget)
				l.returned = notNil(h)
			}
		case p.Type == "text/plain" && p.Disposition != "attachment" && len(l.prose) < maxText:
			l.prose += textOf(p) + "\n"
		case p.Type == "text/html" && html == "":
			html, _ = htmltext.Render(textOf(p))
		}
	}
	visit(root)
	if strings.TrimSpace(l.prose) == "" {
		l.prose = html
	}
	if l.returned == nil {
		l.prose, l.returned = splitReturned(l.prose, budget)
	}
	return l
}

func notNil(h mime.Header) mime.Header {
	if h == nil {
		return mime.Header{}
	}
	return h
}

func textOf(p *mime.Part) string {
	octets, _ := p.Decode()
	text, _ := mime.DecodeCharset(p.Params["charset"], octets[:min(len(octets), maxText)])
	return lineEnding.Replace(text)
}

var lineEnding = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// splitReturned finds a returned message that stands in the text itself: three
// fields in a row, one of them a field that every message on its way has.
func splitReturned(text string, budget *mime.Budget) (prose string, returned mime.Header) {
	at, start, fields, telling := 0, 0, 0, false
	for line := range strings.Lines(text) {
		bare := strings.TrimPrefix(strings.TrimPrefix(strings.TrimRight(line, "\r\n"), ">"), " ")
		name, value, isField := strings.Cut(bare, ":")
		isField = isField && name != "" && !strings.ContainsAny(name, " \t<>@/.") && (value == "" || strings.ContainsAny(value[:1], " \t"))
		switch {
		case isField:
			if fields == 0 {
				start = at
			}
			fields++
			switch strings.ToLower(name) {
			case "received", "return-path", "message-id", "mime-version", "x-envelope-from":
				telling = true
			case "final-recipient", "reporting-mta", "action", "diagnostic-code":
				telling, fields = false, 0
			}
		case fields > 0 && bare != "" && (bare[0] == ' ' || bare[0] == '\t'):
		default:
			fields, telling = 0, false
		}
		if fields >= 3 && telling || fields >= 1 && telling && strings.HasPrefix(strings.ToLower(bare), "received:") {
			block := text[start:]
			if strings.HasPrefix(block, ">") {
				block = strings.ReplaceAll(strings.ReplaceAll("\n"+block, "\n> ", "\n"), "\n>", "\n")[1:]
			}
			h, _ := mime.ReadHeader([]byte(block), budget)
			return text[:start], notNil(h)
		}
		at += len(line)
	}
	return text, nil
}

// certainty is how sure it is that a mail server itself sent a message.
type certainty int

const (
	unlikely certainty = iota
	likely             // the address is one that servers use, but people too
	nullPath           // a program, at least: servers and absence notices use the null path
	certain            // a name that only servers have
)

func senderOf(h mime.Header) certainty {
	best := unlikely
	if h.Has("Return-Path") && strings.Trim(h.Get("Return-Path"), "<> ") == "" {
		best = nullPath
	}
	if strings.HasPrefix(h.Get("X-Mailer"), "<SMTP32 ") { // IMail writes so in its reports only
		return certain
	}
	for _, a := range h.Addresses("From", "Return-Path") {
		local, _, _ := strings.Cut(strings.ToLower(a.Addr), "@")
		if local == "" {
			local = strings.ToLower(a.Name)
		}
		switch local {
		case "mailer-daemon", "mail-daemon", "mailerdaemon":
			return certain
		case "postmaster", "post_master", "poostmaster", "no-reply", "noreply":
			best = max(best, likely)
		}
	}
	return best
}

// explained reports whether a server's reply stands with one of the
// recipients. An absence notice may well name an address.
func explained(list []mention) bool {
	for _, m := range list {
		head := strings.Join(strings.SplitN(m.after, "\n", 6)[:min(5, strings.Count(m.after, "\n")+1)], "\n")
		if findReply(head) != "" || findStatus(head) != "" {
			return true
		}
	}
	return false
}

// returnsTo reports whether the returned message was sent by whom the report
// is addressed to.
func returnsTo(returned, report mime.Header) bool {
	for _, a := range returned.Addresses("Return-Path", "From", "Sender", "X-Envelope-From") {
		for _, to := range report.Addresses("To") {
			if a.Addr != "" && strings.EqualFold(a.Addr, to.Addr) {
				return true
			}
		}
	}
	return false
}
