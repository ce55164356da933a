package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vdpd/mailbox/mailboxtest"
	"vdpd/triage"
)

// imapPeer is a mail server that the suite runs against.
type imapPeer interface {
	// run runs a test, perhaps in a bubble of package synctest.
	run(t *testing.T, test func(*testing.T))
	// account is for a fresh mailbox with INBOX and Junk.
	account(t *testing.T) Account
	// person logs in to the mailbox of that account.
	person(t *testing.T, a Account) *mailboxtest.Client
}

func imapPassword(s string) func() (triage.Secret, error) {
	return func() (triage.Secret, error) { return triage.Secret(s), nil }
}

// runIMAPSuite is how every IMAP server is expected to behave with us.
func runIMAPSuite(t *testing.T, peer imapPeer) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Account, *mailboxtest.Client)
	}{
		{"new mail is taken in order and moved unread", suiteTaken},
		{"many", suiteMany},
		{"IDLE brings news before the poll", suiteIdle},
		{"a shared mailbox stays as it is", suiteShared},
		{"what a person puts into the report folder is taken", suiteReportFolder},
		{"several folders", suiteFolders},
		{"a folder that was re-created is read again", suiteRecreated},
		{"a folder that was re-created before the move", suiteRecreatedEarly},
		{"a crash between commit and move", suiteCrash},
		{"a message that goes before it is fetched", suiteGone},
		{"a large message is cut", suiteLarge},
		{"a failed commit holds everything behind it", suiteIntakeFails},
		{"flags of others stay", suiteFlags},
		{"wrong password", suiteLogin},
		{"probe", suiteProbe},
	} {
		t.Run(test.name, func(t *testing.T) {
			peer.run(t, func(t *testing.T) {
				a := peer.account(t)
				person := peer.person(t, a)
				t.Cleanup(person.Close)
				test.run(t, a, person)
			})
		})
	}
}

func suiteTaken(t *testing.T, a Account, person *mailboxtest.Client) {
	in := newMemIntake()
	for n := range 3 {
		must(person.Append("INBOX", testMail(n), arrival(n)))(t)
	}
	startPoller(t, &Poller{Account: a, Intake: in, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	in.waitTaken(t, 3)
	must(person.Append("INBOX", testMail(3), arrival(3)))(t)
	got := in.waitTaken(t, 4)

	validity := got[0].Source.UIDValidity
	for n, f := range got {
		if !bytes.Equal(f.Raw, testMail(n)) || f.Truncated || f.Size != int64(len(f.Raw)) {
			t.Errorf("message %d: %d octets, size %d, truncated %t", n, len(f.Raw), f.Size, f.Truncated)
		}
		want := triage.Source{Mailbox: a.Name, Folder: "INBOX", UIDValidity: validity, UID: uint32(n + 1)}
		if identity(f.Source) != want || !f.Source.Arrived.Equal(arrival(n)) {
			t.Errorf("source %+v, want %+v at %v", f.Source, want, arrival(n))
		}
	}
	if left := must(person.Messages("INBOX"))(t); len(left) > 0 {
		t.Errorf("%d messages are still in INBOX", len(left))
	}
	moved := must(person.Messages(a.Processed))(t)
	if len(moved) != 4 {
		t.Fatalf("%d messages in the processed folder, want 4", len(moved))
	}
	for n, m := range moved {
		if slices.Contains(m.Flags, `\Seen`) || slices.Contains(m.Flags, `\Deleted`) || !bytes.Equal(m.Raw, testMail(n)) || !m.Arrived.Equal(arrival(n)) {
			t.Errorf("moved message %d: flags %q, arrived %v", n, m.Flags, m.Arrived)
		}
	}
	if !must(person.Subscribed(a.Processed))(t) {
		t.Error("the processed folder was created and not subscribed")
	}
}

func suiteMany(t *testing.T, a Account, person *mailboxtest.Client) {
	const many = 120
	in := newMemIntake()
	for n := range many {
		must(person.Append("INBOX", testMail(n), arrival(n)))(t)
	}
	startPoller(t, &Poller{Account: a, Intake: in})
	for n, f := range in.waitTaken(t, many) {
		if !bytes.Equal(f.Raw, testMail(n)) {
			t.Errorf("message %d has other content", n)
		}
	}
	if moved := must(person.Messages(a.Processed))(t); len(moved) != many {
		t.Errorf("%d of %d were moved", len(moved), many)
	}
}

func suiteIdle(t *testing.T, a Account, person *mailboxtest.Client) {
	if report := must(Probe(t.Context(), a))(t); !report.Idle {
		return // its news come by the poll, in all the other tests
	}
	a.PollEvery = 60 * time.Second // longer than in.wait waits
	in := newMemIntake()
	startPoller(t, &Poller{Account: a, Intake: in})
	in.wait(t, "the first round", func() bool { return in.rounds[[2]string{a.Name, "INBOX"}] > 0 })
	for n := range 3 {
		must(person.Append("INBOX", testMail(n), arrival(n)))(t)
		in.wait(t, "a message", func() bool { return len(in.took) == n+1 })
	}
}

func suiteShared(t *testing.T, a Account, person *mailboxtest.Client) {
	a.Mode, a.ReportFolder = triage.Shared, "Reports"
	for n := range 5 {
		must(person.Append("INBOX", testMail(n), arrival(n)))(t)
	}
	if err := person.Flag("INBOX", 2, `\Seen`); err != nil {
		t.Fatal(err)
	}
	if err := person.Flag("INBOX", 3, `\Deleted`); err != nil {
		t.Fatal(err)
	}
	before := must(person.Messages("INBOX"))(t)

	in := newMemIntake()
	in.decide = func(f Fetched) (bool, error) { return bytes.Contains(f.Raw, []byte("report 3")), nil }
	stop := startPoller(t, &Poller{Account: a, Intake: in})
	in.waitTaken(t, 5)
	stop()
	// A second life: what was left alone is not offered again, nor touched.
	startPoller(t, &Poller{Account: a, Intake: in})
	in.waitRound(t, a.Name, "INBOX")
	if len(in.took) != 5 {
		t.Errorf("%d messages taken, want each of 5 once", len(in.took))
	}
	before = slices.Delete(before, 3, 4)
	after := must(person.Messages("INBOX"))(t)
	if !slices.EqualFunc(before, after, func(a, b mailboxtest.Message) bool {
		return a.UID == b.UID && slices.Equal(a.Flags, b.Flags) && bytes.Equal(a.Raw, b.Raw)
	}) {
		t.Errorf("before %v\nafter  %v", before, after)
	}
	if moved := must(person.Messages(a.Processed))(t); len(moved) != 1 {
		t.Errorf("%d messages were moved, want the one report", len(moved))
	}
}

func suiteReportFolder(t *testing.T, a Account, person *mailboxtest.Client) {
	a.Mode, a.ReportFolder = triage.Shared, "Reports"
	must(person.Append("INBOX", testMail(0), arrival(0)))(t)
	in := newMemIntake()
	in.decide = func(f Fetched) (bool, error) { return f.Source.Folder == "Reports", nil }
	startPoller(t, &Poller{Account: a, Intake: in})
	in.waitTaken(t, 1)
	if err := person.Move("INBOX", 1, "Reports"); err != nil {
		t.Fatal(err)
	}
	got := in.waitTaken(t, 2)
	if f := got[1]; f.Source.Folder != "Reports" || !bytes.Equal(f.Raw, testMail(0)) || !f.Source.Arrived.Equal(arrival(0)) {
		t.Errorf("second offer: %+v", f.Source)
	}
	if moved := must(person.Messages(a.Processed))(t); len(moved) != 1 {
		t.Errorf("%d messages were moved, want 1", len(moved))
	}
}

func suiteFolders(t *testing.T, a Account, person *mailboxtest.Client) {
	a.Folders = []string{"INBOX", "Junk"}
	must(person.Append("Junk", testMail(0), arrival(0)))(t)
	must(person.Append("INBOX", testMail(1), arrival(1)))(t)
	in := newMemIntake()
	startPoller(t, &Poller{Account: a, Intake: in})
	in.waitTaken(t, 2)
	must(person.Append("Junk", testMail(2), arrival(2)))(t)
	got := in.waitTaken(t, 3)
	if f := got[2]; f.Source.Folder != "Junk" || f.Source.UID != 2 {
		t.Errorf("third message: %+v", f.Source)
	}
	if moved := must(person.Messages(a.Processed))(t); len(moved) != 3 {
		t.Errorf("%d messages were moved, want 3", len(moved))
	}
}

func suiteRecreated(t *testing.T, a Account, person *mailboxtest.Client) {
	a.Folders = []string{"INBOX", "Junk"}
	in := newMemIntake()
	in.decide = func(Fetched) (bool, error) { return false, nil }
	must(person.Append("Junk", testMail(0), arrival(0)))(t)
	must(person.Append("Junk", testMail(1), arrival(1)))(t)
	p := &Poller{Account: a, Intake: in}
	startPoller(t, p)
	old := in.waitTaken(t, 2)[1].Source

	if err := person.Delete("Junk"); err != nil {
		t.Fatal(err)
	}
	in.waitRound(t, a.Name, "INBOX") // INBOX goes on
	if err := p.Health().Err; classOf(err) != ClassFolder || !strings.Contains(err.Error(), "Junk") {
		t.Errorf("health while Junk is missing: %v", err)
	}
	if err := person.Create("Junk"); err != nil {
		t.Fatal(err)
	}
	must(person.Append("Junk", testMail(2), arrival(2)))(t)
	got := in.waitTaken(t, 3)[2]
	if got.Source.UID != 1 || got.Source.UIDValidity == old.UIDValidity || !bytes.Equal(got.Raw, testMail(2)) {
		t.Errorf("after re-creation: %+v, before: %+v", got.Source, old)
	}
	in.waitRound(t, a.Name, "INBOX")
	if err := p.Health().Err; err != nil {
		t.Errorf("health in the end: %v", err)
	}
}

// suiteRecreatedEarly puts another message in the place of the one that is to
// be moved: it has the same UID, and must not be moved unread.
func suiteRecreatedEarly(t *testing.T, a Account, person *mailboxtest.Client) {
	a.Folders = []string{"INBOX", "Junk"}
	must(person.Append("Junk", testMail(0), arrival(0)))(t)
	in := newMemIntake()
	var failed error
	in.after = func(f Fetched) {
		if bytes.Equal(f.Raw, testMail(0)) {
			_, err := person.Append("INBOX", testMail(2), arrival(2))
			failed = errors.Join(err, person.Delete("Junk"), person.Create("Junk"))
			_, err = person.Append("Junk", testMail(1), arrival(1))
			failed = errors.Join(failed, err)
		}
	}
	startPoller(t, &Poller{Account: a, Intake: in})
	got := in.waitTaken(t, 3)
	if failed != nil {
		t.Fatal(failed)
	}
	if !slices.ContainsFunc(got, func(f Fetched) bool { return bytes.Equal(f.Raw, testMail(1)) }) {
		t.Error("the new message was not taken")
	}
}

func suiteCrash(t *testing.T, a Account, person *mailboxtest.Client) {
	for n := range 4 {
		must(person.Append("INBOX", testMail(n), arrival(n)))(t)
	}
	in := newMemIntake()
	ctx, crash := context.WithCancel(t.Context())
	in.decide = func(f Fetched) (bool, error) {
		if f.Source.UID == 3 {
			crash() // it will be committed, and the process ends before the move
		}
		return f.Source.UID != 2, nil
	}
	if err := (&Poller{Account: a, Intake: in}).Run(ctx); err != nil {
		t.Fatal(err)
	}
	if left := must(person.Messages("INBOX"))(t); len(left) != 4 {
		t.Fatalf("%d messages in INBOX after the crash, want 4", len(left))
	}
	if len(in.took) != 3 {
		t.Fatalf("%d taken: the one in hand was to be finished, and no other begun", len(in.took))
	}
	startPoller(t, &Poller{Account: a, Intake: in})
	in.waitTaken(t, 4)
	if uids := uidsOf(must(person.Messages("INBOX"))(t)); !slices.Equal(uids, []uint32{2}) {
		t.Errorf("in INBOX: %v, want what was left alone", uids)
	}
	if moved := must(person.Messages(a.Processed))(t); len(moved) != 3 {
		t.Errorf("%d messages were moved, want 3", len(moved))
	}
	if len(in.took) != 4 {
		t.Errorf("%d messages were taken, want each of 4 once", len(in.took))
	}
}

func suiteGone(t *testing.T, a Account, person *mailboxtest.Client) {
	a.MaxBytes = 1000 // what is larger is fetched alone, after those before it were taken
	must(person.Append("INBOX", testMail(0), arrival(0)))(t)
	must(person.Append("INBOX", append(testMail(1), bytes.Repeat([]byte("x\r\n"), 1000)...), arrival(1)))(t)
	must(person.Append("INBOX", testMail(2), arrival(2)))(t)
	in := newMemIntake()
	var removed error
	in.after = func(f Fetched) {
		if f.Source.UID == 1 {
			removed = person.Remove("INBOX", 2)
		}
	}
	startPoller(t, &Poller{Account: a, Intake: in})
	got := in.waitTaken(t, 2)
	if removed != nil {
		t.Fatal(removed)
	}
	if got[1].Source.UID != 3 || len(got[1].Raw) == 0 {
		t.Errorf("second message: %+v", got[1].Source)
	}
}

func suiteLarge(t *testing.T, a Account, person *mailboxtest.Client) {
	a.MaxBytes = 1000
	large := append(testMail(0), bytes.Repeat([]byte("0123456789abcde\r\n"), 400)...)
	exact := append(testMail(1), bytes.Repeat([]byte("y"), 1000-len(testMail(1)))...)
	must(person.Append("INBOX", large, arrival(0)))(t)
	must(person.Append("INBOX", exact, arrival(1)))(t)
	in := newMemIntake()
	startPoller(t, &Poller{Account: a, Intake: in})
	got := in.waitTaken(t, 2)
	if f := got[0]; !f.Truncated || f.Size != int64(len(large)) || !bytes.Equal(f.Raw, large[:1000]) {
		t.Errorf("large: truncated %t, size %d, %d octets", f.Truncated, f.Size, len(f.Raw))
	}
	if f := got[1]; f.Truncated || f.Size != 1000 || !bytes.Equal(f.Raw, exact) {
		t.Errorf("exact: truncated %t, size %d, %d octets", f.Truncated, f.Size, len(f.Raw))
	}
}

func suiteIntakeFails(t *testing.T, a Account, person *mailboxtest.Client) {
	for n := range 3 {
		must(person.Append("INBOX", testMail(n), arrival(n)))(t)
	}
	in := newMemIntake()
	var offered []uint32
	in.decide = func(f Fetched) (bool, error) {
		offered = append(offered, f.Source.UID)
		if f.Source.UID == 2 && len(offered) < 4 {
			return false, errors.New("disk full")
		}
		return true, nil
	}
	p := &Poller{Account: a, Intake: in}
	startPoller(t, p)
	in.wait(t, "the first message", func() bool { return len(in.took) == 1 })
	in.waitTaken(t, 3)
	if want := []uint32{1, 2, 2, 2, 3}; !slices.Equal(offered, want) {
		t.Errorf("offered %v, want %v", offered, want)
	}
	if moved := must(person.Messages(a.Processed))(t); len(moved) != 3 {
		t.Errorf("%d messages were moved, want 3", len(moved))
	}
}

func suiteFlags(t *testing.T, a Account, person *mailboxtest.Client) {
	must(person.Append("INBOX", testMail(0), arrival(0)))(t)
	must(person.Append("INBOX", testMail(1), arrival(1)))(t)
	if err := errors.Join(person.Flag("INBOX", 1, `\Flagged`), person.Flag("INBOX", 2, `\Deleted`)); err != nil {
		t.Fatal(err)
	}
	in := newMemIntake()
	in.decide = func(f Fetched) (bool, error) { return f.Source.UID == 1, nil }
	startPoller(t, &Poller{Account: a, Intake: in})
	in.waitTaken(t, 2)
	// What somebody else marked as deleted is not expunged along with ours.
	if left := must(person.Messages("INBOX"))(t); len(left) != 1 || !slices.Contains(left[0].Flags, `\Deleted`) {
		t.Errorf("in INBOX: %v", left)
	}
	if moved := must(person.Messages(a.Processed))(t); len(moved) != 1 || !slices.Contains(moved[0].Flags, `\Flagged`) {
		t.Errorf("moved: %v", moved)
	}
}

func suiteLogin(t *testing.T, a Account, _ *mailboxtest.Client) {
	a.Password = imapPassword("hunter2")
	failed := make(chan slog.Record, 10)
	p := &Poller{Account: a, Intake: newMemIntake(), Log: slog.New(recordHandler{slog.DiscardHandler, failed})}
	stop := startPoller(t, p)
	select {
	case <-failed:
	case <-time.After(30 * time.Second):
		t.Fatal("no failure was logged")
	}
	stop()
	h := p.Health()
	if classOf(h.Err) != ClassLogin || h.Failures != 1 || !h.LastRound.IsZero() || h.Mailbox != a.Name {
		t.Errorf("health: %+v", h)
	}
	for _, want := range []string{a.Name, "AUTHENTICATIONFAILED"} {
		if !strings.Contains(h.Err.Error(), want) {
			t.Errorf("%q does not tell %s", h.Err, want)
		}
	}
	if text := fmt.Sprintf("%v %+v", h, h.Err); strings.Contains(text, "hunter2") || strings.Contains(text, a.User) {
		t.Errorf("the password or the address is in the error: %s", text)
	}
}

// recordHandler passes each record of level Warn or above on.
type recordHandler struct {
	slog.Handler
	records chan<- slog.Record
}

func (h recordHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h recordHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h recordHandler) Handle(_ context.Context, r slog.Record) error {
	h.records <- r
	return nil
}

func suiteProbe(t *testing.T, a Account, person *mailboxtest.Client) {
	must(person.Append("INBOX", testMail(0), arrival(0)))(t)
	a.Folders = []string{"INBOX", "Junk"}
	for _, created := range []bool{true, false} {
		report := must(Probe(t.Context(), a))(t)
		want := []FolderReport{{Name: "Junk"}, {Name: "INBOX", Messages: 1}, {Name: a.Processed, Created: created}}
		if !report.UIDPlus || !slices.Equal(report.Folders, want) {
			t.Errorf("report %+v, want folders %+v", report, want)
		}
	}
	a.Folders = []string{"INBOX", "Spam"}
	_, err := Probe(t.Context(), a)
	if e, ok := errors.AsType[*Error](err); !ok || e.Class != ClassFolder || e.Folder != "Spam" || e.Hint() == "" {
		t.Errorf("missing folder: %v", err)
	}
}

// memoryPeer is the server of mailboxtest.
type memoryPeer struct {
	options mailboxtest.Options
	server  *mailboxtest.Server
}

func (m *memoryPeer) run(t *testing.T, test func(*testing.T)) {
	if m.options.InProcess {
		synctest.Test(t, test)
	} else {
		test(t)
	}
}

func (m *memoryPeer) account(t *testing.T) Account {
	m.server = newMemoryServer(t, m.options)
	return accountAt(m.server, m.options)
}

func (m *memoryPeer) person(t *testing.T, a Account) *mailboxtest.Client {
	return must(m.server.Client(a.User))(t)
}

// newMemoryServer has the mailbox of the account of accountAt.
func newMemoryServer(t testing.TB, o mailboxtest.Options) *mailboxtest.Server {
	t.Helper()
	server := must(mailboxtest.NewServer(o))(t)
	t.Cleanup(server.Close)
	if err := server.AddUser("security@identity.example", "secret", "Junk"); err != nil {
		t.Fatal(err)
	}
	return server
}

// accountAt is an account on a server of mailboxtest.
func accountAt(s *mailboxtest.Server, o mailboxtest.Options) Account {
	a := Account{
		Name: "iw", TLS: TLSNone, RootCAs: s.RootCAs(), User: "security@identity.example", Password: imapPassword("secret"),
		Mode: triage.Dedicated, Folders: []string{"INBOX"}, Processed: "Processed", PollEvery: 200 * time.Millisecond,
	}
	a.Host, a.Port = hostPort(s.Addr())
	switch {
	case o.TLS:
		a.TLS = TLSImplicit
	case o.StartTLS:
		a.TLS = TLSStart
	}
	if o.InProcess {
		a.Dial = s.Dial
	}
	return a
}

func TestIMAPSuiteInMemory(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, test := range []struct {
		name    string
		options mailboxtest.Options
	}{
		{"over TCP", mailboxtest.Options{TLS: true}},
		{"plain", mailboxtest.Options{InProcess: true}},
		{"tls", mailboxtest.Options{InProcess: true, TLS: true}},
		{"starttls", mailboxtest.Options{InProcess: true, StartTLS: true}},
		{"without MOVE", mailboxtest.Options{InProcess: true, NoMove: true}},
		{"without IDLE", mailboxtest.Options{InProcess: true, Rewrite: hideIdle}},
	} {
		t.Run(test.name, func(t *testing.T) { runIMAPSuite(t, &memoryPeer{options: test.options}) })
	}
}

// hideIdle makes a server that does not offer IDLE.
func hideIdle(b []byte) []byte { return bytes.ReplaceAll(b, []byte(" IDLE"), []byte(" XDLE")) }

func hostPort(addr string) (host string, port int) {
	host, p, _ := net.SplitHostPort(addr)
	port, _ = strconv.Atoi(p)
	return host, port
}
