package notify

import (
	"regexp"
	"slices"
	"strings"

	"vdpd/triage"
	"vdpd/triage/facts"
)

// reporterView is all that a mail to a reporter is made from. It is filled
// from the policy, the facts of the notice, the reference and our own key;
// no field can hold anything of the report, apart from a Message-ID that
// passes [plainID].
type reporterView struct {
	Ref         triage.Ref
	Org         string
	Address     string // where answers go
	SignOff     string
	URL         string // of the policy
	Version     string // of the policy
	Fingerprint string // of our key, grouped
	MessageID   string
	Received    string
	ReceivedUTC string
	Evaluation  string // promised; empty: no date is promised
	Embargo     string // we ask to wait until then; empty: no date
	EmbargoUTC  string
	Wait        bool // we ask to wait until it is resolved, without a date
}

// plainID is a Message-ID that can be repeated: too plain to hold a link or a
// sentence.
var plainID = regexp.MustCompile(`^[0-9A-Za-z!#$%&'*+=?^_{|}~.-]{1,128}@[0-9A-Za-z.-]{1,128}$`)

func viewReporter(lang string, org *Organisation, ref triage.Ref, f triage.Facts) reporterView {
	p := org.Policy
	zone := p.Calendar.Zone
	v := reporterView{
		Ref: ref, Org: p.Org, Address: org.Address, SignOff: p.SignOff, URL: p.URL, Version: p.Version,
		Fingerprint: grouped(org.Own.Fingerprint()),
		Received:    date(lang, f.Received, zone),
		ReceivedUTC: utc(f.Received),
		Evaluation:  date(lang, f.EvaluationDue, zone),
		Embargo:     date(lang, f.EmbargoUntil, zone),
		EmbargoUTC:  utc(f.EmbargoUntil),
		Wait:        f.EmbargoUntil.IsZero() && p.Embargo == triage.EmbargoUntilResolved,
	}
	if plainID.MatchString(f.MessageID) {
		v.MessageID = f.MessageID
	}
	return v
}

// staffView is what a mail to staff is made from. Where the notice is a stub,
// or a summary, the fields that those must not show are empty, so that no
// template can show them.
type staffView struct {
	Ref      triage.Ref
	Org      string
	Name     string // of the recipient
	Role     string
	Received string

	// Summary and full.
	ReceivedUTC string
	Encrypted   string // no, full or part
	Opened      bool   // every encrypted layer
	SMIME       *triage.SMIME
	Signature   triage.Signature
	SignerKnown bool // the signing key carries the sender's address
	AuthChecked bool // our mail server checked the sender's domain
	AuthOK      bool // and it vouches for the address
	FirstMail   bool // nobody has reported from this address before
	OwnDomain   bool // claims to be of our own domain, and nothing vouches for it
	LookAlike   bool // the sender's domain looks like ours, and is not
	Trust       triage.Trust
	Files       int
	Evaluation  string
	Promised    bool // the evaluation, towards the reporter
	Embargo     string
	Backstop    bool // Embargo is not a date that the reporter was asked to keep
	Related     []triage.Ref
	Held        bool // a mail to the reporter waits for a person
	Limits      []string
	Faults      []string
	Problem     string // with the encryption
	Failed      string // S9: the notice that did not arrive
	FailedRole  string // empty: the reporter
	Reply       string // S9: codes

	// Hints from the words of the report.
	Weakness    []string
	Identifiers []string // CVE, GHSA, CWE
	Scores      []string // CVSS
	Wishes      []facts.WishKind
	Issues      int // numbered findings, where there are three or more
	Alike       []alikeView
	Why         string // S1q: what looks like a report

	// Full.
	InScope     []string // hosts
	OutOfScope  []string
	From        string
	Signer      string
	Subject     string
	Attachments []attachmentView
	Text        string // every line begins with "| "
	Cut         bool   // Text is not all of it
}

// roleName writes a role of the configuration for people.
func roleName(role string) string { return strings.ReplaceAll(role, "_", " ") }

// alikeView is a case that may be about the same.
type alikeView struct {
	Ref      triage.Ref
	Likeness facts.Likeness
	Reasons  string
}

type attachmentView struct{ Name, Type, Size string }

func viewStaff(lang string, org *Organisation, person *Person, l *triage.Letter, detail triage.Detail) staffView {
	n, c, p := &l.Notice, &l.Case, org.Policy
	zone := p.Calendar.Zone
	v := staffView{
		Ref: c.Ref, Org: p.Org, Name: person.Name, Role: roleName(n.Role), Received: date(lang, n.Facts.Received, zone),
	}
	if detail != triage.DetailSummary && detail != triage.DetailFull {
		return v
	}
	v.ReceivedUTC = utc(n.Facts.Received)
	if n.Item == 0 {
		v.alike(c)
		v.FirstMail, v.OwnDomain, v.LookAlike = slices.Contains(c.Marks, triage.MarkFirst), slices.Contains(c.Marks, triage.MarkOwn), slices.Contains(c.Marks, triage.MarkLookAlike)
	}
	v.Related = c.Related
	v.Held = slices.ContainsFunc(c.Mails, func(m triage.Mail) bool { return m.Notice.Kind.ToReporter() && m.Notice.Held != "" })
	if k, ok := c.Clock(triage.ClockEvaluation); ok {
		v.Evaluation, v.Promised = date(lang, k.Due, zone), k.Promised
	}
	if k, ok := c.Clock(triage.ClockEmbargo); ok {
		v.Embargo, v.Backstop = date(lang, k.Due, zone), p.Embargo != triage.EmbargoFixed
	}
	if v.Failed, v.Reply = n.Facts.Failed, n.Facts.Reply; v.Failed != "" {
		if m := c.Mail(v.Failed); m != nil {
			v.FailedRole = roleName(m.Notice.Role)
		}
	}
	if n.Item >= 0 && n.Item < len(c.Items) {
		v.Trust = c.Items[n.Item].Trust
	}
	m := l.Message
	if m == nil {
		return v
	}
	v.Encrypted, v.Opened, v.Problem = m.OpenPGP.Encrypted, m.OpenPGP.Decrypted, m.OpenPGP.Problem
	v.SMIME = m.SMIME
	v.Signature, v.SignerKnown = m.OpenPGP.Signature, m.OpenPGP.SignerIsSender
	v.AuthChecked, v.AuthOK = m.Auth.Checked, m.DomainVouches()
	v.Limits, v.Faults, v.Files = m.Limits, m.Faults, len(m.Parts)
	v.noticed(&m.Facts, detail == triage.DetailFull)
	v.Why = why(m)
	if detail == triage.DetailFull {
		v.fill(m)
	}
	return v
}
