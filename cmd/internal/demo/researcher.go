package demo

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"vdpd/mailbox/openpgp"
)

const (
	ritaAddress  = "rita@researcher.example"
	tomasAddress = "tomas@researcher.example"
)

// delivery is a mail on its way into a mailbox.
type delivery struct {
	title string // for the audience
	to    *organisation
	raw   []byte
}

// head is what the researcher's mail program and the organisation's mail
// server write above a mail. The server found out that the sender's domain
// vouches for it.
func head(to *organisation, name, address, subject, id string, now time.Time) string {
	_, domain, _ := strings.Cut(address, "@")
	return strings.Join([]string{
		"Return-Path: <" + address + ">",
		"Authentication-Results: mx." + to.Domain + "; dmarc=pass header.from=" + domain,
		"From: " + name + " <" + address + ">",
		"To: " + to.Address,
		"Subject: " + subject,
		"Date: " + now.UTC().Format(time.RFC1123Z),
		"Message-ID: <" + id + "@" + domain + ">",
		"MIME-Version: 1.0",
	}, "\r\n") + "\r\n"
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// reports are the three mails of the story.
func (s *scene) reports(now time.Time) ([]delivery, error) {
	identity, relocation := s.Organisations[0], s.Organisations[1]

	sealed, err := pgpMIME(identity, s.rita, now)
	if err != nil {
		return nil, err
	}
	inline, err := openpgp.Seal([]byte(crlf(`Hello,

On https://desk.relocation.example/files/1001 I see my own documents. When I
change the number to 1002, I see those of somebody else. I tried it with two
accounts of my own and looked at nothing more.

Tomas
`)), relocation.key, s.tomas, now)
	if err != nil {
		return nil, err
	}
	return []delivery{
		{"Rita writes to security@identity.example: PGP/MIME, encrypted and signed, with her key", identity, sealed},
		{"Tomas writes to backoffice@relocation.example: a block of PGP in a plain mail", relocation,
			[]byte(head(relocation, "Tomas", tomasAddress, "a finding", "second", now) +
				"Content-Type: text/plain; charset=utf-8\r\n\r\n" + crlf(string(inline)))},
		{"Rita writes to security@identity.example again: plain text with a screenshot", identity, plainWithAttachment(identity, now)},
	}, nil
}

// pgpMIME is a report in the form of RFC 3156, with the researcher's key
// inside.
func pgpMIME(to *organisation, from *openpgp.Key, now time.Time) ([]byte, error) {
	public, err := from.ArmorPublic()
	if err != nil {
		return nil, err
	}
	inner := crlf(`Content-Type: multipart/mixed; boundary="in"; protected-headers="v1"
Subject: Login tokens survive a password change

--in
Content-Type: text/plain; charset=utf-8

Hello,

After a password change on https://login.identity.example the old session
tokens stay valid. Steps:

 1. log in on two browsers,
 2. change the password in the first,
 3. the second still works, for at least an hour.

I have told nobody. You find my key attached.

Rita

--in
Content-Type: application/pgp-keys; name="rita.asc"
Content-Disposition: attachment; filename="rita.asc"

` + public + `
--in--
`)
	sealed, err := openpgp.Seal([]byte(inner), to.key, from, now)
	if err != nil {
		return nil, err
	}
	return []byte(head(to, "Rita", ritaAddress, "...", "first", now) + crlf(`Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="out"

--out
Content-Type: application/pgp-encrypted

Version: 1

--out
Content-Type: application/octet-stream; name="encrypted.asc"

`+string(sealed)+`
--out--
`)), nil
}

func plainWithAttachment(to *organisation, now time.Time) []byte {
	picture := base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\n not a real picture, but a real attachment"))
	return []byte(head(to, "Rita", ritaAddress, "Stored XSS in vacation planner", "third", now) + crlf(fmt.Sprintf(`Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

The title of a vacation in the planner is shown to colleagues without escaping;
the screenshot shows a script at work in a test account of mine.

--b
Content-Type: image/png; name="planner.png"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="planner.png"

%s
--b--
`, picture)))
}

// invoice is ordinary business mail in the shared mailbox.
func (s *scene) invoice(now time.Time) []byte {
	return []byte(head(s.Organisations[1], "Van Dijk Verhuizers", "administratie@movers.example", "Factuur 2026-118", "invoice", now) +
		"Content-Type: text/plain; charset=utf-8\r\n\r\nGeachte heer, mevrouw,\r\n\r\nHierbij de factuur voor de verhuizing van vorige week.\r\n")
}
