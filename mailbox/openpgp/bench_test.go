package openpgp

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vdpd/triage"
)

var sizes = []int{2 << 10, 1 << 20}

func BenchmarkOpen(b *testing.B) {
	iw, rita := secret(b, "own-iw"), secret(b, "rita")
	own, certs := NewRing(iw, secret(b, "own-ep"), secret(b, "own-retired")), NewRing(public(b, "rita"))
	for _, n := range sizes {
		sealed, err := Seal(random(n), iw, rita, now)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if o, err := Open(sealed, own, certs, limit, now); err != nil || o.Signature.State != triage.SigValid {
					b.Fatal(o, err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	iw, to := secret(b, "own-iw"), public(b, "sam")
	for _, n := range sizes {
		text := random(n)
		b.Run(name(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Seal(text, to, iw, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	iw := secret(b, "own-iw")
	for _, n := range sizes {
		text := random(n)
		b.Run(name(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Sign(text, iw, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	iw := secret(b, "own-iw")
	for _, n := range sizes {
		text := random(n)
		sig, _, err := Sign(text, iw, now)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if v := Verify(text, sig, NewRing(iw), now); v.State != triage.SigValid {
					b.Fatal(v)
				}
			}
		})
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func name(n int) string { return fmt.Sprintf("%dKB", n>>10) }
