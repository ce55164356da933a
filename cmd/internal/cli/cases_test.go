package cli

import (
	"strings"
	"time"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
	"vdpd/triage/calendar"
)

var (
	encrypted = triage.NewRef([7]byte{1, 2, 3, 4, 5, 6, 7})
	hostile   = triage.NewRef([7]byte{7, 6, 5, 4, 3, 2, 1})
	filed     = triage.NewRef([7]byte{9, 9, 9, 9, 9, 9, 9})

	monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	friday = time.Date(2026, 11, 20, 16, 59, 0, 0, amsterdam().Zone)
)

func amsterdam() calendar.Calendar {
	z, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err)
	}
	return calendar.Calendar{Zone: z, Opens: 9 * 60, Closes: 17 * 60, Country: "nl",
		Workdays: [7]bool{time.Monday: true, time.Tuesday: true, time.Wednesday: true, time.Thursday: true, time.Friday: true}}
}

func view(c triage.Case, ms ...triage.Message) api.View {
	for i, m := range ms {
		it := triage.Item{
			Seq: uint64(10 + i), Source: m.Source, Kind: m.Kind, Trust: triage.TrustUnverified, Via: triage.ViaThread, From: m.From, Subject: m.Subject,
			MessageID: m.MessageID, Size: m.Size, Digest: m.Digest, OpenPGP: m.OpenPGP, Parts: m.Parts, Limits: m.Limits, Faults: m.Faults,
		}
		if i == 0 {
			it.Trust, it.Via = triage.TrustFirst, ""
		}
		if m.Kind == triage.KindBounce {
			it.Trust = triage.TrustNone
		}
		c.Items = append(c.Items, it)
	}
	c.Opened = c.Items[0].Source.Arrived.Add(2 * time.Second)
	return api.View{Summary: api.Summarise(&c, amsterdam(), monday), Case: c, Messages: ms}
}

func source(folder string, uid uint32, arrived time.Time) triage.Source {
	return triage.Source{Mailbox: "backoffice", Folder: folder, UIDValidity: 1, UID: uid, Arrived: arrived}
}

// encryptedView is an ordinary case: signed and encrypted, four readers, one
// mail held, one refused, a follow-up that proves nothing.
func encryptedView() api.View {
	const key = "4F3A9C1D77E0B2568A1D0C5E9B7F2A6648D1E3C0"
	rita := []triage.Address{{Name: "Rita Voss", Address: "rita@researcher.example"}}
	mail := func(id, role, person string, kind triage.NoticeKind, last triage.Outcome) triage.Mail {
		n := triage.Notice{ID: id, Kind: kind, Role: role, Person: person, Lang: "en", At: friday}
		m := triage.Mail{Notice: n, Last: last}
		if last.Result != "" {
			m.Attempts = 1
		}
		return m
	}
	sent := triage.Outcome{Result: triage.Sent, At: friday.Add(5 * time.Second), Code: "250 2.0.0", Protection: "encrypted"}
	stub := sent
	stub.Protection = "stub"
	held := mail("R1.1", "", "", triage.Receipt, triage.Outcome{})
	held.Notice.Held = "the sender's domain does not vouch for the address"
	held.Notice.Facts = triage.Facts{Received: friday, EvaluationDue: friday.AddDate(0, 0, 5).Add(time.Minute)}
	retry := mail("S7.support.1", "support", "sam", triage.FollowUp, triage.Outcome{
		Result: triage.Retry, At: monday.Add(-time.Minute), Next: monday.Add(9 * time.Minute), Code: "451 4.7.1", Reply: "greylisted, come back \x1b[5m later"})
	retry.Attempts = 3
	c := triage.Case{
		Ref: encrypted, Disposition: triage.AsReport, State: triage.StateTriage, Policy: "ep", PolicyHash: "ab12", Mailbox: "backoffice", Lang: "en",
		Reporter: triage.Party{Name: "Rita Voss", Address: "rita@researcher.example", Key: &triage.Key{Fingerprint: key, Addresses: []triage.Secret{"rita@researcher.example"}, From: "attached", Signed: true}},
		Clocks: []triage.Clock{
			{Name: triage.ClockEvaluation, Promised: true, Span: "3bd", Start: friday, Due: friday.AddDate(0, 0, 5).Add(time.Minute)},
			{Name: triage.ClockEmbargo, Span: "90d", Start: friday, Due: friday.AddDate(0, 0, 90)},
		},
		Related: []triage.Ref{hostile},
		Mails: []triage.Mail{
			mail("S1.support.1", "support", "sam", triage.NewReport, sent),
			mail("S1.so_on_duty.1", "so_on_duty", "olga", triage.NewReport, sent),
			mail("S1.ciso.1", "ciso", "carl", triage.NewReport, triage.Outcome{Result: triage.Failed, At: friday.Add(9 * time.Second), Code: "550 5.1.1", Reply: "no such user"}),
			mail("S1.ceo.1", "ceo", "eve", triage.NewReport, stub),
			held, retry,
		},
		Seen:   []triage.SeenBy{{Role: "support", Person: "sam", At: friday.Add(20 * time.Minute)}},
		Notes:  []triage.Note{{At: friday.Add(time.Hour), By: triage.Actor{Kind: triage.Staff, ID: "sam", Method: "peercred"}, Text: "Reproduced on the test system.\nAsked the platform team who owns the redirect."}},
		Events: 14,
	}
	return view(c,
		triage.Message{
			Source: source("INBOX", 41, friday), Size: 48213, Digest: "d1", Kind: triage.KindReport, From: rita, Date: friday, MessageID: "abc@researcher.example",
			Subject: "Open redirect on the login page leaks the session token to any site that is named in the parameter next",
			Text:    "Hello,\n\nthe parameter \"next\" of https://app.relocation.example/login is not checked. After a login the browser is sent to any site, with the session token in the address.\n\nSteps:\n  1. open /login?next=//evil.example\n  2. log in\n\nRita\n",
			Parts:   []triage.Part{{Name: "screen shot.png", Type: "image/png", Size: 40960, SHA256: strings.Repeat("9f86d081", 8)}, {Type: "text/plain", Size: 812, SHA256: strings.Repeat("a3c1e07b", 8)}},
			OpenPGP: triage.OpenPGP{Encrypted: "full", Decrypted: true, Signature: triage.SigValid, Signer: key, SignerIsSender: true},
			Auth:    triage.Auth{Checked: true},
		},
		triage.Message{
			Source: source("INBOX", 44, monday.Add(-2*time.Minute)), Size: 2101, Digest: "d2", Kind: triage.KindReply, Date: monday, MessageID: "def@other.example",
			From: []triage.Address{{Address: "rita@researcher.example"}}, ReplyTo: []triage.Address{{Address: "rita@researcher-example.example"}},
			Subject: "Re: your report", Text: "Please close this one.",
			OpenPGP: triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone},
		})
}

// hostileView is a report that attacks the terminal of who reads it, and the
// page: ANSI and OSC sequences, C1 controls, bidirectional overrides, line
// separators, words that look like ours, and lines that a terminal would wrap.
func hostileView() api.View {
	evil := triage.Secret("\x1b]0;owned\x07\u202eFORGED\u2066 \x9b31m\u009b2J\r\nFORGED: header\u2028FORGED\x00\u200b\t\tFORGED")
	wide := triage.Secret(strings.Repeat("漏洞", 60) + strings.Repeat(" ", 30) + "FORGED")
	return view(triage.Case{
		Ref: hostile, Disposition: triage.AsUnread, State: triage.StateUnreadable, Policy: "ep", Mailbox: "backoffice", Lang: "nl",
		Reporter: triage.Party{Name: evil, Address: "x\x1b[8m@researcher.example"},
	}, triage.Message{
		Source: source("INBOX", 42, monday.Add(-90*time.Minute)), Size: 999, Kind: triage.KindList, Reason: "precedence: list",
		From: []triage.Address{{Name: evil, Address: "x\x1b[8m@researcher.example"}, {}}, Subject: evil + wide,
		Text:     "\nREAD BY\n  ceo         eve\n" + evil + wide + triage.Secret("\n"+strings.Repeat("a", 76)+"FORGED\n"+strings.Repeat("b ", 38)+"FORGED"),
		Parts:    []triage.Part{{Name: evil + "../../etc/passwd", Type: "application/x-sh", Size: 12_400_000, SHA256: "00"}},
		OpenPGP:  triage.OpenPGP{Encrypted: "full", Signature: triage.SigUnknownKey, Signer: "DEADBEEF", Problem: "no key of ours opens it"},
		HTMLOnly: true, Limits: []string{"parts", "text"}, Faults: []string{"header From: two addresses", "part 3: unknown charset"},
	})
}

func filedView() api.View {
	return view(triage.Case{Ref: filed, Disposition: triage.AsBounce, State: triage.StateFiled, Policy: "ep", Mailbox: "backoffice"},
		triage.Message{
			Source: source("INBOX", 43, friday.AddDate(-1, 0, 0)), Size: 512, Kind: triage.KindBounce, Reason: "content-type: multipart/report",
			OpenPGP: triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone},
		})
}

func exampleDaemon() *daemon {
	views := map[triage.Ref]api.View{encrypted: encryptedView(), hostile: hostileView(), filed: filedView()}
	late := views[encrypted].Summary
	late.Ref, late.Due, late.BusinessDays = "2222-2222-2222", friday, 0
	late.Arrived, late.Seen, late.Held, late.Undelivered = friday.AddDate(0, 0, -5), []string{"support", "ciso", "ceo"}, 2, 0
	late.Unseen = []string{"so_on_duty"}
	return &daemon{
		views: views,
		list: api.List{More: true, Cases: []api.Summary{
			views[hostile].Summary, views[encrypted].Summary, late, views[filed].Summary,
		}},
		status: api.Status{
			Version: "v1.0.0", Started: friday, You: api.You{Kind: triage.Staff, ID: "sam", Roles: []string{"support", "ciso"}},
			Open: 3, Late: 1, Held: 1, Pending: 2, Failed: 1,
			Mailboxes: []api.Mailbox{
				{Name: "security", Policy: "iw", Connected: true, Heard: monday.Add(-20 * time.Second)},
				{Name: "backoffice", Policy: "ep", Problem: "login refused\x1b[m; is the password still valid?"},
			},
		},
	}
}
