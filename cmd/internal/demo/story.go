package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"vdpd/cmd/internal/api"
	"vdpd/mailbox"
	"vdpd/mailbox/mailboxtest"
	"vdpd/mailbox/openpgp"
	"vdpd/notify/notifytest"
	"vdpd/triage"
	"vdpd/triage/printable"
)

// teller plays the researchers and tells the story.
type teller struct {
	w      io.Writer
	scene  *scene
	imap   *mailboxtest.Server
	smtp   *notifytest.Server
	client *api.Client

	counts Counts
	heard  int                 // mails of the SMTP server that were told of
	known  map[triage.Ref]bool // cases that were told of
}

// mailsPerReport are a receipt and one notice for each of four roles.
const mailsPerReport = 5

func (t *teller) say(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

func (t *teller) tell(ctx context.Context) error {
	t.known = map[triage.Ref]bool{}
	t.say(`vdpd demo: a vulnerability-disclosure mailbox at work

An IMAP server, an SMTP server and the daemon run inside this process, with keys
made a moment ago. Two organisations share the daemon:

  Identity Platform    security@identity.example      a mailbox for reports only
  Relocation Services  backoffice@relocation.example  an ordinary business mailbox;
                       promises an evaluation within three business days`)

	now := time.Now()
	if _, err := t.imap.Append(t.scene.Organisations[1].Address, "INBOX", t.scene.invoice(now), now); err != nil {
		return err
	}
	reports, err := t.scene.reports(now)
	if err != nil {
		return err
	}
	for i, r := range reports {
		t.say("\n%d. %s", i+1, r.title)
		if err := t.follow(ctx, r); err != nil {
			return err
		}
	}
	return t.conclude(ctx)
}

// follow delivers one report and waits until all that it causes has left.
func (t *teller) follow(ctx context.Context, r delivery) error {
	if _, err := t.imap.Append(r.to.Address, "INBOX", r.raw, time.Now()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mails, err := t.smtp.Wait(ctx, t.heard+mailsPerReport)
	if err != nil {
		return fmt.Errorf("only %d of %d mails left: %w", len(mails)-t.heard, mailsPerReport, err)
	}
	view, err := t.newCase(ctx)
	if err != nil {
		return err
	}
	t.tellCase(view)
	t.tellMails(r, mails[t.heard:])
	t.heard = len(mails)
	return nil
}

// newCase finds the case that was not there before.
func (t *teller) newCase(ctx context.Context) (api.View, error) {
	list, err := t.client.Cases(ctx, api.Filter{})
	if err != nil {
		return api.View{}, err
	}
	for _, c := range list.Cases {
		if !t.known[c.Ref] {
			t.known[c.Ref] = true
			t.counts.Cases++
			return t.client.Case(ctx, c.Ref)
		}
	}
	return api.View{}, fmt.Errorf("the report became no case")
}

func (t *teller) tellCase(v api.View) {
	c := v.Summary
	t.say("   arrived    %s", local(c.Arrived, c.Zone))
	t.say("   protected  %s", protectionOf(c, v.Case.Reporter.Key))
	m := v.Messages[0]
	t.say("   subject    %s", printable.Line(m.Subject.Reveal()))
	for _, p := range m.Parts {
		t.say("   attached   %s, %s, %d bytes", printable.Line(p.Name.Reveal()), p.Type, p.Size)
	}
	t.say("   case       %s, sealed under a key of its own", c.Ref)
	due := "the evaluation is an internal target"
	if c.Promised {
		due = "the evaluation is promised"
	}
	t.say("   due        %s for %s", due, local(c.Due, c.Zone))
}

func protectionOf(c api.Summary, pinned *triage.Key) string {
	how := "no: it came in the clear"
	switch {
	case c.Decrypted:
		how = "encrypted to our key, and opened"
	case c.Encrypted != "no":
		how = "encrypted, and not to be opened"
	}
	switch {
	case c.Signature == triage.SigNone:
	case pinned != nil && pinned.Signed:
		how += "; signed by the key that it carried, which is remembered"
	default:
		how += "; signed by a key that nobody has shown us yet"
	}
	return how
}

// tellMails opens each mail as the person who got it would.
func (t *teller) tellMails(r delivery, mails []notifytest.Envelope) {
	for _, e := range mails {
		to := strings.Join(e.To, ", ")
		if p, ok := r.to.reader(to); ok {
			t.counts.Notices++
			m := t.open(e, p.key, r.to.key)
			how := "in the clear, a stub without content"
			if m.OpenPGP.Decrypted && m.OpenPGP.Signature == triage.SigValid {
				t.counts.EncryptedNotices++
				how = "encrypted to " + p.Name + "'s key and signed, opened with it: " + contents(p)
			}
			t.say("   told       %-5s %-25s %s", p.Name, p.Called, how)
			continue
		}
		m := t.open(e, t.researcher(to), r.to.key)
		how := "its signature does not hold"
		if m.OpenPGP.Signature == triage.SigValid {
			t.counts.Receipts++
			how = "signed"
			if m.OpenPGP.Decrypted {
				how = "signed, and encrypted to the key that she sent"
			}
		}
		t.say("   receipt    to %s, %s", to, how)
		if t.heard == 0 {
			t.say("              and this is what she reads:\n")
			for line := range strings.Lines(printable.Text(m.Text.Reveal())) {
				t.say("              | %s", strings.TrimRight(line, "\n"))
			}
		}
	}
}

func contents(p reader) string {
	if p.Detail == "full" {
		return "the whole report"
	}
	return "dates, no identity, no text"
}

func (t *teller) open(e notifytest.Envelope, own, from *openpgp.Key) *triage.Message {
	return mailbox.Read(e.Raw, mailbox.Options{Own: openpgp.NewRing(own), Certs: openpgp.NewRing(from), Now: time.Now()})
}

func (t *teller) researcher(address string) *openpgp.Key {
	if address == tomasAddress {
		return t.scene.tomas
	}
	return t.scene.rita
}

func (t *teller) conclude(ctx context.Context) error {
	status, err := t.settled(ctx)
	if err != nil {
		return err
	}
	t.counts.Undelivered = status.Failed + status.Pending
	left, err := t.imap.Messages(t.scene.Organisations[1].Address, "INBOX")
	if err != nil {
		return err
	}
	untouched := 0
	for _, m := range left {
		if len(m.Flags) == 0 {
			untouched++
		}
	}
	t.say(`
The reports moved to the folder Processed, each after it was safely in the store.
In backoffice@relocation.example lay an invoice too: %d message in the inbox, no
flag set, nobody told.

%d reports became %d cases; %d receipts and %d notices left, %d of them opened with
the keys of the people they were for; %d undelivered.`,
		untouched, len(t.known), t.counts.Cases, t.counts.Receipts, t.counts.Notices, t.counts.EncryptedNotices, t.counts.Undelivered)
	return nil
}

// settled waits until the daemon has recorded what became of the last mails,
// which is a moment after the SMTP server has them.
func (t *teller) settled(ctx context.Context) (api.Status, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		status, err := t.client.Status(ctx)
		if err != nil || status.Pending == 0 || time.Now().After(deadline) {
			return status, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return status, ctx.Err()
		}
	}
}

// invite tells how to look around.
func (t *teller) invite(socket string) {
	t.say(`
The daemon is still up, and you are Sam, whose help desk serves both
organisations. In another terminal, in the same folder:

  export VDP_SOCKET=%s
  go run ./cmd/vdp list
  go run ./cmd/vdp show REF
  go run ./cmd/vdp seen REF

Ctrl-C ends the demo.`, socket)
}

func local(at time.Time, zone string) string {
	if l, err := time.LoadLocation(zone); err == nil {
		at = at.In(l)
	}
	return at.Format("Monday 2 January 2006 15:04 MST")
}
