package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"

	"vdpd/mailbox/mailboxtest"
)

// TestPollerMoveRefused has a processed folder that takes nothing for a while:
// nothing is lost, taken twice or tried all the time.
func TestPollerMoveRefused(t *testing.T) {
	for _, command := range []string{"MOVE", "COPY"} {
		t.Run(command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var full atomic.Bool
				full.Store(true)
				o := mailboxtest.Options{InProcess: true, NoMove: command != "MOVE", Refuse: func(c string, _ imap.UIDSet) error {
					if c == command && full.Load() {
						return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeOverQuota, Text: "full"}
					}
					return nil
				}}
				s, a, in, p := manyMails(t, o)
				checkMoveFailed(t, s, a, p)
				full.Store(false)
				in.wait(t, "the next session", func() bool { return s.Connections.Load() > 1 })
				in.waitRound(t, a.Name, "INBOX")
				if left := must(s.Messages(a.User, "INBOX"))(t); len(left) > 0 {
					t.Errorf("%d messages were never moved", len(left))
				}
				if len(in.took) != 60 || p.Health().Err != nil {
					t.Errorf("%d taken, health %+v", len(in.took), p.Health())
				}
			})
		})
	}
}

// TestPollerCopiesOnce may copy and not remove: that must not fill the
// processed folder with copies.
func TestPollerCopiesOnce(t *testing.T) {
	for _, command := range []string{"STORE", "EXPUNGE"} {
		t.Run(command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := mailboxtest.Options{InProcess: true, NoMove: true, Refuse: func(c string, _ imap.UIDSet) error {
					if c == command {
						return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeNoPerm, Text: "no"}
					}
					return nil
				}}
				s, a, in, p := manyMails(t, o)
				in.wait(t, "two more sessions", func() bool { return s.Connections.Load() > 2 })
				in.waitRound(t, a.Name, "INBOX")
				if copies := must(s.Messages(a.User, a.Processed))(t); len(copies) > chunkMessages {
					t.Errorf("%d copies", len(copies))
				}
				if left := must(s.Messages(a.User, "INBOX"))(t); len(left) != 60 {
					t.Errorf("%d messages in INBOX", len(left))
				}
				if h := p.Health(); !errors.Is(h.Err, errCopied) {
					t.Errorf("health: %+v", h)
				}
			})
		})
	}
}

// manyMails has a mailbox of 60 mails taken.
func manyMails(t *testing.T, o mailboxtest.Options) (*mailboxtest.Server, Account, *memIntake, *Poller) {
	s := newMemoryServer(t, o)
	for n := range 60 {
		must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
	}
	a := accountAt(s, o)
	a.PollEvery = 0
	in := newMemIntake()
	in.limit = 5 * time.Hour
	p := &Poller{Account: a, Intake: in}
	startPoller(t, p)
	in.waitTaken(t, 60)
	in.waitRound(t, a.Name, "INBOX")
	return s, a, in, p
}

func checkMoveFailed(t *testing.T, s *mailboxtest.Server, a Account, p *Poller) {
	if e, ok := errors.AsType[*Error](p.Health().Err); !ok || e.Class != ClassMove || e.Hint() == "" {
		t.Errorf("health: %+v", p.Health())
	}
	if left := must(s.Messages(a.User, "INBOX"))(t); len(left) != 60 || len(left[0].Flags) > 0 {
		t.Errorf("%d messages left in INBOX", len(left))
	}
	if n := s.Changes.Load(); n > 20 {
		t.Errorf("%d attempts in one session", n)
	}
}

// TestPollerMoveOneRefused has one message that does not go, in a group.
func TestPollerMoveOneRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := mailboxtest.Options{InProcess: true, Refuse: func(c string, uids imap.UIDSet) error {
			if c == "MOVE" && uids.Contains(7) {
				return &imap.Error{Type: imap.StatusResponseTypeNo, Text: "not this one"}
			}
			return nil
		}}
		s := newMemoryServer(t, o)
		for n := range 60 {
			must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
		}
		in := newMemIntake()
		a := accountAt(s, o)
		startPoller(t, &Poller{Account: a, Intake: in})
		in.waitTaken(t, 60)
		if left := uidsOf(must(s.Messages(a.User, "INBOX"))(t)); !slices.Equal(left, []uint32{7}) {
			t.Errorf("left in INBOX: %v", left)
		}
	})
}

func TestPollerCannotMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := mailboxtest.Options{InProcess: true, NoMove: true, NoUIDPlus: true}
		s := newMemoryServer(t, o)
		in := newMemIntake()
		var log bytes.Buffer
		a := accountAt(s, o)
		p := &Poller{Account: a, Intake: in, Log: slog.New(slog.NewTextHandler(&log, nil))}
		stop := startPoller(t, p)
		for n := range 3 {
			must(s.Append(a.User, "INBOX", testMail(n), arrival(n)))(t)
			in.waitTaken(t, n+1)
		}
		left := must(s.Messages(a.User, "INBOX"))(t)
		if len(left) != 3 || s.Changes.Load() != 0 {
			t.Errorf("%d messages in INBOX after %d changes", len(left), s.Changes.Load())
		}
		stop()
		if n := strings.Count(log.String(), "neither MOVE nor UIDPLUS"); n != 1 || !errors.Is(p.Health().Err, errNoMove) {
			t.Errorf("said %d times, want once:\n%s\nhealth %+v", n, &log, p.Health())
		}
	})
}

// TestPollerMovesInGroups counts commands: one MOVE a message is ten times
// slower. There are more messages than one round takes.
func TestPollerMovesInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 2*roundMessages + 120
		s := newMemoryServer(t, inProcess)
		for n := range many {
			must(s.Append("security@identity.example", "INBOX", testMail(n), arrival(n)))(t)
		}
		in := newMemIntake()
		a := accountAt(s, inProcess)
		a.PollEvery = 0
		begin := time.Now()
		startPoller(t, &Poller{Account: a, Intake: in})
		in.waitTaken(t, many)
		if n := s.Changes.Load(); n != 23 {
			t.Errorf("%d MOVE commands for %d messages, want 23", n, many)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it waited %v with messages still to read", took)
		}
	})
}

func TestPollerOneMailboxDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer(t, inProcess)
		in := newMemIntake()
		up, down := accountAt(s, inProcess), accountAt(s, inProcess)
		down.Name = "ep"
		down.Dial = mailboxtest.Faulty(s.Dial, func(int) mailboxtest.Fault { return mailboxtest.Fault{Refuse: true} })
		sick := &Poller{Account: down, Intake: newMemIntake()}
		startPoller(t, sick)
		startPoller(t, &Poller{Account: up, Intake: in})
		for n := range 3 {
			must(s.Append(up.User, "INBOX", testMail(n), arrival(n)))(t)
			in.waitTaken(t, n+1)
		}
		if h := sick.Health(); classOf(h.Err) != ClassUnreachable || h.Failures == 0 || h.Mailbox != "ep" {
			t.Errorf("health of the other: %+v", h)
		}
	})
}

// TestPollerAge: a connection that works is replaced within the hour.
func TestPollerAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer(t, inProcess)
		a := accountAt(s, inProcess)
		a.PollEvery = 0
		in := newMemIntake()
		in.limit = 24 * time.Hour
		begin := time.Now()
		p := &Poller{Account: a, Intake: in}
		startPoller(t, p)
		in.wait(t, "the fourth connection", func() bool { return s.Connections.Load() == 4 })
		if took := time.Since(begin); took > 3*time.Hour || took < 2*time.Hour {
			t.Errorf("the fourth connection was made after %v", took)
		}
		if h := p.Health(); h.Failures != 0 || h.Err != nil || time.Since(h.LastRound) > 2*time.Minute {
			t.Errorf("health: %+v", h)
		}
	})
}

// TestPollerWrongPassword: a server that locks accounts must not be given a
// reason to.
func TestPollerWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer(t, inProcess)
		a := accountAt(s, inProcess)
		a.Password = imapPassword("hunter2")
		stop := startPoller(t, &Poller{Account: a, Intake: newMemIntake()})
		<-time.After(time.Hour)
		stop()
		if n := s.Connections.Load(); n < 10 || n > 25 {
			t.Errorf("%d logins in an hour", n)
		}
	})
}

func TestBackoff(t *testing.T) {
	for _, test := range []struct {
		attempt   int
		login     bool
		low, high time.Duration
	}{
		{0, false, 500 * time.Millisecond, time.Second},
		{1, false, time.Second, 2 * time.Second},
		{8, false, 128 * time.Second, 256 * time.Second},
		{9, false, 150 * time.Second, 300 * time.Second},
		{1 << 40, false, 150 * time.Second, 300 * time.Second},
		{0, true, 150 * time.Second, 300 * time.Second},
	} {
		low, high := backoff(test.attempt, test.login, 0), backoff(test.attempt, test.login, 0.999999)
		if low != test.low || high > test.high || high < test.high*99/100 {
			t.Errorf("backoff(%d, %t) from %v to %v, want %v to %v", test.attempt, test.login, low, high, test.low, test.high)
		}
	}
}

// TestPollerPeers tries what real servers were seen to send, and worse, with a
// scripted mailbox that holds UID 5 with the content "hello".
func TestPollerPeers(t *testing.T) {
	const body = "* 1 FETCH (UID 5 BODY[] {5}\r\nhello)\r\n"
	for _, test := range []struct {
		name   string
		answer func(conn int, command string) string // of untagged lines; "": the usual
		raw    string                                // "": a placeholder
	}{
		{"usual", func(int, string) string { return "" }, "hello"},
		{"literal cut off by the peer", func(conn int, command string) string {
			if conn < 2 && strings.Contains(command, "BODY") {
				return "END* 1 FETCH (UID 5 BODY[] {1000}\r\nhello"
			}
			return ""
		}, "hello"},
		{"connection ends whenever the message is asked for", func(_ int, command string) string {
			if strings.Contains(command, "BODY") {
				return "END* BYE\r\n"
			}
			return ""
		}, ""},
		{"size wrong", func(_ int, command string) string {
			if strings.Contains(command, "RFC822.SIZE") {
				return "* 1 FETCH (RFC822.SIZE 1 UID 5)\r\n"
			}
			return ""
		}, "hello"},
		{"UID 0 found", func(conn int, command string) string {
			if conn == 0 && strings.Contains(command, "SEARCH") {
				return "* SEARCH 0 5\r\n"
			}
			return ""
		}, "hello"},
		{"n:* finds the last message, long taken", func(_ int, command string) string {
			if strings.Contains(command, "SEARCH UID 6:*") {
				return "* SEARCH 5\r\n"
			}
			return ""
		}, "hello"},
		{"Exchange in trouble", func(conn int, command string) string {
			if conn == 0 && strings.Contains(command, "SEARCH") {
				return "* NO [Error=\"x y\"] trouble\r\n"
			}
			return ""
		}, "hello"},
		{"flags and a stranger's message in between", func(_ int, command string) string {
			if strings.Contains(command, "BODY") {
				return "* 1 FETCH (FLAGS (\\Recent))\r\n* 9 FETCH (UID 99 BODY[] {5}\r\nother)\r\n* 2 EXISTS\r\n" + body
			}
			return ""
		}, "hello"},
		{"the message comes twice", func(_ int, command string) string {
			if strings.Contains(command, "BODY") {
				return body + "* 1 FETCH (UID 5 BODY[] {5}\r\nother)\r\n"
			}
			return ""
		}, "hello"},
		{"much more than announced", func(_ int, command string) string {
			if strings.Contains(command, "BODY") {
				return "* 1 FETCH (UID 5 BODY[] {200000}\r\n" + strings.Repeat("x", 200000) + ")\r\n"
			}
			return ""
		}, strings.Repeat("x", 100000)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := mailboxtest.NewScript(func(conn int, tag, command string) string {
					answer := ""
					switch word, _, _ := strings.Cut(strings.TrimPrefix(command, "UID "), " "); {
					case tag == "":
						return "* OK [CAPABILITY IMAP4rev1 MOVE] hello\r\n"
					case test.answer(conn, command) != "":
						answer = test.answer(conn, command)
					case word == "CAPABILITY":
						answer = "* CAPABILITY IMAP4rev1 MOVE\r\n"
					case word == "EXAMINE":
						answer = "* 1 EXISTS\r\n* OK [UIDVALIDITY 3] valid\r\n"
					case word == "SEARCH":
						answer = "* SEARCH 5\r\n"
					case strings.Contains(command, "RFC822.SIZE"):
						answer = "* 1 FETCH (UID 5 RFC822.SIZE 5)\r\n"
					case strings.Contains(command, "BODY"):
						answer = body
					}
					if strings.HasPrefix(answer, "END") {
						return answer
					}
					return fmt.Sprintf("%s%s OK done\r\n", answer, tag)
				})
				defer script.Close()
				a := accountAt(newMemoryServer(t, inProcess), inProcess)
				a.Dial, a.MaxBytes = script.Dial, 100000
				in := newMemIntake()
				in.limit = time.Hour
				in.decide = func(Fetched) (bool, error) { return false, nil }
				stop := startPoller(t, &Poller{Account: a, Intake: in})
				got := in.waitTaken(t, 1)
				in.waitRound(t, a.Name, "INBOX")
				stop()
				if f := got[0]; string(f.Raw) != test.raw || f.Source.UID != 5 || f.Truncated != (len(test.raw) != 5) {
					t.Errorf("took %+v, size %d, truncated %t, %.20q", f.Source, f.Size, f.Truncated, f.Raw)
				}
				if len(in.took) != 1 {
					t.Errorf("taken %d times", len(in.took))
				}
			})
		})
	}
}
