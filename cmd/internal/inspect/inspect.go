// Package inspect is the command "vdpd inspect": what the daemon would make of
// a message in a file, and why, without a configuration or a store. Start at
// [Run]. It starts no goroutines.
package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"vdpd/mailbox"
	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// Options says with which keys to read and how to print.
type Options struct {
	JSON  bool
	Own   *openpgp.Ring // secret keys that may decrypt
	Certs *openpgp.Ring // whose signatures can be valid
	Now   time.Time
}

// Run reads each file and writes one report for it, in order. It fails where a
// file cannot be read; a message in it that cannot be is a report with faults.
func Run(out io.Writer, opt Options, files []string) error {
	// Whoever tries his own key pair wants to see his own signature judged.
	certs := openpgp.NewRing(append(opt.Own.Keys(), opt.Certs.Keys()...)...)
	for i, name := range files {
		raw, err := readFile(name)
		if err != nil {
			return fmt.Errorf("inspect: %w", err)
		}
		m := mailbox.Read(raw, mailbox.Options{Own: opt.Own, Certs: certs, Now: opt.Now})
		write := writeText
		if opt.JSON {
			write = writeJSON
		}
		if i > 0 && !opt.JSON {
			fmt.Fprintln(out)
		}
		if err = write(out, name, m); err != nil {
			return fmt.Errorf("inspect: writing the report: %w", err)
		}
	}
	return nil
}

// maxFile is how much of a file is read: more than the reader looks at, and as
// much as the daemon fetches.
const maxFile = 32 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// report is the contract of "inspect --json": one object a line.
type report struct {
	File         string           `json:"file"`
	Kind         triage.Kind      `json:"kind"`
	Reason       string           `json:"reason"`
	From         triage.Address   `json:"from"`
	To           []triage.Address `json:"to"`
	ReplyTo      []triage.Address `json:"reply_to"`
	Date         string           `json:"date"`
	MessageID    string           `json:"message_id"`
	InReplyTo    string           `json:"in_reply_to"`
	References   []string         `json:"references"`
	Subject      triage.Secret    `json:"subject"`
	OuterSubject triage.Secret    `json:"outer_subject"`
	Text         triage.Secret    `json:"text"`
	HTMLOnly     bool             `json:"html_only"`
	Reply        triage.Secret    `json:"reply"`
	Parts        []triage.Part    `json:"parts"`
	OpenPGP      triage.OpenPGP   `json:"openpgp"`
	SMIME        *triage.SMIME    `json:"smime,omitempty"`
	Keys         []string         `json:"keys"`
	Bounces      []triage.Bounce  `json:"bounces"`
	Limits       []string         `json:"limits"`
	Faults       []string         `json:"faults"`
}

func writeJSON(out io.Writer, file string, m *triage.Message) error {
	r := report{
		File: file, Kind: m.Kind, Reason: m.Reason,
		To: list(m.To), ReplyTo: list(m.ReplyTo),
		MessageID: m.MessageID, InReplyTo: m.InReplyTo, References: list(m.References),
		Subject: m.Subject, OuterSubject: m.OuterSubject, Text: m.Text, HTMLOnly: m.HTMLOnly, Reply: m.Reply,
		Parts: list(m.Parts), OpenPGP: m.OpenPGP, SMIME: m.SMIME, Keys: []string{}, Bounces: list(m.Bounces),
		Limits: list(m.Limits), Faults: list(m.Faults),
	}
	if len(m.From) > 0 {
		r.From = m.From[0]
	}
	if !m.Date.IsZero() {
		r.Date = m.Date.Format(time.RFC3339)
	}
	for _, k := range m.Keys {
		r.Keys = append(r.Keys, k.Fingerprint)
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// list makes an absent list an empty one, which is what programs expect.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
