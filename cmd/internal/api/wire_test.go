package api

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
	_ "time/tzdata"

	"golang.org/x/sys/unix"

	"vdpd/triage"
	"vdpd/triage/calendar"
)

func amsterdam(t *testing.T) calendar.Calendar {
	t.Helper()
	z, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	return calendar.Calendar{Zone: z, Opens: 9 * 60, Closes: 17 * 60, Country: "nl",
		Workdays: [7]bool{time.Monday: true, time.Tuesday: true, time.Wednesday: true, time.Thursday: true, time.Friday: true}}
}

func TestBusinessDays(t *testing.T) {
	cal := amsterdam(t)
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, cal.Zone)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct {
		now, due string
		want     int
	}{
		{"2026-11-20 16:59", "2026-11-25 17:00", 3}, // Friday to Wednesday
		{"2026-11-22 00:01", "2026-11-25 17:00", 3}, // Sunday, local; Saturday in UTC
		{"2026-11-25 00:00", "2026-11-25 17:00", 0},
		{"2026-11-26 09:00", "2026-11-25 17:00", 0}, // past
		{"2026-12-24 16:00", "2026-12-30 17:00", 3}, // 25 December, weekend
		{"2026-10-23 10:00", "2026-10-26 17:00", 1}, // over the end of summer time
	}
	for _, test := range tests {
		if got := businessDays(cal, at(test.now), at(test.due)); got != test.want {
			t.Errorf("%s to %s: %d, want %d", test.now, test.due, got, test.want)
		}
	}
}

func TestSummarise(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	arrived, due := now.Add(-72*time.Hour), now.Add(56*time.Hour)
	mail := func(id, role, held string, r triage.Result) triage.Mail {
		return triage.Mail{Notice: triage.Notice{ID: id, Role: role, Held: held}, Last: triage.Outcome{Result: r}}
	}
	c := &triage.Case{
		Ref: "R", State: triage.StateTriage, Policy: "ep", Mailbox: "backoffice", Opened: now,
		Clocks: []triage.Clock{{Name: triage.ClockEmbargo}, {Name: triage.ClockEvaluation, Promised: true, Due: due}},
		Items: []triage.Item{
			{Source: triage.Source{Arrived: arrived}, From: []triage.Address{{Address: "Anna@researcher.example"}},
				OpenPGP: triage.OpenPGP{Encrypted: "full", Decrypted: true, Signature: triage.SigValid}},
			{Source: triage.Source{Arrived: now}},
		},
		Seen: []triage.SeenBy{{Role: "ciso"}, {Role: "support"}},
		Mails: []triage.Mail{
			mail("1", "support", "", triage.Sent), mail("2", "ciso", "", triage.Failed), mail("3", "ceo", "", triage.Retry),
			mail("4", "ceo", "", ""), mail("5", "", "because", ""), mail("6", "so_on_duty", "", triage.Unknown),
		},
	}
	got := Summarise(c, amsterdam(t), now)
	want := Summary{
		Ref: "R", State: triage.StateTriage, Policy: "ep", Zone: "Europe/Amsterdam", Mailbox: "backoffice",
		Arrived: arrived, From: "Anna@researcher.example", Encrypted: "full", Decrypted: true, Signature: triage.SigValid,
		Due: due, Promised: true, BusinessDays: 2, Seen: []string{"ciso", "support"}, Unseen: []string{"ceo", "so_on_duty"},
		Mails: 2, Held: 1, Pending: 3, Undelivered: 1,
	}
	reveal := func(s Summary) string { return fmt.Sprintf("%+v %s", s, s.From.Reveal()) }
	if reveal(got) != reveal(want) {
		t.Errorf("got  %s\nwant %s", reveal(got), reveal(want))
	}
	bare := Summarise(&triage.Case{Opened: now}, amsterdam(t), now)
	if !bare.Arrived.Equal(now) || bare.Seen == nil || bare.Encrypted != "no" || !bare.Due.IsZero() {
		t.Errorf("a case without mails: %+v", bare)
	}
}

func TestUnreached(t *testing.T) {
	connect := func(errno unix.Errno) error {
		return &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", errno)}
	}
	for errno, want := range map[unix.Errno]error{
		unix.ENOENT: ErrNotRunning, unix.ECONNREFUSED: ErrNotRunning, unix.EACCES: ErrNoAccess, unix.EIO: unix.EIO,
	} {
		if err := unreached(connect(errno)); !errors.Is(err, want) {
			t.Errorf("%v: got %v, want %v", errno, err, want)
		}
	}
}

func TestStrangerBehindNamespace(t *testing.T) {
	if got := (peer{uid: overflow}).stranger(); got == (peer{uid: 1}).stranger() {
		t.Errorf("got %q", got)
	}
}
