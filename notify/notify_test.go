package notify

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"vdpd/mailbox/openpgp"
	"vdpd/triage"
	"vdpd/triage/calendar"
)

// arrived is Friday 20 November 2026, 10:00 in Amsterdam; now is a bit later.
var (
	arrived = time.Date(2026, 11, 20, 9, 0, 12, 0, time.UTC)
	now     = arrived.Add(90 * time.Second)
)

const testRef triage.Ref = "7K3M-Q9XT-2H4C"

const (
	testToken = "q7d2mzk4x5v3c8s6h1t9"
	testReply = "r4k8w2n6p0"
)

func testKey(t testing.TB, name string) *openpgp.Key {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "keys", name+".asc"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := openpgp.ParseKeys(b)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%s: %d keys, %v", name, len(keys), err)
	}
	return keys[0]
}

func span(s string) calendar.Span {
	span, err := calendar.ParseSpan(s)
	if err != nil {
		panic(err)
	}
	return span
}

// identity is the policy IW: no date promised, six weeks of embargo.
func identity() *triage.Policy {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err)
	}
	return &triage.Policy{
		ID: "iw", Org: "Identity Platform", Domain: "identity.example", Mode: triage.Dedicated,
		URL: "https://identity.example/security", Version: "2026-03", SignOff: "Olga Vermeer, Security Officer",
		Languages: []string{"en", "nl"}, AckAuto: triage.AckAlways,
		Calendar: calendar.Calendar{
			Zone: zone, Opens: 9 * 60, Closes: 17 * 60, Country: "nl",
			Workdays: [7]bool{false, true, true, true, true, true, false},
		},
		EvaluationTarget: span("3bd"), Embargo: triage.EmbargoFixed, EmbargoLength: span("42d"),
		Readers: []triage.Reader{
			{Role: "support", Person: "sam", Detail: triage.DetailFull},
			{Role: "so_on_duty", Person: "olga", Detail: triage.DetailFull},
			{Role: "ciso", Person: "carl", Detail: triage.DetailSummary},
			{Role: "ceo", Person: "eve", Detail: triage.DetailFull},
		},
	}
}

// relocation is the policy EP: three business days, embargo until resolved.
func relocation() *triage.Policy {
	p := identity()
	p.ID, p.Org, p.Domain, p.Mode = "ep", "Relocation Services", "relocation.example", triage.Shared
	p.URL, p.SignOff = "https://relocation.example/disclosure", "The back office"
	p.EvaluationPromised, p.Embargo, p.EmbargoLength, p.EmbargoBackstop = span("3bd"), triage.EmbargoUntilResolved, calendar.Span{}, span("90d")
	p.ReportFolder = "Reports"
	return p
}

// directory is a Directory of both organisations. Eve has no key.
type directory struct {
	mu            sync.Mutex
	organisations map[string]Organisation
	people        map[string]Person
}

func (d *directory) Organisation(id string) (Organisation, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, ok := d.organisations[id]
	return o, ok
}

func (d *directory) Person(id string) (Person, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.people[id]
	return p, ok
}

func testDirectory(t testing.TB) *directory {
	return &directory{
		organisations: map[string]Organisation{
			"iw": {Policy: identity(), Address: "security@identity.example", Own: testKey(t, "own-iw.sec"), PlusAddressing: true},
			"ep": {Policy: relocation(), Address: "backoffice@relocation.example", Own: testKey(t, "own-ep.sec"), StaffReplyTo: "duty@relocation.example"},
		},
		people: map[string]Person{
			"sam":  {ID: "sam", Name: "Sam", Address: "sam@identity.example", Key: testKey(t, "sam.pub")},
			"olga": {ID: "olga", Name: "Olga", Address: "olga@identity.example", Key: testKey(t, "olga.pub"), Lang: "nl"},
			"carl": {ID: "carl", Name: "Carl", Address: "carl@identity.example", Key: testKey(t, "carl.pub")},
			"eve":  {ID: "eve", Name: "Eve", Address: "eve@identity.example"},
		},
	}
}

func testRenderer(t testing.TB) *Renderer {
	t.Helper()
	templates, err := LoadTemplates(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Renderer{Directory: testDirectory(t), Templates: templates}
}

// report is a message as the reader would understand it.
func report() *triage.Message {
	return &triage.Message{
		Source: triage.Source{Mailbox: "main", Folder: "Reports", Arrived: arrived},
		Kind:   triage.KindReport,
		From:   []triage.Address{{Name: "Rita Visser", Address: "rita@researcher.example"}},
		Date:   arrived.Add(-time.Minute), MessageID: "20261120.1@researcher.example",
		Subject: "Session not invalidated at logout on backoffice.identity.example",
		Text: "Hello,\n\nFrom the login page I get a session that survives logout:\n" +
			"  curl https://login.identity.example/session?id=1\nSee also www.researcher.example.\n\n\u202egnp.exe\u202c\n\nRita\n",
		Parts: []triage.Part{
			{Name: "proof.txt", Type: "text/plain", Size: 1234},
			{Name: "../../etc/passwd\r\nX: y", Type: "application/octet-stream", Size: 3_456_789},
		},
		OpenPGP: triage.OpenPGP{
			Encrypted: "full", Decrypted: true, Signature: triage.SigValid,
			Signer: "0123456789ABCDEF0123456789ABCDEF01234567", SignerIsSender: true,
		},
		Auth: triage.Auth{Checked: true, DMARC: true},
	}
}

// ritasKey is the researcher's key as a mail would bring it.
func ritasKey(t testing.TB) triage.Key {
	t.Helper()
	k := testKey(t, "rita.pub")
	cert, err := k.ArmorPublic()
	if err != nil {
		t.Fatal(err)
	}
	return triage.Key{Fingerprint: k.Fingerprint(), Addresses: []triage.Secret{"rita@researcher.example"}, Cert: triage.Secret(cert), From: "attached"}
}

// intake is what the policy makes of a message: letters, ready to render.
func intake(p *triage.Policy, m *triage.Message, thread triage.Case) (triage.Case, []triage.Letter) {
	known := triage.Known{Fresh: testRef, Thread: thread}
	if thread.Ref != "" {
		known.Via = triage.ViaToken
	}
	change := p.Intake(arrived, m, known)
	c := thread
	var notices []triage.Notice
	for i, e := range change.Events {
		e.Seq = uint64(i + 1)
		c.Apply(e)
		if q, ok := e.Data.(triage.Queued); ok {
			notices = append(notices, q.Notices...)
		}
	}
	return c, letters(c, m, notices)
}

func letters(c triage.Case, m *triage.Message, notices []triage.Notice) []triage.Letter {
	var ls []triage.Letter
	for _, n := range notices {
		l := triage.Letter{Notice: n, Case: c, Token: testToken, Reply: testReply, Attempt: 1}
		if !n.Kind.ToReporter() {
			l.Message = m
		}
		ls = append(ls, l)
	}
	return ls
}

// letterOf finds the letter of a kind, and of a role where one is given.
func letterOf(t testing.TB, ls []triage.Letter, kind triage.NoticeKind, role string) triage.Letter {
	t.Helper()
	for _, l := range ls {
		if l.Notice.Kind == kind && (role == "" || l.Notice.Role == role) {
			return l
		}
	}
	t.Fatalf("no letter %s %s", kind, role)
	return triage.Letter{}
}
