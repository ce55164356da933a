package storetest

import (
	"fmt"
	"strings"
	"time"

	"vdpd/triage"
)

// testThread is the table of what binds a message to a case.
func testThread(b *bench) {
	mine, theirs := b.opened(1, 1), b.opened(2, 2)
	letters := map[string]triage.Letter{}
	claimed, _, err := b.Claim(b.Context(), Start.AddDate(0, 0, 1), 10)
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range claimed {
		if l.Case.Ref == mine {
			letters[l.Notice.ID] = l
		}
	}
	receipt, staff := letters["R1.1"], letters["S1.support.1"]
	to := func(address string) []triage.Address {
		return []triage.Address{{Address: "security@identity.example"}, {Address: triage.Secret(address)}}
	}
	const stranger = 9

	for _, c := range []struct {
		name   string
		from   int
		adapt  func(*triage.Message)
		ref    triage.Ref
		via    triage.Via
		notice string
	}{
		{"a first mail", stranger, func(*triage.Message) {}, "", "", ""},
		{"reply token", stranger, func(m *triage.Message) { m.To = to("security+" + receipt.Reply + "@identity.example") }, mine, triage.ViaToken, ""},
		{"reply token of a role", stranger, func(m *triage.Message) { m.To = to("security+" + staff.Reply + "@identity.example") }, mine, triage.ViaToken, ""},
		{"reply token in capitals, after two marks", stranger, func(m *triage.Message) {
			m.To = to("security+x+" + strings.ToUpper(receipt.Reply) + "@identity.example")
		}, mine, triage.ViaToken, ""},
		{"a token of nobody", stranger, func(m *triage.Message) { m.To = to("security+" + strings.Repeat("a", 26) + "@identity.example") }, "", "", ""},
		{"a token that is no tag", stranger, func(m *triage.Message) { m.To = to(receipt.Reply + "@identity.example") }, "", "", ""},
		{"reply token and answer", stranger, func(m *triage.Message) {
			m.To = to("security+" + receipt.Reply + "@identity.example")
			m.InReplyTo = receipt.Token + "@identity.example"
		}, mine, triage.ViaToken, "R1.1"},
		{"answer to a mail of ours", stranger, func(m *triage.Message) { m.InReplyTo = receipt.Token + "@identity.example" }, mine, triage.ViaSent, "R1.1"},
		{"the same through another domain", stranger, func(m *triage.Message) { m.References = []string{"x@y", receipt.Token + "@other.example"} }, mine, triage.ViaSent, "R1.1"},
		{"answer to a mail of ours to staff", stranger, func(m *triage.Message) { m.InReplyTo = staff.Token + "@identity.example" }, mine, triage.ViaSent, "S1.support.1"},
		{"bounce that names our mail", stranger, func(m *triage.Message) {
			m.Kind = triage.KindBounce
			m.Bounces = []triage.Bounce{{OriginalMessageID: receipt.Token + "@identity.example"}}
		}, mine, triage.ViaSent, "R1.1"},
		{"bounce to our envelope sender", stranger, func(m *triage.Message) {
			m.Kind, m.To = triage.KindBounce, to("bounces+"+staff.Token+"@identity.example")
		}, mine, triage.ViaSent, "S1.support.1"},
		{"answer to a mail of the case, by its reporter", 1, func(m *triage.Message) { m.InReplyTo = "report.1@researcher.example" }, mine, triage.ViaThread, ""},
		{"answer to a mail of the case, by a stranger", stranger, func(m *triage.Message) { m.InReplyTo = "report.1@researcher.example" }, "", "", ""},
		{"answer to a mail of the case, by nobody", 1, func(m *triage.Message) {
			m.InReplyTo, m.From = "report.1@researcher.example", nil
		}, "", "", ""},
		{"reference in the subject, by the reporter", 1, func(m *triage.Message) { m.Subject = triage.Secret("Re: [" + string(mine) + "] more") }, mine, triage.ViaSubject, ""},
		{"reference in the subject, by a stranger", stranger, func(m *triage.Message) { m.Subject = triage.Secret(mine) }, "", "", ""},
		{"reference of another reporter's case in the subject", 1, func(m *triage.Message) { m.Subject = triage.Secret(theirs) }, "", "", ""},
		{"copy with other content", 1, func(m *triage.Message) {
			first := Mail(1, 1)
			m.MessageID, m.Date = first.MessageID, first.Date.UTC()
		}, mine, triage.ViaCopy, ""},
		{"the Message-ID of another mail, and another date", stranger, func(m *triage.Message) { m.MessageID = "report.1@researcher.example" }, "", "", ""},
		{"absence notice of a reporter", 1, func(m *triage.Message) { m.Kind = triage.KindAutomatic }, mine, triage.ViaSender, ""},
		{"absence notice of a stranger", stranger, func(m *triage.Message) { m.Kind = triage.KindAutomatic }, "", "", ""},
		{"new mail of a reporter", 1, func(*triage.Message) {}, "", "", ""},
		{"token before thread", 2, func(m *triage.Message) {
			m.To, m.InReplyTo = to("security+"+receipt.Reply+"@identity.example"), "report.2@researcher.example"
		}, mine, triage.ViaToken, ""},
		{"our mail before thread", 2, func(m *triage.Message) {
			m.References = []string{"report.2@researcher.example", receipt.Token + "@identity.example"}
		}, mine, triage.ViaSent, "R1.1"},
		{"thread before subject", 1, func(m *triage.Message) {
			m.InReplyTo, m.Subject = "report.1@researcher.example", triage.Secret(theirs)
		}, mine, triage.ViaThread, ""},
	} {
		m := Mail(50, c.from)
		c.adapt(m)
		k := b.known(m)
		if k.Thread.Ref != c.ref || k.Via != c.via || k.Notice != c.notice {
			b.Errorf("%s: got %q by %q, notice %q; want %q by %q, notice %q",
				c.name, k.Thread.Ref, k.Via, k.Notice, c.ref, c.via, c.notice)
		}
		if k.Same != "" {
			b.Errorf("%s: taken for a mail of %s", c.name, k.Same)
		}
	}

	// A case of nobody is not that of everybody whose From cannot be read.
	nobody := Mail(40, 1)
	nobody.From = nil
	open := Open(Fresh(b, b.Engine), nobody)
	Must(b, b.Engine, open)
	another := Mail(41, 1)
	another.From, another.InReplyTo = nil, nobody.MessageID
	equal(b, "thread of a mail of nobody to a case of nobody", b.known(another).Thread.Ref, "")

	same := Mail(1, 1)
	same.Source.Mailbox, same.Source.UID = "backoffice", 99
	equal(b, "the same mail in another mailbox", b.known(same).Same, mine)

	for id, want := range map[string]bool{
		receipt.Token + "@identity.example": true, receipt.Token: true, staff.Token + "@elsewhere.example": true,
		receipt.Reply + "@identity.example": false, "report.1@researcher.example": false, "": false, "@": false,
	} {
		equal(b, fmt.Sprintf("IsOurs(%q)", id), b.IsOurs(id), want)
	}
	if receipt.Token == staff.Token || receipt.Reply == staff.Reply || len(receipt.Token) != 26 || len(receipt.Reply) != 26 {
		b.Errorf("tokens: %q %q %q %q", receipt.Token, staff.Token, receipt.Reply, staff.Reply)
	}
	// A name in a reference is not trusted to be short, or few.
	long := Mail(60, 1)
	for i := range 5000 {
		long.References = append(long.References, fmt.Sprintf("%d@%s", i, strings.Repeat("x", 200)))
		long.To = append(long.To, triage.Address{Address: triage.Secret(fmt.Sprintf("a+%d@b", i))})
	}
	equal(b, "thread of a mail with 5000 references", b.known(long).Thread.Ref, "")
}

func testSender(b *bench) {
	b.now = Start.Add(2 * time.Hour)
	var refs []triage.Ref
	for uid := range uint32(12) {
		refs = append(refs, b.opened(uid+1, 1))
	}
	m := Mail(50, 1)
	m.From[0].Address = triage.Secret(strings.ToUpper(Address(1).Reveal()))
	k := b.known(m)
	equal(b, "other cases", len(k.Others), 10)
	equal(b, "the newest", k.Others[0], refs[11])
	equal(b, "receipts", k.Receipts, 12)
	equal(b, "receipts of a stranger", b.known(Mail(50, 2)).Receipts, 0)
	equal(b, "burst long ago", b.known(m).Burst, 0)
	equal(b, "prior", b.known(m).Prior, true)
	equal(b, "prior of a stranger", b.known(Mail(50, 2)).Prior, false)
	b.now = Mail(12, 1).Source.Arrived.Add(time.Minute)
	equal(b, "burst", b.known(Mail(50, 2)).Burst, 10)
	b.now = Mail(6, 1).Source.Arrived.Add(time.Second + 24*time.Hour)
	equal(b, "receipts of the last day", b.known(m).Receipts, 6)

	// A receipt that is held counts when it is let go.
	b.now = Start.AddDate(0, 0, 9)
	ref := Fresh(b, b.Engine)
	held := Open(ref, Mail(60, 3))
	held.Change.Events[2].Data = triage.Queued{Notices: []triage.Notice{{ID: "R1.1", Kind: triage.Receipt, Held: "a list"}}}
	Must(b, b.Engine, held)
	equal(b, "held receipts", b.known(Mail(61, 3)).Receipts, 0)
	Must(b, b.Engine, Change(ref, b.now.Add(-time.Hour), triage.Released{Notice: "R1.1"}))
	equal(b, "released receipts", b.known(Mail(61, 3)).Receipts, 1)

	// The alarm that automatic mail stopped is remembered for a while.
	equal(b, "tripped before", b.known(Mail(61, 3)).Tripped, false)
	Must(b, b.Engine, Change(ref, b.now, triage.Queued{Notices: []triage.Notice{{ID: "S12.support.1", Kind: triage.Abuse, Role: "support"}}}))
	equal(b, "tripped", b.known(Mail(61, 3)).Tripped, true)
	b.now = b.now.Add(11 * time.Minute)
	equal(b, "tripped later", b.known(Mail(61, 3)).Tripped, false)

	// A mail in question is found by its copy in the report folder.
	question := Open(Fresh(b, b.Engine), Mail(70, 6))
	d := question.Change.Events[0].Data.(triage.Opened)
	d.Disposition = triage.AsQuestion
	question.Change.Events[0].Data = d
	Must(b, b.Engine, question)
	moved := Mail(70, 6)
	moved.Source.Folder = "Reports"
	if k := b.known(moved); k.Twin == nil || k.Twin.Ref != question.Change.Case || k.Same != k.Twin.Ref {
		b.Errorf("twin: %+v", k.Twin)
	}
	Must(b, b.Engine, Change(question.Change.Case, b.now, triage.Left{}))
	if k := b.known(moved); k.Twin == nil || k.Same == "" || len(k.Others) != 0 || !k.Prior {
		b.Errorf("after it was left: twin %v, same %q, others %v, prior %t", k.Twin, k.Same, k.Others, k.Prior)
	}

	if k := b.known(Mail(62, 4)); k.Fresh == "" || k.Fresh == b.known(Mail(62, 4)).Fresh || k.Poison {
		b.Errorf("fresh reference %q, poison %t", k.Fresh, k.Poison)
	}
}

// testApart has one sender write to two organisations that share a store.
func testApart(b *bench) {
	b.now = Start.Add(time.Hour)
	ref := b.opened(1, 1)
	pin := triage.KeyPinned{Key: triage.Key{Fingerprint: "AAAA"}, How: "signed"}
	Must(b, b.Engine, Change(ref, Start, pin))
	letters, _ := b.claim(b.now, 10)

	same := Mail(1, 1)
	same.Source.Mailbox = "backoffice"
	same.InReplyTo = "report.1@researcher.example"
	same.References = []string{letters[0].Token + "@identity.example"}
	same.To = []triage.Address{{Address: triage.Secret("backoffice+" + letters[0].Reply + "@relocation.example")}}
	same.Subject = triage.Secret(ref)
	same.Kind = triage.KindAutomatic
	if k := b.known(same); k.Same != ref || k.Thread.Ref != ref || k.Pinned == nil || !k.Prior || k.Burst == 0 && k.Receipts == 0 {
		b.Errorf("within the organisation: %+v", k)
	}
	k, err := b.Known(b.Context(), "EP", same)
	if err != nil {
		b.Fatal(err)
	}
	if k.Same != "" || k.Thread.Ref != "" || k.Via != "" || k.Pinned != nil || len(k.Others) > 0 || k.Prior || k.Receipts+k.Burst > 0 {
		b.Errorf("the other organisation knows %+v", k)
	}
	other := Open(k.Fresh, same)
	opened := other.Change.Events[0].Data.(triage.Opened)
	opened.Policy = "EP"
	other.Change.Events[0].Data = opened
	Must(b, b.Engine, other)
	equal(b, "cases of the sender", fmt.Sprint(b.known(Mail(9, 1)).Others), fmt.Sprint([]triage.Ref{ref}))
}
