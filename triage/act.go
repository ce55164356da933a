package triage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verb names what a person does with a case.
type Verb string

// The verbs.
const (
	VerbSeen    Verb = "seen"    // a role has read the report
	VerbNote    Verb = "note"    // adds a remark for colleagues
	VerbRelease Verb = "release" // lets a held mail go
	VerbTake    Verb = "take"    // a mail in question, or one that was left, is a report
	VerbLeave   Verb = "leave"   // a mail in question is none of ours
)

// MaxNote is the length of a note in bytes.
const MaxNote = 64 << 10

// Action is one thing that a person asks for. Each verb uses its own fields.
type Action struct {
	Verb   Verb   `json:"verb"`
	Role   string `json:"role,omitempty"`   // seen: as whom; empty: every role that the person holds
	Text   Secret `json:"text,omitempty"`   // note
	Notice string `json:"notice,omitempty"` // release: ID of a held notice; empty: the only one
}

// ErrDenied is returned where a person has no business with a case.
var ErrDenied = errors.New("not permitted: you hold no role under the policy of this case")

// Refusal is returned where an action is understood, permitted and not
// possible as things stand.
type Refusal struct {
	Reason string // a plain sentence without content of the report
}

// Error implements error.
func (r *Refusal) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// MayRead returns nil where the actor may read cases of the policy, contents
// included, and [ErrDenied] otherwise. Need to know goes by role: an operator
// keeps the machine running and reads nothing.
func (p *Policy) MayRead(by Actor) error {
	if by.Kind == Staff && len(p.Roles(by.ID)) > 0 {
		return nil
	}
	return ErrDenied
}

// Act decides about one action of a person. It returns [ErrDenied] or a
// [*Refusal] where it does nothing.
func (p *Policy) Act(now time.Time, by Actor, c *Case, a Action) (Change, error) {
	if err := p.MayRead(by); err != nil {
		return Change{}, err
	}
	change := Change{Case: c.Ref}
	var err error
	switch a.Verb {
	case VerbSeen:
		err = p.actSeen(now, by, c, a, &change)
	case VerbNote:
		switch text := strings.TrimSpace(a.Text.Reveal()); {
		case text == "":
			err = refuse("the note is empty")
		case len(text) > MaxNote:
			err = refuse("the note has %d bytes; %d are possible", len(text), MaxNote)
		default:
			change.add(now, by, Noted{Text: Secret(text)})
		}
	case VerbRelease:
		err = actRelease(now, by, c, a, &change)
	case VerbTake, VerbLeave:
		switch {
		case c.State != StateQuestion && (c.State != StateLeft || a.Verb == VerbLeave):
			err = refuse("%s is not in question: it is %s", c.Ref, c.State)
		case a.Verb == VerbTake:
			p.take(now, &change, c, by)
		default:
			change.add(now, by, Left{})
		}
	default:
		err = refuse("%q is not an action; possible are seen, note, release, take and leave", string(a.Verb))
	}
	if err != nil {
		return Change{}, err
	}
	return change, nil
}

func (p *Policy) actSeen(now time.Time, by Actor, c *Case, a Action, change *Change) error {
	roles := p.Roles(by.ID)
	if a.Role != "" {
		if !slices.Contains(roles, a.Role) {
			return refuse("you do not hold the role %q; you hold %s", a.Role, strings.Join(roles, ", "))
		}
		roles = []string{a.Role}
	}
	for _, role := range roles {
		if !slices.ContainsFunc(c.Seen, func(s SeenBy) bool { return s.Role == role }) {
			change.add(now, by, Seen{Role: role, Person: by.ID})
		}
	}
	return nil
}

func actRelease(now time.Time, by Actor, c *Case, a Action, change *Change) error {
	if c.State == StateQuestion || c.State == StateLeft {
		return refuse("%s is not a report: vdp take makes it one, and lets its receipt go", c.Ref)
	}
	var held []string
	for _, m := range c.Mails {
		if m.Notice.Held != "" && (a.Notice == "" || a.Notice == m.Notice.ID) {
			held = append(held, m.Notice.ID)
		}
	}
	switch {
	case len(held) == 0 && a.Notice != "":
		return refuse("%s has no held mail %q", c.Ref, a.Notice)
	case len(held) == 0:
		return refuse("%s has no held mail", c.Ref)
	case len(held) > 1:
		return refuse("%s has %d held mails; name one of %s", c.Ref, len(held), strings.Join(held, ", "))
	}
	change.add(now, by, Released{Notice: held[0]})
	return nil
}
