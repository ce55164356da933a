package mailbox

import (
	"encoding/base64"
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

// maxKeys bounds the public keys that are taken from one message.
const maxKeys = 16

// carried is a public key that the message brings along.
type carried struct {
	key  *openpgp.Key
	from string // attached, inline or autocrypt
}

// takeKeys adds the public keys in octets, if they hold any. A key that comes
// again is the same key.
func (r *reader) takeKeys(octets []byte, from string) {
	keys, err := openpgp.ParseCerts(octets)
	if err != nil {
		return
	}
	for _, k := range keys {
		known := false
		for _, c := range r.carried {
			known = known || c.key.Fingerprint() == k.Fingerprint()
		}
		if known {
			continue
		}
		if len(r.carried) == maxKeys {
			r.budget.Hit("keys")
			return
		}
		r.carried = append(r.carried, carried{k, from})
	}
}

// takeAutocrypt takes the key of the Autocrypt field (Autocrypt level 1,
// section 2.1): there may be one only, and it must be for the From address.
func (r *reader) takeAutocrypt(h mime.Header) {
	fields := h.All("Autocrypt")
	if len(fields) != 1 {
		return
	}
	_, params := mime.ParseValue("autocrypt;" + strings.Join(strings.Fields(fields[0]), ""))
	sender := r.m.Sender().Reveal()
	if sender == "" || !strings.EqualFold(params["addr"], sender) {
		return
	}
	if octets, err := base64.StdEncoding.DecodeString(params["keydata"]); err == nil {
		r.takeKeys(octets, "autocrypt")
	}
}

// readKeys turns the carried keys into facts: which there are, and which of
// them made a good signature over the whole message.
func (r *reader) readKeys() {
	r.takeAutocrypt(r.root.Header)
	if r.payload != r.root {
		r.takeAutocrypt(r.payload.Header)
	}
	signers := r.wholeSigners()
	for _, c := range r.carried {
		armored, err := c.key.ArmorPublic()
		if err != nil {
			r.budget.Fault("a public key that cannot be written again")
			continue
		}
		k := triage.Key{Fingerprint: c.key.Fingerprint(), Cert: triage.Secret(armored), From: c.from, Signed: signers[c.key.Fingerprint()]}
		for _, a := range c.key.Addresses() {
			k.Addresses = append(k.Addresses, triage.Secret(a))
		}
		r.m.Keys = append(r.m.Keys, k)
	}
}

// wholeSigners returns the fingerprints of the keys, carried ones included,
// that made a good signature over the whole message.
func (r *reader) wholeSigners() map[string]bool {
	good := map[string]bool{}
	ring := openpgp.NewRing()
	for _, c := range r.carried {
		ring.Add(c.key)
	}
	for _, s := range r.layers.signatures {
		if !s.whole {
			continue
		}
		v := s.Verdict
		if v.State == triage.SigUnknownKey && len(r.carried) > 0 {
			v = s.judge(ring)
		}
		if v.State == triage.SigValid {
			good[v.Signer] = true
		}
	}
	return good
}
