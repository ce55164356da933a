package mailboxtest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// pipes is a listener for connections without sockets.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, fmt.Errorf("mailboxtest: %w", net.ErrClosed)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// listener wraps what it accepts.
type listener struct {
	net.Listener
	wrap    func(net.Conn) net.Conn
	once    sync.Once
	serving chan struct{} // closed at the first Accept
}

func (l *listener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.serving) })
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

type ownConn struct{ net.Conn }

type rewriter struct {
	net.Conn
	rewrite func([]byte) []byte
}

func (r rewriter) Write(b []byte) (int, error) {
	if _, err := r.Conn.Write(r.rewrite(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Fault is what goes wrong with one connection, counted in octets that came
// from the server. The zero value is a good connection.
type Fault struct {
	Refuse  bool
	Cut     int64 // the connection ends after so many octets; 0: never
	Stall   int64 // nothing comes after so many, until it is closed; 0: never
	Corrupt int64 // this octet, from 1 on, has its lowest bit turned; 0: none
}

// Faulty breaks the n-th connection, from 0 on, as plan says.
func Faulty(dial DialFunc, plan func(n int) Fault) DialFunc {
	var mu sync.Mutex
	n := 0
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		f := plan(n)
		n++
		mu.Unlock()
		if f.Refuse {
			return nil, fmt.Errorf("mailboxtest: connection refused")
		}
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &faultyConn{Conn: conn, fault: f, closed: make(chan struct{})}, nil
	}
}

type faultyConn struct {
	net.Conn
	fault  Fault
	seen   int64 // only Read has it
	once   sync.Once
	closed chan struct{}
}

func (c *faultyConn) Read(b []byte) (int, error) {
	if limit := c.fault.Cut; limit > 0 {
		if c.seen >= limit {
			_ = c.Close()
			return 0, io.EOF
		}
		b = b[:min(int64(len(b)), limit-c.seen)]
	}
	if limit := c.fault.Stall; limit > 0 {
		if c.seen >= limit {
			<-c.closed
			return 0, net.ErrClosed
		}
		b = b[:min(int64(len(b)), limit-c.seen)]
	}
	n, err := c.Conn.Read(b)
	if at := c.fault.Corrupt; at > c.seen && at <= c.seen+int64(n) {
		b[at-c.seen-1] ^= 1
	}
	c.seen += int64(n)
	return n, err
}

func (c *faultyConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Script is a peer in process that answers each line of a client as a function
// says, which need not be IMAP. It ends a connection at an empty answer, and
// after one that begins with "END", which is not sent.
type Script struct {
	pipes *pipes
	wg    sync.WaitGroup
}

// NewScript starts a Script. answer gets the number of the connection, from 0
// on, and the tag and the rest of a line; the first call of a connection has
// neither and gives the greeting.
func NewScript(answer func(conn int, tag, command string) string) *Script {
	s := &Script{pipes: newPipes()}
	s.wg.Go(func() {
		for n := 0; ; n++ {
			conn, err := s.pipes.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.talk(conn, func(tag, command string) string { return answer(n, tag, command) }) })
		}
	})
	return s
}

func (s *Script) talk(conn net.Conn, answer func(tag, command string) string) {
	ended := make(chan struct{})
	defer close(ended)
	s.wg.Go(func() {
		select {
		case <-s.pipes.done:
		case <-ended:
		}
		_ = conn.Close()
	})
	lines := bufio.NewScanner(conn)
	for reply := answer("", ""); reply != ""; {
		text, last := strings.CutPrefix(reply, "END")
		if _, err := conn.Write([]byte(text)); err != nil || last || !lines.Scan() {
			return
		}
		tag, command, _ := strings.Cut(lines.Text(), " ")
		reply = answer(tag, command)
	}
}

// Dial opens a connection to the script.
func (s *Script) Dial(ctx context.Context, _, _ string) (net.Conn, error) { return s.pipes.dial(ctx) }

// Close ends all connections.
func (s *Script) Close() {
	_ = s.pipes.Close()
	s.wg.Wait()
}

// certificate makes a certificate for this machine and the pool that trusts it.
func certificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, nil
}
