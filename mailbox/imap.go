package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// stopGrace bounds each of the two exchanges that a stop still makes: the end
// of IDLE and LOGOUT.
const stopGrace = 700 * time.Millisecond

var (
	errStalled  = errors.New("no answer in time")
	errGarbage  = errors.New("the server sent a response that is not IMAP")
	errGreeting = errors.New("the server turns us away, or is not an IMAP server")
	errShort    = errors.New("the server sent less than it announced")
)

// session is one connection that is logged in. It belongs to the goroutine
// that opened it.
type session struct {
	account Account
	c       *imapclient.Client
	wire    *wire
	caps    imap.CapSet
	wake    chan struct{} // size 1; the client's reader pokes it when a message arrives

	recovered map[string]bool // folders in which messages left behind were looked for
	unmoved   error           // why messages of this session could not be moved; the next one tries again
	noIdle    bool            // the server announces IDLE and refuses it
}

// wire remembers the first error of the connection itself. The client reports
// a broken connection and a response that it can't parse in the same way, and
// only the second is evidence against a message.
type wire struct {
	net.Conn
	mu  sync.Mutex
	err error
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	return n, w.note(err)
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	return n, w.note(err)
}

func (w *wire) note(err error) error {
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		w.mu.Lock()
		w.err = errors.Join(w.err, err)
		w.mu.Unlock()
	}
	return err
}

func (w *wire) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// connect opens a connection and logs in. The account must be complete.
func connect(ctx context.Context, a Account) (*session, error) {
	s := &session{account: a, wake: make(chan struct{}, 1), recovered: map[string]bool{}}
	if err := s.dial(ctx); err != nil {
		return nil, err
	}
	if err := s.login(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) dial(ctx context.Context) error {
	a := &s.account
	ctx, cancel := context.WithTimeoutCause(ctx, a.Timeout, errStalled)
	defer cancel()
	conn, err := a.Dial(ctx, "tcp", a.address())
	if err != nil {
		return s.failed(ClassUnreachable, "connecting to "+a.address(), err)
	}
	if peer, ok := conn.RemoteAddr().(*net.TCPAddr); ok && a.TLS == TLSNone && !peer.IP.IsLoopback() {
		_ = conn.Close()
		return s.failed(ClassConfig, "connecting", errors.New("tls is none, and the host name leads to another machine"))
	}
	// The reader of the client runs this: it must not call the client.
	options := &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				select {
				case s.wake <- struct{}{}:
				default:
				}
			}
		}}}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	switch a.TLS {
	case TLSImplicit:
		secure := tls.Client(conn, a.tlsConfig())
		if err = secure.HandshakeContext(ctx); err == nil {
			s.wire = &wire{Conn: secure}
			s.c = imapclient.New(s.wire, options)
		}
	case TLSStart:
		// It refuses PREAUTH, and what came in the clear before the handshake
		// is never read as IMAP (RFC 3501, section 6.2.1).
		options.TLSConfig = a.tlsConfig()
		s.wire = &wire{Conn: conn}
		s.c, err = imapclient.NewStartTLS(s.wire, options)
	default:
		s.wire = &wire{Conn: conn}
		s.c = imapclient.New(s.wire, options)
	}
	if err != nil {
		_ = conn.Close()
		if context.Cause(ctx) != nil {
			return s.failed(ClassConnection, "starting TLS", context.Cause(ctx))
		}
		return s.failed(ClassTLS, "starting TLS", err)
	}
	return nil
}

func (s *session) login(ctx context.Context) error {
	password, err := s.account.Password()
	if err != nil {
		return s.failed(ClassLogin, "reading the password", err)
	}
	err = s.op(ctx, ClassServer, "reading the greeting", 0, func() error {
		if s.c.WaitGreeting() != nil {
			return errGreeting // the client tells BYE and garbage apart by chance
		}
		s.caps = s.c.Caps()
		return nil
	})
	if err != nil {
		return err
	}
	plain := s.caps.Has(imap.AuthCap(sasl.Plain))
	if !plain && s.caps.Has(imap.CapLoginDisabled) {
		return s.failed(ClassLogin, "logging in", errors.New("the server accepts no password here"))
	}
	err = s.op(ctx, ClassLogin, "logging in", 0, func() error {
		if plain {
			return s.c.Authenticate(sasl.NewPlainClient("", s.account.User, password.Reveal()))
		}
		return s.c.Login(s.account.User, password.Reveal()).Wait()
	})
	if err != nil {
		return err
	}
	// Only now: servers announce MOVE and others after the login. The list may
	// cost an exchange, so it is read once, here.
	return s.op(ctx, ClassServer, "reading capabilities", 0, func() error {
		if s.caps = s.c.Caps(); s.caps == nil {
			return errGarbage
		}
		return nil
	})
}

// op runs one exchange with the server. The client takes no context and waits
// for ever for a silent peer; closing the connection is all that unblocks it.
// So every exchange goes through here. size is what is expected to come, in
// octets, and prolongs the limit; refused is the class of a NO or BAD.
//
// Errors of the client are never wrapped: after the login their text may quote
// what the server sent.
func (s *session) op(ctx context.Context, refused Class, doing string, size int64, f func() error) error {
	const slowest = 128 << 10 // octets a second
	limit := s.account.Timeout + time.Duration(size/slowest)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errStalled)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = s.c.Close() })
	defer stop()
	err := f()
	if err == nil {
		return nil
	}
	no, isNo := errors.AsType[*imap.Error](err)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errStalled):
		return s.failed(ClassConnection, doing, fmt.Errorf("%w (%v)", errStalled, limit))
	case cause != nil:
		return cause
	case isNo && (no.Code == imap.ResponseCodeUnavailable || no.Code == imap.ResponseCodeInUse):
		return s.failed(ClassConnection, doing, fmt.Errorf("server says %s %s", no.Type, no.Code))
	case isNo && refused == ClassServer:
		return s.failed(refused, doing, fmt.Errorf("server says %s %s", no.Type, no.Code))
	case isNo: // about the login or a folder: the words are the server's own
		return s.failed(refused, doing, fmt.Errorf("server says %s %s %.200q", no.Type, no.Code, no.Text))
	case s.wire.broken() != nil:
		return s.failed(ClassConnection, doing, s.wire.broken())
	case errors.Is(err, errShort) || errors.Is(err, errGreeting):
		return s.failed(ClassProtocol, doing, err)
	}
	return s.failed(ClassProtocol, doing, errGarbage)
}

func (s *session) failed(class Class, doing string, err error) *Error {
	return &Error{Class: class, Mailbox: s.account.Name, Doing: doing, Err: err}
}

// close says goodbye where the peer still listens, and frees everything.
func (s *session) close() {
	if s.c.State() != imap.ConnStateLogout {
		limit := time.AfterFunc(stopGrace, func() { _ = s.c.Close() })
		_ = s.c.Logout().Wait()
		limit.Stop()
	}
	_ = s.c.Close()
}

// open selects a folder: with EXAMINE, where the server itself keeps us from
// changing anything, or with SELECT, for moving.
func (s *session) open(ctx context.Context, folder string, readOnly bool) (*imap.SelectData, error) {
	var data *imap.SelectData
	err := s.op(ctx, ClassFolder, "opening", 0, func() (err error) {
		data, err = s.c.Select(folder, &imap.SelectOptions{ReadOnly: readOnly}).Wait()
		return err
	})
	if err == nil && data.UIDValidity == 0 {
		err = s.failed(ClassFolder, "opening", errors.New("the server gives no UIDVALIDITY, without which messages cannot be told apart"))
	}
	return data, inFolder(err, folder)
}

func inFolder(err error, folder string) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Folder = folder
	}
	return err
}

// ensure creates and subscribes a folder that is missing.
func (s *session) ensure(ctx context.Context, folder string) (created bool, err error) {
	if _, err = s.open(ctx, folder, true); classOf(err) != ClassFolder {
		return false, err
	}
	err = s.op(ctx, ClassFolder, "creating", 0, func() error { return s.c.Create(folder, nil).Wait() })
	if err != nil {
		return false, inFolder(err, folder)
	}
	err = s.op(ctx, ClassFolder, "subscribing", 0, func() error { return s.c.Subscribe(folder).Wait() })
	return true, inFolder(err, folder)
}

// search lists the UIDs from first to last that exist in the open folder, in
// order. last 0 is "*", and n:* holds the last message of the folder even
// where its UID is less than n (RFC 3501, section 6.4.8): hence the filter.
func (s *session) search(ctx context.Context, first, last uint32) ([]uint32, error) {
	var uids []uint32
	err := s.op(ctx, ClassServer, "searching", 0, func() error {
		set := imap.UIDSet{{Start: imap.UID(first), Stop: imap.UID(last)}}
		data, err := s.c.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
		if err != nil {
			return err
		}
		if data.All.Dynamic() { // a UID 0, on which AllUIDs panics
			return errGarbage
		}
		for _, uid := range data.AllUIDs() {
			if u := uint32(uid); u >= first && (last == 0 || u <= last) {
				uids = append(uids, u)
			}
		}
		return nil
	})
	slices.Sort(uids)
	return slices.Compact(uids), err
}
