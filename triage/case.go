package triage

import (
	"time"

	"vdpd/triage/facts"
)

// Disposition is what became of a message; every message gets exactly one.
type Disposition string

// The dispositions.
const (
	AsReport    Disposition = "report"      // opened a case
	AsFollowUp  Disposition = "follow-up"   // joined a case
	AsAutomatic Disposition = "automatic"   // filed, never answered by itself
	AsBounce    Disposition = "bounce"      // filed
	AsLoop      Disposition = "loop"        // our own mail come back: filed, nothing sent
	AsUnread    Disposition = "unreadable"  // opened a case; encrypted, and did not open
	AsQuestion  Disposition = "question"    // in a shared mailbox, perhaps a report: untouched, and people are asked
	AsPoison    Disposition = "quarantined" // opened a case; reading it killed the process twice
	AsDuplicate Disposition = "duplicate"   // this very message is already there
	NotOurs     Disposition = "not-ours"    // ordinary mail of a shared mailbox: untouched
)

// State is where a case stands (ISO/IEC 30111; docs/flow.md has the table).
type State string

// The states.
const (
	StateFiled      State = "FILED"      // kept for the record, no promise: bounces, loops
	StateQuestion   State = "QUESTION"   // perhaps a report: waits for vdp take or vdp leave
	StateLeft       State = "LEFT"       // was no report
	StateUnreadable State = "UNREADABLE" // clocks run from arrival
	StateTriage     State = "TRIAGE"     // waits for a person's evaluation
)

// Trust is how sure we are that a mail is by the reporter of the case.
type Trust string

// The degrees of trust.
const (
	TrustFirst      Trust = "first"      // opened the case: the reporter by definition
	TrustVerified   Trust = "verified"   // signed by the pinned key, or our token from the authenticated address
	TrustUnverified Trust = "unverified" // shown to staff with a warning; changes no state
	TrustNone       Trust = "none"       // automatic mail and bounces
)

// Via is the evidence that bound a mail to an existing case.
type Via string

// The kinds of evidence.
const (
	ViaToken   Via = "token"   // our reply token in a recipient address
	ViaSent    Via = "sent"    // In-Reply-To or References name a mail that we sent in this case
	ViaThread  Via = "thread"  // they name a mail that this case received, and the sender is its reporter
	ViaSubject Via = "subject" // the reference in the subject, and the sender is its reporter
	ViaCopy    Via = "copy"    // Message-ID, From and Date of a mail of the case, with other content
	ViaSender  Via = "sender"  // an automatic mail from the reporter's address
)

// Party is a person outside the organisation.
type Party struct {
	Name    Secret `json:"name,omitempty"`
	Address Secret `json:"address,omitempty"` // lower case; empty: no way to answer
	Key     *Key   `json:"key,omitempty"`     // pinned
}

// Alike is a case that may be about the same weakness. It is a hint: cases are
// joined by people only.
type Alike struct {
	Ref      Ref            `json:"ref"`
	Likeness facts.Likeness `json:"likeness"`
	Reasons  []string       `json:"reasons"` // in constant words of ours
}

// Mark is something about the sender that a person should know before
// believing the From line.
type Mark string

// The marks.
const (
	MarkFirst     Mark = "first-contact" // nobody has reported from this address before
	MarkOwn       Mark = "own-domain"    // claims to be of our own domain, and nothing vouches for it
	MarkLookAlike Mark = "look-alike"    // the domain looks like ours, and is not
)

// ClockName names what a clock watches.
type ClockName string

// The clocks.
const (
	ClockEvaluation ClockName = "evaluation"
	ClockEmbargo    ClockName = "embargo"
)

// Clock is one date that the case is to keep.
type Clock struct {
	Name     ClockName `json:"name"`
	Promised bool      `json:"promised"` // printed in mails; a target never is
	Span     string    `json:"span"`     // as the policy says it, such as "3bd"
	Start    time.Time `json:"start"`
	Due      time.Time `json:"due"`
}

// Item is one mail of a case, without its text.
type Item struct {
	Seq       uint64    `json:"seq"` // of the event that has the whole message
	Source    Source    `json:"source"`
	Kind      Kind      `json:"kind"`
	Trust     Trust     `json:"trust"`
	Via       Via       `json:"via,omitempty"`
	From      []Address `json:"from"`
	Subject   Secret    `json:"subject"`
	MessageID string    `json:"message_id,omitempty"`
	Size      int64     `json:"size"`
	Digest    string    `json:"digest"`
	OpenPGP   OpenPGP   `json:"openpgp"`
	Parts     []Part    `json:"parts,omitempty"`
	Limits    []string  `json:"limits,omitempty"`
	Faults    []string  `json:"faults,omitempty"`
}

func (i *Item) unreadable() bool {
	return i.OpenPGP.Encrypted != "no" && i.OpenPGP.Encrypted != "" && !i.OpenPGP.Decrypted
}

// Mail is a notice of a case and how far it got.
type Mail struct {
	Notice   Notice  `json:"notice"`
	Attempts int     `json:"attempts"`
	Last     Outcome `json:"last"` // zero before the first attempt
}

// Pending reports whether the mail is still to be sent, or sent again.
func (m Mail) Pending() bool {
	return m.Notice.Held == "" && (m.Last.Result == "" || m.Last.Result == Retry || m.Last.Result == Unknown)
}

// Note is a remark of staff.
type Note struct {
	At   time.Time `json:"at"`
	By   Actor     `json:"by"`
	Text Secret    `json:"text"`
}

// SeenBy says when a role first read the report.
type SeenBy struct {
	Role   string    `json:"role"`
	Person string    `json:"person"`
	At     time.Time `json:"at"`
}

// Case is a report and all that followed from it: the fold of its events.
type Case struct {
	Ref         Ref          `json:"ref"`
	Opened      time.Time    `json:"opened"` // when it was committed; the clocks run from Items[0].Source.Arrived
	Disposition Disposition  `json:"disposition"`
	State       State        `json:"state"`
	Policy      string       `json:"policy"`
	PolicyHash  string       `json:"policy_hash"`
	Mailbox     string       `json:"mailbox"`
	Lang        string       `json:"lang"`
	Reporter    Party        `json:"reporter"`
	Clocks      []Clock      `json:"clocks,omitempty"`
	Related     []Ref        `json:"related,omitempty"`
	Marks       []Mark       `json:"marks,omitempty"`
	Alike       []Alike      `json:"alike,omitempty"`
	Sketch      facts.Sketch `json:"sketch,omitzero"` // of the first mail
	Items       []Item       `json:"items"`
	Mails       []Mail       `json:"mails,omitempty"`
	Seen        []SeenBy     `json:"seen,omitempty"`
	Notes       []Note       `json:"notes,omitempty"`
	Events      int          `json:"events"` // how many were folded
}

// Clock returns the clock of that name.
func (c *Case) Clock(name ClockName) (Clock, bool) {
	for _, k := range c.Clocks {
		if k.Name == name {
			return k, true
		}
	}
	return Clock{}, false
}

// shelved reports whether nobody looks at the case any more: what joined it
// would be lost on them.
func (c *Case) shelved() bool { return c.State == StateFiled || c.State == StateLeft }

// Mail returns the mail whose notice has that ID, or nil.
func (c *Case) Mail(notice string) *Mail {
	for i := range c.Mails {
		if c.Mails[i].Notice.ID == notice {
			return &c.Mails[i]
		}
	}
	return nil
}

// Apply folds one event into the case. It never fails: an event that was
// written once was legal then, and a fold that refuses would lose evidence.
func (c *Case) Apply(e Event) {
	c.Events++
	switch d := e.Data.(type) {
	case Opened:
		c.Ref, c.Opened = e.Case, e.Time
		c.Disposition, c.Mailbox, c.Lang = d.Disposition, d.Mailbox, d.Lang
		c.Policy, c.PolicyHash = d.Policy, d.PolicyHash
		c.Reporter, c.Clocks, c.Related, c.Marks = d.Reporter, d.Clocks, d.Related, d.Marks
		c.Alike, c.Sketch = d.Alike, d.Sketch
		c.State = firstState(d)
	case Received:
		c.Items = append(c.Items, itemOf(e.Seq, d))
	case Taken:
		c.Disposition, c.State = AsReport, StateTriage
		if len(c.Items) > 0 && c.Items[0].unreadable() {
			c.Disposition, c.State = AsUnread, StateUnreadable
		}
	case Left:
		c.State = StateLeft
	case KeyPinned:
		key := d.Key
		c.Reporter.Key = &key
	case Queued:
		for _, n := range d.Notices {
			c.Mails = append(c.Mails, Mail{Notice: n})
		}
	case Delivery:
		if m := c.Mail(d.Notice); m != nil {
			m.Attempts++
			m.Last = d.Outcome
			m.Last.Ref = c.Ref
		}
	case Bounced:
		if m := c.Mail(d.Notice); m != nil {
			m.Last.Result, m.Last.Code, m.Last.At = Failed, d.Status, e.Time
		}
	case Released:
		if m := c.Mail(d.Notice); m != nil {
			m.Notice.Held = ""
		}
	case Seen:
		for _, s := range c.Seen {
			if s.Role == d.Role {
				return
			}
		}
		c.Seen = append(c.Seen, SeenBy{Role: d.Role, Person: d.Person, At: e.Time})
	case Noted:
		c.Notes = append(c.Notes, Note{At: e.Time, By: e.By, Text: d.Text})
	}
}

// firstState is where a case begins. Automatic mail is filed, unless it may be
// a report, which has clocks.
func firstState(o Opened) State {
	switch o.Disposition {
	case AsBounce, AsLoop:
		return StateFiled
	case AsAutomatic:
		if len(o.Clocks) == 0 {
			return StateFiled
		}
	case AsQuestion:
		return StateQuestion
	case AsUnread, AsPoison:
		return StateUnreadable
	}
	return StateTriage
}

func itemOf(seq uint64, r Received) Item {
	m := r.Message
	return Item{
		Seq: seq, Source: m.Source, Kind: m.Kind, Trust: r.Trust, Via: r.Via,
		From: m.From, Subject: m.Subject, MessageID: m.MessageID, Size: m.Size, Digest: m.Digest,
		OpenPGP: m.OpenPGP, Parts: m.Parts, Limits: m.Limits, Faults: m.Faults,
	}
}
