package daemon

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"vdpd/cmd/internal/api"
	"vdpd/notify/notifytest"
	"vdpd/store"
	"vdpd/triage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receipts counts the mails to researchers.
func receipts(mails []notifytest.Envelope) int {
	n := 0
	for _, m := range mails {
		if strings.HasSuffix(m.To[0], "@researcher.example") {
			n++
		}
	}
	return n
}

// TestCrash stops the daemon dead at each point of a commit and starts it
// again: the report is one case, and the researcher gets one receipt.
func TestCrash(t *testing.T) {
	for _, point := range []string{store.FailStart, store.FailBlobWritten, store.FailKeyWritten, store.FailCommitted} {
		t.Run(point, func(t *testing.T) {
			r := newRig(t)
			r.deliver(security, "INBOX", report(1))
			r.dieAt(point)
			if n := len(r.smtp.Mails()); n != 0 {
				t.Fatalf("%d mails left before the commit was known", n)
			}
			_, client := r.start()
			mails := r.mails(5)
			r.await("the message is moved", func() bool { return r.inFolder(security, "Processed") == 1 })
			if n := receipts(mails); n != 1 {
				t.Errorf("%d receipts", n)
			}
			list, err := client.Cases(context.Background(), api.Filter{All: true})
			if err != nil || len(list.Cases) != 1 {
				t.Fatalf("%d cases, %v", len(list.Cases), err)
			}
			r.verify()
			if n := len(r.smtp.Mails()); n != 5 {
				t.Errorf("%d mails left, want 5", n)
			}
		})
	}
}

// verify stops the daemon and checks the whole store.
func (r *rig) verify() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Error(err)
	}
	var out strings.Builder
	if err := Verify(context.Background(), r.config(), &out); err != nil {
		r.t.Errorf("%v\n%s", err, &out)
	}
}

// TestPoison: a message that ended the process twice while it was read is kept
// unread, people are told, and the next message goes on.
func TestPoison(t *testing.T) {
	r := newRig(t)
	r.deliver(security, "INBOX", report(1))
	r.deliver(security, "INBOX", report(2))
	for range poisonous {
		r.dieAt(store.FailStart) // begun, and not committed
	}
	_, client := r.start()
	r.mails(4 + 5) // S4 to four readers; S1 to four and a receipt
	list, err := client.Cases(context.Background(), api.Filter{})
	if err != nil || len(list.Cases) != 2 {
		t.Fatalf("%d cases, %v", len(list.Cases), err)
	}
	got := map[triage.Disposition]triage.Ref{}
	for _, c := range list.Cases {
		got[c.Disposition] = c.Ref
	}
	raw, err := client.Raw(context.Background(), got[triage.AsPoison], 0)
	if err != nil || !strings.Contains(string(raw), "account 1 lives on") {
		t.Errorf("the poison was not kept: %d bytes, %v", len(raw), err)
	}
	if got[triage.AsReport] == "" {
		t.Error("the message after it did not go on")
	}
	r.verify()
}

// TestNoSecretLeaks runs reports with canaries at debug level: none is in the
// log, and none in any file that the daemon wrote.
func TestNoSecretLeaks(t *testing.T) {
	canaries := []string{"canarysubject", "canarybody", "canaryname", "canaryaddress", "canaryfile"}
	mail := `Authentication-Results: mx.identity.example; dmarc=pass header.from=researcher.example
From: CanaryName <canaryaddress@researcher.example>
To: security@identity.example
Subject: canarysubject
Message-ID: <canary@researcher.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

canarybody
--b
Content-Type: application/x-broken; name="canaryfile.bin"
Content-Transfer-Encoding: base64

!!! canarybody
--b--
`
	r := newRig(t)
	r.deliver(security, "INBOX", mail)
	r.deliver(backoffice, "Reports", strings.ReplaceAll(mail, security, backoffice)+"\nand more")
	_, client := r.start()
	r.mails(5 + 1) // the second receipt is held: nobody vouches
	r.smtp.Inject(notifytest.Fault{Stage: notifytest.AtRcpt, Code: 550, Text: "5.1.1 no such user canaryaddress"})
	r.deliver(security, "INBOX", strings.ReplaceAll(mail, "<canary@", "<canary2@")+"\nagain")
	r.await("a refused mail is logged", func() bool { return strings.Contains(r.log.String(), "550 5.1.1") })
	list, err := client.Cases(context.Background(), api.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Cases {
		_, _ = client.Act(context.Background(), c.Ref, triage.Action{Verb: triage.VerbNote, Text: "canarybody"})
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}

	look := func(where string, b []byte) {
		for _, canary := range canaries {
			if strings.Contains(strings.ToLower(string(b)), canary) {
				t.Errorf("%s holds %s", where, canary)
			}
		}
	}
	look("the log", []byte(r.log.String()))
	files := 0
	err = filepath.WalkDir(filepath.Join(r.dir, "state"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		look(path, b)
		files++
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%d files were looked at, %v", files, err)
	}
}

// TestAnotherRoute: what the mail server refuses for one person is told to the
// next ones.
func TestAnotherRoute(t *testing.T) {
	r := newRig(t)
	r.smtp.Inject(notifytest.Fault{Stage: notifytest.AtRcpt, To: "sam@identity.example", Code: 550, Text: "5.1.1 gone"})
	r.deliver(security, "INBOX", report(1))
	_, client := r.start()
	r.mails(4 + 2) // all but Sam's, and S9 to two others
	list, err := client.Cases(context.Background(), api.Filter{})
	if err != nil || len(list.Cases) != 1 || list.Cases[0].Undelivered != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	v, err := client.Case(context.Background(), list.Cases[0].Ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"S9.so_on_duty.1", "S9.ciso.1"} {
		if m := v.Case.Mail(id); m == nil {
			t.Errorf("no %s", id)
		}
	}
	r.verify()
}

// TestOrganisationsApart: two organisations in one daemon don't see each
// other's cases, whatever a sender writes to both.
func TestOrganisationsApart(t *testing.T) {
	r := newRig(t)
	r.deliver(security, "INBOX", report(1))
	r.deliver(backoffice, "Reports", report(1)) // the very same mail
	_, client := r.start()
	r.mails(5 + 1) // Bea is told; her organisation's server vouches for nothing, so the receipt is held
	list, err := client.Cases(context.Background(), api.Filter{})
	if err != nil || len(list.Cases) != 1 || list.Cases[0].Policy != "identity" {
		t.Fatalf("Sam of the one sees %+v, %v", list, err)
	}
	v, err := client.Case(context.Background(), list.Cases[0].Ref)
	if err != nil || len(v.Case.Related) != 0 {
		t.Errorf("the case names %v, %v", v.Case.Related, err)
	}
	r.verify()
}

// TestUntouched: ordinary mail of a shared mailbox keeps its place and flags.
func TestUntouched(t *testing.T) {
	r := newRig(t)
	r.deliver(backoffice, "INBOX", r.read(filepath.Join("..", "..", "..", "testdata", "script", "mail", "invoice.eml")))
	r.deliver(security, "INBOX", report(2))
	r.start()
	r.mails(5)
	r.await("the shared mailbox is read", func() bool { return strings.Contains(r.log.String(), "disposition=not-ours") })
	messages, err := r.imap.Messages(backoffice, "INBOX")
	if err != nil || len(messages) != 1 || len(messages[0].Flags) != 0 {
		t.Errorf("%+v, %v", messages, err)
	}
	r.verify()
}

// TestReportInQuestion: a mail in the shared mailbox that may be a report is
// left alone, a person is asked, and the answer does the rest.
func TestReportInQuestion(t *testing.T) {
	r := newRig(t)
	r.edit("relocation.toml", `person = "bea"`, `person = "sam"`)
	r.deliver(backoffice, "INBOX", `From: Rita <rita@researcher.example>
To: backoffice@relocation.example
Subject: problem on your site
Message-ID: <q@researcher.example>

Your search at https://desk.relocation.example/ has a problem with XSS.
`)
	_, client := r.start()
	r.mails(1)
	list, err := client.Cases(context.Background(), api.Filter{})
	if err != nil || len(list.Cases) != 1 || list.Cases[0].State != triage.StateQuestion {
		t.Fatalf("%+v, %v", list, err)
	}
	messages, err := r.imap.Messages(backoffice, "INBOX")
	if err != nil || len(messages) != 1 || len(messages[0].Flags) != 0 {
		t.Errorf("the mail was touched: %+v, %v", messages, err)
	}
	if _, err := client.Act(context.Background(), list.Cases[0].Ref, triage.Action{Verb: triage.VerbTake}); err != nil {
		t.Fatal(err)
	}
	r.mails(2) // the question, and now the report
	v, err := client.Case(context.Background(), list.Cases[0].Ref)
	if err != nil || v.Case.State != triage.StateTriage || v.Case.Mail("R1.1") == nil {
		t.Errorf("%s, %v", v.Case.State, err)
	}
	r.verify()
	r.start() // at the next connection it goes where the other reports are
	r.await("the report is moved", func() bool { return r.inFolder(backoffice, "Processed") == 1 })
}

// TestAlike: a second report about the same place says so to staff, also after
// a restart, and nothing about the first to its reporter.
func TestAlike(t *testing.T) {
	r := newRig(t)
	first := strings.ReplaceAll(report(1), "lives on after a logout.", "lives on after a logout.\n\nStored XSS: https://login.identity.example/profile?name=<script>alert(1)</script>")
	second := `Authentication-Results: mx.identity.example; dmarc=pass header.from=other.example
From: Tomas <tomas@other.example>
To: security@identity.example
Subject: found something
Message-ID: <second@other.example>

Hi, your profile page has cross site scripting, see
https://login.identity.example/profile?name=%3Cimg%20src=x%20onerror=alert(2)%3E
`
	r.deliver(security, "INBOX", first)
	_, client := r.start()
	r.mails(5)
	list, err := client.Cases(context.Background(), api.Filter{})
	if err != nil || len(list.Cases) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	known := list.Cases[0].Ref
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	r.deliver(security, "INBOX", second)
	_, client = r.start()
	mails := r.mails(10)
	list, err = client.Cases(context.Background(), api.Filter{})
	if err != nil || len(list.Cases) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, c := range list.Cases {
		v, err := client.Case(context.Background(), c.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if c.Ref != known && (len(v.Case.Alike) != 1 || v.Case.Alike[0].Ref != known || v.Case.Alike[0].Likeness != "STRONG") {
			t.Errorf("alike: %+v", v.Case.Alike)
		}
	}
	for _, m := range mails[5:] {
		if strings.HasPrefix(m.To[0], "tomas@") && strings.Contains(string(m.Raw), string(known)) {
			t.Error("the second reporter is told of the first case")
		}
	}
	r.verify()
}
