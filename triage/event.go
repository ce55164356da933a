package triage

import (
	"encoding/json"
	"fmt"
	"time"

	"vdpd/triage/facts"
)

// ActorKind says who did something.
type ActorKind string

// The kinds of actors.
const (
	System   ActorKind = "system"   // the daemon by itself
	Reporter ActorKind = "reporter" // a mail of the sender
	Staff    ActorKind = "staff"    // a person of the organisation, authenticated by Method
	Operator ActorKind = "operator" // the account that runs the service, or root
)

// Actor is who did something, and how we know.
type Actor struct {
	Kind   ActorKind `json:"kind"`
	ID     string    `json:"id,omitempty"`     // id of a person in the configuration
	Method string    `json:"method,omitempty"` // how it was authenticated: "peercred" for the socket
}

// EventType names the kind of an event; it is written to disk.
type EventType string

// Event is one fact of a case. Events are append-only; the store numbers them
// in one chain over all cases and links each to the one before by its hash.
type Event struct {
	Seq  uint64    `json:"seq"` // over the whole store, from 1; 0 before it is written
	Time time.Time `json:"time"`
	Case Ref       `json:"case"`
	By   Actor     `json:"by"`
	Data Data      `json:"-"`
}

// Data is the typed content of an event: one of the types of this file.
type Data interface{ Type() EventType }

// Opened begins a case.
type Opened struct {
	Disposition Disposition  `json:"disposition"`
	Policy      string       `json:"policy"`      // id
	PolicyHash  string       `json:"policy_hash"` // of the text that the case keeps
	Mailbox     string       `json:"mailbox"`
	Lang        string       `json:"lang"`
	Reporter    Party        `json:"reporter"`
	Clocks      []Clock      `json:"clocks,omitempty"`
	Related     []Ref        `json:"related,omitempty"` // hints: cases named in the subject, or of the same sender
	Marks       []Mark       `json:"marks,omitempty"`
	Alike       []Alike      `json:"alike,omitempty"` // hints: cases that may be about the same
	Sketch      facts.Sketch `json:"sketch,omitzero"`
}

// Received adds one mail to a case.
type Received struct {
	Message Message `json:"message"` // Text is cut to [MaxText]; the raw mail has all of it
	Trust   Trust   `json:"trust"`
	Via     Via     `json:"via,omitempty"`
}

// KeyPinned binds a public key to the reporter of the case.
type KeyPinned struct {
	Key Key    `json:"key"`
	How string `json:"how"` // "signed" or "carried"
}

// Queued puts notices into the outbox.
type Queued struct {
	Notices []Notice `json:"notices"`
}

// Delivery records one finished or failed attempt to send a notice.
type Delivery struct{ Outcome }

// Bounced records that a mail which a server had taken came back.
type Bounced struct {
	Notice string `json:"notice"`
	Status string `json:"status,omitempty"` // RFC 3463
}

// Taken says that a person, or the report folder, made a report of a mail
// that was in question.
type Taken struct{}

// Left says that a mail in question is none of ours.
type Left struct{}

// Released lets a held notice go.
type Released struct {
	Notice string `json:"notice"`
}

// Seen says that a role has read the report.
type Seen struct {
	Role   string `json:"role"`
	Person string `json:"person"`
}

// Noted adds a remark of staff.
type Noted struct {
	Text Secret `json:"text"`
}

// Type implements [Data].
func (Opened) Type() EventType    { return "opened" }
func (Received) Type() EventType  { return "received" }
func (KeyPinned) Type() EventType { return "key_pinned" }
func (Queued) Type() EventType    { return "queued" }
func (Delivery) Type() EventType  { return "delivery" }
func (Bounced) Type() EventType   { return "bounced" }
func (Taken) Type() EventType     { return "taken" }
func (Left) Type() EventType      { return "left" }
func (Released) Type() EventType  { return "released" }
func (Seen) Type() EventType      { return "seen" }
func (Noted) Type() EventType     { return "noted" }

// DecodeData is the inverse of [json.Marshal] for the data of an event of the
// given type. It fails for a type that this version does not know, which an
// older program reading a newer store would meet.
func DecodeData(t EventType, b []byte) (Data, error) {
	switch t {
	case "opened":
		return decode[Opened](b)
	case "received":
		return decode[Received](b)
	case "key_pinned":
		return decode[KeyPinned](b)
	case "queued":
		return decode[Queued](b)
	case "delivery":
		return decode[Delivery](b)
	case "bounced":
		return decode[Bounced](b)
	case "taken":
		return decode[Taken](b)
	case "left":
		return decode[Left](b)
	case "released":
		return decode[Released](b)
	case "seen":
		return decode[Seen](b)
	case "noted":
		return decode[Noted](b)
	}
	return nil, fmt.Errorf("event type %q is not known to this version", t)
}

func decode[T Data](b []byte) (Data, error) {
	var d T
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("event data of type %q: malformed", d.Type())
	}
	return d, nil
}
