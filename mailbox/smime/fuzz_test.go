package smime

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"vdpd/triage"
)

func seeds(f *testing.F, patterns ...string) {
	for _, p := range patterns {
		names, err := filepath.Glob(filepath.Join("testdata", p))
		if err != nil || len(names) == 0 {
			f.Fatal(p, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
}

// FuzzUnwrap reads b as a message and as a detached signature of another text.
func FuzzUnwrap(f *testing.F) {
	seeds(f, "*.p7m", "*.p7s")
	f.Add(compressed(nil))
	f.Add(streamed(file(f, "ec.p7m"), 4, text(f), 7))
	whole, roots, now := text(f), pool(f, "root"), arrival(f)
	const max = 1 << 16
	f.Fuzz(func(t *testing.T, b []byte) {
		content, v, err := Unwrap(b, roots, max, now)
		if err != nil && (content != nil || v.State == triage.SigValid) || len(content) > max {
			t.Fatalf("%d octets, %+v, %v", len(content), v, err)
		}
		if v.State == triage.SigValid && (!bytes.Equal(content, whole) || v.Signer == "") || v.State == triage.SigPartial {
			t.Fatalf("forged: %q, %+v", content, v)
		}
		if w := Verify([]byte("other"), b, roots, now); w.State == triage.SigValid || w.State == "" {
			t.Fatalf("forged: %+v", w)
		}
		if kind := Kind(b); (kind == KindSigned || kind == KindCertsOnly) != (v.State != "") && err == nil && kind != KindCompressed {
			t.Fatalf("%q, but %+v", kind, v)
		}
	})
}

func FuzzOpen(f *testing.F) {
	seeds(f, "*.p7m")
	f.Add(streamed(file(f, "gcm.p7m"), 4, nil, 7))
	whole, keys := text(f), own(f)
	const max = 1 << 16
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := Open(b, keys, max)
		if (o == nil) == (err == nil) {
			t.Fatalf("%v, %v", o, err)
		}
		if err == nil && (len(o.Content) > max || o.With == nil || o.Integrity && !bytes.Equal(o.Content, whole)) {
			t.Fatalf("%d octets with %v, integrity %v", len(o.Content), o.With, o.Integrity)
		}
	})
}

func BenchmarkUnwrap(b *testing.B) {
	a, roots, now := newAuthor(b), pool(b, "root"), arrival(b)
	for _, n := range []int{2 << 10, 1 << 20, 32 << 20} {
		content := bytes.Repeat([]byte("A line of sixty-four octets, of which a mail has a great many.\r\n"), n/64)
		message := a.signed(content, a.info(nil, a.sign(content)))
		for name, m := range map[string][]byte{"whole": message, "streamed": streamed(message, 4, content, 1000)} {
			b.Run(strconv.Itoa(n>>10)+"KB/"+name, func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					if _, v, err := Unwrap(m, roots, 64<<20, now); err != nil || v.State != triage.SigValid {
						b.Fatal(v, err)
					}
				}
			})
		}
	}
}
