// Package notifytest is an SMTP server that keeps what it is sent and fails
// when it is told to. Tests and the demo send to it.
//
// Start reading at [Start]. A server runs one goroutine to accept and one for
// each connection, until [Server.Close].
package notifytest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Envelope is one mail that the server took.
type Envelope struct {
	From string   // without angle brackets; empty: the null path
	To   []string // as given in RCPT
	Raw  []byte   // as sent
	TLS  bool     // came over a protected connection
	User string   // who had logged in
}

// Stage is where a fault happens.
type Stage string

// The stages.
const (
	AtConnect Stage = "connect" // in answer to EHLO
	AtMail    Stage = "mail"
	AtRcpt    Stage = "rcpt"
	AtData    Stage = "data" // in the middle of the mail, which is not taken
	AtDot     Stage = "dot"  // after the last byte: the mail is taken with Drop and Stall, and not with a Code
)

// Fault is something that goes wrong. With neither Drop nor Stall, the server
// answers Code.
type Fault struct {
	Stage Stage
	To    string // only for this recipient (AtRcpt, AtData, AtDot); empty: for any
	Times int    // how often; 0: always
	Code  int    // such as 450
	Text  string // begins with an enhanced status, if any, such as "4.2.1 busy"
	Drop  bool   // cut the connection
	Stall bool   // say nothing until the client gives up or the server closes
}

// Options of a server.
type Options struct {
	// Listener is where it listens; nil: a port of 127.0.0.1. A [Pipe] keeps
	// everything inside the process.
	Listener net.Listener
	TLS      *tls.Config // offers STARTTLS
	Implicit bool        // TLS from the first byte
	// User and Password, where set, must be given before a mail is taken.
	User, Password string
	Mechanisms     []string // PLAIN and LOGIN, or fewer; nil: PLAIN
	UTF8           bool     // offers SMTPUTF8
	Greylist       bool     // refuses each pair of sender domain and recipient the first time (451)
}

// Server is a running server. It is safe for concurrent use.
type Server struct {
	opt      Options
	smtp     *smtp.Server
	listener net.Listener
	stopped  chan struct{}
	serving  sync.WaitGroup

	mu          sync.Mutex // guards what follows
	faults      []*Fault
	known       map[string]bool // for Greylist
	mails       []Envelope
	connections int
	changed     chan struct{} // closed and replaced at each new mail
}

// Start starts a server.
func Start(opt Options) (*Server, error) {
	s := &Server{opt: opt, stopped: make(chan struct{}), known: map[string]bool{}, changed: make(chan struct{})}
	s.listener = opt.Listener
	if s.listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s.listener = l
	}
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.connect))
	s.smtp.Domain = "mail.example"
	s.smtp.ErrorLog = log.New(io.Discard, "", 0)
	s.smtp.AllowInsecureAuth = true
	s.smtp.EnableSMTPUTF8 = opt.UTF8
	var serve net.Listener = counting{s.listener, s}
	if opt.Implicit {
		serve = tls.NewListener(serve, opt.TLS)
	} else {
		s.smtp.TLSConfig = opt.TLS
	}
	s.serving.Go(func() { _ = s.smtp.Serve(serve) })
	return s, nil
}

// Close ends the server and all its connections.
func (s *Server) Close() {
	select {
	case <-s.stopped:
		return
	default:
		close(s.stopped)
	}
	_ = s.smtp.Close()
	_ = s.listener.Close()
	s.serving.Wait()
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Inject makes something go wrong from now on. Faults of one stage are tried in
// the order in which they were injected.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = -1
		}
		s.faults = append(s.faults, &f)
	}
}

// Mend takes all faults back.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Mails returns what was taken so far, in order.
func (s *Server) Mails() []Envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Connections returns how many connections were made so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// Wait returns the mails as soon as there are n, or the error of ctx.
func (s *Server) Wait(ctx context.Context, n int) ([]Envelope, error) {
	for {
		s.mu.Lock()
		have, changed := len(s.mails), s.changed
		s.mu.Unlock()
		if have >= n {
			return s.Mails(), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s.Mails(), ctx.Err()
		}
	}
}

// counting counts the connections of a listener.
type counting struct {
	net.Listener
	server *Server
}

// Accept implements [net.Listener].
func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.server.mu.Lock()
		c.server.connections++
		c.server.mu.Unlock()
	}
	return conn, err
}

// take finds the fault of a stage, if any, and counts it down.
func (s *Server) take(stage Stage, to string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Stage == stage && f.Times != 0 && (f.To == "" || strings.EqualFold(f.To, to)) {
			f.Times--
			return f
		}
	}
	return nil
}

func (s *Server) greylisted(from, to string) bool {
	_, domain, _ := strings.Cut(from, "@")
	s.mu.Lock()
	defer s.mu.Unlock()
	pair := strings.ToLower(domain + " " + to)
	known := s.known[pair]
	s.known[pair] = true
	return s.opt.Greylist && !known
}

func (s *Server) keep(e Envelope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) connect(c *smtp.Conn) (smtp.Session, error) {
	session := &session{server: s, conn: c}
	if err := session.fail(AtConnect, ""); err != nil {
		return nil, err
	}
	return session, nil
}

// session is one connection; it belongs to the goroutine of the connection.
type session struct {
	server *Server
	conn   *smtp.Conn
	user   string
	mail   Envelope
}

var errDropped = errors.New("connection dropped on purpose")

// fail does what a fault of the stage says.
func (c *session) fail(stage Stage, to string) error {
	f := c.server.take(stage, to)
	if stage == AtDot && (f == nil || f.Drop || f.Stall) {
		c.server.keep(c.mail)
	}
	switch {
	case f == nil:
		return nil
	case f.Drop:
		_ = c.conn.Conn().Close()
		return errDropped
	case f.Stall:
		<-c.server.stopped
		return errDropped
	}
	return &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.NoEnhancedCode, Message: f.Text}
}

// Mail implements [smtp.Session].
func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	if c.server.opt.User != "" && c.user == "" {
		return smtp.ErrAuthRequired
	}
	if err := c.fail(AtMail, ""); err != nil {
		return err
	}
	_, protected := c.conn.TLSConnectionState()
	c.mail = Envelope{From: from, TLS: protected, User: c.user}
	return nil
}

// Rcpt implements [smtp.Session].
func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := c.fail(AtRcpt, to); err != nil {
		return err
	}
	if c.server.greylisted(c.mail.From, to) {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, come back later"}
	}
	c.mail.To = append(c.mail.To, to)
	return nil
}

// Data implements [smtp.Session].
func (c *session) Data(r io.Reader) error {
	to := strings.Join(c.mail.To, ",")
	if f := c.server.take(AtData, to); f != nil {
		_, _ = io.CopyN(io.Discard, r, 100)
		_ = c.conn.Conn().Close()
		return errDropped
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.mail.Raw = raw
	return c.fail(AtDot, to)
}

// Reset implements [smtp.Session].
func (c *session) Reset() { c.mail = Envelope{} }

// Logout implements [smtp.Session].
func (c *session) Logout() error { return nil }

// AuthMechanisms implements [smtp.AuthSession].
func (c *session) AuthMechanisms() []string {
	switch {
	case c.server.opt.User == "":
		return nil
	case c.server.opt.Mechanisms == nil:
		return []string{sasl.Plain}
	}
	return c.server.opt.Mechanisms
}

// Auth implements [smtp.AuthSession].
func (c *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != c.server.opt.User || password != c.server.opt.Password {
			return smtp.ErrAuthFailed
		}
		c.user = user
		return nil
	}
	if mechanism == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// loginServer speaks the LOGIN mechanism, which asks for one thing at a time.
type loginServer struct {
	check func(user, password string) error
	user  string
	step  int
}

// Next implements [sasl.Server].
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}
