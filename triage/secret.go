package triage

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that must not reach a log, an error, a metric or a panic:
// subjects, bodies, addresses, names and file names. Every way of formatting
// it gives "[redacted]"; only [Secret.Reveal] gives the text. It marshals to
// JSON as plain text, because sealed storage and the API of authorised staff
// need it.
type Secret string

// Reveal returns the text itself. A call to Reveal is a place to review.
func (s Secret) Reveal() string { return string(s) }

// String implements [fmt.Stringer] without the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString implements [fmt.GoStringer] without the text.
func (s Secret) GoString() string { return `triage.Secret("` + s.String() + `")` }

// Format implements [fmt.Formatter], so that %x, %q and %d hide the text too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer] without the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Address is one mailbox of an address header (RFC 5322, section 3.4).
// Either part may be empty where the header was broken.
type Address struct {
	Name    Secret `json:"name"`
	Address Secret `json:"address"` // local@domain, without angle brackets, as written by the sender
}
