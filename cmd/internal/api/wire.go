package api

import (
	"context"
	"slices"
	"time"

	"vdpd/triage"
	"vdpd/triage/calendar"
)

// Limits of the protocol.
const (
	MaxCases    = 1000    // in one List
	MaxMessages = 50      // in one View: the newest
	MaxRaw      = 1 << 28 // bytes of a raw mail that a Client accepts
	maxAnswer   = 1 << 26 // bytes of any other answer
	maxRequest  = 8 * triage.MaxNote
)

// Backend answers for the daemon. Its methods are called from many goroutines
// at once and decide what the actor may do; the server has only made sure that
// the actor is in the configuration.
//
// Errors: [ErrNoCase]; [triage.ErrDenied]; [*triage.Refusal]. Their text goes
// to the caller as it is. The text of any other error goes to the log, and the
// caller learns only that the daemon failed.
type Backend interface {
	// Cases lists the cases whose policies concern the actor, newest arrival
	// first. An [triage.Operator] gets all of them; the server leaves the
	// sender out for him.
	Cases(context.Context, triage.Actor, Filter) (List, error)
	// Case returns all of a case.
	Case(context.Context, triage.Actor, triage.Ref) (View, error)
	// Raw returns one mail of a case exactly as the IMAP server had it; item
	// is its index in the case's Items.
	Raw(ctx context.Context, by triage.Actor, ref triage.Ref, item int) ([]byte, error)
	// Act does what a person asks for, and returns when it is written.
	Act(context.Context, triage.Actor, triage.Ref, triage.Action) (Result, error)
	// Status says how the daemon is. It holds nothing of any case.
	Status(context.Context, triage.Actor) (Status, error)
}

// Filter says which cases to list.
type Filter struct {
	All   bool // also those that wait for nobody, such as filed bounces
	Limit int  // 1 to [MaxCases]; the server sets it where the caller did not
}

// List is some cases, newest arrival first.
type List struct {
	Cases []Summary `json:"cases"`
	More  bool      `json:"more"` // there are older ones beyond the limit
}

// Summary is a case in one line. From is the only field that says something
// about the sender.
type Summary struct {
	Ref          triage.Ref         `json:"ref"`
	State        triage.State       `json:"state"`
	Disposition  triage.Disposition `json:"disposition"`
	Policy       string             `json:"policy"`
	Zone         string             `json:"zone"` // IANA name; people read the dates of the case in it
	Mailbox      string             `json:"mailbox"`
	Arrived      time.Time          `json:"arrived"` // the first mail, at our server
	From         triage.Secret      `json:"from,omitempty"`
	Encrypted    string             `json:"encrypted"` // no, full or part
	Decrypted    bool               `json:"decrypted"`
	Signature    triage.Signature   `json:"signature"`
	Due          time.Time          `json:"due,omitzero"`  // of the evaluation
	Promised     bool               `json:"promised"`      // to the reporter; else an inner target
	BusinessDays int                `json:"business_days"` // from today to Due; 0 also where it is past
	Seen         []string           `json:"seen"`          // roles, in the order of reading
	Unseen       []string           `json:"unseen"`        // roles that were sent the report and have not read it
	Mails        int                `json:"mails"`         // received
	Notes        int                `json:"notes"`
	Held         int                `json:"held"`        // mails of ours that wait for a person
	Pending      int                `json:"pending"`     // mails of ours that are still to leave
	Undelivered  int                `json:"undelivered"` // mails of ours that failed for good
}

// View is all of a case.
type View struct {
	Summary Summary     `json:"summary"`
	Case    triage.Case `json:"case"`
	// Messages are the newest mails of the case with their text, oldest
	// first, at most [MaxMessages]: the last ones of Case.Items.
	Messages []triage.Message `json:"messages"`
}

// Result is what an action led to.
type Result struct {
	Changed bool    `json:"changed"` // false: it was so before
	Summary Summary `json:"summary"` // afterwards
}

// Status says how the daemon is.
type Status struct {
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	You       You       `json:"you"`
	Mailboxes []Mailbox `json:"mailboxes"`
	Open      int       `json:"open"`        // cases that wait for somebody
	Late      int       `json:"late"`        // of those, with a promised evaluation that is past due
	Held      int       `json:"held"`        // mails that wait for a person
	Pending   int       `json:"pending"`     // mails that are still to leave
	Failed    int       `json:"undelivered"` // mails that failed for good
}

// You is the caller as the daemon knows him.
type You struct {
	Kind  triage.ActorKind `json:"kind"`
	ID    string           `json:"id,omitempty"`
	Roles []string         `json:"roles"`
}

// Mailbox is how a mailbox is.
type Mailbox struct {
	Name      string    `json:"name"`
	Policy    string    `json:"policy"`
	Connected bool      `json:"connected"`
	Heard     time.Time `json:"heard,omitzero"`    // last time that it was read to the end
	Problem   string    `json:"problem,omitempty"` // for people; why it is not connected
	LeftAlone int64     `json:"left_alone"`        // messages of a shared mailbox that were none of ours, since Started
}

// Summarise makes the line of a case; cal is its policy's calendar.
func Summarise(c *triage.Case, cal calendar.Calendar, now time.Time) Summary {
	s := Summary{
		Ref: c.Ref, State: c.State, Disposition: c.Disposition, Policy: c.Policy, Mailbox: c.Mailbox,
		Zone: cal.Zone.String(), Arrived: c.Opened.UTC(), From: c.Reporter.Address,
		Encrypted: "no", Signature: triage.SigNone, Seen: []string{}, Unseen: []string{},
		Mails: len(c.Items), Notes: len(c.Notes),
	}
	if len(c.Items) > 0 {
		first := c.Items[0]
		s.Arrived = first.Source.Arrived.UTC()
		s.Encrypted, s.Decrypted, s.Signature = first.OpenPGP.Encrypted, first.OpenPGP.Decrypted, first.OpenPGP.Signature
		if s.From == "" && len(first.From) > 0 {
			s.From = first.From[0].Address
		}
	}
	if due, ok := c.Clock(triage.ClockEvaluation); ok {
		s.Due, s.Promised, s.BusinessDays = due.Due.UTC(), due.Promised, businessDays(cal, now, due.Due)
	}
	for _, seen := range c.Seen {
		s.Seen = append(s.Seen, seen.Role)
	}
	for _, m := range c.Mails {
		role := m.Notice.Role
		if role != "" && !slices.Contains(s.Seen, role) && !slices.Contains(s.Unseen, role) {
			s.Unseen = append(s.Unseen, role)
		}
		switch {
		case m.Notice.Held != "":
			s.Held++
		case m.Pending():
			s.Pending++
		case m.Last.Result == triage.Failed:
			s.Undelivered++
		}
	}
	return s
}

// businessDays counts the working days after today up to and including the
// day of due, which is at most a few weeks ahead.
func businessDays(cal calendar.Calendar, now, due time.Time) int {
	n := 0
	last := due.In(cal.Zone).Format(time.DateOnly)
	for t := now.In(cal.Zone); t.Format(time.DateOnly) < last; {
		t = t.AddDate(0, 0, 1)
		if cal.IsBusinessDay(t) {
			n++
		}
	}
	return n
}
