package mailbox

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"

	"vdpd/mailbox/mailboxtest"
)

var inProcess = mailboxtest.Options{InProcess: true}

// eachFault runs a mailbox of three mails for faults further and further into
// the first connection, until one comes too late to be met.
func eachFault(t *testing.T, o mailboxtest.Options, step int64, fault func(at int64) mailboxtest.Fault,
	check func(t *testing.T, s *mailboxtest.Server, a Account, in *memIntake)) {
	met, at := true, int64(1)
	for ; met; at += step {
		synctest.Test(t, func(t *testing.T) {
			s := newMemoryServer(t, o)
			for n := range 3 {
				must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
			}
			a := accountAt(s, o)
			a.Timeout = 5 * time.Second
			a.Dial = mailboxtest.Faulty(a.Dial, func(n int) mailboxtest.Fault {
				if n == 0 {
					return fault(at)
				}
				return mailboxtest.Fault{}
			})
			in := newMemIntake()
			check(t, s, a, in)
			met = s.Connections.Load() > 1
		})
		if t.Failed() {
			t.Fatalf("with the fault at octet %d", at)
		}
	}
	if at < 1500 {
		t.Errorf("only %d octets were tried: that is less than a connection has until it waits", at)
	}
	t.Logf("%d octets", at)
}

// takenOnce runs a poller until each of three mails was taken once and moved.
func takenOnce(t *testing.T, s *mailboxtest.Server, a Account, in *memIntake) {
	stop := startPoller(t, &Poller{Account: a, Intake: in})
	got := in.waitTaken(t, 3)
	in.waitRound(t, a.Name, "INBOX") // the move may take another connection
	stop()
	for n, f := range got {
		if f.Source.UID != uint32(n+1) || f.Truncated || !bytes.Equal(f.Raw, testMail(n)) || !f.Source.Arrived.Equal(arrival(n)) {
			t.Errorf("message %d: %+v, truncated %t, %d octets", n, f.Source, f.Truncated, len(f.Raw))
		}
	}
	if len(got) != 3 {
		t.Errorf("taken %d times, want 3", len(got))
	}
	if left := must(s.Messages(a.User, "INBOX"))(t); len(left) > 0 {
		t.Errorf("%d messages are still in INBOX", len(left))
	}
	moved := must(s.Messages(a.User, a.Processed))(t)
	for n := range 3 {
		if !slices.ContainsFunc(moved, func(m mailboxtest.Message) bool { return bytes.Equal(m.Raw, testMail(n)) }) {
			t.Errorf("message %d is not in the processed folder", n)
		}
	}
}

func TestPollerConnectionCutAnywhere(t *testing.T) {
	for _, o := range []mailboxtest.Options{{InProcess: true}, {InProcess: true, NoMove: true}} {
		eachFault(t, o, 7, func(at int64) mailboxtest.Fault { return mailboxtest.Fault{Cut: at} }, takenOnce)
	}
}

func TestPollerConnectionStallsAnywhere(t *testing.T) {
	eachFault(t, inProcess, 11, func(at int64) mailboxtest.Fault { return mailboxtest.Fault{Stall: at} }, takenOnce)
}

// TestPollerGarbageAnywhere turns one bit. What is lost by that is not our
// fault, but it must neither hang nor panic, and the next connection works.
func TestPollerGarbageAnywhere(t *testing.T) {
	const upTo = 3000 // more than a connection has until it waits in IDLE
	for at := int64(1); at < upTo; at += 11 {
		synctest.Test(t, func(t *testing.T) {
			s := newMemoryServer(t, inProcess)
			for n := range 3 {
				must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
			}
			a := accountAt(s, inProcess)
			a.Dial = mailboxtest.Faulty(a.Dial, func(n int) mailboxtest.Fault {
				if n == 0 {
					return mailboxtest.Fault{Corrupt: at}
				}
				return mailboxtest.Fault{}
			})
			in := newMemIntake()
			in.limit = 20 * time.Minute // a login that fails waits long
			p := &Poller{Account: a, Intake: in}
			startPoller(t, p)
			must(s.Append("security@identity.example", "INBOX", testMail(3), arrival(3)))(t)
			in.wait(t, "the last message", func() bool {
				return slices.ContainsFunc(in.took, func(f Fetched) bool { return f.Source.UID == 4 })
			})
		})
		if t.Failed() {
			t.Fatalf("with octet %d turned", at)
		}
	}
}

// TestPollerStopsSoonAnywhere stops it while the peer is silent, from the
// greeting to the end of IDLE.
func TestPollerStopsSoonAnywhere(t *testing.T) {
	const upTo = 3500 // more than a connection has until it waits in IDLE
	for at := int64(1); at < upTo; at += 13 {
		synctest.Test(t, func(t *testing.T) {
			s := newMemoryServer(t, inProcess)
			for n := range 3 {
				must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
			}
			a := accountAt(s, inProcess)
			a.Timeout, a.PollEvery = time.Hour, time.Minute // nothing else ends the silence
			a.Dial = mailboxtest.Faulty(a.Dial, func(int) mailboxtest.Fault { return mailboxtest.Fault{Stall: at} })
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			p := &Poller{Account: a, Intake: newMemIntake()}
			go func() { done <- p.Run(ctx) }()
			synctest.Wait()
			if idle := !p.Health().LastRound.IsZero(); at > upTo-13 && !idle {
				t.Error("it never came to IDLE")
			}
			begin := time.Now()
			stop()
			if err := <-done; err != nil || time.Since(begin) >= 2*time.Second {
				t.Errorf("silent from octet %d on: %v after %v", at, err, time.Since(begin))
			}
		})
	}
}

// TestPollerBackoffStartsAgain: after a round that went well, a failure is the
// first one.
func TestPollerBackoffStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer(t, inProcess)
		a := accountAt(s, inProcess)
		a.Dial = mailboxtest.Faulty(a.Dial, func(n int) mailboxtest.Fault {
			return mailboxtest.Fault{Refuse: n < 8, Cut: 5000}
		})
		failures := make(chan slog.Record, 20)
		startPoller(t, &Poller{Account: a, Intake: newMemIntake(), Log: slog.New(recordHandler{slog.DiscardHandler, failures})})
		for n := range 10 {
			failure := <-failures
			failure.Attrs(func(attr slog.Attr) bool {
				if attr.Key != "retry_in" {
					return true
				}
				most := time.Second << n
				if n >= 8 {
					most = time.Second
				}
				if pause := attr.Value.Duration(); pause > most || pause < most/2 {
					t.Errorf("pause %d is %v, want %v to %v", n, pause, most/2, most)
				}
				return false
			})
		}
	})
}

// TestPollerPoison has one message that the server never delivers.
func TestPollerPoison(t *testing.T) {
	for _, test := range []struct {
		name    string
		options mailboxtest.Options
	}{
		{"refused", mailboxtest.Options{Refuse: func(command string, uids imap.UIDSet) error {
			if command == "FETCH" && uids.Contains(2) {
				return &imap.Error{Type: imap.StatusResponseTypeNo, Text: "cannot read CANARY"}
			}
			return nil
		}}},
		{"not IMAP", mailboxtest.Options{Rewrite: func(b []byte) []byte {
			if bytes.Contains(b, []byte("UID 2 ")) {
				return []byte("* 2 FETCH (UID 2 X-CANARY {3}\r\nCANARY)\r\n")
			}
			return b
		}}},
		{"no content", mailboxtest.Options{Rewrite: func(b []byte) []byte {
			if bytes.Contains(b, []byte("UID 2 BODY")) {
				return []byte("* 2 FETCH (UID 2 BODY[] NIL)\r\n")
			}
			return b
		}}},
		{"empty content", mailboxtest.Options{Rewrite: func(b []byte) []byte {
			if bytes.Contains(b, []byte("UID 2 BODY")) {
				return []byte("* 2 FETCH (UID 2 BODY[] \"\")\r\n")
			}
			return b
		}}},
		{"left out", mailboxtest.Options{Rewrite: func(b []byte) []byte {
			if bytes.Contains(b, []byte("UID 2 ")) {
				return nil
			}
			return b
		}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.options.InProcess = true
				s := newMemoryServer(t, test.options)
				for n := range 4 {
					must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
				}
				in := newMemIntake()
				var log bytes.Buffer
				begin := time.Now()
				p := &Poller{Account: accountAt(s, test.options), Intake: in, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
				stop := startPoller(t, p)
				got := in.waitTaken(t, 4)
				stop()
				for n, f := range got {
					if placeholder := f.Raw == nil && f.Truncated; placeholder != (n == 1) || f.Source.UID != uint32(n+1) {
						t.Errorf("message %d: %+v, %d octets, truncated %t", n, f.Source, len(f.Raw), f.Truncated)
					}
				}
				if got[1].Source.Arrived.IsZero() {
					t.Error("the placeholder has no time of arrival")
				}
				if took := time.Since(begin); took > time.Minute {
					t.Errorf("it held up the mailbox for %v", took)
				}
				if !strings.Contains(log.String(), "placeholder") || strings.Contains(log.String(), "CANARY") || strings.Contains(log.String(), "@") {
					t.Errorf("log:\n%s", &log)
				}
			})
		})
	}
}

// TestPollerBrokenDate has a message with an INTERNALDATE that is none, which
// kills the connection: the top Received header, by the same server, stands in.
func TestPollerBrokenDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := mailboxtest.Options{InProcess: true, Rewrite: func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("07:00:01 +0000"), []byte("07:00:01 CEST!"))
		}}
		s := newMemoryServer(t, o)
		for n := range 3 {
			must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
		}
		in := newMemIntake()
		startPoller(t, &Poller{Account: accountAt(s, o), Intake: in})
		for n, f := range in.waitTaken(t, 3) {
			if !bytes.Equal(f.Raw, testMail(n)) || !f.Source.Arrived.Equal(arrival(n)) {
				t.Errorf("message %d arrived %v, %d octets", n, f.Source.Arrived, len(f.Raw))
			}
		}
	})
}
