package mailbox

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"vdpd/triage"
)

// FuzzRead reads arbitrary octets. Read must not panic (a panic that it caught
// is a fault), must obey its limits, and must give the same for the same.
func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(mailDir, "*.eml"))
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil {
			f.Add(raw)
		}
	}
	opt := testOptions(f)
	opt.Limits = Limits{Parts: 50, Depth: 8, HeaderBytes: 8 << 10, HeaderCount: 100, Text: 64 << 10, Decompressed: 1 << 20}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := Read(raw, opt)
		for _, fault := range m.Faults {
			if fault == faultPanic {
				t.Fatal("a step panicked")
			}
		}
		if m.Kind == "" || m.Content == "" || m.Digest == "" {
			t.Error("an incomplete message")
		}
		if len(m.Text) > opt.Limits.Text+1000 || !utf8.ValidString(m.Text.Reveal()) {
			t.Errorf("text of %d octets, valid %t", len(m.Text), utf8.ValidString(m.Text.Reveal()))
		}
		if m.OpenPGP.Signature == triage.SigValid && m.OpenPGP.Signer == "" {
			t.Error("a valid signature of nobody")
		}
		if again := Read(raw, opt); again.Content != m.Content || again.Text != m.Text || again.Kind != m.Kind {
			t.Error("another message at the second reading")
		}
	})
}
