package daemon

import (
	"testing"
)

// BenchmarkWholeWay takes reports from an IMAP server in memory to five mails
// each, a receipt and four notices of which three are encrypted, accepted by
// an SMTP server in memory. Nothing is left out: decoding, commits with fsync,
// OpenPGP, settling and the move.
func BenchmarkWholeWay(b *testing.B) {
	r := newRig(b)
	r.edit("identity.toml", `embargo.kind`, "limits.automatic_per_10_minutes = 10000\nembargo.kind")
	for i := range b.N {
		r.deliver(security, "INBOX", report(i))
	}
	b.ResetTimer()
	r.start()
	r.mails(5 * b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
}
