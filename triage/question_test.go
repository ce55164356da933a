package triage_test

import (
	"maps"
	"slices"
	"testing"

	"vdpd/triage"
)

// inQuestion is a case made of a mail in a shared mailbox that may be a report.
func inQuestion(t *testing.T, m *triage.Message) (*triage.Policy, triage.Case) {
	t.Helper()
	p := relocation()
	p.Hints(m)
	change := p.Intake(arrived, m, triage.Known{Fresh: fresh})
	if change.Disposition != triage.AsQuestion || p.Moves(change.Disposition) {
		t.Fatalf("became %s", change.Disposition)
	}
	return p, fold(t, triage.Case{}, change)
}

func xss() *triage.Message {
	return report(func(m *triage.Message) {
		m.Subject, m.Text = "problem with the search", "Your search at https://desk.relocation.example/ has a problem with XSS."
	})
}

func TestQuestion(t *testing.T) {
	p, c := inQuestion(t, xss())
	if c.State != triage.StateQuestion || c.Mail("R1.1") == nil || c.Mail("R1.1").Pending() {
		t.Fatalf("state %s, receipt %+v", c.State, c.Mail("R1.1"))
	}
	if c.Mail("S1q.support.1") == nil || c.Mail("S1q.ceo.1") != nil {
		t.Error("the wrong people are asked")
	}
	by := triage.Actor{Kind: triage.Staff, ID: "sam"}
	if _, err := p.Act(arrived, by, &c, triage.Action{Verb: triage.VerbRelease}); err == nil {
		t.Error("a receipt left for what nobody called a report")
	}

	take, err := p.Act(arrived, by, &c, triage.Action{Verb: triage.VerbTake})
	if err != nil {
		t.Fatal(err)
	}
	taken := c
	taken.Mails = slices.Clone(c.Mails)
	taken = fold(t, taken, take)
	if taken.State != triage.StateTriage || taken.Disposition != triage.AsReport || !taken.Mail("R1.1").Pending() {
		t.Errorf("taken: %s, %s, receipt held for %q", taken.State, taken.Disposition, taken.Mail("R1.1").Notice.Held)
	}
	if got := slices.Sorted(maps.Keys(notices(take))); !slices.Equal(got, []string{"S1.ceo.1", "S1.ciso.1", "S1.so_on_duty.1", "S1.support.1"}) {
		t.Errorf("told: %v", got)
	}
	if due, _ := taken.Clock(triage.ClockEvaluation); !due.Start.Equal(arrived) {
		t.Error("the clock does not run from the arrival")
	}
	if _, err := p.Act(arrived, by, &taken, triage.Action{Verb: triage.VerbTake}); err == nil {
		t.Error("taken twice")
	}

	leave, err := p.Act(arrived, by, &c, triage.Action{Verb: triage.VerbLeave})
	if err != nil {
		t.Fatal(err)
	}
	if left := fold(t, c, leave); left.State != triage.StateLeft || len(notices(leave)) != 0 {
		t.Errorf("left: %s", left.State)
	}
}

// TestQuestionAnsweredByFolder: a person who moves the mail to the report
// folder has answered too.
func TestQuestionAnsweredByFolder(t *testing.T) {
	p, c := inQuestion(t, xss())
	moved := xss()
	moved.Source.Folder = "Reports"
	change := p.Intake(arrived, moved, triage.Known{Fresh: "unused", Same: c.Ref, Twin: &c})
	if change.Disposition != triage.AsReport || change.Case != c.Ref || !p.Moves(change.Disposition) {
		t.Fatalf("became %s in %s", change.Disposition, change.Case)
	}
	if got := fold(t, c, change); got.State != triage.StateTriage || len(got.Items) != 1 {
		t.Errorf("state %s, %d mails", got.State, len(got.Items))
	}
	again := p.Intake(arrived, xss(), triage.Known{Fresh: "unused", Same: c.Ref, Twin: &c})
	if again.Disposition != triage.AsQuestion || p.Moves(again.Disposition) || len(again.Events) != 0 {
		t.Errorf("the same mail in the inbox again became %s", again.Disposition)
	}
	// So has one who changes his mind after vdp leave.
	leave, err := p.Act(arrived, triage.Actor{Kind: triage.Staff, ID: "sam"}, &c, triage.Action{Verb: triage.VerbLeave})
	if err != nil {
		t.Fatal(err)
	}
	left := fold(t, c, leave)
	if change := p.Intake(arrived, moved, triage.Known{Fresh: "unused", Same: c.Ref, Twin: &left}); change.Disposition != triage.AsReport {
		t.Errorf("a mail that was left and then moved became %s", change.Disposition)
	}
	if _, err := p.Act(arrived, triage.Actor{Kind: triage.Staff, ID: "sam"}, &left, triage.Action{Verb: triage.VerbTake}); err != nil {
		t.Errorf("a mail that was left can not be taken: %v", err)
	}
}

// TestFollowUpOfWhatWasLeft: an answer within a thread that nobody looks at any
// more is judged anew.
func TestFollowUpOfWhatWasLeft(t *testing.T) {
	p, c := inQuestion(t, xss())
	leave, err := p.Act(arrived, triage.Actor{Kind: triage.Staff, ID: "sam"}, &c, triage.Action{Verb: triage.VerbLeave})
	if err != nil {
		t.Fatal(err)
	}
	left := fold(t, c, leave)
	again := xss()
	p.Hints(again)
	change := p.Intake(arrived, again, triage.Known{Fresh: "new", Thread: left, Via: triage.ViaThread})
	if change.Case != "new" || change.Disposition != triage.AsQuestion || len(notices(change)) == 0 {
		t.Errorf("became %s in %q", change.Disposition, change.Case)
	}
}

func TestPlusAddressIsYes(t *testing.T) {
	p := relocation()
	p.ReportAddress = "backoffice+security@relocation.example"
	m := report(func(m *triage.Message) { m.To = []triage.Address{{Address: "Backoffice+Security@relocation.example"}} })
	if c := p.Intake(arrived, m, triage.Known{Fresh: fresh}); c.Disposition != triage.AsReport {
		t.Errorf("became %s", c.Disposition)
	}
}

func TestBreaker(t *testing.T) {
	p := identity()
	p.MaxBurst = 60
	calm := p.Intake(arrived, report(), triage.Known{Fresh: fresh, Burst: 59})
	if n := notices(calm)["R1.1"]; n.Held != "" {
		t.Errorf("held for %q before the limit", n.Held)
	}
	first := notices(p.Intake(arrived, report(), triage.Known{Fresh: fresh, Burst: 60}))
	if first["R1.1"].Held == "" || first["S12.support.1"].Kind != triage.Abuse {
		t.Errorf("the breaker did not trip: %v", slices.Sorted(maps.Keys(first)))
	}
	next := notices(p.Intake(arrived, report(), triage.Known{Fresh: fresh, Burst: 60, Tripped: true}))
	if _, told := next["S12.support.1"]; told || next["R1.1"].Held == "" || next["S1.support.1"].Kind != triage.NewReport {
		t.Errorf("after it tripped: %v", slices.Sorted(maps.Keys(next)))
	}
}

func TestMarks(t *testing.T) {
	for _, tt := range []struct {
		from  string
		prior bool
		auth  bool
		want  []triage.Mark
	}{
		{"rita@researcher.example", false, true, []triage.Mark{triage.MarkFirst}},
		{"rita@researcher.example", true, true, nil},
		{"ceo@identity.example", true, false, []triage.Mark{triage.MarkOwn}},
		{"ceo@mail.identity.example", true, false, []triage.Mark{triage.MarkOwn}},
		{"ceo@identity.example", true, true, nil},
		{"ceo@identlty.example", true, true, []triage.Mark{triage.MarkLookAlike}},
		{"ceo@idenity.example", true, true, []triage.Mark{triage.MarkLookAlike}},
		{"ceo@identity.test", true, true, []triage.Mark{triage.MarkLookAlike}},
		{"ceo@identity.attacker.example", true, true, []triage.Mark{triage.MarkLookAlike}},
		{"ceo@\u0456dent\u0456ty.example", true, true, []triage.Mark{triage.MarkLookAlike}},
		{"ceo@xn--dentty-ovfe.example", true, true, []triage.Mark{triage.MarkLookAlike}}, // the same in ASCII
		{"ceo@entity.example", true, true, nil},
	} {
		m := report(func(m *triage.Message) {
			m.From[0].Address = triage.Secret(tt.from)
			m.Auth.DMARC = tt.auth
		})
		c := fold(t, triage.Case{}, identity().Intake(arrived, m, triage.Known{Fresh: fresh, Prior: tt.prior}))
		if !slices.Equal(c.Marks, tt.want) {
			t.Errorf("%s: %v, want %v", tt.from, c.Marks, tt.want)
		}
	}
}

// TestUnreadInSharedMailbox: nobody knows what a mail says that was not read.
// People are told, and it stays where it is.
func TestUnreadInSharedMailbox(t *testing.T) {
	p := relocation()
	change := p.Intake(arrived, &triage.Message{Source: triage.Source{Arrived: arrived}}, triage.Known{Fresh: fresh, Poison: true})
	if change.Disposition != triage.AsPoison || p.Moves(change.Disposition) || len(notices(change)) != 4 {
		t.Errorf("became %s, with %d notices", change.Disposition, len(notices(change)))
	}
}
