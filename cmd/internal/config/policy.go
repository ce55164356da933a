package config

import (
	"time"

	"vdpd/triage"
	"vdpd/triage/calendar"
)

// PolicyFile is a policy file: what one organisation promises to researchers,
// and what it expects of itself. Each case keeps the policy that it began
// with; a change affects later cases only.
//
// Spans have a unit: bd (business days), d (calendar days), h (hours), wh
// (working hours), mo (months). A promised span is printed in mails; a target
// never is.
type PolicyFile struct {
	// SignOff is who signs mails to researchers: a person or a team.
	SignOff string `toml:"sign_off" required:"The security team of Identity Platform" is:"text"`

	Org struct {
		// Name as it is written in mails.
		Name string `toml:"name" required:"Identity Platform" is:"text"`

		// Domain of the organisation. Message-IDs are made under it, and mail
		// that claims to come from it is looked at twice.
		Domain string `toml:"domain" required:"identity.example" is:"domain"`
	} `toml:"org"`

	Policy struct {
		// URL where researchers read the policy.
		URL string `toml:"url" required:"https://identity.example/security" is:"url"`

		// Version as it is printed in receipts.
		Version string `toml:"version" required:"1" is:"text"`

		// Effective is the day from which the policy holds.
		Effective time.Time `toml:"effective" required:"2026-01-01"`
	} `toml:"policy"`

	Intake struct {
		// Addresses of the mailbox. Mails leave under the first; none of them
		// is ever answered.
		Addresses []triage.Secret `toml:"addresses" required:"[\"security@identity.example\"]" is:"address"`

		// Mode is dedicated, where every mail is for us, or shared: an
		// ordinary business mailbox, in which what is not a report stays
		// untouched.
		Mode triage.Mode `toml:"mode" oneof:"dedicated shared" default:"dedicated"`

		// ReportAddress, of a shared mailbox only, is the plus address (RFC 5233)
		// that is published for reports: what is sent to it is a report.
		ReportAddress triage.Secret `toml:"report_address" is:"address"`

		// Languages in which the organisation answers.
		Languages []string `toml:"languages" oneof:"en nl" default:"en"`

		// DefaultLanguage is for those whose language is not known.
		DefaultLanguage string `toml:"default_language" oneof:"en nl" default:"en"`
	} `toml:"intake"`

	Calendar struct {
		// Zone in which days begin and dates are printed (IANA).
		Zone string `toml:"zone" default:"Europe/Amsterdam" is:"text"`

		// BusinessHours; a promised business day ends when they end.
		BusinessHours string `toml:"business_hours" default:"09:00-17:00" is:"text"`

		// Workdays as a range or a list: "mon-fri", "mon,tue,thu".
		Workdays string `toml:"workdays" default:"mon-fri" is:"text"`

		// Holidays of a country, which lengthen a promise, or none.
		Holidays string `toml:"holidays" oneof:"nl none" default:"nl"`

		// GoodFriday counts as a holiday.
		GoodFriday bool `toml:"good_friday"`

		// LiberationDay, 5 May, counts as a holiday in years divisible by
		// five (lustrum), never or always.
		LiberationDay calendar.Liberation `toml:"liberation_day" oneof:"never lustrum always" default:"lustrum"`
	} `toml:"calendar"`

	Ack struct {
		// Auto says when a receipt leaves without a person: auth_only (the
		// sender's domain vouches for the mail, or a known key signed it),
		// always or never. The other receipts wait for a person.
		Auto triage.AutoReceipt `toml:"auto" oneof:"auth_only always never" default:"auth_only"`
	} `toml:"ack"`

	Evaluation struct {
		// Promised is by when a researcher is told the verdict and the date
		// of the repair. Absent: the policy promises no date.
		Promised calendar.Span `toml:"promised" units:"bd d h wh"`

		// Target is the same as staff see it. Absent: as promised, else 3bd.
		Target calendar.Span `toml:"target" units:"bd d h wh"`
	} `toml:"evaluation"`

	Embargo struct {
		// Kind of wait for publication that the policy asks for: fixed (a span
		// from arrival), until_resolved, or none.
		Kind triage.EmbargoKind `toml:"kind" required:"fixed" oneof:"fixed until_resolved none"`

		// Length of a fixed embargo.
		Length calendar.Span `toml:"length" units:"d mo"`

		// Backstop ends an embargo that lasts until_resolved. Absent: nothing
		// else ends it.
		Backstop calendar.Span `toml:"backstop" units:"d mo"`
	} `toml:"embargo"`

	Scope struct {
		// In and Out are host names, with or without a leading "*.", and words
		// for products. They are hints for staff, and help to find reports in a
		// shared mailbox; what is out of scope is handled like the rest.
		In  []string `toml:"in" is:"text"`
		Out []string `toml:"out" is:"text"`
	} `toml:"scope"`

	// Readers are told of every report, each by a mail of their own.
	Readers []Reader `toml:"readers" required:"[[readers]]"`

	Keys struct {
		// Own secret OpenPGP keys: the current one first, which signs, then
		// retired ones, which still open old mail.
		Own []Secret `toml:"own" required:"[{ credential = \"openpgp-key\" }]"`

		// Passphrase of those keys, and of those in SMIME, where they have one.
		Passphrase Secret `toml:"passphrase"`

		// SMIME are certificates with their private keys (PKCS #12 or PEM), for
		// researchers who encrypt with S/MIME. Retired ones stay here too.
		SMIME []Secret `toml:"smime"`

		// SMIMERoots holds the certificates (PEM) of authorities whose word
		// counts for S/MIME signatures. Absent: no such signature is believed.
		SMIMERoots string `toml:"smime_roots" is:"file"`
	} `toml:"keys"`

	Limits struct {
		// ReceiptsPerAddress is how many automatic mails one address gets in
		// 24 hours. The others wait for a person.
		ReceiptsPerAddress int `toml:"receipts_per_address" default:"6" min:"1" max:"1000"`

		// AutomaticPer10Minutes is how many automatic mails leave in ten
		// minutes. Then they stop, and people are told; mail is still taken in.
		AutomaticPer10Minutes int `toml:"automatic_per_10_minutes" default:"60" min:"1" max:"10000"`
	} `toml:"limits"`
}

// Reader is a role that reads reports.
type Reader struct {
	// Role is support, so_on_duty, ciso, ceo or a word of your own.
	Role string `toml:"role" required:"support" is:"id"`

	// Person who holds the role: the id of a [[person]] in the main file.
	Person string `toml:"person" required:"anna" is:"id"`

	// Detail is how much of a report the role is sent: full, summary (no text,
	// no identity) or stub (the reference only).
	Detail triage.Detail `toml:"detail" oneof:"full summary stub" default:"full"`

	// MustRead says that the policy promises that this role reads reports.
	MustRead bool `toml:"must_read"`
}

// Policy is a policy ready for use: the rules, and what sending needs.
type Policy struct {
	triage.Policy
	Path       string    // of the file
	Effective  time.Time // midnight UTC
	OwnKeys    []Secret  // secret OpenPGP keys, armored or binary, the current one first
	SMIME      []Secret  // certificates with their private keys
	SMIMERoots string    // file
	Passphrase Secret    // of OwnKeys and SMIME; not given where they have none
}

// From is the address under which mails leave.
func (p *Policy) From() triage.Secret { return p.Addresses[0] }
