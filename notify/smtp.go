package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"vdpd/triage"
)

// TLSMode says how a connection to the mail server is protected.
type TLSMode string

// The modes.
const (
	StartTLS TLSMode = "starttls" // must be offered (RFC 3207); port 587
	TLS      TLSMode = "tls"      // from the first byte (RFC 8314); port 465
	Plain    TLSMode = "none"     // to this very machine only
)

// SMTP is the [Transport] to the organisation's own mail server.
type SMTP struct {
	Host string
	Port int
	TLS  TLSMode
	// RootCAs are the authorities that are believed; nil: those of the system.
	RootCAs *x509.CertPool
	// User logs in (SCRAM-SHA-256, SCRAM-SHA-1, PLAIN or LOGIN, whichever the
	// server offers first in this order); empty: nobody does.
	User string
	// Password is asked for at each login, so that a changed one is found.
	Password func(context.Context) (triage.Secret, error)
	// Hello is the name that we greet with. The default, [127.0.0.1], tells
	// nothing about our machines.
	Hello string
	// Timeout bounds each exchange; the wait for the last reply of a mail may
	// be five times as long. 0: one minute.
	Timeout time.Duration
	// Dial opens the connection; nil: a [net.Dialer] does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// smtpSession is a connection that is ready for MAIL.
type smtpSession struct {
	client  *smtp.Client
	conn    net.Conn // the bare connection: closing it frees whoever waits on it, which Client.Close can't
	timeout time.Duration
}

// Open implements [Transport].
func (t *SMTP) Open(ctx context.Context) (Session, error) {
	s, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (t *SMTP) open(ctx context.Context) (*smtpSession, error) {
	if t.TLS == Plain && !loopback(t.Host) {
		return nil, t.fail(StageConnect, errClearText)
	}
	timeout := t.Timeout
	if timeout <= 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	dial := t.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(t.Host, strconv.Itoa(t.Port)))
	if err != nil {
		return nil, t.fail(StageConnect, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	s := &smtpSession{conn: conn, timeout: timeout}
	if stage, err := t.greet(ctx, s); err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
		return nil, t.fail(stage, err)
	}
	return s, nil
}

// greet takes a fresh connection to where MAIL is possible.
func (t *SMTP) greet(ctx context.Context, s *smtpSession) (Stage, error) {
	config := &tls.Config{ServerName: t.Host, RootCAs: t.RootCAs, MinVersion: tls.VersionTLS12}
	conn := s.conn
	if t.TLS == TLS {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return StageTLS, err
		}
		conn = secure
	}
	var err error
	if s.client, err = smtp.NewClient(conn, t.Host); err != nil {
		return StageGreeting, err
	}
	hello := t.Hello
	if hello == "" {
		hello = "[127.0.0.1]"
	}
	if err := s.client.Hello(hello); err != nil {
		return StageGreeting, err
	}
	if t.TLS == StartTLS {
		if ok, _ := s.client.Extension("STARTTLS"); !ok {
			return StageTLS, errNoStartTLS
		}
		if err := s.client.StartTLS(config); err != nil {
			return StageTLS, err
		}
	}
	if t.User == "" {
		return "", nil
	}
	password, err := t.Password(ctx)
	if err != nil {
		return StageLogin, err
	}
	if err := s.client.Auth(&login{user: t.User, password: password, host: t.Host}); err != nil {
		return StageLogin, err
	}
	return "", nil
}

// login picks the mechanism once it is known what the server offers.
type login struct {
	smtp.Auth
	user     string
	password triage.Secret
	host     string
}

// Start implements [smtp.Auth].
func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	switch offered := func(mechanism string) bool { return slices.Contains(server.Auth, mechanism) }; {
	case offered("SCRAM-SHA-256"):
		l.Auth = smtp.ScramSHA256Auth(l.user, l.password.Reveal())
	case offered("SCRAM-SHA-1"):
		l.Auth = smtp.ScramSHA1Auth(l.user, l.password.Reveal())
	case offered("PLAIN"):
		l.Auth = smtp.PlainAuth("", l.user, l.password.Reveal(), l.host, false)
	case offered("LOGIN"):
		l.Auth = smtp.LoginAuth(l.user, l.password.Reveal(), l.host, false)
	default:
		return "", nil, errNoMechanism
	}
	return l.Auth.Start(server)
}

// Send implements [Session]. After an error inside the mail the connection is
// cut: any polite end would first complete the half mail.
func (s *smtpSession) Send(ctx context.Context, m *Mail) (Reply, error) {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()

	from, fromUTF8, err := envelopePath(m.From)
	if err != nil {
		return Reply{Result: triage.Failed, Text: "the sender's address can't be used in SMTP"}, nil
	}
	to, toUTF8, err := envelopePath(m.To.Reveal())
	if err != nil || m.To == "" {
		return Reply{Result: triage.Failed, Text: "the recipient's address can't be used in SMTP"}, nil
	}
	if offered, _ := s.client.Extension("SMTPUTF8"); (fromUTF8 || toUTF8) && !offered {
		return Reply{Result: triage.Failed, Text: "the mail server can't take an address with letters outside ASCII (no SMTPUTF8)"}, nil
	}
	s.client.SkipSMTPUTF8(!fromUTF8 && !toUTF8)

	_ = s.client.UpdateDeadline(s.timeout)
	if err := s.client.Mail(from); err != nil {
		// Our own address displeases: a fault of the set-up, to be mended by the
		// operator, after which the mail must still go out.
		return s.refused(err, triage.Retry)
	}
	if err := s.client.Rcpt(to); err != nil {
		return s.refused(err, triage.Failed)
	}
	w, err := s.client.Data()
	if err != nil {
		return s.refused(err, triage.Failed)
	}
	_ = s.client.UpdateDeadline(5 * s.timeout)
	_, err = w.Write(m.Raw)
	if err == nil {
		err = s.client.Text.W.Flush() // all but the final dot, so that it is known what a failure means
	}
	if err != nil {
		_ = s.conn.Close()
		return Reply{Result: triage.Retry, Text: "the connection broke before the end of the mail"}, errLost
	}
	if err := w.Close(); err != nil {
		reply := classify(err, triage.Failed)
		if reply.Code == "" {
			_ = s.conn.Close()
			return Reply{Result: triage.Unknown, Text: "the connection broke after the end of the mail"}, errLost
		}
		return reply, closing(reply)
	}
	reply := Reply{Result: triage.Sent, Code: "250"}
	if d, ok := w.(*smtp.DataCloser); ok {
		reply.Text = triage.Secret(d.ServerResponse())
		reply.Code = code(&textproto.Error{Code: 250, Msg: d.ServerResponse()})
	}
	return reply, nil
}

// refused ends a transaction that the server did not want.
func (s *smtpSession) refused(err error, permanent triage.Result) (Reply, error) {
	reply := classify(err, permanent)
	if reply.Code == "" {
		_ = s.conn.Close()
		return reply, errLost
	}
	if err := closing(reply); err != nil {
		return reply, err
	}
	if err := s.client.Reset(); err != nil {
		_ = s.conn.Close()
		return reply, errLost
	}
	return reply, nil
}

// Close implements [Session].
func (s *smtpSession) Close() {
	_ = s.client.UpdateDeadline(min(s.timeout, 5*time.Second))
	_ = s.client.Quit()
	_ = s.conn.Close()
}

// classify makes a reply of an error before the last byte: 4xx and trouble
// with the connection are temporary, 5xx is what permanent says.
func classify(err error, permanent triage.Result) Reply {
	var refusal *textproto.Error
	if !errors.As(err, &refusal) {
		return Reply{Result: triage.Retry, Text: "the connection broke"}
	}
	reply := Reply{Result: triage.Retry, Code: code(refusal), Text: triage.Secret(refusal.Msg)}
	if refusal.Code >= 500 && refusal.Code <= 599 {
		reply.Result = permanent
	}
	return reply
}

// Errors of a session hold none of the server's words, which may repeat an
// address.
var (
	errLost    = errors.New("the connection was lost")
	errClosing = errors.New("the server closes the connection (421)")
)

// closing returns an error where a reply announces the end of the connection
// (RFC 5321, section 3.8).
func closing(r Reply) error {
	if strings.HasPrefix(r.Code, "421") {
		return errClosing
	}
	return nil
}

var enhancedStatus = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)

// code returns the reply code with the enhanced status where there is one, and
// none of the server's words.
func code(e *textproto.Error) string {
	return strings.TrimSpace(fmt.Sprintf("%03d %s", e.Code, enhancedStatus.FindString(e.Msg)))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
