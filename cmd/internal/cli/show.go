package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
)

func (a *app) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show REF",
		Short: "Show everything about a case",
		Long: `Show a case: where it stands and by when what is due, who has read it, which
mails of ours left and which did not, the notes of colleagues, and every mail
with how sure we are of its sender. Lines that begin with a bar are words of
somebody else. Showing a case does not mark it as read; "vdp seen" does.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := reference(args[0])
			if err != nil {
				return err
			}
			view, err := a.client.Case(c.Context(), ref)
			if err != nil {
				return err
			}
			return a.print(view, showPage(view, a.Now()))
		},
	}
}

func showPage(v api.View, now time.Time) *page {
	p := &page{}
	z := zone(v.Summary.Zone)
	showHead(p, v, now, z)
	showClocks(p, v, now, z)
	showReaders(p, v, now, z)
	showMails(p, &v.Case, now, z)
	if len(v.Case.Notes) > 0 {
		section(p, "Notes")
		for _, n := range v.Case.Notes {
			p.hang(2, n.By.ID+", "+date(n.At, now, z))
			p.quote(n.Text.Reveal())
		}
	}
	older := len(v.Case.Items) - len(v.Messages)
	for i, item := range v.Case.Items {
		section(p, fmt.Sprintf("Mail %d of %d", i+1, len(v.Case.Items)))
		var m *triage.Message
		if i >= older {
			m = &v.Messages[i-older]
		}
		showItem(p, item, m, now, z)
		if m == nil {
			p.hang(2, fmt.Sprintf("(too old to be shown here; vdp raw %s --item %d)", v.Case.Ref, i+1))
		}
	}
	return p
}

func section(p *page, title string) {
	p.blank()
	p.hang(0, strings.ToUpper(title))
}

func showHead(p *page, v api.View, now time.Time, z *time.Location) {
	c, s := &v.Case, v.Summary
	p.labelled(16, string(c.Ref), string(c.State)+": "+word(states, c.State))
	p.field("  What", word(dispositions, c.Disposition)+", to the mailbox "+c.Mailbox+" under the policy "+c.Policy)
	reporter := "nobody whom we could answer"
	if s.From != "" {
		reporter = address(triage.Address{Name: c.Reporter.Name, Address: s.From})
	}
	p.field("  Reporter", reporter)
	for _, m := range c.Marks {
		p.field("", word(marks, m))
	}
	if key := c.Reporter.Key; key != nil {
		p.field("  Key", key.Fingerprint)
	}
	p.field("  Arrived", fmt.Sprintf("%s, %s ago (times in %s)", date(s.Arrived, now, z), span(now.Sub(s.Arrived)), z))
	for _, a := range c.Alike {
		p.field("  Alike?", fmt.Sprintf("%s, %s: %s", a.Ref, a.Likeness, strings.Join(a.Reasons, ", ")))
	}
	if len(c.Related) > 0 {
		var refs []string
		for _, r := range c.Related {
			refs = append(refs, string(r))
		}
		p.field("  See also", strings.Join(refs, ", ")+" (named in the subject, or of the same sender)")
	}
}

func showClocks(p *page, v api.View, now time.Time, z *time.Location) {
	section(p, "Dates")
	if len(v.Case.Clocks) == 0 {
		p.hang(2, "nothing is promised")
	}
	for _, k := range v.Case.Clocks {
		kind := "our own target"
		if k.Promised {
			kind = "promised"
		}
		text := "until " + date(k.Due, now, z)
		if k.Name == triage.ClockEvaluation {
			text = evaluation(v.Summary, now)
		}
		p.field("  "+word(clocks, k.Name), fmt.Sprintf("%s (%s, %s from %s)", text, kind, spanWords(k.Span), date(k.Start, now, z)))
	}
}

func showReaders(p *page, v api.View, now time.Time, z *time.Location) {
	section(p, "Read by")
	for _, s := range v.Case.Seen {
		p.field("  "+s.Role, s.Person+", "+date(s.At, now, z))
	}
	for _, role := range v.Summary.Unseen {
		p.field("  "+role, "not yet")
	}
	if len(v.Case.Seen)+len(v.Summary.Unseen) == 0 {
		p.hang(2, "nobody was told")
	}
}

func showMails(p *page, c *triage.Case, now time.Time, z *time.Location) {
	section(p, "Mails of ours")
	if len(c.Mails) == 0 {
		p.hang(2, "none")
	}
	for _, m := range c.Mails {
		n := m.Notice
		p.hang(2, pad(n.ID, 18)+word(notices, n.Kind)+" to "+recipient(n, c))
		p.hang(20, delivery(m, now, z))
		if n.Held != "" {
			p.hang(20, fmt.Sprintf("to send it: vdp release %s %s", c.Ref, n.ID))
		}
	}
}

func showItem(p *page, it triage.Item, m *triage.Message, now time.Time, z *time.Location) {
	for _, from := range it.From {
		p.field("  From", address(from))
	}
	if m != nil && len(m.ReplyTo) > 0 && !sameAddress(m.ReplyTo, it.From) {
		p.field("  Reply-To", address(m.ReplyTo[0])+": NOT the sender")
	}
	p.field("  Subject", it.Subject.Reveal())
	p.field("  Arrived", date(it.Source.Arrived, now, z)+", "+size(it.Size))
	kind := word(kinds, it.Kind)
	if m != nil && m.Reason != "" {
		kind += " (" + m.Reason + ")"
	}
	p.field("  Sent", kind)
	p.field("  Sender", join("; ", word(trusts, it.Trust), word(vias, it.Via)))
	if m != nil {
		p.field("  Domain", vouched(m.Auth))
	}
	p.field("  Encryption", join("; ", opened(it.OpenPGP), it.OpenPGP.Problem))
	p.field("  Signature", signature(it.OpenPGP))
	if m != nil && m.SMIME != nil {
		s := m.SMIME
		p.field("  S/MIME", join("; ", smimeEncryption(s), "signature: "+word(signatures, s.Signature), s.Problem))
	}
	for i, part := range it.Parts {
		label := ""
		if i == 0 {
			label = "  Attached"
		}
		name := part.Name.Reveal()
		if name == "" {
			name = "(no name)"
		}
		p.field(label, join(", ", strconv.QuoteToGraphic(name), part.Type, size(part.Size)))
		p.field("    SHA-256", part.SHA256)
	}
	if len(it.Limits) > 0 {
		p.field("  Cut", "over the limit of "+strings.Join(it.Limits, ", "))
	}
	for _, fault := range it.Faults {
		p.field("  Not read", fault)
	}
	if m == nil {
		return
	}
	if m.HTMLOnly {
		p.field("  Text", "made from HTML")
	}
	showFacts(p, &m.Facts)
	p.blank()
	p.quote(m.Text.Reveal())
}

func address(a triage.Address) string {
	if a.Address == "" && a.Name == "" {
		return "unreadable"
	}
	if a.Name == "" {
		return a.Address.Reveal()
	}
	return fmt.Sprintf("%s (%s)", a.Address.Reveal(), strconv.QuoteToGraphic(a.Name.Reveal()))
}

func sameAddress(a, b []triage.Address) bool {
	return len(a) == 1 && len(b) == 1 && strings.EqualFold(a[0].Address.Reveal(), b[0].Address.Reveal())
}

func signature(o triage.OpenPGP) string {
	text := word(signatures, o.Signature)
	if o.Signature == triage.SigNone {
		return text
	}
	switch {
	case o.SignerIsSender && o.Signature == triage.SigValid:
		text += "; the key names the sender's address"
	case o.Signature == triage.SigValid:
		text += ", which is NOT the sender's"
	}
	return join("; ", text, o.Signer)
}

func smimeEncryption(s *triage.SMIME) string {
	switch {
	case !s.Encrypted:
		return "not encrypted"
	case s.Decrypted:
		return "encrypted to our certificate, and opened"
	}
	return "encrypted, and NOT opened"
}

func vouched(a triage.Auth) string {
	switch {
	case a.DKIM:
		return "vouches for the address (DKIM)"
	case a.DMARC:
		return "vouches for the address (DMARC)"
	case a.SPF:
		return "vouches for the address (SPF)"
	case a.Checked:
		return "does NOT vouch for the address: anybody could have written it"
	}
	return "our mail server did not check whether it vouches for the address"
}
