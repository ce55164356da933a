package mailbox

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vdpd/triage"
)

// hostile makes mails of a size that a sender chooses to be as costly as
// possible: each shape was quadratic in some reader.
var hostile = map[string]func(n int) []byte{
	"deep multiparts": func(n int) []byte {
		var b bytes.Buffer
		for i := range n / 50 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%d\n\n--%d\n", i, i)
		}
		return b.Bytes()
	},
	"deep messages": func(n int) []byte { return bytes.Repeat([]byte("Content-Type: message/rfc822\n\n"), n/30) },
	"many parts": func(n int) []byte {
		return []byte("Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", n/7) + "--b--\n")
	},
	"many texts": func(n int) []byte {
		part := "--b\n\n" + strings.Repeat("some text\n", n/10_000) + "\n"
		return []byte("Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat(part, 900) + "--b--\n")
	},
	"dashes": func(n int) []byte {
		return []byte("Content-Type: multipart/mixed; boundary=\"-\"\n\n" + strings.Repeat("-", n))
	},
	"dash lines": func(n int) []byte {
		return []byte("Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--\n", n/3))
	},
	"long header":   func(n int) []byte { return []byte("Subject: x" + strings.Repeat("\n y", n/3) + "\n\nbody") },
	"many fields":   func(n int) []byte { return []byte(strings.Repeat("X: y\n", n/5) + "\nbody") },
	"no fields":     func(n int) []byte { return []byte("X: y\n" + strings.Repeat("no field\n", n/9) + "To: a@b\n\nbody") },
	"only CR":       func(n int) []byte { return []byte("X: y\r\r" + strings.Repeat("a\r", n/2)) },
	"addresses":     func(n int) []byte { return []byte("To: " + strings.Repeat("a@b, ", n/5) + "\n\nbody") },
	"open comments": func(n int) []byte { return []byte("From: " + strings.Repeat("(", n) + "\n\nbody") },
	"open quotes":   func(n int) []byte { return []byte("From: " + strings.Repeat(`\"`, n/2) + "\n\nbody") },
	"open words":    func(n int) []byte { return []byte("Subject: " + strings.Repeat("=?a?q?", n/6) + "\n\nbody") },
	"words":         func(n int) []byte { return []byte("Subject: " + strings.Repeat("=?utf-8?q?=C3?= ", n/16) + "\n\nbody") },
	"parameters": func(n int) []byte {
		return []byte("Content-Type: a/b" + strings.Repeat("; a*1*=%41", n/10) + "\n\nbody")
	},
	"open html": func(n int) []byte { return []byte("Content-Type: text/html\n\n" + strings.Repeat("<div>", n/5)) },
	"html quotes": func(n int) []byte {
		return []byte("Content-Type: text/html\n\n" + strings.Repeat("<blockquote><li><a href=x>y", n/27))
	},
	"html text": func(n int) []byte { return []byte("Content-Type: text/html\n\n" + strings.Repeat("<", n)) },
	"armor":     func(n int) []byte { return []byte("X: y\n\n" + strings.Repeat("-----BEGIN PGP MESSAGE-----\n", n/28)) },
	"clear armor": func(n int) []byte {
		return []byte("X: y\n\n" + strings.Repeat("-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n", n/100))
	},
	"uuencoded":    func(n int) []byte { return []byte("X: y\n\n" + strings.Repeat("begin 644 a\n", n/12)) },
	"uuencoded ok": func(n int) []byte { return []byte("X: y\n\n" + strings.Repeat("begin 644 a\n#0V%T\n", n/18)) },
	"yEnc":         func(n int) []byte { return []byte("X: y\n\n" + strings.Repeat("=ybegin line=1 name=a\n", n/22)) },
	"quotation": func(n int) []byte {
		return []byte("In-Reply-To: <a@b>\n\n" + strings.Repeat("> a\nOn 1.1.2020 10:00 x\n", n/24))
	},
	"delimiters": func(n int) []byte {
		return []byte("In-Reply-To: <a@b>\n\n" + strings.Repeat("-- \nx\n____________\n", n/18))
	},
	"bounce": func(n int) []byte {
		return []byte("From: MAILER-DAEMON@x\n\n" + strings.Repeat("<a@b.c>: 550 5.1.1 x\n", n/21))
	},
	"bounce status": func(n int) []byte {
		return []byte("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + strings.Repeat("Final-Recipient: rfc822;a@b\n\n", n/29))
	},
	"signed layers": func(n int) []byte {
		var b bytes.Buffer
		for i := range 19 {
			fmt.Fprintf(&b, "Content-Type: multipart/signed; boundary=%02d\n\n--%02d\n", i, i)
		}
		b.WriteString("\n" + strings.Repeat("x", n))
		for i := 18; i >= 0; i-- {
			fmt.Fprintf(&b, "\n--%02d\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n\nwsA=\n-----END PGP SIGNATURE-----\n--%02d--\n", i, i)
		}
		return b.Bytes()
	},
	"base64": func(n int) []byte {
		return []byte("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + strings.Repeat("QUJD\n", n/5))
	},
}

// wide lets the shapes that live in header sections and in nesting do their
// worst.
var wide = Limits{HeaderBytes: 64 << 20, HeaderCount: 1 << 30, Parts: 10_000, Depth: 50}

// TestHostile checks that none of the shapes is lost, that the next limit is
// named, and that it takes no longer than anybody would wait for.
func TestHostile(t *testing.T) {
	const patience = time.Minute // a hang, not a speed: under the race detector, beside other tests
	opt := testOptions(t)
	opt.Limits = wide
	for name, make := range hostile {
		t.Run(name, func(t *testing.T) {
			raw := make(1 << 20)
			begun := time.Now()
			m := Read(raw, opt)
			if took := time.Since(begun); took > patience {
				t.Errorf("took %s for 1 MiB", took)
			}
			if slices.Contains(m.Faults, faultPanic) || m.Kind == "" {
				t.Errorf("not read: %q", m.Faults)
			}
		})
	}
}

func TestLimitsAreNamed(t *testing.T) {
	opt := testOptions(t)
	for name, limit := range map[string]string{
		"deep multiparts": "depth", "deep messages": "depth", "many parts": "parts", "long header": "header bytes", "many fields": "header count",
	} {
		if m := Read(hostile[name](1<<20), opt); !slices.Contains(m.Limits, limit) {
			t.Errorf("%s: limits %q, want %q among them", name, m.Limits, limit)
		}
	}
	big := append([]byte("Subject: big\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 2<<20)...)
	m := Read(big, opt)
	if !slices.Equal(m.Limits, []string{"bytes", "text"}) || m.Size != int64(len(big)) || m.Subject != "big" || len(m.Text) > 4<<20 || len(m.Text) < 4<<20-16 {
		t.Errorf("a big mail: limits %q, size %d, %d octets of text", m.Limits, m.Size, len(m.Text))
	}
}

// TestPanic lets a step panic, as a defect of the reader would.
func TestPanic(t *testing.T) {
	opt := testOptions(t)
	opt.IsOurs = func(string) bool { panic("secret words") }
	m := Read([]byte("From: a@b.example\r\nMessage-ID: <x@y>\r\n\r\nbody"), opt)
	if !slices.Equal(m.Faults, []string{faultPanic}) || m.Text != "body" || m.Content == "" || m.Kind != triage.KindReport {
		t.Errorf("faults %q, kind %q, text of %d octets", m.Faults, m.Kind, len(m.Text))
	}
}
