package triage

import (
	"slices"
	"strings"

	"vdpd/triage/calendar"
)

// Mode says what else a mailbox is used for.
type Mode string

// The modes of a mailbox.
const (
	Dedicated Mode = "dedicated" // every mail is for us
	Shared    Mode = "shared"    // an ordinary business mailbox: what is not a report stays untouched
)

// AutoReceipt says when a receipt leaves without a person (RFC 3834).
type AutoReceipt string

// When receipts leave.
const (
	AckAuthOnly AutoReceipt = "auth_only" // only where the sender's domain vouches or a pinned key signed
	AckAlways   AutoReceipt = "always"    // a receipt holds fixed text only, so this is a legitimate choice
	AckNever    AutoReceipt = "never"
)

// EmbargoKind says how a policy bounds the wait for publication.
type EmbargoKind string

// The kinds of embargo.
const (
	EmbargoNone          EmbargoKind = "none"
	EmbargoFixed         EmbargoKind = "fixed"          // a span from arrival
	EmbargoUntilResolved EmbargoKind = "until_resolved" // no date, but a backstop
)

// Policy is the disclosure policy of one organisation, as it is promised to
// researchers (Promised fields) and kept inside (Target fields).
type Policy struct {
	ID        string // short name in the configuration
	Hash      string // hex SHA-256 of the file: what a case pins
	Org       string // as written in mails
	Domain    string // of Message-IDs, and our own in comparisons; lower case
	URL       string
	Version   string
	Mode      Mode
	Languages []string // en, nl: the ones it answers in, the default first
	SignOff   string   // who signs mails to reporters: a person or a team
	Calendar  calendar.Calendar

	AckAuto            AutoReceipt
	EvaluationPromised calendar.Span // zero: not promised
	EvaluationTarget   calendar.Span // zero: none
	Embargo            EmbargoKind
	EmbargoLength      calendar.Span // for fixed
	EmbargoBackstop    calendar.Span // for until_resolved; zero: none
	Readers            []Reader
	MaxReceipts        int // automatic mails to one address in 24 hours; more wait for a person; 0: no bound
	MaxBurst           int // automatic mails to anybody in 10 minutes; more wait for a person; 0: no bound

	ScopeIn  []string // host names, perhaps with a leading "*.", and words: hints only
	ScopeOut []string

	Addresses    []Secret // its own, lower case: never answered
	ReportFolder string   // of a shared mailbox: what a person moved there is a report

	ReportAddress Secret // of a shared mailbox, lower case: what is sent there is a report
}

// Reader is a role that the policy says will read reports.
type Reader struct {
	Role     string // support, so_on_duty, ciso, ceo or another word
	Person   string // id of who holds it
	Detail   Detail
	MustRead bool // the policy promises it
}

// Moves reports whether a message with that disposition goes to the processed
// folder. Ordinary mail of a shared mailbox, and what may be that, stays where
// it is.
func (p *Policy) Moves(d Disposition) bool {
	return d != NotOurs && d != AsQuestion && (p.Mode != Shared || d != AsPoison)
}

// Roles returns the roles that a person holds under the policy.
func (p *Policy) Roles(person string) []string {
	var roles []string
	for _, r := range p.Readers {
		if person != "" && r.Person == person {
			roles = append(roles, r.Role)
		}
	}
	return roles
}

// own reports whether an address is one of ours, with or without a plus tag
// (RFC 5233).
func (p *Policy) own(address Secret) bool {
	local, domain, ok := strings.Cut(strings.ToLower(address.Reveal()), "@")
	if !ok {
		return false
	}
	local, _, _ = strings.Cut(local, "+")
	return slices.Contains(p.Addresses, Secret(local+"@"+domain))
}

func sameAddress(a, b Secret) bool { return strings.EqualFold(a.Reveal(), b.Reveal()) }

// Lang returns the language for somebody who wants one of wanted.
func (p *Policy) Lang(wanted ...string) string {
	for _, w := range wanted {
		if slices.Contains(p.Languages, w) {
			return w
		}
	}
	if len(p.Languages) == 0 {
		return "en"
	}
	return p.Languages[0]
}
