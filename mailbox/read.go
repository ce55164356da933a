package mailbox

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"vdpd/mailbox/mime"
	"vdpd/mailbox/openpgp"
	"vdpd/mailbox/smime"
	"vdpd/triage"
)

// Options is what reading depends on beside the message.
type Options struct {
	Own        *openpgp.Ring // our secret keys, retired ones too; nil: none
	Certs      *openpgp.Ring // whose signatures can be valid; nil: nobody's
	Limits     Limits
	SMIME      []*smime.Identity           // certificates of ours with their keys
	Roots      *x509.CertPool              // that S/MIME signers must lead to; nil: none is believed
	AuthServID string                      // whose Authentication-Results count; empty: nobody's
	IsOurs     func(messageID string) bool // whether that is the Message-ID of a mail that we sent; nil: none is
	Now        time.Time                   // at which keys must be valid
}

// Read makes a [triage.Message] of the octets of a mail. It sets everything
// but Source. It never fails: what cannot be read is named in Faults, what a
// limit cut in Limits, and a defect of the reader itself is a fault too.
func Read(raw []byte, opt Options) *triage.Message {
	opt.Limits = opt.Limits.withDefaults()
	digest := sha256.Sum256(raw)
	m := &triage.Message{
		Size:    int64(len(raw)),
		Digest:  hex.EncodeToString(digest[:]),
		Kind:    triage.KindReport,
		OpenPGP: triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone},
	}
	r := &reader{opt: opt, budget: mime.NewBudget(opt.Limits.mime()), m: m, opened: map[*mime.Part]*mime.Part{}}
	if len(raw) > opt.Limits.Bytes {
		raw = raw[:opt.Limits.Bytes]
		r.budget.Hit("bytes")
	}
	r.guard(func() { r.root = mime.Parse(raw, r.budget) })
	if r.root == nil {
		r.root = &mime.Part{Type: "text/plain", Raw: raw, Body: raw}
	}
	r.payload = r.root
	for _, step := range []func(){r.readHead, r.openLayers, r.readProtectedHead, r.readBody, r.readKeys, r.classify, r.readAuth, r.fingerprint} {
		r.guard(step)
	}
	m.Limits, m.Faults = r.budget.Limits(), r.budget.Faults()
	return m
}

// reader is the state of one Read: its steps run in the order of the list
// there, each adds to m.
type reader struct {
	opt     Options
	budget  *mime.Budget
	m       *triage.Message
	root    *mime.Part
	payload *mime.Part                // what stands within the cryptographic envelope; root where there is none
	opened  map[*mime.Part]*mime.Part // what decryption put in place of a part
	layers  layers
	carried []carried
}

// faultPanic says that a defect of this program was met.
const faultPanic = "the reader failed on this message, which is kept as it came: please report this"

// guard runs one step and turns a panic into a fault, so that no construction
// of a sender stops the line.
func (r *reader) guard(step func()) {
	defer func() {
		if recover() != nil {
			r.budget.Fault(faultPanic)
		}
	}()
	step()
}
