package mailbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"vdpd/triage"
)

// TLSMode says how the connection to a mail server is protected.
type TLSMode string

// The modes.
const (
	TLSImplicit TLSMode = "tls"      // from the first byte (RFC 8314), port 993
	TLSStart    TLSMode = "starttls" // STARTTLS before the login, port 143
	TLSNone     TLSMode = "none"     // port 143, and only to a loopback address
)

// maxPoll is the longest that a mailbox goes unread: IDLE is a promise of the
// server, and the policy promises reporters ours.
const maxPoll = 60 * time.Second

// Account is one mailbox on one IMAP server (RFC 3501, RFC 9051).
type Account struct {
	Name     string // in the configuration
	Host     string // also the name that the certificate must have
	Port     int    // 0: 993 for TLSImplicit, 143 for the others
	TLS      TLSMode
	RootCAs  *x509.CertPool // nil: those of the system
	User     string
	Password func() (triage.Secret, error) // asked anew at each login

	Mode         triage.Mode
	Folders      []string // read in turn; the first, usually INBOX, is watched with IDLE
	ReportFolder string   // shared mailboxes only: where people put what is a report, read like Folders; empty: none
	Processed    string   // where committed messages go; created when missing

	PollEvery time.Duration // 0: 60 s, which is also the most
	MaxBytes  int64         // of one message that are fetched; 0: 32 MiB
	Timeout   time.Duration // of one exchange with the server, beside the time its data takes; 0: 30 s

	// Dial opens the connection, without TLS. nil: a [net.Dialer] with keep-alive.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// complete returns the account with defaults filled in, or a [ClassConfig]
// error for one that must not be used. It is where a login without TLS over a
// network is refused, before anything is dialled.
func (a Account) complete() (Account, error) {
	bad := func(format string, args ...any) (Account, error) {
		return a, &Error{Class: ClassConfig, Mailbox: a.Name, Doing: "configuration", Err: fmt.Errorf(format, args...)}
	}
	switch {
	case a.Host == "" || a.User == "" || a.Password == nil:
		return bad("host, user and password are needed")
	case !slices.Contains([]TLSMode{TLSImplicit, TLSStart, TLSNone}, a.TLS):
		return bad("tls is %q, expected tls, starttls or none", string(a.TLS))
	case a.TLS == TLSNone && a.Host != "localhost" && !net.ParseIP(a.Host).IsLoopback():
		return bad("tls is none, which is for loopback addresses only: the password would cross the network in the clear")
	case len(a.Folders) == 0 || a.Processed == "":
		return bad("at least one folder to read and a processed folder are needed")
	case slices.Contains(a.readFolders(), a.Processed):
		return bad("folder %q is both read and where processed messages go", a.Processed)
	case a.ReportFolder != "" && a.Mode != triage.Shared:
		return bad("a report folder is for shared mailboxes")
	case a.PollEvery > maxPoll:
		return bad("poll interval is %v, at most %v is allowed", a.PollEvery, maxPoll)
	}
	a.Port = cmp.Or(a.Port, map[TLSMode]int{TLSImplicit: 993}[a.TLS], 143)
	a.PollEvery = cmp.Or(max(a.PollEvery, 0), maxPoll)
	a.MaxBytes = cmp.Or(max(a.MaxBytes, 0), 32<<20)
	a.Timeout = cmp.Or(max(a.Timeout, 0), 30*time.Second)
	if a.Dial == nil {
		// Keep-alive finds a peer that vanished while we wait in IDLE.
		a.Dial = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}).DialContext
	}
	return a, nil
}

// readFolders returns the folders to read, the first of Folders last: it is
// the one that stays selected, and so the one that IDLE watches.
func (a *Account) readFolders() []string {
	folders := slices.Clone(a.Folders[1:])
	if a.ReportFolder != "" {
		folders = append(folders, a.ReportFolder)
	}
	return append(folders, a.Folders[0])
}

// ownFolders returns the folders that are created when missing.
func (a *Account) ownFolders() []string {
	if a.ReportFolder == "" {
		return []string{a.Processed}
	}
	return []string{a.Processed, a.ReportFolder}
}

func (a *Account) address() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

func (a *Account) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: a.Host, RootCAs: a.RootCAs, MinVersion: tls.VersionTLS12}
}

// Class is what kind of thing is wrong with a mailbox; each has its own remedy.
type Class string

// The classes.
const (
	ClassConfig      Class = "config"      // the account itself; nothing was dialled
	ClassUnreachable Class = "unreachable" // no connection
	ClassTLS         Class = "tls"         // handshake, certificate, or no STARTTLS
	ClassLogin       Class = "login"       // refused, or no password to be had
	ClassFolder      Class = "folder"      // missing, not ours to read, or not to be created
	ClassMove        Class = "move"        // committed messages stay where they are
	ClassServer      Class = "server"      // refused another command
	ClassConnection  Class = "connection"  // broke or stalled, or the server is unavailable for now
	ClassProtocol    Class = "protocol"    // the server sent what is not IMAP
	ClassIntake      Class = "intake"      // our own side did not take a message
)

var hints = map[Class]string{
	ClassConfig:      "correct the mailbox in the configuration",
	ClassUnreachable: "check host and port, that the server runs, and that the firewall lets this machine through",
	ClassTLS:         "check the tls mode against the port (993: tls, 143: starttls), the name in the certificate, and the CA file if your CA is private",
	ClassLogin:       "check user and password; some providers want an app password, or IMAP to be switched on for the mailbox; next try in some minutes, so that the account is not locked",
	ClassFolder:      "check that the folder is spelt as on the server, with its separator, and that the user has the right to it; other folders go on",
	ClassMove:        "no mail is lost: the messages were taken and stay where they are; check quota and rights of the processed folder",
	ClassServer:      "see the log of the mail server; it is tried again",
	ClassConnection:  "usually passes; if it stays, look for a proxy or firewall that cuts connections",
	ClassProtocol:    "check that host and port are those of an IMAP server; if it worked before, the server sent something malformed, and the messages in question are tried again one by one",
	ClassIntake:      "see the error of the store; the message stays on the server and is tried again",
}

// Error is what is wrong with a mailbox. Its text holds nothing of any mail.
type Error struct {
	Class   Class
	Mailbox string
	Folder  string // empty where it is not about one
	Doing   string
	Err     error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Folder != "" {
		return fmt.Sprintf("mailbox %s: %s, folder %q: %v", e.Mailbox, e.Doing, e.Folder, e.Err)
	}
	return fmt.Sprintf("mailbox %s: %s: %v", e.Mailbox, e.Doing, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what an operator can do about it.
func (e *Error) Hint() string { return hints[e.Class] }

// classOf returns the class of an error of this package, or "" for another,
// which can only be the end of the context.
func classOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return ""
}
