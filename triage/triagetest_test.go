package triage_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"vdpd/triage"
	"vdpd/triage/calendar"
)

var fresh = triage.NewRef([7]byte{1, 2, 3, 4, 5, 6, 7})

func mustSpan(s string) calendar.Span {
	span, err := calendar.ParseSpan(s)
	if err != nil {
		panic(err)
	}
	return span
}

func workWeek() calendar.Calendar {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err)
	}
	return calendar.Calendar{
		Zone: zone, Opens: 9 * 60, Closes: 17 * 60, Country: "nl", Liberation: calendar.LiberationLustre,
		Workdays: [7]bool{false, true, true, true, true, true, false},
	}
}

// identity is the policy called IW: dedicated mailbox, nothing promised about
// the evaluation, a fixed embargo, four readers.
func identity() *triage.Policy {
	return &triage.Policy{
		ID: "iw", Hash: "h1", Org: "Identity Platform", Domain: "identity.example", Mode: triage.Dedicated,
		Languages: []string{"en", "nl"}, Calendar: workWeek(), AckAuto: triage.AckAuthOnly,
		EvaluationTarget: mustSpan("3bd"), Embargo: triage.EmbargoFixed, EmbargoLength: mustSpan("42d"),
		Addresses: []triage.Secret{"security@identity.example"}, MaxReceipts: 6,
		Readers: []triage.Reader{
			{Role: "support", Person: "sam", Detail: triage.DetailFull, MustRead: true},
			{Role: "so_on_duty", Person: "olga", Detail: triage.DetailFull, MustRead: true},
			{Role: "ciso", Person: "carl", Detail: triage.DetailFull, MustRead: true},
			{Role: "ceo", Person: "eve", Detail: triage.DetailSummary, MustRead: true},
		},
	}
}

// relocation is the policy called EP: shared mailbox, three business days.
func relocation() *triage.Policy {
	p := identity()
	p.ID, p.Hash, p.Org, p.Domain, p.Mode = "ep", "h2", "Relocation Services", "relocation.example", triage.Shared
	p.EvaluationPromised, p.Embargo, p.EmbargoBackstop = mustSpan("3bd"), triage.EmbargoUntilResolved, mustSpan("90d")
	p.Addresses, p.ReportFolder = []triage.Secret{"backoffice@relocation.example"}, "Reports"
	return p
}

var arrived = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC) // Friday 10:00 in Amsterdam

// report is an ordinary first mail whose domain vouches for the sender.
func report(edit ...func(*triage.Message)) *triage.Message {
	m := &triage.Message{
		Source:  triage.Source{Mailbox: "security", Folder: "INBOX", UIDValidity: 1, UID: 7, Arrived: arrived},
		Kind:    triage.KindReport,
		From:    []triage.Address{{Name: "Rita", Address: "Rita@researcher.example"}},
		Subject: "Logout CSRF in back office portal", Text: "steps", MessageID: "abc@researcher.example",
		OpenPGP: triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone},
		Auth:    triage.Auth{Checked: true, DMARC: true},
	}
	for _, f := range edit {
		f(m)
	}
	return m
}

// fold applies a change to a case as the store would.
func fold(t testing.TB, c triage.Case, change triage.Change) triage.Case {
	t.Helper()
	for i, e := range change.Events {
		if e.Case != change.Case {
			t.Fatalf("event %d is about %q, the change about %q", i, e.Case, change.Case)
		}
		e.Seq = uint64(c.Events + i + 1)
		c.Apply(e)
	}
	return c
}

func notices(change triage.Change) map[string]triage.Notice {
	ns := map[string]triage.Notice{}
	for _, e := range change.Events {
		if q, ok := e.Data.(triage.Queued); ok {
			for _, n := range q.Notices {
				ns[n.ID] = n
			}
		}
	}
	return ns
}
