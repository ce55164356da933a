package config

import (
	"crypto/x509"
	"log/slog"
	"time"

	"vdpd/triage"
)

// Config is the main file, vdpd.toml, as one value ready for use. Relative
// paths in a file start at the folder of that file.
type Config struct {
	// Path of the main file, as it was given to [Load].
	Path string `toml:"-"`

	// StateDir is the folder of the database and the sealed mails. It has to
	// be on a local disk and readable by nobody else (mode 0700). Under
	// systemd it is /var/lib/vdpd, which StateDirectory= makes.
	StateDir string `toml:"state_dir" required:"/var/lib/vdpd" is:"path"`

	// Templates is a folder whose files replace built-in mail templates of the
	// same name. Absent: the built-in ones.
	Templates string `toml:"templates" is:"dir"`

	// CAFile holds certificates of private authorities (PEM), trusted for IMAP
	// and SMTP beside those of the system.
	CAFile string         `toml:"ca_file" is:"file"`
	CAs    *x509.CertPool `toml:"-"` // nil: those of the system

	// MasterKey is where the key is that seals everything at rest: 64
	// hexadecimal digits. Without it nothing in StateDir can be read again:
	// keep a copy elsewhere.
	MasterKey Secret `toml:"master_key" required:"{ credential = \"master-key\" }"`

	Log       Log       `toml:"log"`
	SMTP      SMTP      `toml:"smtp"`
	Socket    Socket    `toml:"socket"`
	People    []Person  `toml:"person" required:"[[person]]"`
	Mailboxes []Mailbox `toml:"mailbox" required:"[[mailbox]]"`

	// Policies are those that mailboxes name, each once, in their order.
	Policies []*Policy `toml:"-"`
}

// Log says what is written to standard error, and how. No line ever holds a
// subject, an address or text of a mail, at any level.
type Log struct {
	// Format is text for people or json for a collector.
	Format string `toml:"format" oneof:"text json" default:"text"`

	// Level is the lowest level that is written.
	Level slog.Level `toml:"level" oneof:"debug info warn error" default:"info"`
}

// SMTP is the server that takes outgoing mail.
type SMTP struct {
	Host string `toml:"host" required:"smtp.identity.example" is:"host"`

	// Port is 465 for tls, 587 for starttls and 25 for none where absent.
	Port int `toml:"port" min:"1" max:"65535"`

	// TLS is tls (from the first byte), starttls, or none, which is allowed
	// to a loopback address only.
	TLS string `toml:"tls" oneof:"tls starttls none" default:"tls"`

	// User and Password go together. Without them there is no login.
	User     string `toml:"user" is:"text"`
	Password Secret `toml:"password"`

	// Helo is the name in EHLO. Absent: the domain of the first policy, never
	// the name of this machine, which is nobody's business.
	Helo string `toml:"helo" is:"domain"`
}

// Socket is where staff reach the daemon with vdp. Who they are is known from
// the kernel, not from the socket's mode.
type Socket struct {
	// Path of the socket; absolute after [Load].
	Path string `toml:"path" default:"/run/vdpd/vdpd.sock" is:"path"`

	// Group may connect (mode 0660). Absent: the account of the service and
	// root only (mode 0600).
	Group string `toml:"group" is:"text"`
}

// Person is a member of staff.
type Person struct {
	// ID is how policies and the record name the person: keep it for ever.
	ID      string        `toml:"id" required:"anna" is:"id"`
	Name    triage.Secret `toml:"name" required:"Anna Smit" is:"text"`
	Address triage.Secret `toml:"address" required:"anna@identity.example" is:"address"`

	// Key is a file with the person's public OpenPGP key. Without a key the
	// person gets notices without content.
	Key string `toml:"key" is:"file"`

	// User is the Unix login, a name or a number, by which vdp knows the
	// person. Absent: the person cannot use vdp.
	User string `toml:"user" is:"text"`
	UID  int    `toml:"-"` // of User; -1 where there is none

	// Lang is the language of mails to the person.
	Lang string `toml:"lang" oneof:"en nl" default:"en"`
}

// Mailbox is one mailbox on one IMAP server, read under one policy.
type Mailbox struct {
	// Name is how the record names the mailbox: keep it for ever.
	Name string `toml:"name" required:"identity" is:"id"`

	Host string `toml:"host" required:"imap.identity.example" is:"host"`

	// Port is 993 for tls, and 143 otherwise, where absent.
	Port int `toml:"port" min:"1" max:"65535"`

	// TLS is tls (from the first byte), starttls, or none, which is allowed
	// to a loopback address only.
	TLS string `toml:"tls" oneof:"tls starttls none" default:"tls"`

	User     string `toml:"user" required:"security@identity.example" is:"text"`
	Password Secret `toml:"password" required:"{ credential = \"imap-password\" }"`

	// Inbox and Junk are read: reports land in junk folders too.
	Inbox string   `toml:"inbox" default:"INBOX" is:"text"`
	Junk  []string `toml:"junk" is:"text"`

	// Processed is where a message goes once it is safely in the store.
	Processed string `toml:"processed" default:"Processed" is:"text"`

	// ReportFolder, of a shared mailbox only, is where people move what they
	// see to be a report.
	ReportFolder string `toml:"report_folder" is:"text"`

	// Poll is how often the server is asked even where it announces new mail.
	Poll time.Duration `toml:"poll" default:"60s" min:"1s" max:"60s"`

	// PolicyFile is the file of the policy that this mailbox is read under. Its
	// name without .toml is the policy's id in the record: keep it for ever.
	PolicyFile string `toml:"policy" required:"identity.toml" is:"file"`

	// Policy is what PolicyFile says, with ReportFolder of this mailbox.
	Policy *Policy `toml:"-"`

	// PlusAddressing says that the server delivers name+anything@domain to
	// this mailbox. Answers and bounces then find their case by the address.
	PlusAddressing bool `toml:"plus_addressing"`

	// AuthServID is the name under which our own mail server writes
	// Authentication-Results (RFC 8601). Only that header is believed. Write
	// "-" where the server puts no name there, as Exchange Online does.
	AuthServID string `toml:"authserv_id" is:"text"`

	// SkipDKIM keeps the daemon from asking the DNS for the key with which the
	// sender's domain signed a mail, as it does where AuthServID is not given.
	// The question tells the name servers of that domain that somebody looks.
	SkipDKIM bool `toml:"skip_dkim"`

	// MaxMessage is how much of one message is fetched. A larger one still
	// becomes a case.
	MaxMessage Size `toml:"max_message" default:"25MiB" min:"1MiB" max:"100MiB"`
}

// Person returns the person with that id.
func (c *Config) Person(id string) (Person, bool) {
	for _, p := range c.People {
		if p.ID == id && id != "" {
			return p, true
		}
	}
	return Person{}, false
}

// Policy returns the policy with that id, or nil.
func (c *Config) Policy(id string) *Policy {
	for _, p := range c.Policies {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Secrets returns every secret that the files name, to try each of them.
func (c *Config) Secrets() []Secret {
	all := []Secret{c.MasterKey}
	add := func(s Secret) {
		if s.Given() {
			all = append(all, s)
		}
	}
	add(c.SMTP.Password)
	for _, m := range c.Mailboxes {
		add(m.Password)
	}
	for _, p := range c.Policies {
		for _, k := range p.OwnKeys {
			add(k)
		}
		for _, k := range p.SMIME {
			add(k)
		}
		add(p.Passphrase)
	}
	return all
}
