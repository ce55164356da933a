package inspect

import (
	"fmt"
	"io"
	"strings"
	"time"

	"vdpd/triage"
	"vdpd/triage/printable"
)

// maxLines bounds the text of a message that the report for people shows.
const maxLines = 40

// writeText writes the report for a person. Everything in it that a sender
// wrote goes through package printable.
func writeText(out io.Writer, file string, m *triage.Message) error {
	var p page
	p.line(printable.Line(file))
	p.field("Outcome", outcome(m))
	p.field("Because", because(m))
	if m.AutoReplyOff {
		p.field("Receipt", "held for a person: the sender asks for no automatic answers")
	}
	p.blank()
	p.field("From", addresses(m.From, "nobody that can be read"))
	if len(m.ReplyTo) > 0 {
		p.field("Reply-To", addresses(m.ReplyTo, ""))
	}
	p.field("To", addresses(m.To, "nobody"))
	p.field("Date", date(m.Date))
	p.field("Message-ID", or(printable.Line(m.MessageID), "none"))
	p.field("Subject", or(printable.Line(m.Subject.Reveal()), "none"))
	if m.OuterSubject != "" {
		p.field("", "protected; outside it reads: "+printable.Line(m.OuterSubject.Reveal()))
	}
	p.blank()
	p.field("Encryption", encryption(m.OpenPGP))
	p.field("Signature", signature(m.OpenPGP))
	if s := m.SMIME; s != nil {
		state := map[bool]string{false: "not encrypted", true: "encrypted"}[s.Encrypted]
		if s.Encrypted && !s.Decrypted {
			state += ", and not opened"
		}
		p.field("S/MIME", fmt.Sprintf("%s; signature: %s; %s", state, s.Signature, s.Problem))
	}
	for i, k := range m.Keys {
		p.field(once(i, "Keys"), key(k))
	}
	for i, a := range m.Parts {
		p.field(once(i, "Attachments"), attachment(a))
	}
	for i, b := range m.Bounces {
		p.field(once(i, "Recipients"), fmt.Sprintf("%s %s %s", printable.Line(b.Recipient.Reveal()), b.Action, b.Status))
		p.field("", printable.Line(b.Diagnostic.Reveal()))
	}
	for i, l := range m.Limits {
		p.field(once(i, "Limits"), l+" (what is beyond was cut)")
	}
	for i, f := range m.Faults {
		p.field(once(i, "Faults"), f)
	}
	p.text(m)
	_, err := io.WriteString(out, p.b.String())
	return err
}

// page lays out lines with a column of labels.
type page struct{ b strings.Builder }

func (p *page) line(s string) { p.b.WriteString(s + "\n") }
func (p *page) blank()        { p.b.WriteString("\n") }

// field writes one line; without a value it writes nothing.
func (p *page) field(label, value string) {
	if value != "" {
		fmt.Fprintf(&p.b, "  %-12s %s\n", label, value)
	}
}

// text writes the new text of the message, cut to maxLines.
func (p *page) text(m *triage.Message) {
	text, title := m.Reply, "Text"
	switch {
	case m.Text == "":
		p.blank()
		p.field("Text", "none")
		return
	case strings.TrimSpace(m.Reply.Reveal()) != strings.TrimSpace(m.Text.Reveal()):
		title = "New text, without quotations and signature"
	case m.HTMLOnly:
		title = "Text, made from HTML"
	}
	p.line("\n  " + title)
	lines := strings.Split(strings.TrimRight(printable.Text(text.Reveal()), "\n"), "\n")
	for _, l := range lines[:min(len(lines), maxLines)] {
		p.line(strings.TrimRight("  | "+l, " "))
	}
	if n := len(lines) - maxLines; n > 0 {
		p.line(fmt.Sprintf("  (and %d more lines)", n))
	}
}

// once returns the label for the first of several lines.
func once(i int, label string) string {
	if i > 0 {
		return ""
	}
	return label
}

// outcome says what the daemon would do with the message in a mailbox that
// is for reports only.
func outcome(m *triage.Message) string {
	switch {
	case m.Kind == triage.KindBounce:
		return "filed as a bounce, with the case of the mail that failed; gets no answer"
	case m.Kind == triage.KindAutomatic:
		return "kept as automatic mail, with the case that it answers or as one of its own; gets no answer by itself"
	case m.Kind == triage.KindLoop:
		return "filed as our own mail come back; nothing is sent, the operator is told"
	case m.Unreadable():
		return "opens a case that nobody can read yet; staff are told at once, and its clocks run"
	case m.Kind == triage.KindList:
		return "opens a case; it came by a mailing list, so the receipt waits for a person"
	case m.Kind == triage.KindReply:
		return "joins the case that it answers, if that is one of ours; else opens a case"
	}
	return "opens a case"
}

func because(m *triage.Message) string {
	switch m.Kind {
	case triage.KindReport:
		return "nothing in its structure says that a program sent it, and it answers no mail"
	case triage.KindReply:
		return "In-Reply-To or References name a mail"
	}
	return m.Reason
}

func encryption(o triage.OpenPGP) string {
	var s string
	switch o.Encrypted {
	case "full":
		s = "the whole message"
	case "part":
		s = "a part of the message"
	default:
		return "none"
	}
	if o.Decrypted {
		return s + ", decrypted"
	}
	return s + ", not decrypted: " + or(o.Problem, "no layer opened")
}

func signature(o triage.OpenPGP) string {
	var s string
	switch o.Signature {
	case triage.SigValid:
		s = "valid, over the whole message"
	case triage.SigPartial:
		s = "covers only a part of the message, so it proves nothing about the whole"
	case triage.SigUnknownKey:
		s = "cannot be judged without the signer's key"
	case triage.SigInvalid:
		s = "invalid"
	default:
		return "none"
	}
	if o.Problem != "" && o.Signature != triage.SigValid {
		s += ": " + o.Problem
	}
	if o.Signer != "" {
		s += "; key " + o.Signer
	}
	switch {
	case o.Signature == triage.SigValid && o.SignerIsSender:
		s += ", which has the From address"
	case o.Signature == triage.SigValid:
		s += ", which does NOT have the From address"
	}
	return s
}

func key(k triage.Key) string {
	s := k.Fingerprint + " (" + k.From
	for _, a := range k.Addresses {
		s += ", " + printable.Line(a.Reveal())
	}
	if k.Signed {
		s += "; signed this message"
	}
	return s + ")"
}

func attachment(a triage.Part) string {
	name := or(printable.Line(a.Name.Reveal()), "(no name)")
	return fmt.Sprintf("%s  %s  %d bytes  sha256 %s", name, printable.Line(a.Type), a.Size, a.SHA256)
}

func addresses(list []triage.Address, none string) string {
	var all []string
	for _, a := range list {
		name, addr := printable.Line(a.Name.Reveal()), printable.Line(a.Address.Reveal())
		switch {
		case name != "" && addr != "":
			all = append(all, name+" <"+addr+">")
		default:
			all = append(all, or(addr, name+" (no address)"))
		}
	}
	return or(strings.Join(all, ", "), none)
}

func date(t time.Time) string {
	if t.IsZero() {
		return "none that can be read"
	}
	return t.Format("Mon 2006-01-02 15:04:05 -0700") + " (by the sender's clock)"
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
