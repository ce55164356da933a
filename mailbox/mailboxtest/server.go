package mailboxtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// DialFunc opens a connection, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Options says what kind of server it is. The zero value listens on a free
// port of 127.0.0.1 without TLS and can MOVE and UIDPLUS.
type Options struct {
	InProcess bool // no port: only Dial leads to it
	TLS       bool // TLS from the first byte, for localhost and 127.0.0.1
	StartTLS  bool // offers STARTTLS, with the same certificate
	NoMove    bool
	NoUIDPlus bool

	// Refuse is asked before LOGIN, CREATE, FETCH, STORE, COPY, MOVE and EXPUNGE,
	// with the UIDs concerned if any. The command fails with its error, which
	// an [*imap.Error] words.
	Refuse func(command string, uids imap.UIDSet) error

	// Rewrite changes what the server writes, a whole response or a part of a
	// large one at a time.
	Rewrite func([]byte) []byte
}

// Server is an IMAP server in memory.
type Server struct {
	options Options
	users   *imapmemserver.Server
	imap    *imapserver.Server
	ln      net.Listener // nil in process
	pipes   *pipes
	own     *pipes // of Client: no TLS, no faults
	serving sync.WaitGroup
	roots   *x509.CertPool

	mu        sync.Mutex
	passwords map[string]string
	known     map[string]*imapmemserver.User

	// Connections and Changes (STORE, COPY, MOVE and EXPUNGE commands) count
	// what others did than the server's own Clients.
	Connections, Changes atomic.Int64
}

// NewServer starts a server.
func NewServer(o Options) (*Server, error) {
	s := &Server{
		options: o, users: imapmemserver.New(), pipes: newPipes(), own: newPipes(),
		passwords: map[string]string{}, known: map[string]*imapmemserver.User{},
	}
	cert, roots, err := certificate()
	if err != nil {
		return nil, err
	}
	s.roots = roots
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	caps := imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapNamespace: {}}
	if !o.NoMove {
		caps[imap.CapMove] = struct{}{}
	}
	if !o.NoUIDPlus {
		caps[imap.CapUIDPlus] = struct{}{}
	}
	options := &imapserver.Options{
		Caps: caps, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			plain := s.users.NewSession()
			if _, own := c.NetConn().(ownConn); own {
				return plain, nil, nil
			}
			return &session{SessionIMAP4rev2: plain.(imapserver.SessionIMAP4rev2), server: s}, nil, nil
		},
	}
	if o.StartTLS {
		options.TLSConfig = config
	}
	s.imap = imapserver.New(options)
	s.serve(s.own, func(c net.Conn) net.Conn { return ownConn{c} })
	wrap := func(c net.Conn) net.Conn {
		s.Connections.Add(1)
		if o.TLS {
			c = tls.Server(c, config)
		}
		if o.Rewrite != nil {
			c = rewriter{c, o.Rewrite}
		}
		return c
	}
	s.serve(s.pipes, wrap)
	if !o.InProcess {
		if s.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			s.Close()
			return nil, err
		}
		s.serve(s.ln, wrap)
	}
	return s, nil
}

// serve returns when the listener is served: Close would race with the start.
func (s *Server) serve(ln net.Listener, wrap func(net.Conn) net.Conn) {
	l := &listener{Listener: ln, wrap: wrap, serving: make(chan struct{})}
	s.serving.Go(func() { _ = s.imap.Serve(l) })
	<-l.serving
}

// Addr is where it listens, host:port; "localhost:143" in process, where Dial
// takes any address.
func (s *Server) Addr() string {
	if s.ln == nil {
		return "localhost:143"
	}
	return s.ln.Addr().String()
}

// RootCAs trusts the server's certificate.
func (s *Server) RootCAs() *x509.CertPool { return s.roots }

// Dial opens a connection to the server in process, whatever the address.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) { return s.pipes.dial(ctx) }

// Close ends the server and all connections.
func (s *Server) Close() {
	_ = s.imap.Close()
	s.serving.Wait()
}

// AddUser makes a mailbox with INBOX and the given folders.
func (s *Server) AddUser(name, password string, folders ...string) error {
	user := imapmemserver.NewUser(name, password)
	for _, folder := range append([]string{"INBOX"}, folders...) {
		if err := user.Create(folder, nil); err != nil {
			return err
		}
	}
	s.users.AddUser(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passwords[name], s.known[name] = password, user
	return nil
}

// Append delivers a message that arrived at the given time, and returns its UID.
func (s *Server) Append(user, folder string, raw []byte, arrived time.Time) (uint32, error) {
	s.mu.Lock()
	u := s.known[user]
	s.mu.Unlock()
	if u == nil {
		return 0, errors.New("no such user")
	}
	// A copy: the server keeps what it reads.
	data, err := u.Append(folder, literal{bytes.NewReader(bytes.Clone(raw))}, &imap.AppendOptions{Time: arrived})
	if err != nil {
		return 0, err
	}
	return uint32(data.UID), nil
}

type literal struct{ *bytes.Reader }

// Messages lists a folder.
func (s *Server) Messages(user, folder string) ([]Message, error) {
	c, err := s.Client(user)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Messages(folder)
}

// Client logs in as the user, in process.
func (s *Server) Client(user string) (*Client, error) {
	s.mu.Lock()
	password := s.passwords[user]
	s.mu.Unlock()
	conn, err := s.own.dial(context.Background())
	if err != nil {
		return nil, err
	}
	return NewClient(conn, user, password)
}
