package triage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vdpd/triage/calendar"
)

// MaxText is how much of a message's text, in bytes, an event keeps beside the
// sealed raw mail.
const MaxText = 256 << 10

// Intake decides what becomes of one message. It always decides: a message
// that nobody understands becomes a case too.
//
// m.Source must be set; m.Source.Arrived, the arrival at our own server,
// starts the clocks.
func (p *Policy) Intake(now time.Time, m *Message, k Known) Change {
	if k.Via == ViaSender && !isAnswer(m) {
		k.Thread, k.Via = Case{}, ""
	}
	switch {
	case k.Poison:
		return p.open(now, m, k, AsPoison)
	case k.Twin != nil && p.grade(m) == yes:
		return p.takeTwin(now, k)
	case k.Same != "":
		return Change{Disposition: AsDuplicate, Case: k.Same}
	case m.Kind == KindLoop:
		return p.file(now, m, k, AsLoop)
	case m.Kind == KindBounce:
		return p.file(now, m, k, AsBounce)
	case m.Kind == KindAutomatic && k.Thread.Ref != "":
		return p.file(now, m, k, AsAutomatic)
	case k.Thread.Ref != "":
		return p.join(now, m, k)
	}
	if p.Mode == Shared {
		switch p.grade(m) {
		case no:
			return Change{Disposition: NotOurs}
		case maybe:
			return p.open(now, m, k, AsQuestion)
		}
	}
	switch {
	case m.Kind == KindAutomatic:
		// A scanner or a CERT may report by a program (RFC 3834 speaks of
		// answers, not of reports): a case, but no automatic answer.
		return p.open(now, m, k, AsAutomatic)
	case m.Unreadable():
		return p.open(now, m, k, AsUnread)
	}
	return p.open(now, m, k, AsReport)
}

// isAnswer tells an absence notice from a report that a program sent: the
// first answers something, the second says that it was generated.
func isAnswer(m *Message) bool {
	return m.InReplyTo != "" || len(m.References) > 0 || !strings.Contains(m.Reason, "auto-generated")
}

// file keeps a mail that nobody is to answer: with the case it belongs to, or
// by itself. A shared mailbox keeps its own bounces and loops.
func (p *Policy) file(now time.Time, m *Message, k Known, d Disposition) Change {
	c := Change{Disposition: d, Case: k.Thread.Ref}
	if c.Case != "" {
		c.add(now, Actor{Kind: Reporter}, received(m, TrustNone, k.Via))
		if d == AsBounce {
			p.bounced(now, &c, m, &k.Thread, k.Notice)
		}
		return c
	}
	if p.Mode == Shared && p.grade(m) != yes {
		return Change{Disposition: NotOurs}
	}
	c.Case = k.Fresh
	c.add(now, Actor{Kind: System}, Opened{
		Disposition: d, Policy: p.ID, PolicyHash: p.Hash, Mailbox: m.Source.Mailbox, Lang: p.Lang(),
	})
	c.add(now, Actor{Kind: Reporter}, received(m, TrustNone, ""))
	return c
}

// join adds a person's mail to the case it points to. No receipt: a case has
// one, and staff answer the rest.
func (p *Policy) join(now time.Time, m *Message, k Known) Change {
	c := Change{Disposition: AsFollowUp, Case: k.Thread.Ref}
	trust := trustOf(m, k)
	c.add(now, Actor{Kind: Reporter}, received(m, trust, k.Via))
	if key := learn(m, k.Thread.Reporter); key != nil && trust == TrustVerified {
		c.add(now, Actor{Kind: System}, KeyPinned{Key: *key, How: how(key)})
	}
	c.queue(now, p.tell(now, FollowUp, &k.Thread, len(k.Thread.Items), Facts{Received: m.Source.Arrived}, p.Readers)...)
	return c
}

// trustOf says how sure it is that a mail is by the reporter of the case. A
// token alone proves nothing, because mails are forwarded; an address alone
// proves nothing, because it can be written by anyone.
func trustOf(m *Message, k Known) Trust {
	r := k.Thread.Reporter
	if r.Key != nil && signedBy(m, r.Key) {
		return TrustVerified
	}
	token := k.Via == ViaToken || k.Via == ViaSent
	if token && r.Address != "" && m.Sender() == r.Address && m.DomainVouches() {
		return TrustVerified
	}
	return TrustUnverified
}

func signedBy(m *Message, key *Key) bool {
	return m.OpenPGP.Signature == SigValid && m.OpenPGP.Signer == key.Fingerprint
}

// open makes a case, starts its clocks and tells the people.
func (p *Policy) open(now time.Time, m *Message, k Known, d Disposition) Change {
	c := Change{Disposition: d, Case: k.Fresh}
	opened := Opened{
		Disposition: d, Policy: p.ID, PolicyHash: p.Hash, Mailbox: m.Source.Mailbox, Lang: p.Lang(),
		Clocks: p.clocks(m.Source.Arrived), Related: related(m, k), Marks: p.marks(m, k),
	}
	if sender := m.Sender(); sender != "" {
		opened.Reporter = Party{Name: m.From[0].Name, Address: sender, Key: k.Pinned}
	}
	c.add(now, Actor{Kind: Reporter}, opened)
	c.add(now, Actor{Kind: Reporter}, received(m, TrustFirst, ""))
	if key := learn(m, opened.Reporter); key != nil {
		c.add(now, Actor{Kind: System}, KeyPinned{Key: *key, How: how(key)})
	}

	// The case as it will be, so that the notices say what it says.
	var made Case
	for _, e := range c.Events {
		made.Apply(e)
	}
	notices := p.tellOpened(now, &made)
	if made.Reporter.Address != "" && !p.own(made.Reporter.Address) {
		receipt := p.receipt(now, m, k, &made)
		notices = append(notices, receipt)
		if receipt.Held == heldByBreaker && !k.Tripped {
			notices = append(notices, p.tell(now, Abuse, &made, 0, p.facts(&made), p.Readers[:min(len(p.Readers), 2)])...)
		}
	}
	c.queue(now, notices...)
	return c
}

// tellOpened makes the notices about the first mail of a case.
func (p *Policy) tellOpened(now time.Time, c *Case) []Notice {
	kind, readers := NewReport, p.Readers
	switch c.State {
	case StateUnreadable:
		kind = CannotRead
	case StateQuestion:
		// Whoever reads first can answer; the others need not be disturbed by
		// what may be an invoice.
		kind, readers = Question, readers[:min(len(readers), 2)]
	}
	return p.tell(now, kind, c, 0, p.facts(c), readers)
}

// facts are what every mail about the first mail of a case may state.
func (p *Policy) facts(c *Case) Facts {
	first := c.Items[0]
	f := Facts{Received: first.Source.Arrived, MessageID: cleanMessageID(first.MessageID)}
	if due, ok := c.Clock(ClockEvaluation); ok && due.Promised {
		f.EvaluationDue = due.Due
	}
	if e, ok := c.Clock(ClockEmbargo); ok && e.Promised {
		f.EmbargoUntil = e.Due
	}
	return f
}

func (p *Policy) clocks(arrived time.Time) []Clock {
	var cs []Clock
	start := func(name ClockName, promised bool, s calendar.Span) {
		if !s.IsZero() {
			cs = append(cs, Clock{Name: name, Promised: promised, Span: s.String(), Start: arrived, Due: p.Calendar.Due(arrived, s)})
		}
	}
	if p.EvaluationPromised.IsZero() {
		start(ClockEvaluation, false, p.EvaluationTarget)
	} else {
		start(ClockEvaluation, true, p.EvaluationPromised)
	}
	switch p.Embargo {
	case EmbargoFixed:
		start(ClockEmbargo, true, p.EmbargoLength)
	case EmbargoUntilResolved:
		start(ClockEmbargo, false, p.EmbargoBackstop)
	}
	return cs
}

// Why a receipt is held, where other rules look at it.
const (
	heldByQuestion = "nobody has said yet that this is a report"
	heldByBreaker  = "so many automatic mails left at once that they stopped; see whether these reports are real"
)

// receipt is the one automatic answer. It leaves by itself only where nobody
// else can have made us send it (backscatter) and nothing smells of a loop;
// else it waits for a person, which is a task, not a silence.
func (p *Policy) receipt(now time.Time, m *Message, k Known, c *Case) Notice {
	n := Notice{ID: "R1.1", Kind: Receipt, Lang: c.Lang, Facts: p.facts(c), At: now}
	unreadable := c.Items[0].unreadable() || c.State == StateUnreadable
	if unreadable {
		n.ID, n.Kind = "R1u.1", Unreadable
	}
	signed := k.Pinned != nil && signedBy(m, k.Pinned)
	vouched := m.DomainVouches() || signed
	switch {
	case m.Kind == KindAutomatic:
		n.Held = "the report was sent by a program"
	case m.Kind == KindList:
		n.Held = "the report came through a mailing list"
	case m.ReturnPath != nil && *m.ReturnPath == "":
		n.Held = "the report has a null return path"
	case m.AutoReplyOff:
		n.Held = "the sender's mail program asks for no automatic answer"
	case p.AckAuto == AckNever:
		n.Held = "the policy lets no receipt leave by itself"
	case unreadable && !vouched:
		n.Held = "the mail cannot be read, and its sender is not authenticated"
	case p.AckAuto == AckAuthOnly && !vouched:
		n.Held = "the sender's domain does not vouch for the address"
	case p.MaxReceipts > 0 && k.Receipts >= p.MaxReceipts:
		n.Held = fmt.Sprintf("this address got %d automatic mails in 24 hours", k.Receipts)
	case p.MaxBurst > 0 && k.Burst >= p.MaxBurst:
		n.Held = heldByBreaker
	case c.State == StateQuestion:
		n.Held = heldByQuestion
	}
	return n
}

// tell makes one notice for each of the readers: one mail a role, also where
// one person holds several, because the promise is made by role.
func (p *Policy) tell(now time.Time, kind NoticeKind, c *Case, item int, f Facts, readers []Reader) []Notice {
	ns := make([]Notice, 0, len(readers)+1)
	for _, r := range readers {
		ns = append(ns, Notice{
			ID: fmt.Sprintf("%s.%s.%d", kind, r.Role, c.count(kind, r.Role)+1), Kind: kind,
			Role: r.Role, Person: r.Person, Detail: r.Detail, Lang: p.Lang(), Item: item, Facts: f, At: now,
		})
	}
	return ns
}

// count returns how many notices of that kind the role already got.
func (c *Case) count(kind NoticeKind, role string) int {
	n := 0
	for _, m := range c.Mails {
		if m.Notice.Kind == kind && m.Notice.Role == role {
			n++
		}
	}
	return n
}

func received(m *Message, t Trust, via Via) Received {
	kept := *m
	kept.Text, kept.Reply = cut(m.Text), cut(m.Reply)
	if kept.Text != m.Text {
		kept.Limits = append(kept.Limits[:len(kept.Limits):len(kept.Limits)], "text")
	}
	return Received{Message: kept, Trust: t, Via: via}
}

func cut(s Secret) Secret {
	if len(s) <= MaxText {
		return s
	}
	end := MaxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// learn returns the key to pin to the reporter: one that carries their address
// and, where there is a choice, the one that signed. A key that is pinned
// already is changed only by a mail that it signed, and by a person.
func learn(m *Message, r Party) *Key {
	if r.Address == "" || r.Key != nil {
		return nil
	}
	var found *Key
	for i := range m.Keys {
		key := &m.Keys[i]
		if !slices.Contains(key.Addresses, r.Address) {
			continue
		}
		if key.Signed {
			return key
		}
		if found == nil {
			found = key
		}
	}
	return found
}

func how(k *Key) string {
	if k.Signed {
		return "signed"
	}
	return "carried"
}

// related lists the cases that a message mentions and those that its sender
// has open: hints for staff, nothing more.
func related(m *Message, k Known) []Ref {
	refs := RefsIn(m.Subject.Reveal())
	for _, r := range k.Others {
		if !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

// cleanID is what a Message-ID must match to be repeated in a mail of ours.
var cleanID = regexp.MustCompile(`^[!-~]{1,200}$`)

func cleanMessageID(id string) string {
	if cleanID.MatchString(id) {
		return id
	}
	return ""
}
