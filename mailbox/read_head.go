package mailbox

import (
	"slices"
	"strings"

	"vdpd/mailbox/automatic"
	"vdpd/mailbox/mime"
	"vdpd/triage"
)

// readHead takes what the header section of the message says.
func (r *reader) readHead() {
	h, m := r.root.Header, r.m
	m.From = addresses(h.Addresses("From"))
	m.To = addresses(h.Addresses("To", "Cc"))
	m.ReplyTo = addresses(h.Addresses("Reply-To"))
	m.Date = h.Date()
	m.MessageID = h.MessageID("Message-ID")
	m.InReplyTo = h.MessageID("In-Reply-To")
	m.References = mime.MessageIDs(h.Get("References"))
	m.Subject = triage.Secret(h.Subject())
	if h.Has("Return-Path") {
		path := triage.Secret(returnPath(h.Get("Return-Path")))
		m.ReturnPath = &path
	}
	m.AutoReplyOff = automatic.AnswerUnwanted(h)
	if !slices.ContainsFunc(m.From, func(a triage.Address) bool { return a.Address != "" }) {
		r.budget.Fault("no readable From")
	}
}

func addresses(list []mime.Address) []triage.Address {
	var out []triage.Address
	for _, a := range list {
		out = append(out, triage.Address{Name: triage.Secret(a.Name), Address: triage.Secret(a.Addr)})
	}
	return out
}

// returnPath returns the address of a Return-Path, "" for the null path.
func returnPath(v string) string {
	if list := mime.ParseAddresses(v); len(list) > 0 {
		return list[0].Addr
	}
	return strings.Trim(v, "<> ")
}
