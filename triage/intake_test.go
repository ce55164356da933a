package triage_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vdpd/triage"
)

// TestIntakeFirstMail is the part of "mails that broke other products" that
// structure decides: what each becomes, and whether its receipt leaves.
func TestIntakeFirstMail(t *testing.T) {
	null, other := triage.Secret(""), triage.Secret("bounce+77@ses.example")
	edit := func(f func(*triage.Message)) []func(*triage.Message) { return []func(*triage.Message){f} }
	for _, tt := range []struct {
		name string
		edit []func(*triage.Message)
		want triage.Disposition
		held string // part of the reason; "-": no receipt at all; "": it leaves
	}{
		{"words decide nothing", nil, triage.AsReport, ""},
		{"no Message-ID, no Date", edit(func(m *triage.Message) { m.MessageID = "" }), triage.AsReport, ""},
		{"Return-Path differs from From", edit(func(m *triage.Message) { m.ReturnPath = &other }), triage.AsReport, ""},
		{"postmaster reports", edit(func(m *triage.Message) { m.From[0].Address = "postmaster@small.example" }), triage.AsReport, ""},
		{"domain does not vouch", edit(func(m *triage.Message) { m.Auth = triage.Auth{} }), triage.AsReport, "does not vouch"},
		{"mailing list", edit(func(m *triage.Message) { m.Kind = triage.KindList }), triage.AsReport, "mailing list"},
		{"Exchange asks for silence", edit(func(m *triage.Message) { m.AutoReplyOff = true }), triage.AsReport, "no automatic answer"},
		{"null return path", edit(func(m *triage.Message) { m.ReturnPath = &null }), triage.AsReport, "null return path"},
		{"unreadable From", edit(func(m *triage.Message) { m.From = nil }), triage.AsReport, "-"},
		{"From is our own address", edit(func(m *triage.Message) { m.From[0].Address = "Security+x@identity.example" }), triage.AsReport, "-"},
		{"a scanner reports", edit(func(m *triage.Message) {
			m.Kind, m.Reason = triage.KindAutomatic, "auto-submitted: auto-generated"
		}), triage.AsAutomatic, "by a program"},
		{"an absence notice out of the blue", edit(func(m *triage.Message) {
			m.Kind, m.Reason = triage.KindAutomatic, "auto-submitted: auto-replied"
		}), triage.AsAutomatic, "-"},
		{"does not decrypt", edit(func(m *triage.Message) { m.OpenPGP.Encrypted = "full" }), triage.AsUnread, ""},
		{"does not decrypt, not vouched", edit(func(m *triage.Message) {
			m.OpenPGP.Encrypted, m.Auth = "full", triage.Auth{}
		}), triage.AsUnread, "cannot be read"},
		{"own mail comes back", edit(func(m *triage.Message) { m.Kind = triage.KindLoop }), triage.AsLoop, "-"},
		{"a bounce of nothing we know", edit(func(m *triage.Message) { m.Kind = triage.KindBounce }), triage.AsBounce, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := identity().Intake(arrived, report(tt.edit...), triage.Known{Fresh: fresh})
			if change.Disposition != tt.want || change.Case != fresh {
				t.Fatalf("became %s in %q, want %s in a case of its own", change.Disposition, change.Case, tt.want)
			}
			c := fold(t, triage.Case{}, change)
			if len(c.Items) != 1 {
				t.Errorf("the case has %d mails, want the one", len(c.Items))
			}
			ns := notices(change)
			r, ok := ns["R1.1"]
			if tt.want == triage.AsUnread {
				r, ok = ns["R1u.1"]
			}
			switch {
			case ok != (tt.held != "-"):
				t.Errorf("receipt decided: %v", ok)
			case tt.held == "" && r.Held != "":
				t.Errorf("the receipt is held: %s", r.Held)
			case tt.held != "" && tt.held != "-" && !strings.Contains(r.Held, tt.held):
				t.Errorf("the receipt is held for %q, want %q", r.Held, tt.held)
			}
			staff := len(ns)
			if ok {
				staff--
			}
			wantStaff := 4
			if c.State == triage.StateFiled {
				wantStaff = 0
			}
			if staff != wantStaff {
				t.Errorf("%d people are told, want %d: %v", staff, wantStaff, slices.Sorted(maps.Keys(ns)))
			}
		})
	}
}

func TestIntakePromises(t *testing.T) {
	c := fold(t, triage.Case{}, relocation().Intake(arrived, report(func(m *triage.Message) {
		m.OpenPGP = triage.OpenPGP{Encrypted: "full", Decrypted: true}
	}), triage.Known{Fresh: fresh}))
	due, _ := c.Clock(triage.ClockEvaluation)
	if got := due.Due.Format("2006-01-02 15:04 MST"); !due.Promised || got != "2026-11-25 17:00 CET" {
		t.Errorf("EP promises the evaluation by %s (promised: %v)", got, due.Promised)
	}
	r := c.Mail("R1.1")
	if !r.Notice.Facts.EvaluationDue.Equal(due.Due) || !r.Notice.Facts.EmbargoUntil.IsZero() {
		t.Errorf("EP's receipt says %+v", r.Notice.Facts)
	}

	c = fold(t, triage.Case{}, identity().Intake(arrived.Add(time.Hour), report(), triage.Known{Fresh: fresh}))
	due, _ = c.Clock(triage.ClockEvaluation)
	if due.Promised || due.Due.IsZero() {
		t.Errorf("IW has an internal target only, got %+v", due)
	}
	r = c.Mail("R1.1")
	if !r.Notice.Facts.EvaluationDue.IsZero() {
		t.Error("a target was printed in a receipt")
	}
	if got := r.Notice.Facts.EmbargoUntil.Format("2006-01-02 15:04 MST"); got != "2027-01-01 10:00 CET" {
		t.Errorf("IW's embargo ends %s", got)
	}
	if got := r.Notice.Facts.Received; !got.Equal(arrived) {
		t.Errorf("the receipt says it arrived at %v, want the server's time", got)
	}
}

func TestIntakeSharedMailbox(t *testing.T) {
	p := relocation()
	for name, m := range map[string]*triage.Message{
		"invoice":          report(),
		"newsletter":       report(func(m *triage.Message) { m.Kind = triage.KindList }),
		"out of office":    report(func(m *triage.Message) { m.Kind, m.Reason = triage.KindAutomatic, "x-autoreply" }),
		"someone's bounce": report(func(m *triage.Message) { m.Kind = triage.KindBounce }),
		"foreign loop":     report(func(m *triage.Message) { m.Kind = triage.KindLoop }),
	} {
		if c := p.Intake(arrived, m, triage.Known{Fresh: fresh}); c.Disposition != triage.NotOurs || c.Case != "" || len(c.Events) > 0 || p.Moves(c.Disposition) {
			t.Errorf("%s: %+v, want it untouched", name, c)
		}
	}
	for name, m := range map[string]*triage.Message{
		"encrypted":              report(func(m *triage.Message) { m.OpenPGP = triage.OpenPGP{Encrypted: "full", Decrypted: true} }),
		"moved to report folder": report(func(m *triage.Message) { m.Source.Folder = "Reports" }),
	} {
		if c := p.Intake(arrived, m, triage.Known{Fresh: fresh}); c.Disposition != triage.AsReport || !p.Moves(c.Disposition) {
			t.Errorf("%s: %+v, want a case", name, c.Disposition)
		}
	}
}

func TestIntakeFollowUp(t *testing.T) {
	p := identity()
	key := triage.Key{Fingerprint: "AA", Addresses: []triage.Secret{"rita@researcher.example"}, Cert: "c", Signed: true}
	known := fold(t, triage.Case{}, p.Intake(arrived, report(), triage.Known{Fresh: fresh}))
	withKey := known
	withKey.Reporter.Key = &key
	signed := func(m *triage.Message) { m.OpenPGP = triage.OpenPGP{Signature: triage.SigValid, Signer: "AA"} }

	for _, tt := range []struct {
		name string
		m    *triage.Message
		c    triage.Case
		via  triage.Via
		want triage.Trust
	}{
		{"our token from the authenticated address", report(), known, triage.ViaSent, triage.TrustVerified},
		{"token, address not authenticated", report(func(m *triage.Message) { m.Auth = triage.Auth{} }), known, triage.ViaToken, triage.TrustUnverified},
		{"token in a stranger's hands", report(func(m *triage.Message) { m.From[0].Address = "x@else.example" }), known, triage.ViaToken, triage.TrustUnverified},
		{"address and subject only", report(), known, triage.ViaSubject, triage.TrustUnverified},
		{"signed by the pinned key", report(signed), withKey, triage.ViaSubject, triage.TrustVerified},
		{"signed by another key", report(signed, func(m *triage.Message) { m.OpenPGP.Signer = "BB" }), withKey, triage.ViaThread, triage.TrustUnverified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := p.Intake(arrived, tt.m, triage.Known{Fresh: "unused", Thread: tt.c, Via: tt.via})
			if change.Disposition != triage.AsFollowUp || change.Case != known.Ref {
				t.Fatalf("became %s in %q", change.Disposition, change.Case)
			}
			c := fold(t, tt.c, change)
			if got := c.Items[1].Trust; got != tt.want {
				t.Errorf("trust %s, want %s", got, tt.want)
			}
			if c.State != tt.c.State {
				t.Errorf("state went from %s to %s", tt.c.State, c.State)
			}
			for id, n := range notices(change) {
				if n.Kind.ToReporter() {
					t.Errorf("%s answers a follow-up", id)
				}
				if n.Item != 1 {
					t.Errorf("%s is about mail %d, want 1", id, n.Item)
				}
			}
			if len(notices(change)) != 4 {
				t.Errorf("%d people are told", len(notices(change)))
			}
		})
	}
}

func TestIntakeAutomaticAnswers(t *testing.T) {
	p := identity()
	known := fold(t, triage.Case{}, p.Intake(arrived, report(), triage.Known{Fresh: fresh}))
	away := report(func(m *triage.Message) {
		m.Kind, m.Reason, m.InReplyTo = triage.KindAutomatic, "auto-submitted: auto-replied", "t@x"
	})
	change := p.Intake(arrived, away, triage.Known{Fresh: "unused", Thread: known, Via: triage.ViaSent})
	if c := fold(t, known, change); change.Disposition != triage.AsAutomatic || len(notices(change)) != 0 || !reflect.DeepEqual(c.Clocks, known.Clocks) || c.State != known.State {
		t.Errorf("an absence notice did more than be filed: %+v", change.Disposition)
	}
	// A program that reports from a known address is not an answer.
	scan := report(func(m *triage.Message) { m.Kind, m.Reason = triage.KindAutomatic, "auto-submitted: auto-generated" })
	if c := p.Intake(arrived, scan, triage.Known{Fresh: "new", Thread: known, Via: triage.ViaSender}); c.Case != "new" || len(notices(c)) != 5 {
		t.Errorf("a second scanner report went into %q", c.Case)
	}
}

// TestIntakeCopies: a list's copy of a mail joins it; another mail that only
// has the same Message-ID, From and Date does not.
func TestIntakeCopies(t *testing.T) {
	p := identity()
	known := fold(t, triage.Case{}, p.Intake(arrived, report(), triage.Known{Fresh: fresh}))
	k := triage.Known{Fresh: "new", Thread: known, Via: triage.ViaCopy}
	if c := p.Intake(arrived, report(func(m *triage.Message) { m.Kind = triage.KindList }), k); c.Case != known.Ref {
		t.Errorf("the list's copy went into %q", c.Case)
	}
	c := p.Intake(arrived, report(), k)
	if c.Case != "new" || c.Disposition != triage.AsReport {
		t.Errorf("the other mail became %s in %q", c.Disposition, c.Case)
	}
	if got := fold(t, triage.Case{}, c).Related; !slices.Equal(got, []triage.Ref{known.Ref}) {
		t.Errorf("related: %v", got)
	}
}

func TestIntakeBounceOfReceipt(t *testing.T) {
	p := identity()
	known := fold(t, triage.Case{}, p.Intake(arrived, report(), triage.Known{Fresh: fresh}))
	bounce := report(func(m *triage.Message) {
		m.Kind = triage.KindBounce
		m.Bounces = []triage.Bounce{{Action: "failed", Status: "5.1.1"}}
	})
	change := p.Intake(arrived, bounce, triage.Known{Thread: known, Via: triage.ViaSent, Notice: "R1.1"})
	c := fold(t, known, change)
	if got := c.Mail("R1.1").Last; got.Result != triage.Failed || got.Code != "5.1.1" {
		t.Errorf("the receipt counts as %+v", got)
	}
	if got := slices.Sorted(maps.Keys(notices(change))); !slices.Equal(got, []string{"S9.so_on_duty.1", "S9.support.1"}) {
		t.Errorf("told: %v", got)
	}
	// A bounce that names no mail of ours says nothing.
	if c := p.Intake(arrived, bounce, triage.Known{Thread: known, Via: triage.ViaSubject}); len(notices(c)) != 0 {
		t.Error("a forged bounce was believed")
	}
	again := p.Intake(arrived, bounce, triage.Known{Thread: c, Via: triage.ViaSent, Notice: "R1.1"})
	if len(notices(again)) != 0 {
		t.Error("a second bounce of the same mail tells people again")
	}
}

func TestFailedGoesByAnotherRoute(t *testing.T) {
	p := identity()
	c := fold(t, triage.Case{}, p.Intake(arrived, report(), triage.Known{Fresh: fresh}))
	failing := []string{"S1.support.1"}
	var told []string
	for len(failing) > 0 {
		change := p.Failed(arrived, &c, triage.Outcome{Notice: failing[0], Result: triage.Failed, Code: "550 5.1.1"})
		c = fold(t, c, change)
		failing = failing[1:]
		for _, id := range slices.Sorted(maps.Keys(notices(change))) {
			told = append(told, c.Mail(id).Notice.Person)
			failing = append(failing, id) // and each of these fails too
		}
	}
	if !slices.Equal(told, []string{"carl", "olga", "eve"}) {
		t.Errorf("told %v; want each of the others once, never sam", told)
	}
}

func TestIntakeDuplicateAndPoison(t *testing.T) {
	p := identity()
	if c := p.Intake(arrived, report(), triage.Known{Fresh: fresh, Same: "OLD"}); c.Disposition != triage.AsDuplicate || c.Case != "OLD" || len(c.Events) != 0 {
		t.Errorf("the same mail again: %+v", c)
	}
	unread := &triage.Message{Source: triage.Source{Arrived: arrived}}
	change := p.Intake(arrived, unread, triage.Known{Fresh: fresh, Poison: true})
	c := fold(t, triage.Case{}, change)
	if c.State != triage.StateUnreadable || len(notices(change)) != 4 {
		t.Errorf("poison became %s with %d notices", c.State, len(notices(change)))
	}
	if due, ok := c.Clock(triage.ClockEvaluation); !ok || !due.Start.Equal(arrived) {
		t.Error("no clock runs for a mail that nobody could read")
	}
}

func TestReceiptBudget(t *testing.T) {
	change := identity().Intake(arrived, report(), triage.Known{Fresh: fresh, Receipts: 6})
	if n := notices(change)["R1.1"]; !strings.Contains(n.Held, "6 automatic mails") {
		t.Errorf("the seventh automatic mail of a day is held for %q", n.Held)
	}
}

func TestKeyLearning(t *testing.T) {
	mine := triage.Secret("rita@researcher.example")
	carried := triage.Key{Fingerprint: "A1", Addresses: []triage.Secret{mine}, From: "attached"}
	signer := triage.Key{Fingerprint: "A2", Addresses: []triage.Secret{mine}, From: "attached", Signed: true}
	foreign := triage.Key{Fingerprint: "B1", Addresses: []triage.Secret{"x@else.example"}, Signed: true}
	pinned := triage.Key{Fingerprint: "P", Addresses: []triage.Secret{mine}}
	for _, tt := range []struct {
		name   string
		keys   []triage.Key
		pinned *triage.Key
		want   string
	}{
		{"none", nil, nil, ""},
		{"carried", []triage.Key{carried}, nil, "A1"},
		{"the one that signed wins", []triage.Key{carried, signer}, nil, "A2"},
		{"a key for someone else", []triage.Key{foreign}, nil, ""},
		{"a pinned key stays", []triage.Key{signer}, &pinned, "P"},
	} {
		c := fold(t, triage.Case{}, identity().Intake(arrived, report(func(m *triage.Message) { m.Keys = tt.keys }), triage.Known{Fresh: fresh, Pinned: tt.pinned}))
		got := ""
		if c.Reporter.Key != nil {
			got = c.Reporter.Key.Fingerprint
		}
		if got != tt.want {
			t.Errorf("%s: pinned %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestIntakeProperties: whatever arrives gets exactly one disposition, equal
// input gives an equal change, the clocks know only the arrival, and no mail
// to the reporter depends on what the report says.
func TestIntakeProperties(t *testing.T) {
	text := rapid.StringN(0, 40, 80)
	rapid.Check(t, func(t *rapid.T) {
		m := report(func(m *triage.Message) {
			m.Kind = rapid.SampledFrom([]triage.Kind{"report", "reply", "automatic", "bounce", "list", "loop"}).Draw(t, "kind")
			m.Reason = rapid.SampledFrom([]string{"", "auto-submitted: auto-generated", "x-autoreply"}).Draw(t, "reason")
			m.Subject, m.Text = triage.Secret(text.Draw(t, "subject")), triage.Secret(text.Draw(t, "text"))
			m.OpenPGP.Encrypted = rapid.SampledFrom([]string{"no", "full", "part"}).Draw(t, "encrypted")
			m.OpenPGP.Decrypted = rapid.Bool().Draw(t, "decrypted")
			m.Auth.DMARC = rapid.Bool().Draw(t, "dmarc")
		})
		p := rapid.SampledFrom([]*triage.Policy{identity(), relocation()}).Draw(t, "policy")
		k := triage.Known{Fresh: fresh, Receipts: rapid.IntRange(0, 9).Draw(t, "receipts"), Poison: rapid.Bool().Draw(t, "poison")}
		now := arrived.Add(time.Duration(rapid.IntRange(0, 1e6).Draw(t, "later")) * time.Second)

		change := p.Intake(now, m, k)
		if change.Disposition == "" {
			t.Fatal("a message without a disposition")
		}
		if (change.Case == "") != (change.Disposition == triage.NotOurs) {
			t.Fatalf("%s with case %q", change.Disposition, change.Case)
		}
		if again := p.Intake(now, m, k); !reflect.DeepEqual(change, again) {
			t.Fatal("equal input, different change")
		}
		changed := *m
		changed.Subject, changed.Text, changed.Parts = "another", "words", []triage.Part{{Name: "x"}}
		other := notices(p.Intake(now, &changed, k))
		for id, n := range notices(change) {
			if n.Kind.ToReporter() && !reflect.DeepEqual(n, other[id]) {
				t.Fatalf("%s depends on what the report says", id)
			}
		}
		for _, e := range change.Events {
			if o, ok := e.Data.(triage.Opened); ok {
				for _, clock := range o.Clocks {
					if !clock.Start.Equal(arrived) {
						t.Fatalf("clock %s starts at %v", clock.Name, clock.Start)
					}
				}
			}
			b, err := json.Marshal(e.Data)
			if err != nil {
				t.Fatal(err)
			}
			back, err := triage.DecodeData(e.Data.Type(), b)
			if err != nil {
				t.Fatal(err)
			}
			if b2, _ := json.Marshal(back); string(b) != string(b2) {
				t.Fatalf("%s changes when written and read", e.Data.Type())
			}
		}
	})
}

func TestEventKeepsBoundedText(t *testing.T) {
	long := triage.Secret(strings.Repeat("é", triage.MaxText))
	change := identity().Intake(arrived, report(func(m *triage.Message) { m.Text = long }), triage.Known{Fresh: fresh})
	for _, e := range change.Events {
		if r, ok := e.Data.(triage.Received); ok {
			if n := len(r.Message.Text); n > triage.MaxText || n < triage.MaxText-4 {
				t.Errorf("the event keeps %d bytes", n)
			}
			if !slices.Contains(r.Message.Limits, "text") {
				t.Error("the cut is not named")
			}
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	const canary = "canary-7d1"
	m := report(func(m *triage.Message) {
		m.Subject, m.Text = canary, canary
		m.From = []triage.Address{{Name: canary, Address: canary}}
		m.Parts = []triage.Part{{Name: canary}}
	})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, *m); strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s prints the text", verb)
		}
	}
	if got := fmt.Sprint(m.Subject.LogValue()); strings.Contains(got, canary) {
		t.Error("LogValue prints the text")
	}
}
