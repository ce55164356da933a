package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"vdpd/store"
	"vdpd/triage"
)

// Start is the time at which the mails of this package begin to arrive.
var Start = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// Policy is the one under which the cases of this package are.
const Policy = "IW"

// The canaries stand in every mail of this package: none may be found on disk,
// in a log or in an error.
const (
	CanarySubject = "canary-subject-Zx81"
	CanaryBody    = "canary-body-Qv27"
	CanaryFile    = "canary-file-Lm55"
	CanaryName    = "Canary Ada Kq93"
	CanaryAddress = "canary-ada"
)

// Canaries lists them.
func Canaries() []string {
	return []string{CanarySubject, CanaryBody, CanaryFile, CanaryName, CanaryAddress}
}

// Address is that of researcher n.
func Address(n int) triage.Secret {
	return triage.Secret(fmt.Sprintf("%s.%d@researcher.example", CanaryAddress, n))
}

// Mail returns message number uid of the security mailbox, by researcher n.
func Mail(uid uint32, n int) *triage.Message {
	raw := Raw(uid)
	content := sha256.Sum256(append([]byte("content"), raw...))
	sum := sha256.Sum256(raw)
	return &triage.Message{
		Source: triage.Source{
			Mailbox: "security", Folder: "INBOX", UIDValidity: 7, UID: uid,
			Arrived: Start.Add(time.Duration(uid) * time.Minute),
		},
		Size: int64(len(raw)), Digest: hex.EncodeToString(sum[:]), Content: hex.EncodeToString(content[:]),
		Kind:      triage.KindReport,
		From:      []triage.Address{{Name: CanaryName, Address: Address(n)}},
		To:        []triage.Address{{Address: "security@identity.example"}},
		Date:      Start.Add(time.Duration(uid) * time.Minute).In(time.FixedZone("", 3600)),
		MessageID: fmt.Sprintf("report.%d@researcher.example", uid),
		Subject:   CanarySubject, Text: CanaryBody + " in the login form\n", Reply: CanaryBody,
		Parts:   []triage.Part{{Name: CanaryFile + ".png", Type: "image/png", Size: 17, SHA256: "00"}},
		OpenPGP: triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone},
	}
}

// Raw returns the raw bytes of message number uid.
func Raw(uid uint32) []byte {
	return fmt.Appendf(nil, "Subject: %s %d\r\n\r\n%s\r\n", CanarySubject, uid, CanaryBody)
}

// Open returns the commit by which a message opens a case: it queues a receipt
// and a notice for support.
func Open(ref triage.Ref, m *triage.Message) store.Commit {
	at := m.Source.Arrived.Add(time.Second)
	c := commit(m, triage.AsReport, ref)
	reporter := triage.Party{Address: m.Sender()}
	if len(m.From) == 1 {
		reporter.Name = m.From[0].Name
	}
	c.Change.Events = events(ref, at,
		triage.Opened{
			Disposition: triage.AsReport, Policy: Policy, PolicyHash: "9f2c", Mailbox: "security", Lang: "en",
			Reporter: reporter,
			Clocks:   []triage.Clock{{Name: triage.ClockEvaluation, Span: "3bd", Start: at, Due: at.AddDate(0, 0, 5)}},
		},
		triage.Received{Message: *m, Trust: triage.TrustFirst},
		triage.Queued{Notices: []triage.Notice{
			{ID: "R1.1", Kind: triage.Receipt, Lang: "en", At: at},
			{ID: "S1.support.1", Kind: triage.NewReport, Role: "support", Person: "dana", Detail: triage.DetailFull, Lang: "en", At: at},
		}},
	)
	return c
}

// Join returns the commit by which a message joins a case: it queues a notice
// for support, the numberth of its kind.
func Join(ref triage.Ref, m *triage.Message, via triage.Via, number int) store.Commit {
	at := m.Source.Arrived.Add(time.Second)
	c := commit(m, triage.AsFollowUp, ref)
	c.Change.Events = events(ref, at,
		triage.Received{Message: *m, Trust: triage.TrustUnverified, Via: via},
		triage.Queued{Notices: []triage.Notice{{
			ID: fmt.Sprintf("S7.support.%d", number), Kind: triage.FollowUp, Role: "support", Person: "dana",
			Detail: triage.DetailFull, Lang: "en", At: at, Item: number,
		}}},
	)
	return c
}

// Left returns the commit of a message that is left alone.
func Left(m *triage.Message) store.Commit {
	c := commit(m, triage.NotOurs, "")
	c.Raw, c.Move = nil, false
	return c
}

// Change returns a commit of events that no message caused.
func Change(ref triage.Ref, at time.Time, data ...triage.Data) store.Commit {
	return store.Commit{Change: triage.Change{Case: ref, Events: events(ref, at, data...)}}
}

func commit(m *triage.Message, d triage.Disposition, ref triage.Ref) store.Commit {
	src := m.Source
	return store.Commit{
		Change: triage.Change{Disposition: d, Case: ref},
		Source: &src, Move: true, Raw: Raw(m.Source.UID),
	}
}

func events(ref triage.Ref, at time.Time, data ...triage.Data) []triage.Event {
	var es []triage.Event
	for _, d := range data {
		by := triage.Actor{Kind: triage.System}
		switch d.(type) {
		case triage.Opened, triage.Received:
			by.Kind = triage.Reporter
		case triage.Noted, triage.Seen, triage.Released:
			by = triage.Actor{Kind: triage.Staff, ID: "dana", Method: "peercred"}
		}
		es = append(es, triage.Event{Time: at, Case: ref, By: by, Data: d})
	}
	return es
}
