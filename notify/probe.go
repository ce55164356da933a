package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
)

// Stage is how far a connection got before it failed.
type Stage string

// The stages.
const (
	StageConnect  Stage = "connect"
	StageTLS      Stage = "tls"
	StageGreeting Stage = "greeting"
	StageLogin    Stage = "login"
)

var (
	errClearText   = errors.New("an unprotected connection is possible to this machine only")
	errNoStartTLS  = errors.New("the server does not offer STARTTLS")
	errNoMechanism = errors.New("the server offers no login that we can use (SCRAM-SHA-256, SCRAM-SHA-1, PLAIN or LOGIN)")
)

// ConnectError says why there is no connection to the mail server. It holds
// nothing of any letter.
type ConnectError struct {
	Server string // host:port
	Stage  Stage
	Hint   string // what the operator can do; may be empty
	Err    error
}

// Error implements error, without the hint.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("mail server %s, %s: %v", e.Server, e.Stage, e.Err)
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

func (t *SMTP) fail(stage Stage, err error) *ConnectError {
	var refusal *textproto.Error
	if errors.As(err, &refusal) {
		// The server's words may repeat what was sent to it.
		err = fmt.Errorf("the server answered %s", code(refusal))
	}
	return &ConnectError{Server: fmt.Sprintf("%s:%d", t.Host, t.Port), Stage: stage, Hint: hint(stage, err, refusal), Err: err}
}

// hint says what to do about a failure.
func hint(stage Stage, err error, refusal *textproto.Error) string {
	var (
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		timeout  net.Error
	)
	switch {
	case errors.Is(err, errClearText):
		return `set tls to "starttls" (port 587) or "tls" (port 465)`
	case errors.Is(err, errNoStartTLS):
		return `try tls = "tls" with port 465; without any TLS no password and no mail is sent`
	case errors.Is(err, errNoMechanism):
		return "the server may allow a login on its submission ports 587 and 465 only"
	case errors.As(err, &dns):
		return "check the host name, and that this machine can resolve names"
	case errors.As(err, &unknown):
		return "the certificate is by an authority that this machine doesn't know: configure its file, or renew the certificate"
	case errors.As(err, &hostname):
		return "the certificate is for another name: use the host name that it was made for"
	case errors.As(err, &invalid):
		return "the certificate is not valid now: renew it, and check the clock of this machine"
	case errors.As(err, &record):
		return `the server doesn't begin with TLS on this port: use tls = "starttls", or port 465`
	case stage == StageLogin && refusal != nil && refusal.Code/100 == 5:
		return "check user and password; some providers want an app password"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "check host and port, and whether a firewall drops the connection"
	case stage == StageConnect:
		return "check host and port, and that the server is running"
	}
	return ""
}

// Probed is what a mail server said of itself.
type Probed struct {
	TLS   string // version; empty: unprotected
	Login bool   // a user was logged in
}

// ProbeSMTP connects, protects the connection and logs in, and sends no mail.
// Its error is a [*ConnectError].
func ProbeSMTP(ctx context.Context, t *SMTP) (Probed, error) {
	s, err := t.open(ctx)
	if err != nil {
		return Probed{}, err
	}
	defer s.Close()
	p := Probed{Login: t.User != ""}
	if state, ok := s.client.TLSConnectionState(); ok {
		p.TLS = tls.VersionName(state.Version)
	}
	return p, nil
}
