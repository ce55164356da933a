package notify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// ErrNoRecipient is returned by [Renderer.Render] where nobody has an address
// that could be written to. The other errors may pass with a mended
// configuration.
var ErrNoRecipient = errors.New("there is no address to send to")

// Protections of a mail, as in [Mail] and [triage.Outcome].
const (
	protEncrypted = "encrypted" // and signed
	protSigned    = "signed"    // a mail to a reporter, which holds nothing of the report
	protStub      = "stub"      // signed; a staff mail without content
)

// Renderer makes mails of letters. It is safe for concurrent use.
type Renderer struct {
	Directory Directory
	Templates *Templates
}

// Render makes the mail of one letter. Its errors hold nothing of the letter
// but names of the configuration.
func (r *Renderer) Render(l triage.Letter, now time.Time) (mail *Mail, err error) {
	defer func() {
		// A key or a text of a stranger must not end the process. The value of
		// the panic isn't shown: it may hold any of them.
		if recover() != nil {
			mail, err = nil, errors.New("a defect: rendering panicked")
		}
	}()
	d, err := r.compose(&l, now)
	if err != nil {
		return nil, err
	}
	return d.seal(now)
}

// draft is a mail before it is protected. The same letter at the same time
// gives the same draft.
type draft struct {
	org        Organisation
	token      string
	from, to   string       // envelope
	key        *openpgp.Key // to encrypt to; nil: signed only
	protection string
	fields     []field // header of the message, protected as well; Subject is the constant one
	bare       []field // header of the message, not protected
	subject    string  // for the recipient's eyes only: used where key is set
	text       string
	attach     string // our public key in armor; empty: not attached
}

func (r *Renderer) compose(l *triage.Letter, now time.Time) (*draft, error) {
	org, ok := r.Directory.Organisation(l.Case.Policy)
	if !ok {
		return nil, fmt.Errorf("policy %q is not in the configuration", l.Case.Policy)
	}
	if org.Own == nil {
		return nil, fmt.Errorf("policy %q has no key of its own to sign with", l.Case.Policy)
	}
	d := &draft{org: org, token: l.Token, from: org.Address}
	if org.PlusAddressing {
		d.from = tagged(org.Address, l.Token)
	}
	var err error
	if l.Notice.Kind.ToReporter() {
		err = r.reporter(d, l, now)
	} else {
		err = r.staff(d, l, now)
	}
	if err != nil {
		return nil, err
	}
	d.address(l, now)
	return d, nil
}

// reporter fills in a mail to the reporter. Nothing but the address, the key
// and the facts is taken from the letter.
func (r *Renderer) reporter(d *draft, l *triage.Letter, now time.Time) error {
	d.to = l.Case.Reporter.Address.Reveal()
	if d.to == "" {
		return ErrNoRecipient
	}
	d.protection = protSigned
	if d.key = reporterKey(l.Case.Reporter.Key, now); d.key != nil {
		d.protection = protEncrypted
	}
	langs := []string{language(l.Notice.Lang)}
	if l.Notice.Kind == triage.Unreadable {
		langs = languages
	}
	for i, lang := range langs {
		view := viewReporter(lang, &d.org, l.Case.Ref, l.Notice.Facts)
		subject, text, err := r.Templates.render(lang, l.Notice.Kind, "body", view)
		if err != nil {
			return err
		}
		if i > 0 {
			d.text += "\n" + strings.Repeat("-", 40) + "\n\n"
		} else {
			d.subject = subject
		}
		d.text += text
	}
	var err error
	if d.attach, err = d.org.Own.ArmorPublic(); err != nil {
		return fmt.Errorf("our own key %s: %w", d.org.Own.Fingerprint(), err)
	}
	return nil
}

// staff fills in a mail to a person of the organisation. Without a usable key
// it is a stub, whatever the notice asks for.
func (r *Renderer) staff(d *draft, l *triage.Letter, now time.Time) error {
	person, ok := r.Directory.Person(l.Notice.Person)
	if !ok {
		return fmt.Errorf("person %q is not in the configuration", l.Notice.Person)
	}
	if d.to = person.Address.Reveal(); d.to == "" {
		return ErrNoRecipient
	}
	detail := triage.DetailStub
	d.protection = protStub
	if person.Key != nil && person.Key.CanEncrypt(now) {
		d.key, d.protection = person.Key, protEncrypted
		if l.Notice.Detail == triage.DetailFull || l.Notice.Detail == triage.DetailSummary {
			detail = l.Notice.Detail
		}
	}
	lang := language(person.Lang, l.Notice.Lang)
	view := viewStaff(lang, &d.org, &person, l, detail)
	var err error
	d.subject, d.text, err = r.Templates.render(lang, l.Notice.Kind, string(detail), view)
	return err
}

// address writes the header.
func (d *draft) address(l *triage.Letter, now time.Time) {
	p, toReporter := d.org.Policy, l.Notice.Kind.ToReporter()
	add := func(name, value string) { d.fields = append(d.fields, field{name, value}) }
	add("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	add("From", (&mail.Address{Name: p.Org, Address: d.org.Address}).String())
	to, utf8, err := envelopePath(d.to)
	if err != nil || utf8 {
		to = "undisclosed-recipients:;" // the envelope has it; the header stays in ASCII
	}
	add("To", to)
	switch {
	case toReporter && d.org.PlusAddressing:
		add("Reply-To", "<"+tagged(d.org.Address, l.Reply)+">")
	case !toReporter && d.org.StaffReplyTo != "":
		add("Reply-To", "<"+d.org.StaffReplyTo+">")
	}
	add("Subject", words(fmt.Sprintf("[%s] %s security report", l.Case.Ref, p.Org)))
	add("Message-ID", "<"+l.Token+"@"+p.Domain+">")
	submitted := "auto-generated"
	if toReporter {
		submitted = "auto-replied"
		if id := l.Notice.Facts.MessageID; plainID.MatchString(id) {
			add("In-Reply-To", "<"+id+">")
			add("References", "<"+id+">")
		}
	}
	add("Auto-Submitted", submitted)
	add("X-Auto-Response-Suppress", "All")
	if toReporter {
		d.autocrypt()
	}
}

// autocrypt offers our key to the reporter's mail program (Autocrypt level 1,
// section 2.1), where it is small enough.
func (d *draft) autocrypt() {
	cert, err := d.org.Own.Minimal()
	if err != nil {
		return
	}
	data := base64.StdEncoding.EncodeToString(cert)
	if len(data) > 10<<10 {
		return
	}
	value := "addr=" + d.org.Address + "; prefer-encrypt=mutual; keydata="
	for chunk := range slices.Chunk([]byte(data), 72) {
		value += " " + string(chunk)
	}
	d.bare = append(d.bare, field{"Autocrypt", value})
}

// seal signs, and encrypts where there is a key to encrypt to.
func (d *draft) seal(now time.Time) (*Mail, error) {
	m := &Mail{From: d.from, To: triage.Secret(d.to), Protection: d.protection}
	payload := d.payload()
	if d.key == nil {
		armor, micalg, err := openpgp.Sign(payload, d.org.Own, now)
		if err != nil {
			return nil, fmt.Errorf("our own key %s: %w", d.org.Own.Fingerprint(), err)
		}
		m.Raw = d.signed(payload, armor, micalg)
		return m, nil
	}
	m.Key = d.key.Fingerprint()
	armor, err := openpgp.Seal(payload, d.key, d.org.Own, now)
	if err != nil {
		return nil, fmt.Errorf("encrypt to %s, sign with %s: %w", m.Key, d.org.Own.Fingerprint(), err)
	}
	m.Raw = d.encrypted(armor)
	return m, nil
}

// reporterKey returns the pinned key where mail can be encrypted to it now.
func reporterKey(pinned *triage.Key, now time.Time) *openpgp.Key {
	if pinned == nil {
		return nil
	}
	certs, err := openpgp.ParseCerts([]byte(pinned.Cert.Reveal()))
	if err != nil {
		return nil
	}
	for _, k := range certs {
		if k.Fingerprint() == pinned.Fingerprint && k.CanEncrypt(now) {
			return k
		}
	}
	return nil
}

// language returns the first of wanted that mails are written in.
func language(wanted ...string) string {
	for _, w := range wanted {
		if slices.Contains(languages, w) {
			return w
		}
	}
	return languages[0]
}
