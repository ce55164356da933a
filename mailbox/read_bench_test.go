package mailbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vdpd/mailbox/openpgp"
)

func BenchmarkRead(b *testing.B) {
	file := func(name string) []byte {
		raw, err := os.ReadFile(filepath.Join(mailDir, name+".eml"))
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	opt := testOptions(b)
	attachment := func(octets int) []byte {
		var m bytes.Buffer
		m.WriteString("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 19)) + "\r\n"
		for range octets / 57 {
			m.WriteString(line)
		}
		m.WriteString("--b--\r\n")
		return m.Bytes()
	}
	seal := func(inner []byte) []byte {
		own := opt.Own.Keys()[0]
		armored, err := openpgp.Seal(inner, own, own, readAt)
		if err != nil {
			b.Fatal(err)
		}
		return slices.Concat([]byte("Content-Type: multipart/encrypted; boundary=e\r\n\r\n--e\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--e\r\nContent-Type: application/octet-stream\r\n\r\n"), armored, []byte("\r\n--e--\r\n"))
	}
	for _, bench := range []struct {
		name string
		raw  []byte
	}{
		{"plain", file("subject-1")},
		{"html", file("html-only")},
		{"pgp-mime", file("pgp-mime-signed-encrypted")},
		{"bounce", file("bounce-hard")},
		{"10MB-attachment", attachment(10 << 20)},
		{"10MB-attachment-sealed", seal(attachment(10 << 20))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.raw)))
			b.ReportAllocs()
			for b.Loop() {
				Read(bench.raw, opt)
			}
		})
	}
}

// BenchmarkScaling reads each hostile shape at one, two and four times a size:
// the time must grow no faster than that.
func BenchmarkScaling(b *testing.B) {
	opt := testOptions(b)
	opt.Limits = wide
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		for _, times := range []int{1, 2, 4} {
			raw := hostile[name](times << 20)
			b.Run(fmt.Sprintf("%s/%dMiB", name, times), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Read(raw, opt)
				}
			})
		}
	}
}
