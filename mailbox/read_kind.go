package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"vdpd/mailbox/automatic"
	"vdpd/mailbox/bounce"
	"vdpd/mailbox/mime"
	"vdpd/triage"
)

// classify decides what kind of message it is, by structure alone.
func (r *reader) classify() {
	h, m := r.root.Header, r.m
	report, isReport := bounce.Read(r.root, r.budget)
	if isReport && !report.Delivered {
		m.Kind, m.Reason, m.Bounces = triage.KindBounce, report.Reason, report.Recipients
	}
	if reason := r.loop(h); reason != "" {
		m.Kind, m.Reason = triage.KindLoop, reason
		return
	}
	if isReport {
		if report.Delivered {
			m.Kind, m.Reason = triage.KindAutomatic, "delivery report of success"
		}
		return
	}
	if kind, reason := automatic.Judge(h, r.root.Type, r.root.Params); kind != "" {
		m.Kind, m.Reason = kind, reason
		return
	}
	if m.InReplyTo != "" || len(m.References) > 0 {
		m.Kind = triage.KindReply
	}
}

// loop returns the evidence that a message is our own come back.
func (r *reader) loop(h mime.Header) string {
	if r.opt.IsOurs != nil && r.m.MessageID != "" && r.opt.IsOurs(r.m.MessageID) {
		return "our own message-id"
	}
	for _, f := range h {
		if len(f.Name) >= 7 && strings.EqualFold(f.Name[:7], "X-vdpd-") {
			return "a field that only vdpd sets"
		}
	}
	return ""
}

// fingerprint sets Content, which two deliveries of one mail have in common:
// it leaves out trace fields, transfer encodings and line ends, which relays
// change, and looks at what was encrypted as it stands, because not every
// mailbox has every key.
func (r *reader) fingerprint() {
	h := sha256.New()
	for _, name := range []string{"Message-ID", "From", "Date", "Subject"} {
		fmt.Fprintf(h, "%s\n", strings.Join(strings.Fields(r.root.Header.Get(name)), " "))
	}
	hashLeaves(h, r.root)
	r.m.Content = hex.EncodeToString(h.Sum(nil))
}

func hashLeaves(h hash.Hash, p *mime.Part) {
	fmt.Fprintf(h, "%s %d\n", p.Type, len(p.Children))
	if len(p.Children) == 0 {
		octets, _ := p.Decode()
		leaf := sha256.New()
		if strings.HasPrefix(p.Type, "text/") {
			for line := range bytes.SplitSeq(bytes.TrimSpace(octets), []byte("\r")) {
				leaf.Write(line)
			}
		} else {
			leaf.Write(octets)
		}
		h.Write(leaf.Sum(nil))
	}
	for _, c := range p.Children {
		hashLeaves(h, c)
	}
}
