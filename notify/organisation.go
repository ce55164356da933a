package notify

import (
	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// Organisation is the sending side of a policy. Its fields are read from
// several goroutines and don't change.
type Organisation struct {
	Policy         *triage.Policy
	Address        string       // From, and what people answer to: local@domain in ASCII
	Own            *openpgp.Key // signs every mail, and is what we ask to encrypt to
	PlusAddressing bool         // the mailbox takes local+token@domain (RFC 5233)
	StaffReplyTo   string       // where answers to staff notices go, in ASCII; empty: Address
}

// Person is somebody on staff.
type Person struct {
	ID      string // of the configuration
	Name    string
	Address triage.Secret
	Key     *openpgp.Key // nil: notices are stubs
	Lang    string       // en or nl; empty: the one of the notice
}

// Directory knows organisations and people. It is implemented by the daemon
// from the configuration and must be safe for concurrent use.
type Directory interface {
	Organisation(policyID string) (Organisation, bool)
	Person(id string) (Person, bool)
}
