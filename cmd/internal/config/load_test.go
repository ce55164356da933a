package config_test

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vdpd/cmd/internal/config"
	"vdpd/triage"
	"vdpd/triage/calendar"
)

const examples = "../../../testdata/config"

func noEnv(string) string { return "" }

// enter copies a folder of configuration into a temporary one and makes that
// the working folder, so that messages have short names.
func enter(t *testing.T, from string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestExamples(t *testing.T) {
	c, err := config.Load(examples+"/vdpd.toml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	span := func(s string) calendar.Span {
		v, err := calendar.ParseSpan(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	check := func(what string, ok bool) {
		t.Helper()
		if !ok {
			t.Errorf("%s is wrong", what)
		}
	}

	check("log", c.Log.Format == "json" && c.Log.Level == slog.LevelDebug)
	check("state_dir", c.StateDir == filepath.Join(examples, "state"))
	check("smtp", c.SMTP.Port == 587 && c.SMTP.Helo == "mail.identity.example")
	check("socket", filepath.IsAbs(c.Socket.Path) && c.Socket.Group == "")
	check("people", len(c.People) == 5 && c.People[0].UID == 10001 && c.People[3].UID == -1 && c.People[4].Lang == "nl")
	check("secrets", len(c.Secrets()) == 1+1+2+3+1)

	iw, ep := c.Mailboxes[0], c.Mailboxes[1]
	check("mailbox identity", iw.Port == 993 && iw.Inbox == "INBOX" && slices.Equal(iw.Junk, []string{"Junk"}) && iw.Poll == 30*time.Second && iw.MaxMessage == 25<<20)
	check("mailbox relocation", ep.Port == 143 && ep.Poll == time.Minute && ep.MaxMessage == 40<<20 && ep.Processed == "Reports/Done")
	check("report folder", ep.Policy.ReportFolder == "Reports" && iw.Policy.ReportFolder == "" && c.Policy("relocation").ReportFolder == "")

	p := iw.Policy
	check("IW policy", p.ID == "identity" && p.Mode == triage.Dedicated && p.From() == "security@identity.example" && len(p.Hash) == 64)
	check("IW evaluation", p.EvaluationPromised.IsZero() && p.EvaluationTarget == span("3bd"))
	check("IW embargo", p.Embargo == triage.EmbargoFixed && p.EmbargoLength == span("42d"))
	check("IW keys", len(p.OwnKeys) == 2 && p.Passphrase.Given())
	check("IW effective", p.Effective.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	check("IW zone", p.Calendar.Zone.String() == "Europe/Amsterdam")
	check("IW calendar", p.Calendar == calendar.Calendar{
		Zone: p.Calendar.Zone, Opens: 9 * 60, Closes: 17 * 60, Workdays: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true},
		Country: "nl", Liberation: calendar.LiberationLustre,
	})
	var roles []string
	for _, r := range p.Readers {
		check("reader "+r.Role, r.MustRead)
		roles = append(roles, r.Role)
	}
	check("IW readers", slices.Equal(roles, []string{"support", "so_on_duty", "ciso", "ceo"}))

	p = ep.Policy
	check("EP policy", p.ID == "relocation" && p.Mode == triage.Shared && p.AckAuto == triage.AckAlways && slices.Equal(p.Languages, []string{"en", "nl"}))
	check("EP evaluation", p.EvaluationPromised == span("3bd") && p.EvaluationTarget == span("2bd"))
	check("EP embargo", p.Embargo == triage.EmbargoUntilResolved && p.EmbargoBackstop == span("90d") && p.EmbargoLength.IsZero())
	check("EP passphrase", !p.Passphrase.Given())
}

func TestSmallestHasDefaults(t *testing.T) {
	enter(t, examples+"/small")
	c, err := config.Load("vdpd.toml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Mailboxes[0]
	if c.SMTP.Port != 465 || c.SMTP.Helo != "identity.example" || m.Port != 993 || m.Processed != "Processed" ||
		c.Socket.Path != "/run/vdpd/vdpd.sock" || c.Log.Level != slog.LevelInfo || m.Policy.MaxReceipts != 6 {
		t.Errorf("defaults are wrong: %+v %+v", c.SMTP, m)
	}
}

// TestBad loads each broken file in place of the good one of its kind. Its
// first lines say what must be reported, and nothing else may be.
func TestBad(t *testing.T) {
	cases, err := filepath.Glob(examples + "/bad/*.toml")
	if err != nil || len(cases) < 30 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			doc, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for s := bufio.NewScanner(bytes.NewReader(doc)); s.Scan() && strings.HasPrefix(s.Text(), "# want: "); {
				want = append(want, strings.TrimPrefix(s.Text(), "# want: "))
			}
			enter(t, examples+"/small")
			write(t, "secret-key.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", 0o600)
			policy, err := os.ReadFile("policy.toml")
			if err != nil {
				t.Fatal(err)
			}
			write(t, "other/policy.toml", strings.ReplaceAll(string(policy), "security@", "other@"), 0o600)
			kind, _, _ := strings.Cut(filepath.Base(path), "-")
			write(t, kind+".toml", string(doc), 0o600)

			_, err = config.Load("vdpd.toml", noEnv)
			bad, ok := errors.AsType[*config.Error](err)
			if !ok {
				t.Fatalf("loaded, or failed in another way: %v", err)
			}
			var got []string
			for _, p := range bad.Problems {
				got = append(got, p.String())
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
}
