package notify

import (
	"errors"
	"fmt"
	"strings"

	"vdpd/triage"
	"vdpd/triage/facts"
)

// Check renders every template with sample facts: once with every statement
// that a mail can make, and once with none of the optional ones. All errors
// are reported; each names the file, and the line where there is one.
func (t *Templates) Check() error {
	var errs []error
	for _, lang := range languages {
		for _, kind := range kinds {
			for _, block := range blocks(kind)[1:] {
				errs = append(errs, t.check(lang, kind, block))
			}
		}
	}
	return errors.Join(errs...)
}

func (t *Templates) check(lang string, kind triage.NoticeKind, block string) error {
	for _, view := range samples(kind) {
		_, text, err := t.render(lang, kind, block, view)
		if err != nil {
			return err
		}
		if !strings.Contains(text, string(sampleRef)) {
			return fmt.Errorf("template %s/%s.txt: the text of %q must name the reference: {{.Ref}}", lang, kind, block)
		}
	}
	return nil
}

const sampleRef triage.Ref = "0000-0000-0000"

// samples returns views of a notice: everything said, nothing said.
func samples(kind triage.NoticeKind) []any {
	const day = "Wednesday 25 November 2026, 17:00 (CET)"
	const hour = "2026-11-25 16:00:00 UTC"
	if kind.ToReporter() {
		bare := reporterView{Ref: sampleRef, Org: "Example", Address: "security@example.org", URL: "https://example.org/policy",
			Fingerprint: "0000 0000", Received: day, ReceivedUTC: hour}
		fixed, wait := bare, bare
		fixed.SignOff, fixed.Version, fixed.MessageID = "Robin", "1", "id@example.org"
		fixed.Evaluation, fixed.Embargo, fixed.EmbargoUTC = day, day, hour
		wait.Wait = true
		return []any{bare, fixed, wait}
	}
	bare := staffView{Ref: sampleRef, Org: "Example", Name: "Robin", Role: "support", Received: day, ReceivedUTC: hour,
		Encrypted: "no", Signature: triage.SigNone, Failed: "R1.1"}
	all := bare
	all.Encrypted, all.Signature, all.Trust, all.FirstMail = "full", triage.SigValid, triage.TrustVerified, true
	all.OwnDomain, all.LookAlike = true, true
	all.Held = true
	all.SMIME = &triage.SMIME{Encrypted: true, Signature: triage.SigUnknownKey}
	all.Weakness, all.Identifiers, all.Scores, all.Issues, all.Why = []string{"xss (CWE-79)"}, []string{"CVE-2026-1"}, []string{"9.8 critical"}, 3, "example"
	all.Wishes = []facts.WishKind{facts.WishAnonymity, facts.WishCredit, facts.WishDeadline, facts.WishTalk, facts.WishReward, facts.WishData, facts.WishLegal}
	all.Alike = []alikeView{{sampleRef, facts.Strong, "example"}}
	all.InScope, all.OutOfScope = []string{"login[.]example[.]org"}, []string{"www[.]example[.]org"}
	all.Evaluation, all.Promised, all.Embargo = day, true, day
	all.Related, all.Limits, all.Faults, all.Problem = []triage.Ref{sampleRef, sampleRef}, []string{"text"}, []string{"part 2"}, "expired"
	all.FailedRole, all.Reply = "ciso", "550 5.1.1"
	all.From, all.Signer, all.Subject = "<robin@example.org>", "0000 0000", "Example"
	all.Files, all.Attachments = 1, []attachmentView{{"a.txt", "text/plain", "1 B"}}
	all.Text, all.Cut = "| Example\n", true
	return []any{bare, all}
}
