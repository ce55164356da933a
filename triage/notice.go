package triage

import "time"

// NoticeKind names a mail that the product sends, as in docs/flow.md. Kinds
// that begin with R go to the reporter, those with S to staff.
type NoticeKind string

// The mails.
const (
	Receipt     NoticeKind = "R1"  // the report arrived; what happens next, by when
	Unreadable  NoticeKind = "R1u" // the mail arrived and cannot be read; which key to use
	NewReport   NoticeKind = "S1"  // to each reader of the policy
	CannotRead  NoticeKind = "S4"  // a report that nobody can read yet
	Question    NoticeKind = "S1q" // perhaps a report, in a shared mailbox
	Abuse       NoticeKind = "S12" // so much mail that automatic answers stopped
	FollowUp    NoticeKind = "S7"  // another mail for a case
	Undelivered NoticeKind = "S9"  // a mail of ours that did not arrive
)

// ToReporter reports whether mails of this kind go to the researcher.
func (k NoticeKind) ToReporter() bool { return k != "" && k[0] == 'R' }

// Detail is how much of a report a staff notice may hold. Without a key of
// the recipient every notice is a stub.
type Detail string

// The levels of detail.
const (
	DetailFull    Detail = "full"    // sender, text, list of attachments
	DetailSummary Detail = "summary" // dates, protection and hints, no text and no identity
	DetailStub    Detail = "stub"    // the reference and how to look it up
)

// Notice is the decision to send one mail to one recipient. It is rendered
// only when it is sent.
type Notice struct {
	ID     string     `json:"id"` // unique within the case, such as "S1.support.1"
	Kind   NoticeKind `json:"kind"`
	Role   string     `json:"role,omitempty"`   // of the staff recipient; empty for the reporter
	Person string     `json:"person,omitempty"` // id of the person who held the role when it was decided
	Detail Detail     `json:"detail,omitempty"`
	Lang   string     `json:"lang"` // en or nl; R1u is always in both
	Item   int        `json:"item"` // index in Case.Items of the mail that it is about
	Facts  Facts      `json:"facts"`
	Held   string     `json:"held,omitempty"` // why it waits for a person; empty: it goes out
	At     time.Time  `json:"at"`             // when it was decided
}

// Facts are the statements of a mail that are fixed when it is decided. A mail
// to a reporter is rendered from these and the policy alone: there is no field
// here that could hold text of a report.
type Facts struct {
	Received      time.Time `json:"received,omitzero"`       // arrival at our server
	MessageID     string    `json:"message_id,omitempty"`    // of the report, only where it matches [!-~]{1,200}
	EvaluationDue time.Time `json:"evaluation_due,omitzero"` // promised; zero: nothing is promised
	EmbargoUntil  time.Time `json:"embargo_until,omitzero"`  // zero: no fixed end
	Failed        string    `json:"failed,omitempty"`        // S9: ID of the notice that did not arrive
	Reply         string    `json:"reply,omitempty"`         // S9: three-digit code and enhanced status only
}

// Letter is all that rendering and sending one notice may use.
type Letter struct {
	Notice  Notice
	Case    Case
	Message *Message // the mail that a staff notice is about; always nil for the reporter
	Token   string   // local part of the Message-ID: the same at every attempt
	Reply   string   // token for the reply address of this party of the case
	Attempt int      // 1 for the first
	// Unsure says that an earlier attempt may have been delivered: the process
	// died, or the connection did, after the mail's last byte.
	Unsure bool
}

// Result is how an attempt to send ended.
type Result string

// The results of an attempt.
const (
	Sent   Result = "sent"   // the next server took it
	Retry  Result = "retry"  // 4xx, or no connection: again at Next
	Failed Result = "failed" // 5xx, or nothing to send to: not again
	// NotTried: claimed and not offered to any server, because there was no
	// connection or the program stops. No attempt is counted.
	NotTried Result = ""
	Unknown  Result = "unknown" // the connection broke after the last byte: again at Next, same Message-ID
)

// Outcome is what is recorded of one attempt to send a notice.
type Outcome struct {
	Ref        Ref       `json:"-"`
	Notice     string    `json:"notice"` // Notice.ID
	Result     Result    `json:"result"`
	At         time.Time `json:"at"`
	Next       time.Time `json:"next,omitzero"`        // for Retry and Unknown
	Reply      Secret    `json:"reply,omitempty"`      // last reply line of the server, or our own words
	Code       string    `json:"code,omitempty"`       // reply code and enhanced status, such as "550 5.1.1"
	Protection string    `json:"protection,omitempty"` // encrypted, signed or stub
	Key        string    `json:"key,omitempty"`        // fingerprint that it was encrypted to
}
