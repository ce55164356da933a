package triage

import (
	"strings"
	"time"

	"vdpd/triage/facts"
)

// Kind says what the structure of a message makes it. Words in a subject or a
// body never decide (RFC 3834, section 2, and reports lost by others).
type Kind string

// The kinds of messages.
const (
	KindReport    Kind = "report"    // by a person, as far as structure tells, and not an answer to anything
	KindReply     Kind = "reply"     // by a person, in answer to a message (In-Reply-To or References)
	KindAutomatic Kind = "automatic" // sent by a program without a person, such as an absence notice
	KindBounce    Kind = "bounce"    // a delivery status notification (RFC 3464) or its vendor forms
	KindList      Kind = "list"      // by a person, through a mailing list
	KindLoop      Kind = "loop"      // our own mail come back
)

// Message is one inbound mail as the reader understood it. Reading never
// fails: what could not be read is named in Faults, what was cut in Limits.
// Everything in it is claimed by the sender unless the comment says otherwise.
type Message struct {
	Source Source `json:"source"` // ours
	Size   int64  `json:"size"`   // ours: octets on the IMAP server, also where less was fetched
	Digest string `json:"digest"` // ours: hex SHA-256 of the bytes that were read
	// Content is a hex SHA-256 over what stays the same when one mail arrives
	// by two ways: Message-ID, From, Date, Subject and the body, without
	// trace headers.
	Content string `json:"content"`

	Kind   Kind   `json:"kind"`
	Reason string `json:"reason,omitempty"` // the structural evidence, for kinds other than report and reply; never words of the sender

	From       []Address `json:"from"`
	To         []Address `json:"to"` // To and Cc, in order
	ReplyTo    []Address `json:"reply_to,omitempty"`
	ReturnPath *Secret   `json:"return_path,omitempty"` // nil: no such header; "": the null path
	Date       time.Time `json:"date,omitzero"`         // zero where missing or unreadable; starts no clock
	MessageID  string    `json:"message_id,omitempty"`  // without angle brackets
	InReplyTo  string    `json:"in_reply_to,omitempty"` // likewise, the first one
	References []string  `json:"references,omitempty"`  // likewise, oldest first

	Subject      Secret `json:"subject"`                  // the protected one, where the encryption holds one (RFC 9788)
	OuterSubject Secret `json:"outer_subject,omitempty"`  // where it differs from Subject
	Text         Secret `json:"text"`                     // best plain text of the whole message, decrypted, \n line ends
	HTMLOnly     bool   `json:"html_only,omitempty"`      // Text was made from HTML
	Reply        Secret `json:"reply,omitempty"`          // Text without quoted earlier mail and signature
	Parts        []Part `json:"parts,omitempty"`          // every attachment, decrypted
	AutoReplyOff bool   `json:"auto_reply_off,omitempty"` // X-Auto-Response-Suppress: hold our automatic answer

	OpenPGP OpenPGP  `json:"openpgp"`
	SMIME   *SMIME   `json:"smime,omitempty"` // nil: none
	Keys    []Key    `json:"keys,omitempty"`  // public keys that the mail carries
	Bounces []Bounce `json:"bounces,omitempty"`
	Auth    Auth     `json:"auth"`

	// Hints found in the words, by [Policy.Hints].
	Facts  facts.Facts  `json:"facts,omitzero"`
	Sketch facts.Sketch `json:"sketch,omitzero"`

	Limits []string `json:"limits,omitempty"` // which limit cut what
	Faults []string `json:"faults,omitempty"` // what could not be read; never words of the sender
}

// Source is where a message came from, as we know it ourselves.
type Source struct {
	Mailbox     string    `json:"mailbox"`      // name in the configuration
	Folder      string    `json:"folder"`       // IMAP folder
	UIDValidity uint32    `json:"uid_validity"` // RFC 9051, section 2.3.1.1
	UID         uint32    `json:"uid"`
	Arrived     time.Time `json:"arrived"` // at our server: INTERNALDATE, else the topmost Received
}

// Part is an attachment. Its bytes stay in the sealed raw mail.
type Part struct {
	Name   Secret `json:"name"`
	Type   string `json:"type"`   // media type, lower case, without parameters
	Size   int64  `json:"size"`   // decoded octets
	SHA256 string `json:"sha256"` // hex, of the decoded octets
	Inline bool   `json:"inline"`
}

// Signature is the state of an OpenPGP signature with respect to the whole
// message.
type Signature string

// The states of a signature.
const (
	SigNone       Signature = "none"
	SigValid      Signature = "valid"       // covers the whole body, by a key we hold
	SigInvalid    Signature = "invalid"     // bad, weak, expired or revoked
	SigUnknownKey Signature = "unknown-key" // not checkable, or made by a key known from this mail alone
	SigPartial    Signature = "partial"     // covers less than the whole body
)

// OpenPGP says what protection a message had.
type OpenPGP struct {
	Encrypted      string    `json:"encrypted"` // no, full or part
	Decrypted      bool      `json:"decrypted"` // every encrypted layer was opened
	Signature      Signature `json:"signature"`
	Signer         string    `json:"signer"`           // fingerprint, upper-case hex, or key id where that is all there is
	SignerIsSender bool      `json:"signer_is_sender"` // a User ID of the signer's key has the From address
	Problem        string    `json:"problem"`          // for the operator; never words of the sender
}

// SMIME says what protection a message had by S/MIME (RFC 8551).
type SMIME struct {
	Encrypted      bool      `json:"encrypted"`
	Decrypted      bool      `json:"decrypted"`
	Signature      Signature `json:"signature"`
	Signer         string    `json:"signer"`           // SHA-256 of the certificate, upper-case hex
	SignerIsSender bool      `json:"signer_is_sender"` // the certificate has the From address
	Problem        string    `json:"problem"`          // for the operator; never words of the sender
}

// Key is a public key that came with a message.
type Key struct {
	Fingerprint string   `json:"fingerprint"` // upper-case hex
	Addresses   []Secret `json:"addresses"`   // of its User IDs
	Cert        Secret   `json:"cert"`        // armored
	From        string   `json:"from"`        // attached, inline or autocrypt
	Signed      bool     `json:"signed"`      // this key made a good signature over the whole body
}

// Bounce is the fate of one recipient (RFC 3464, section 2.3).
type Bounce struct {
	Recipient         Secret `json:"recipient"`
	Action            string `json:"action"` // failed, delayed, delivered, relayed, expanded
	Status            string `json:"status"` // RFC 3463, such as 5.1.1
	Diagnostic        Secret `json:"diagnostic"`
	OriginalMessageID string `json:"original_message_id"`
}

// Auth is what is known about the sender's domain: from the topmost
// Authentication-Results of the configured authserv-id only (RFC 8601, section
// 5) or, where there is none, from DKIM. It says nothing about the person.
type Auth struct {
	Checked bool `json:"checked"` // somebody looked
	DMARC   bool `json:"dmarc"`   // pass, for the domain of From
	SPF     bool `json:"spf"`     // pass, for the Return-Path, which equals From
	DKIM    bool `json:"dkim"`    // a valid signature by the domain of From, checked by ourselves (RFC 6376)
}

// Sender returns the address a message claims to come from, lower-cased for
// comparison, or "" where From is missing, unreadable or names several.
func (m *Message) Sender() Secret {
	if len(m.From) != 1 {
		return ""
	}
	return Secret(strings.ToLower(m.From[0].Address.Reveal()))
}

// Encrypted reports whether any of the message was encrypted.
func (m *Message) Encrypted() bool {
	return m.OpenPGP.Encrypted == "full" || m.OpenPGP.Encrypted == "part" || (m.SMIME != nil && m.SMIME.Encrypted)
}

// Unreadable reports whether nobody could read the message as it stands: it
// is encrypted and did not open.
func (m *Message) Unreadable() bool {
	if m.SMIME != nil && m.SMIME.Encrypted && !m.SMIME.Decrypted {
		return true
	}
	return (m.OpenPGP.Encrypted == "full" || m.OpenPGP.Encrypted == "part") && !m.OpenPGP.Decrypted
}

// DomainVouches reports whether the sender's domain vouches for the From
// address: DMARC, SPF with an aligned Return-Path, or an aligned DKIM
// signature.
func (m *Message) DomainVouches() bool { return m.Auth.DMARC || m.Auth.SPF || m.Auth.DKIM }
