package store_test

import (
	"testing"
	"time"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

// BenchmarkApply commits small reports that open a case: data key, sealed raw
// mail, three events, look-ups and outbox.
func BenchmarkApply(b *testing.B) {
	s := storetest.New(b)
	uid := uint32(0)
	for b.Loop() {
		uid++
		storetest.Must(b, s, storetest.Open(ref(uid), storetest.Mail(uid, int(uid))))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

// BenchmarkApplyLarge does the same with a raw mail of 10 MB.
func BenchmarkApplyLarge(b *testing.B) {
	s := storetest.New(b)
	raw := make([]byte, 10<<20)
	uid := uint32(0)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		uid++
		m := storetest.Mail(uid, int(uid))
		m.Digest = ""
		c := storetest.Open(ref(uid), m)
		c.Raw = raw
		storetest.Must(b, s, c)
	}
}

// BenchmarkJoin commits mails that join one of 100 cases.
func BenchmarkJoin(b *testing.B) {
	s := storetest.New(b)
	fill(b, s, 100)
	uid := uint32(100)
	for b.Loop() {
		uid++
		c := storetest.Join(ref(uid%100+1), storetest.Mail(uid, int(uid%100+1)), triage.ViaThread, int(uid))
		storetest.Must(b, s, c)
	}
}

// BenchmarkClaimSettle takes 50 mails of 25 cases out of the outbox and records
// that they were sent: two commits.
func BenchmarkClaimSettle(b *testing.B) {
	s := storetest.New(b)
	cases := uint32(0)
	for b.Loop() {
		b.StopTimer()
		for range 25 {
			cases++
			storetest.Must(b, s, storetest.Open(ref(cases), storetest.Mail(cases, int(cases))))
		}
		b.StartTimer()
		now := storetest.Start.AddDate(1, 0, 0)
		letters, _, err := s.Claim(b.Context(), now, 50)
		if err != nil || len(letters) != 50 {
			b.Fatal(len(letters), err)
		}
		if err := s.Settle(b.Context(), outcomes(letters, triage.Sent, now)...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(50*b.N)/b.Elapsed().Seconds(), "mails/s")
}

// BenchmarkKnown asks about a first mail, and about one that answers.
func BenchmarkKnown(b *testing.B) {
	s := storetest.New(b)
	fill(b, s, 1000)
	first := storetest.Mail(5000, 5000)
	answer := storetest.Mail(5001, 7)
	answer.References = []string{"report.7@researcher.example"}
	for name, m := range map[string]*triage.Message{"first": first, "answer": answer} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Known(b.Context(), storetest.Policy, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTenThousand works on a store of 10,000 cases: lists the 50 newest,
// asks about a mail, commits one, opens the store, and checks it in full.
func BenchmarkTenThousand(b *testing.B) {
	dir := b.TempDir()
	s := storetest.At(b, dir)
	fill(b, s, 10_000)
	uid := uint32(10_000)
	b.Run("Cases", func(b *testing.B) {
		for b.Loop() {
			cases, err := s.Cases(b.Context(), store.Filter{Limit: 50})
			if err != nil || len(cases) != 50 {
				b.Fatal(len(cases), err)
			}
		}
	})
	b.Run("Known", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Known(b.Context(), storetest.Policy, storetest.Mail(99_999, 77)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Apply", func(b *testing.B) {
		for b.Loop() {
			uid++
			storetest.Must(b, s, storetest.Open(ref(uid), storetest.Mail(uid, int(uid))))
		}
	})
	b.Run("Open", func(b *testing.B) {
		killed := storetest.Kill(b, dir)
		for b.Loop() {
			s, err := store.Open(killed, storetest.Key(), store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			_ = s.Close()
		}
	})
	b.Run("Check", func(b *testing.B) {
		for b.Loop() {
			storetest.Verify(b, s)
		}
	})
}

func fill(b *testing.B, s *store.Store, cases uint32) {
	b.Helper()
	for n := uint32(1); n <= cases; n++ {
		storetest.Must(b, s, storetest.Open(ref(n), storetest.Mail(n, int(n))))
	}
}

// ref is the reference of case n.
func ref(n uint32) triage.Ref {
	return triage.NewRef([7]byte{3: byte(n >> 24), 4: byte(n >> 16), 5: byte(n >> 8), 6: byte(n)})
}

func outcomes(letters []triage.Letter, r triage.Result, at time.Time) []triage.Outcome {
	var os []triage.Outcome
	for _, l := range letters {
		o := triage.Outcome{Ref: l.Case.Ref, Notice: l.Notice.ID, Result: r, At: at, Reply: "250 2.0.0 queued", Code: "250 2.0.0"}
		if r == triage.Retry || r == triage.Unknown {
			o.Next = at.Add(10 * time.Minute)
		}
		os = append(os, o)
	}
	return os
}
