package triage

import (
	"time"

	"vdpd/triage/facts"
)

// Known is what the store knows that bears on one message: the answer to a
// short read before [Policy.Intake].
type Known struct {
	Fresh    Ref           // not in use; a case that this message opens gets it
	Same     Ref           // has this very message already (equal Content)
	Twin     *Case         // that case, where it is a mail in question or one that was left; nil otherwise
	Thread   Case          // the case that the message points to; Ref is empty where it points to none
	Via      Via           // how it points there
	Notice   string        // ID of the notice that the message refers to, where Via is token or sent
	Pinned   *Key          // pinned to the sender's address in any case; nil: none
	Others   []Ref         // open cases of the sender's address, newest first, at most 10
	Prior    bool          // the sender's address has reported before, in a case of any state
	Receipts int           // automatic mails to the sender's address in the last 24 hours
	Burst    int           // automatic mails to anybody in the last 10 minutes
	Tripped  bool          // people were told of a burst in the last 10 minutes
	Near     []facts.Match // open cases of the policy that are alike, the likeliest first
	Poison   bool          // this message was not read: that killed the process twice, or the server can not deliver it
}

// Change is a decision, complete: what one commit writes. The zero Change
// writes nothing.
type Change struct {
	Disposition Disposition // of the message, where the change is about one
	Case        Ref         // empty: no case is touched
	Events      []Event     // in order; Seq is 0. Queued events fill the outbox, the others the look-ups
}

// queue adds notices to the change as one event.
func (c *Change) queue(now time.Time, notices ...Notice) {
	if len(notices) > 0 {
		c.add(now, Actor{Kind: System}, Queued{Notices: notices})
	}
}

func (c *Change) add(now time.Time, by Actor, d Data) {
	c.Events = append(c.Events, Event{Time: now, Case: c.Case, By: by, Data: d})
}

// Position is how far a folder was read. Every UID up to Last has a
// disposition.
type Position struct {
	UIDValidity uint32
	Last        uint32
}
