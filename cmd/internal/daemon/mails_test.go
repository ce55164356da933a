package daemon

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vdpd/mailbox"
	"vdpd/store"
	"vdpd/triage"
)

var update = flag.Bool("update", false, "write testdata/mail/intake.txt anew")

const mailDir = "../../../testdata/mail"

// at is when the mails of testdata/mail arrive.
var at = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// taker is a daemon that takes messages and runs no loops. The lines go into
// the policy of the Identity Platform.
func taker(t *testing.T, policy ...string) (*rig, *Daemon) {
	t.Helper()
	r := newRig(t)
	for _, line := range policy {
		r.edit("identity.toml", "embargo.kind", line+"\nembargo.kind")
	}
	d, err := New(r.config(), Options{Log: slog.New(slog.NewTextHandler(r.log, nil)), Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if report, err := d.store.Check(context.Background()); err != nil || !report.OK() {
			t.Errorf("%v %v", report.Findings, err)
		}
		_ = d.socket.Close()
		_ = d.store.Close()
	})
	return r, d
}

// take hands a mail of testdata/mail to the daemon and returns its disposition
// and case as the log tells them.
func (r *rig) take(d *Daemon, box, folder, name string, uid uint32) (disposition, ref string) {
	r.t.Helper()
	raw := []byte(r.read(filepath.Join(mailDir, name+".eml")))
	before := len(r.log.String())
	_, err := d.Take(context.Background(), mailbox.Fetched{
		Source: triage.Source{Mailbox: box, Folder: folder, UIDValidity: 1, UID: uid, Arrived: at},
		Size:   int64(len(raw)), Raw: raw,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for field := range strings.FieldsSeq(r.log.String()[before:]) {
		if v, ok := strings.CutPrefix(field, "disposition="); ok {
			disposition = v
		}
		if v, ok := strings.CutPrefix(field, "case="); ok && ref == "" {
			ref = strings.Trim(v, `"`)
		}
	}
	return disposition, ref
}

// TestMails takes every mail of testdata/mail as the first of a fresh daemon,
// through the whole intake: what it becomes, whether its receipt leaves, and
// how many people are told. The mails that broke other products are among
// them. With -update the table is written anew.
func TestMails(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(mailDir, "*.eml"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d mails, %v", len(files), err)
	}
	var table strings.Builder
	table.WriteString("# mail: disposition, state, receipt, people told\n")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			r, d := taker(t, `ack.auto = "always"`)
			disposition, ref := r.take(d, "identity", "INBOX", name, 1)
			c, err := d.store.Case(context.Background(), triage.Ref(ref))
			if err != nil {
				t.Fatal(err)
			}
			receipt, told := "no receipt", 0
			for _, m := range c.Mails {
				switch {
				case !m.Notice.Kind.ToReporter():
					told++
				case m.Notice.Held != "":
					receipt = fmt.Sprintf("%s held: %s", m.Notice.Kind, m.Notice.Held)
				default:
					receipt = string(m.Notice.Kind) + " leaves"
				}
			}
			if raw, err := d.store.Raw(context.Background(), c.Ref, 0); err != nil || string(raw) != r.read(file) {
				t.Errorf("the mail was not kept as it came: %v", err)
			}
			fmt.Fprintf(&table, "%s: %s, %s, %s, %d\n", name, disposition, c.State, receipt, told)
		})
	}
	golden := filepath.Join(mailDir, "intake.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if table.String() != string(want) {
		t.Errorf("another table than %s (-update writes it):\n%s", golden, &table)
	}
}

// TestSameMail: one mail by two ways is one case; two mails with one
// Message-ID are two; each is kept.
func TestSameMail(t *testing.T) {
	r, d := taker(t)
	_, first := r.take(d, "identity", "INBOX", "same-1", 1)
	disposition, ref := r.take(d, "identity", "Junk", "same-2", 1)
	if disposition != string(triage.AsDuplicate) || ref != first {
		t.Errorf("the second copy became %s in %s", disposition, ref)
	}
	disposition, ref = r.take(d, "identity", "INBOX", "same-id-other-mail", 2)
	if disposition != string(triage.AsReport) || ref == first {
		t.Errorf("another mail with the same Message-ID became %s in %s", disposition, ref)
	}
	// The folder was made anew: everything is read again, and known.
	again, err := d.Take(context.Background(), mailbox.Fetched{
		Source: triage.Source{Mailbox: "identity", Folder: "INBOX", UIDValidity: 2, UID: 1, Arrived: at},
		Raw:    []byte(r.read(filepath.Join(mailDir, "same-1.eml"))),
	})
	if err != nil || !again {
		t.Errorf("a known mail under a new UIDVALIDITY: moved %v, %v", again, err)
	}
	cases, err := d.store.Cases(context.Background(), store.Filter{Filed: true, Limit: 10})
	if err != nil || len(cases) != 2 {
		t.Errorf("%d cases, %v", len(cases), err)
	}
}
