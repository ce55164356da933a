package mailbox

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"

	"vdpd/mailbox/mailboxtest"
	"vdpd/triage"
)

func TestProbeFailures(t *testing.T) {
	refuse := func(command string, code imap.ResponseCode) func(string, imap.UIDSet) error {
		return func(c string, _ imap.UIDSet) error {
			if c == command {
				return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: "no"}
			}
			return nil
		}
	}
	talk := func(greeting string) func(*testing.T, *Account) {
		return func(t *testing.T, a *Account) {
			script := mailboxtest.NewScript(func(int, string, string) string { return greeting })
			t.Cleanup(script.Close)
			a.Dial = script.Dial
		}
	}
	for _, test := range []struct {
		name    string
		options mailboxtest.Options
		change  func(*testing.T, *Account)
		class   Class
		tells   string
	}{
		{"nobody listens", mailboxtest.Options{}, func(_ *testing.T, a *Account) {
			a.Dial = mailboxtest.Faulty(nil, func(int) mailboxtest.Fault { return mailboxtest.Fault{Refuse: true} })
		}, ClassUnreachable, "localhost:143"},
		{"unknown CA", mailboxtest.Options{TLS: true}, func(_ *testing.T, a *Account) { a.RootCAs = x509.NewCertPool() }, ClassTLS, "unknown authority"},
		{"other name", mailboxtest.Options{StartTLS: true}, func(_ *testing.T, a *Account) { a.Host = "mail.identity.example" }, ClassTLS, "mail.identity.example"},
		{"no STARTTLS", mailboxtest.Options{}, func(_ *testing.T, a *Account) { a.TLS = TLSStart }, ClassTLS, "STARTTLS"},
		{"TLS to a port without", mailboxtest.Options{}, func(_ *testing.T, a *Account) { a.TLS = TLSImplicit }, ClassTLS, "handshake"},
		{"no TLS to a port with", mailboxtest.Options{TLS: true}, func(_ *testing.T, a *Account) { a.TLS = TLSNone }, ClassConnection, "no answer in time (30s)"},
		{"silent peer", mailboxtest.Options{}, func(_ *testing.T, a *Account) {
			a.Dial = mailboxtest.Faulty(a.Dial, func(int) mailboxtest.Fault { return mailboxtest.Fault{Stall: 1} })
		}, ClassConnection, "no answer in time"},
		{"connection ends", mailboxtest.Options{}, func(_ *testing.T, a *Account) {
			a.Dial = mailboxtest.Faulty(a.Dial, func(int) mailboxtest.Fault { return mailboxtest.Fault{Cut: 10} })
		}, ClassConnection, "EOF"},
		{"turned away", mailboxtest.Options{}, talk("* BYE too many\r\n"), ClassProtocol, "turns us away"},
		{"not an IMAP server", mailboxtest.Options{}, talk("220 mail.identity.example ESMTP\r\n"), ClassProtocol, "not an IMAP server"},
		{"wrong password", mailboxtest.Options{}, func(_ *testing.T, a *Account) { a.Password = imapPassword("hunter2") }, ClassLogin, "AUTHENTICATIONFAILED"},
		{"no password", mailboxtest.Options{}, func(_ *testing.T, a *Account) {
			a.Password = func() (triage.Secret, error) { return "", errors.New("no file imap-password") }
		}, ClassLogin, "no file imap-password"},
		{"login unavailable", mailboxtest.Options{Refuse: refuse("LOGIN", imap.ResponseCodeUnavailable)}, nil, ClassConnection, "UNAVAILABLE"},
		{"no such folder", mailboxtest.Options{}, func(_ *testing.T, a *Account) { a.Folders = []string{"INBOX", "Spam"} }, ClassFolder, `"Spam"`},
		{"cannot be created", mailboxtest.Options{Refuse: refuse("CREATE", imap.ResponseCodeNoPerm)}, nil, ClassFolder, `"Processed"`},
		{"configuration", mailboxtest.Options{}, func(_ *testing.T, a *Account) { a.Host = "imap.identity.example" }, ClassConfig, "in the clear"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The alerts of a failed handshake need the buffers of a real socket.
			run := synctest.Test
			if test.options.InProcess = test.class != ClassTLS; !test.options.InProcess {
				run = func(t *testing.T, f func(*testing.T)) { f(t) }
			}
			run(t, func(t *testing.T) {
				s := newMemoryServer(t, test.options)
				a := accountAt(s, test.options)
				if !test.options.InProcess {
					a.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
						return new(net.Dialer).DialContext(ctx, network, s.Addr())
					}
				}
				if test.change != nil {
					test.change(t, &a)
				}
				begin := time.Now()
				_, err := Probe(t.Context(), a)
				e, ok := errors.AsType[*Error](err)
				if !ok {
					t.Fatalf("error: %v", err)
				}
				if e.Class != test.class || e.Mailbox != "iw" || e.Hint() == "" || !strings.Contains(e.Error(), test.tells) {
					t.Errorf("class %s, want %s: %v", e.Class, test.class, e)
				}
				if strings.Contains(e.Error(), "hunter2") || time.Since(begin) > time.Minute {
					t.Errorf("after %v: %v", time.Since(begin), e)
				}
			})
		})
	}
}

// TestAccountRefused: nothing is dialled for an account that must not be used.
func TestAccountRefused(t *testing.T) {
	for name, change := range map[string]func(*Account){
		"no TLS to a name":            func(a *Account) { a.Host = "imap.identity.example" },
		"no TLS to an address":        func(a *Account) { a.Host = "192.0.2.1" },
		"no TLS to all addresses":     func(a *Account) { a.Host = "0.0.0.0" },
		"unknown TLS mode":            func(a *Account) { a.TLS = "ssl" },
		"no host":                     func(a *Account) { a.Host = "" },
		"no password":                 func(a *Account) { a.Password = nil },
		"no folders":                  func(a *Account) { a.Folders = nil },
		"no processed folder":         func(a *Account) { a.Processed = "" },
		"reads what it moves":         func(a *Account) { a.Processed = "INBOX" },
		"dedicated and report folder": func(a *Account) { a.ReportFolder = "Reports" },
		"polls too rarely":            func(a *Account) { a.PollEvery = 2 * time.Minute },
	} {
		a := Account{
			Name: "iw", Host: "localhost", TLS: TLSNone, User: "u", Password: imapPassword("p"),
			Mode: triage.Dedicated, Folders: []string{"INBOX"}, Processed: "Processed",
			Dial: func(context.Context, string, string) (net.Conn, error) {
				t.Errorf("%s: dialled", name)
				return nil, errors.New("no")
			},
		}
		change(&a)
		if err := (&Poller{Account: a, Intake: newMemIntake()}).Run(t.Context()); classOf(err) != ClassConfig {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAccountLoopbackOnly: a name for this machine that leads to another one
// gets no password.
func TestAccountLoopbackOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer(t, inProcess)
		a := accountAt(s, inProcess)
		a.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := s.Dial(ctx, network, addr)
			return elsewhere{c}, err
		}
		if _, err := Probe(t.Context(), a); classOf(err) != ClassConfig {
			t.Errorf("error: %v", err)
		}
	})
}

type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 143} }

func TestReceivedAt(t *testing.T) {
	want := time.Date(2026, 9, 1, 7, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		raw  string
		want time.Time
	}{
		{"Received: from a by b; Tue, 1 Sep 2026 09:00:00 +0200\r\nReceived: by c; Mon, 31 Aug 2026 09:00:00 +0200\r\n\r\n", want},
		{"Return-Path: <>\r\nRECEIVED: from a\r\n\tby b (x; y)\r\n ;\r\n Tue, 1 Sep 2026 09:00:00 +0200 (CEST)\r\nSubject: s\r\n\r\n", want},
		{"received: by b; Tue, 1 Sep 2026 07:00:00 GMT\n\nbody", want},
		{"Subject: none\r\n\r\nReceived: by b; Tue, 1 Sep 2026 09:00:00 +0200\r\n\r\n", time.Time{}},
		{"Received: by b\r\nReceived: by c; Tue, 1 Sep 2026 09:00:00 +0200\r\n\r\n", time.Time{}},
		{"Received: by b; yesterday\r\n\r\n", time.Time{}},
		{"Received: by b; Tue, 1 Sep 2026 09:00:00 +0200", time.Time{}}, // the header may go on
		{"", time.Time{}},
	} {
		if got := receivedAt([]byte(test.raw)); !got.Equal(test.want) {
			t.Errorf("receivedAt(%q) = %v, want %v", test.raw, got, test.want)
		}
	}
}

func FuzzReceivedAt(f *testing.F) {
	f.Add(testMail(1))
	f.Add([]byte("Received:\r\n ;\r\n\t;\n\n"))
	f.Add([]byte("received: ;\x00\r\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := receivedAt(raw)
		// What follows the header never counts.
		if head, _, ok := strings.Cut(string(raw), "\n\n"); ok && !strings.Contains(head, "\r") {
			if again := receivedAt([]byte(head + "\n\n")); !again.Equal(got) {
				t.Errorf("%v with the body, %v without", got, again)
			}
		}
	})
}
