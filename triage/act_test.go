package triage_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vdpd/triage"
)

func TestAct(t *testing.T) {
	p := identity()
	held := fold(t, triage.Case{}, p.Intake(arrived, report(func(m *triage.Message) { m.Auth = triage.Auth{} }), triage.Known{Fresh: fresh}))
	staff := func(id string) triage.Actor { return triage.Actor{Kind: triage.Staff, ID: id, Method: "peercred"} }

	for _, tt := range []struct {
		name   string
		by     triage.Actor
		action triage.Action
		refuse string // part of the error; empty: done
		check  func(triage.Case) bool
	}{
		{"seen by all roles of the person", staff("sam"), triage.Action{Verb: triage.VerbSeen}, "", func(c triage.Case) bool {
			return len(c.Seen) == 1 && c.Seen[0].Role == "support" && c.Seen[0].Person == "sam"
		}},
		{"seen for somebody else's role", staff("sam"), triage.Action{Verb: triage.VerbSeen, Role: "ceo"}, `do not hold the role "ceo"`, nil},
		{"note", staff("eve"), triage.Action{Verb: triage.VerbNote, Text: " looks real "}, "", func(c triage.Case) bool {
			return len(c.Notes) == 1 && c.Notes[0].Text.Reveal() == "looks real" && c.Notes[0].By.ID == "eve"
		}},
		{"empty note", staff("eve"), triage.Action{Verb: triage.VerbNote, Text: " "}, "empty", nil},
		{"huge note", staff("eve"), triage.Action{Verb: triage.VerbNote, Text: triage.Secret(strings.Repeat("x", triage.MaxNote+1))}, "bytes", nil},
		{"release", staff("carl"), triage.Action{Verb: triage.VerbRelease}, "", func(c triage.Case) bool { return c.Mail("R1.1").Pending() }},
		{"release what is not held", staff("carl"), triage.Action{Verb: triage.VerbRelease, Notice: "S1.ceo.1"}, "no held mail", nil},
		{"unknown verb", staff("carl"), triage.Action{Verb: "close"}, "not an action", nil},
		{"a stranger", staff("mallory"), triage.Action{Verb: triage.VerbNote, Text: "x"}, "not permitted", nil},
		{"the operator reads nothing", triage.Actor{Kind: triage.Operator, ID: "root"}, triage.Action{Verb: triage.VerbSeen}, "not permitted", nil},
		{"nobody", triage.Actor{Kind: triage.Staff}, triage.Action{Verb: triage.VerbSeen}, "not permitted", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change, err := p.Act(arrived, tt.by, &held, tt.action)
			if tt.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refuse) {
					t.Fatalf("got %v, want an error about %q", err, tt.refuse)
				}
				if len(change.Events) != 0 {
					t.Fatal("a refusal writes events")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := held
			c.Mails = slices.Clone(held.Mails)
			if c = fold(t, c, change); !tt.check(c) {
				t.Errorf("the case is now %+v", c)
			}
		})
	}
}

func TestActTwiceIsOnce(t *testing.T) {
	p := identity()
	c := fold(t, triage.Case{}, p.Intake(arrived, report(), triage.Known{Fresh: fresh}))
	by := triage.Actor{Kind: triage.Staff, ID: "sam"}
	for range 2 {
		change, err := p.Act(arrived, by, &c, triage.Action{Verb: triage.VerbSeen})
		if err != nil {
			t.Fatal(err)
		}
		c = fold(t, c, change)
	}
	if len(c.Seen) != 1 {
		t.Errorf("seen %d times", len(c.Seen))
	}
	if _, err := p.Act(arrived, by, &c, triage.Action{Verb: triage.VerbRelease}); err == nil {
		t.Error("a mail that is not held was released")
	} else if r := (*triage.Refusal)(nil); !errors.As(err, &r) {
		t.Errorf("%v is no Refusal", err)
	}
}

func TestRef(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b [7]byte
		copy(b[:], rapid.SliceOfN(rapid.Byte(), 7, 7).Draw(t, "random"))
		ref := triage.NewRef(b)
		typed := strings.ToLower(strings.ReplaceAll(string(ref), "-", rapid.SampledFrom([]string{"", " ", "-"}).Draw(t, "gap")))
		typed = strings.NewReplacer("0", "o", "1", rapid.SampledFrom([]string{"i", "l", "1"}).Draw(t, "one")).Replace(typed)
		if got, err := triage.ParseRef(typed); err != nil || got != ref {
			t.Fatalf("ParseRef(%q) = %q, %v; want %q", typed, got, err, ref)
		}
		if got := triage.RefsIn("Re: [" + string(ref) + "] hello " + string(ref)); !slices.Equal(got, []triage.Ref{ref}) {
			t.Fatalf("RefsIn = %v", got)
		}
		// One wrong character never passes.
		i := rapid.IntRange(0, len(ref)-1).Draw(t, "place")
		wrong := []byte(ref)
		wrong[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[rapid.IntRange(0, 31).Draw(t, "digit")]
		if ref[i] != '-' && wrong[i] != ref[i] {
			if _, err := triage.ParseRef(string(wrong)); !errors.Is(err, triage.ErrBadRef) {
				t.Fatalf("%q passes for %q", wrong, ref)
			}
		}
	})
}
