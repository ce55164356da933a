//go:build peers

package daemon

import (
	"bytes"
	"errors"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vdpd/cmd/internal/api"
	"vdpd/store"
	"vdpd/triage"
	"vdpd/triage/calendar"
)

// testdata is what the tests of all packages share.
var testdata = filepath.Join("..", "..", "..", "testdata")

// TestPeers is the main job on real parts: two organisations with a mailbox
// each on Dovecot, researchers and staff with GnuPG, and Postfix between them.
func TestPeers(t *testing.T) {
	p := newPeers(t)
	rita, robin := newGnuPG(t, "rita.sec", "own-iw.pub"), newGnuPG(t, "rsa.sec", "own-ep.pub")
	staff, bea := map[string]*gnupg{}, newGnuPG(t, "dsa.sec", "own-ep.pub")
	for _, person := range []string{"sam", "olga", "carl"} {
		staff[person] = newGnuPG(t, person+".sec", "own-iw.pub")
	}

	// Two reports arrived on the Thursday before Easter, beside other mail.
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	arrived := time.Date(2026, time.April, 2, 16, 20, 0, 0, zone)
	invoice := p.read(filepath.Join(testdata, "script", "mail", "invoice.eml"))
	p.append(security, p.report(rita), arrived)
	p.append(backoffice, invoice, arrived)
	p.append(backoffice, p.inline(robin), arrived)
	p.append(backoffice, invoice, arrived)

	// What can't be committed leaves no trace on the server.
	before := map[string][]string{security: p.folder(security, "INBOX"), backoffice: p.folder(backoffice, "INBOX")}
	p.failToCommit()
	for user, before := range before {
		if after, moved := p.folder(user, "INBOX"), p.folder(user, "Processed"); !slices.Equal(before, after) || len(moved) != 0 {
			t.Errorf("%s was changed before the commit: %q, before %q; moved %q", user, after, before, moved)
		}
	}

	// The same reports go through once they can.
	_, client := p.start()
	for user, n := range map[string]int{security: 0, backoffice: 2} {
		p.await("the report to "+user+" is moved", func() bool {
			return len(p.folder(user, "INBOX")) == n && len(p.folder(user, "Processed")) == 1
		})
	}
	if got, want := p.folder(backoffice, "INBOX"), []string{before[backoffice][0], before[backoffice][2]}; !slices.Equal(got, want) {
		t.Errorf("the invoices did not stay as they were: %q, want %q", got, want)
	}

	c := p.onlyCase(client)
	if k := c.Reporter.Key; c.Policy != "identity" || c.State != triage.StateTriage || k == nil || !k.Signed {
		t.Fatalf("not the case of a report with a signing key: %+v", c)
	}
	if o := c.Items[0].OpenPGP; o.Encrypted != "full" || !o.Decrypted {
		t.Errorf("the report was not opened: %+v", o)
	}

	// Each role got a mail of its own, and only its own key opens it.
	for role, person := range map[string]string{"support": "sam", "so on duty": "olga", "ciso": "carl"} {
		raw := p.mail(person + "@identity.example")
		for name, reader := range staff {
			text, err := reader.open(raw, security)
			switch {
			case name != person && (err == nil || !strings.Contains(err.Error(), "DECRYPTION_FAILED")):
				t.Errorf("%s and the mail to %s: %v", name, person, err)
			case name == person && err != nil:
				t.Errorf("%s can't open: %v", person, err)
			case name == person && !containsAll(text, "("+role+")", "canary-subject", "canary-body", "canary-file", string(c.Ref)):
				t.Errorf("the mail to %s lacks something:\n%s", person, text)
			}
		}
	}
	stub, err := rita.open(p.mail("eve@identity.example"), security)
	if err != nil || !strings.Contains(stub, string(c.Ref)) || strings.Contains(strings.ToLower(stub), "rita") {
		t.Errorf("the mail to Eve, who has no key: %v\n%s", err, stub)
	}
	if told, err := bea.open(p.mail("bea@relocation.example"), backoffice); err != nil || !containsAll(told, "robin@researcher.example", "canary-body") {
		t.Errorf("the mail to Bea of the other organisation: %v\n%s", err, told)
	}

	// The researchers got their receipts, Rita encrypted to the key that came
	// with her report. Only Robin's organisation promises an evaluation.
	working := calendar.Calendar{Zone: zone, Opens: 9 * 60, Closes: 17 * 60, Country: "nl", Workdays: [7]bool{false, true, true, true, true, true, false}}
	evaluation := long(working.Due(arrived, calendar.Span{N: 3, Unit: calendar.BusinessDays})) // Wednesday: Easter Monday doesn't count
	embargo := long(arrived.AddDate(0, 0, 42))
	raw := p.mail("rita@researcher.example")
	receipt, err := rita.open(raw, security)
	if err != nil || !containsAll(receipt, string(c.Ref), "<report-1@researcher.example>", long(arrived), "2026-04-02 14:20:00 UTC", "not to publish before "+embargo) {
		t.Errorf("Rita's receipt lacks something: %v\n%s", err, receipt)
	}
	if !bytes.Contains(raw, []byte("multipart/encrypted")) || strings.Contains(receipt, "canary") || strings.Contains(receipt, evaluation) {
		t.Errorf("Rita's receipt is not encrypted, or says too much:\n%s\n%s", raw, receipt)
	}
	receipt, err = robin.open(p.mail("robin@researcher.example"), backoffice)
	if err != nil || !containsAll(receipt, "<report-2@researcher.example>", long(arrived), "our evaluation no later than "+evaluation) || strings.Contains(receipt, "canary") {
		t.Errorf("Robin's receipt is to name %s: %v\n%s", evaluation, err, receipt)
	}

	// Her answer, vouched for by nothing but her signature, joins the case.
	head, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	p.append(security, p.answer(rita, head.Header.Get("Message-ID")), arrived.Add(time.Hour))
	p.mails("eve@identity.example", 2)
	for person, reader := range staff {
		told := ""
		for _, raw := range p.mails(person+"@identity.example", 2) {
			text, err := reader.open(raw, security)
			if err != nil {
				t.Errorf("%s: %v", person, err)
			}
			told += text
		}
		if strings.Count(told, "in every browser") != 1 {
			t.Errorf("%s was not told of the answer:\n%s", person, told)
		}
	}
	p.await("every mail has left", func() bool { s, err := client.Status(t.Context()); return err == nil && s.Pending == 0 })
	c = p.onlyCase(client)
	if len(c.Items) != 2 || c.Items[1].Trust != triage.TrustVerified || c.Items[1].Via != triage.ViaSent || c.Items[1].OpenPGP.Signature != triage.SigValid {
		t.Fatalf("the answer is not a verified one of this case: %+v", c.Items)
	}
	receipts := 0
	for _, m := range c.Mails {
		if m.Last.Result != triage.Sent {
			t.Errorf("%s: %+v", m.Notice.ID, m.Last)
		}
		if m.Notice.Kind.ToReporter() {
			receipts++
		}
	}
	if p.mail("rita@researcher.example"); receipts != 1 {
		t.Errorf("%d receipts", receipts)
	}

	p.work(client, c.Ref)
	p.verify()
	for _, secret := range []string{"canary", "researcher.example"} {
		if strings.Contains(p.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// failToCommit runs a daemon that commits nothing, until both mailboxes have
// met that.
func (p *peers) failToCommit() {
	p.t.Helper()
	p.failAt = func(point string) error {
		if point == store.FailStart {
			return errors.New("the disk is full")
		}
		return nil
	}
	p.start()
	p.await("both mailboxes failed", func() bool {
		return containsAll(p.log.String(), "mailbox identity: handing over a message", "mailbox relocation: handing over a message")
	})
	if err := p.stop(); err != nil {
		p.t.Fatal(err)
	}
	p.failAt = nil
}

// work does what Sam does with a case. He is known by the user of this process.
func (p *peers) work(client *api.Client, ref triage.Ref) {
	p.t.Helper()
	for _, a := range []triage.Action{{Verb: triage.VerbSeen}, {Verb: triage.VerbNote, Text: "reproduced"}} {
		if result, err := client.Act(p.t.Context(), ref, a); err != nil || !result.Changed {
			p.t.Errorf("%s: %+v, %v", a.Verb, result, err)
		}
	}
	c := p.onlyCase(client)
	if len(c.Seen) != 1 || c.Seen[0].Role != "support" || c.Seen[0].Person != "sam" {
		p.t.Errorf("seen by %+v", c.Seen)
	}
	if sam := (triage.Actor{Kind: triage.Staff, ID: "sam", Method: "peercred"}); len(c.Notes) != 1 || c.Notes[0].By != sam || c.Notes[0].Text != "reproduced" {
		p.t.Errorf("notes %+v", c.Notes)
	}
}

// TestPeersCheck: a check finds what is wrong with real servers, and only that.
func TestPeersCheck(t *testing.T) {
	p := newPeers(t)
	check := func(wrong, hint string) {
		t.Helper()
		found := Check(t.Context(), filepath.Join(p.dir, "vdpd.toml"), CheckOptions{Now: time.Now()})
		var out strings.Builder
		found.Print(&out)
		bad := slices.DeleteFunc(slices.Clone(found.Findings), func(f Finding) bool { return f.Grade != Wrong })
		if right := wrong == ""; right && len(bad) != 0 || !right && (len(bad) != 1 || bad[0].What != wrong || !strings.Contains(bad[0].Do, hint)) {
			t.Errorf("want %q to be wrong, got\n%s", wrong, &out)
		}
		if wrong == "" && !containsAll(out.String(), "mailbox identity: logged in", "mailbox relocation: logged in", "smtp: takes mail over TLS 1.3", "person eve: has no key") {
			t.Errorf("not all was looked at:\n%s", &out)
		}
	}
	check("", "")
	p.write("relocation.password", "forgotten")
	check("mailbox relocation", "check user and password")
	p.write("relocation.password", "secret")
	p.postfix.Close()
	check("smtp", "check host and port, and that the server is running")
}
