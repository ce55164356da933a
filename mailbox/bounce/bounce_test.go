package bounce

import (
	"fmt"
	"strings"
	"testing"

	"vdpd/mailbox/mime"
)

func read(raw string) (Report, bool) {
	b := mime.NewBudget(mime.Limits{Parts: 100, Depth: 10, HeaderBytes: 10_000, HeaderCount: 100})
	return Read(mime.Parse([]byte(raw), b), b)
}

func summary(r Report) string {
	var all []string
	for _, b := range r.Recipients {
		all = append(all, fmt.Sprintf("%s %s %s", b.Recipient.Reveal(), b.Action, b.Status))
	}
	if r.Delivered {
		all = append(all, "delivered")
	}
	return strings.Join(all, "; ")
}

const daemon = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: us@identity.example\nSubject: x\n\n"

func TestBounces(t *testing.T) {
	dsn := func(fields string) string {
		return "From: x@y.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nwords\n--b\nContent-Type: message/delivery-status\n\n" + fields + "\n--b--\n"
	}
	tests := map[string]struct{ in, want string }{
		"delivery status":    {dsn("Reporting-MTA: dns; mx\n\nFinal-Recipient: RFC822; <a@b.example>\nAction: failed\nStatus: 5.1.1\n"), "a@b.example failed 5.1.1"},
		"two recipients":     {dsn("Reporting-MTA: dns; mx\n\nFinal-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822;c@d.example\nAction: delayed\nStatus: 4.4.1"), "a@b.example failed 5.1.1; c@d.example delayed 4.4.1"},
		"original only":      {dsn("\nOriginal-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.7.1 no"), "a@b.example failed 5.7.1"},
		"status in reply":    {dsn("\nFinal-Recipient: rfc822;a@b.example\nAction: failed\nDiagnostic-Code: smtp; 5.1.0 - Unknown 550-'5.2.2 full'"), "a@b.example failed 5.2.2"},
		"reply code only":    {dsn("\nFinal-Recipient: rfc822;a@b.example\nAction: failed\nDiagnostic-Code: smtp; 452 wait"), "a@b.example failed 4.0.0"},
		"success":            {dsn("\nFinal-Recipient: rfc822;a@b.example\nAction: relayed\nStatus: 2.0.0"), "a@b.example relayed 2.0.0; delivered"},
		"no status part":     {"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.5.0\n", "a@b.example failed 5.5.0"},
		"qmail":              {daemon + "Hi. This is the qmail-send program.\n\n<a@b.example>:\nno mailbox here. (#5.1.1)\n\n<c@d.example>:\nConnected to 192.0.2.1 but it was rejected: 554 no\n\n--- Below this line is a copy.\n\nReturn-Path: <us@identity.example>\nReceived: x\nMessage-ID: <1@x>\n", "a@b.example failed 5.1.1; c@d.example failed 5.0.0"},
		"postfix, long ago":  {daemon + "<a@b.example>: host mx.b.example[192.0.2.1] said: 550 5.1.1\n    <a@b.example>... User unknown\n", "a@b.example failed 5.1.1"},
		"exim":               {"From: x@y.example\nX-Failed-Recipients: a@b.example,\n c@d.example\n\n  a@b.example\n    mailbox is full: 552 5.2.2\n  c@d.example\n    retry timeout exceeded\n", "a@b.example failed 5.2.2; c@d.example failed 5.2.2"},
		"opensmtpd":          {daemon + "a@b.example: 550 5.2.2 full\nc@d.example: 421 4.4.1 later\n\n    Below is a copy of the original message:\n\nReceived: x\nSubject: x\nFrom: x\n", "a@b.example failed 5.2.2; c@d.example failed 4.4.1"},
		"sendmail, long ago": {daemon + "   ----- The following addresses had permanent fatal errors -----\na@b.example\n    (expanded from: <c@d.example>)\n\n   ----- Transcript of session follows -----\n554 too many hops\n", "a@b.example failed 5.0.0; c@d.example failed 5.0.0"},
		"exchange, long ago": {daemon + "did not reach the following recipient(s):\n\nc=US;a= ;dda:SMTP=a@b.example; on Fri, 4 Oct 2002\n", "a@b.example failed 5.0.0"},
		"RCPT TO":            {daemon + "Sent <<< RCPT TO:<a@b.example>\nReceived >>> 550 5.1.1 unknown\n", "a@b.example failed 5.1.1"},
		"delayed":            {daemon + "Your message to:\n\ta@b.example\n\nhas not yet been delivered.\n", "a@b.example delayed 4.0.0"},
		"by postmaster, returned to its sender": {"From: postmaster@small.example\nTo: us@identity.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nto: <a@b.example>\n--b\nContent-Type: message/rfc822\n\nFrom: us@identity.example\nMessage-ID: <1@x>\n\nx\n--b--\n",
			"a@b.example failed 5.0.0"},
		"address of a host": {daemon + "<a@b.example>: 192.0.2.5.1.1 said 550 no, see 10.5.1.1.2\n", "a@b.example failed 5.0.0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, ok := read(test.in)
			if got := summary(r); !ok || got != test.want {
				t.Errorf("got %q, %t (%s)\nwant %q", got, ok, r.Reason, test.want)
			}
		})
	}
}

func TestOriginalMessageID(t *testing.T) {
	for name, in := range map[string]string{
		"a part":     "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@x>\n\n--b--",
		"headers":    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <1@x>\n--b--",
		"in text":    daemon + "<a@b.example>:\nno\n\nReceived: by x\n\tfor y\nSubject: x\nMessage-ID: <1@x>\n\nbody",
		"and quoted": daemon + "<a@b.example>:\nno\n\n> Received: by x\n>\tfor y\n> Subject: x\n> Message-ID: <1@x>\n>\n> body",
	} {
		r, ok := read(in)
		if !ok || len(r.Recipients) != 1 || r.Recipients[0].OriginalMessageID != "1@x" {
			t.Errorf("%s: %v %+v", name, ok, r.Recipients)
		}
	}
}

// TestPeople holds mails by people that look like bounces in words or pieces.
func TestPeople(t *testing.T) {
	for name, in := range map[string]string{
		"words":                "From: a@b.example\nSubject: Undelivered mail returned to sender\n\nMail delivery failed: <x@y.example>: 550 5.1.1 User unknown\n",
		"a postmaster":         "Return-Path: <postmaster@small.example>\nFrom: postmaster@small.example\nTo: us@identity.example\n\nYour relay said:\n<x@y.example>: 550 5.1.1 no\nReporting-MTA: dns; mx\nAction: failed\nStatus: 5.1.1\n",
		"forwarded":            "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nwhat is this?\n--b\nContent-Type: message/rfc822\n\nFrom: MAILER-DAEMON@x\nContent-Type: multipart/report; report-type=delivery-status; boundary=c\n\n--c\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@b\n--c--\n--b--\n",
		"a status part in it":  "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@b\n--b--\n",
		"our mail attached":    "From: a@b.example\nTo: us@identity.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: message/rfc822\n\nFrom: us@identity.example\n\nx\n--b--\n",
		"an absence notice":    "Return-Path: <>\nFrom: a@b.example\n\nI am away. Ask\n\nbob@b.example\n\nin the meantime.\n",
		"a read receipt":       "Return-Path: <>\nFrom: a@b.example\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;a@b.example\n--b--\n",
		"nothing":              "",
		"noreply with a quote": "From: noreply@shop.example\n\nOrder 550 for <x@y.example> is on its way.\n",
	} {
		if r, ok := read(in); ok {
			t.Errorf("%s: called a bounce (%s)", name, r.Reason)
		}
	}
}

func FuzzBounce(f *testing.F) {
	for _, s := range []string{
		daemon + "<a@b.example>:\n550 5.1.1 x\n\nReceived: x\n", "X-Failed-Recipients: a@b\n\na@b: x", daemon + "> Received: x\n>\ty\n> A: b\n> C: d",
		"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@b\n\nAction: failed\n", daemon + "RCPT TO:<a@b.c", daemon + "SMTP=\n5.1.1.1 550 4.4",
		"Content-Type: message/delivery-status\n\nFinal-Recipient: ;a@b\n\nAa@b\n\nAction: failed", // read for ever once
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := read(s)
		if !ok && len(r.Recipients) > 0 {
			t.Error("recipients of no bounce")
		}
		for _, b := range r.Recipients {
			if len(b.Status) < 5 || strings.Trim(b.Status, "0123456789.") != "" {
				t.Errorf("status %q", b.Status)
			}
		}
		if len(r.Recipients) > maxRecipients {
			t.Errorf("%d recipients", len(r.Recipients))
		}
	})
}
