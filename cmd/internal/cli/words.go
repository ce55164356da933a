package cli

import (
	"time"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
	"vdpd/triage/calendar"
)

// What the words of the protocol mean to a person. A word that this program
// does not know yet is shown as it is.

func word[K ~string](words map[K]string, k K) string {
	if w, ok := words[k]; ok {
		return w
	}
	return string(k)
}

var states = map[triage.State]string{
	triage.StateFiled:      "kept for the record, nothing to do",
	triage.StateUnreadable: "cannot be read yet; the clocks run",
	triage.StateTriage:     "waits for a person's evaluation",
	triage.StateQuestion:   "perhaps a report: say so with vdp take, or vdp leave",
	triage.StateLeft:       "was no report",
}

var dispositions = map[triage.Disposition]string{
	triage.AsReport:    "a report",
	triage.AsAutomatic: "a mail sent by a program",
	triage.AsBounce:    "a message about the delivery of a mail",
	triage.AsLoop:      "a mail of ours that came back",
	triage.AsUnread:    "a mail that is encrypted and did not open",
	triage.AsQuestion:  "a mail that may be a report",
	triage.AsPoison:    "a mail that was not read: that stopped the daemon twice, or the server does not deliver it",
}

var kinds = map[triage.Kind]string{
	triage.KindReport:    "by a person",
	triage.KindReply:     "by a person, in answer to a mail",
	triage.KindAutomatic: "by a program",
	triage.KindBounce:    "about the delivery of a mail",
	triage.KindList:      "by a person, through a mailing list",
	triage.KindLoop:      "a mail of ours that came back",
}

var trusts = map[triage.Trust]string{
	triage.TrustFirst:      "opened the case, so its sender is the reporter",
	triage.TrustVerified:   "by the reporter, proved by signature or by our token and their domain",
	triage.TrustUnverified: "NOT PROVED to be by the reporter; do not act on it before you have asked",
	triage.TrustNone:       "no person's word",
}

var vias = map[triage.Via]string{
	triage.ViaToken:   "joined by our reply address",
	triage.ViaSent:    "joined as an answer to a mail of ours",
	triage.ViaThread:  "joined as an answer within the thread",
	triage.ViaSubject: "joined by the reference in its subject",
	triage.ViaCopy:    "joined as another copy of a mail of the case",
	triage.ViaSender:  "joined by the reporter's address",
}

var signatures = map[triage.Signature]string{
	triage.SigNone:       "not signed",
	triage.SigValid:      "signed as a whole by a key that we hold",
	triage.SigInvalid:    "BAD SIGNATURE: invalid, weak, expired or revoked",
	triage.SigUnknownKey: "signed by a key that we do not know: proves nothing",
	triage.SigPartial:    "signed in part only: treat as not signed",
}

var notices = map[triage.NoticeKind]string{
	triage.Receipt:     "receipt",
	triage.Unreadable:  "answer that the mail cannot be read",
	triage.NewReport:   "new report",
	triage.Question:    "question whether it is a report",
	triage.Abuse:       "warning that automatic answers stopped",
	triage.CannotRead:  "report that cannot be read",
	triage.FollowUp:    "another mail",
	triage.Undelivered: "mail that did not arrive",
}

var clocks = map[triage.ClockName]string{
	triage.ClockEvaluation: "Evaluation",
	triage.ClockEmbargo:    "Embargo",
}

var units = map[calendar.Unit]string{
	calendar.BusinessDays: "business day",
	calendar.Days:         "day",
	calendar.Hours:        "hour",
	calendar.WorkingHours: "working hour",
	calendar.Months:       "month",
}

// spanWords says in words what a policy writes as 3bd.
func spanWords(span string) string {
	s, err := calendar.ParseSpan(span)
	if err != nil {
		return span
	}
	return count(s.N, word(units, s.Unit))
}

// marks say what to know about the sender.
var marks = map[triage.Mark]string{
	triage.MarkFirst:     "nobody has reported from this address before",
	triage.MarkOwn:       "CAREFUL: it claims to be one of ours, and nothing vouches for it",
	triage.MarkLookAlike: "CAREFUL: the domain looks like ours, and is not",
}

// protection says in few words how the first mail of a case came.
func protection(s api.Summary) string {
	encrypted := "in clear"
	switch {
	case s.Encrypted == "no":
	case !s.Decrypted:
		encrypted = "encrypted, NOT READABLE"
	case s.Encrypted == "part":
		encrypted = "encrypted in part"
	default:
		encrypted = "encrypted"
	}
	signed := map[triage.Signature]string{
		triage.SigValid: "signed", triage.SigInvalid: "BAD SIGNATURE",
		triage.SigUnknownKey: "unknown signer", triage.SigPartial: "signed in part",
	}
	return join(", ", encrypted, signed[s.Signature])
}

// opened says how a mail was encrypted.
func opened(o triage.OpenPGP) string {
	switch {
	case o.Encrypted == "no":
		return "in clear: others could read it on its way"
	case !o.Decrypted:
		return "encrypted, and NOT READABLE with our keys"
	case o.Encrypted == "part":
		return "encrypted in part; the rest came in clear"
	}
	return "encrypted"
}

// evaluation says by when a case is to be evaluated.
func evaluation(s api.Summary, now time.Time) string {
	z := zone(s.Zone)
	when := date(s.Due, now, z)
	promise := "due "
	if !s.Promised {
		promise = "target "
	}
	switch {
	case s.Due.IsZero():
		return "no date"
	case now.After(s.Due) && s.Promised:
		return "LATE since " + when
	case now.After(s.Due):
		return "past its target of " + when
	case s.BusinessDays > 0:
		return promise + when + ", in " + count(s.BusinessDays, "business day")
	case now.In(z).Format(time.DateOnly) == s.Due.In(z).Format(time.DateOnly):
		return promise + "today " + s.Due.In(z).Format("15:04")
	}
	return promise + when
}

// recipient says to whom a mail of ours goes.
func recipient(n triage.Notice, c *triage.Case) string {
	if n.Kind.ToReporter() {
		return "the reporter " + c.Reporter.Address.Reveal()
	}
	return n.Role + " (" + n.Person + ")"
}

// delivery says how far a mail of ours got.
func delivery(m triage.Mail, now time.Time, z *time.Location) string {
	tried := ", tried " + count(m.Attempts, "time")
	last := m.Last
	switch {
	case m.Notice.Held != "":
		return "HELD: " + m.Notice.Held
	case last.Result == "":
		return "about to be sent"
	case last.Result == triage.Sent:
		return join(", ", "sent "+date(last.At, now, z), protections[last.Protection])
	case last.Result == triage.Failed:
		return "UNDELIVERED " + date(last.At, now, z) + tried + ": " + join(" ", last.Code, last.Reply.Reveal())
	case last.Result == triage.Unknown:
		return "perhaps sent; again " + date(last.Next, now, z) + tried
	}
	return "to be sent again " + date(last.Next, now, z) + tried + ": " + join(" ", last.Code, last.Reply.Reveal())
}

var protections = map[string]string{
	"encrypted": "encrypted",
	"signed":    "in clear and signed",
	"stub":      "without content, for want of a key",
}
