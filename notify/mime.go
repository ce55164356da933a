package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
)

// field is a header field, unfolded and in ASCII.
type field struct{ name, value string }

// write adds the field, folded where it is long and has blanks.
func (f field) write(b *bytes.Buffer) {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return ' '
		}
		return r
	}, f.value)
	b.WriteString(f.name + ":")
	width := len(f.name) + 1
	for _, word := range strings.Fields(clean) {
		if width+1+len(word) > 76 && width > len(f.name)+1 {
			b.WriteString("\r\n")
			width = 0
		}
		b.WriteString(" " + word)
		width += 1 + len(word)
	}
	b.WriteString("\r\n")
}

// words encodes text of a header field (RFC 2047).
func words(s string) string {
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", s), "\r\n", "")
}

// boundary derives a boundary from the mail's own token, so that the same
// mail has the same bytes. "=_" occurs neither in quoted-printable text nor in
// armor.
func boundary(token, part string) string {
	sum := sha256.Sum256([]byte(part + "\x00" + token))
	return "=_" + hex.EncodeToString(sum[:12])
}

// textPart is the body of a text/plain part in quoted-printable: 7 bit, CRLF,
// no line longer than 76, and no line that begins with "From ", which some
// programs alter and so break signatures (RFC 3156, section 3).
func textPart(text string) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a bytes.Buffer doesn't fail
	_ = w.Close()
	var out []byte
	for line := range bytes.SplitAfterSeq(b.Bytes(), []byte("\r\n")) {
		for {
			rest, found := bytes.CutPrefix(line, []byte("From "))
			if !found {
				break
			}
			out, line = append(out, "=46rom=20=\r\n"...), rest // a soft break: what follows begins a line again
		}
		out = append(out, line...)
	}
	return out
}

// payload is the cryptographic payload: the text, the key to attach if any,
// and the header fields that are protected (RFC 9788).
func (d *draft) payload() []byte {
	var b bytes.Buffer
	protection := `hp="clear"`
	for _, f := range d.fields {
		if d.key != nil && f.name == "Subject" {
			f.value = words(d.subject)
		}
		f.write(&b)
	}
	if d.key != nil {
		protection = `hp="cipher"`
		for _, f := range d.fields {
			field{"HP-Outer", f.name + ": " + f.value}.write(&b)
		}
	}
	// protected-headers is for programs older than RFC 9788.
	protection += `; protected-headers="v1"`
	field{"MIME-Version", "1.0"}.write(&b)
	if d.attach == "" {
		field{"Content-Type", "text/plain; charset=utf-8; " + protection}.write(&b)
		b.WriteString("Content-Transfer-Encoding: quoted-printable\r\n\r\n")
		b.Write(textPart(d.text))
		return b.Bytes()
	}
	bound := boundary(d.token, "mixed")
	field{"Content-Type", fmt.Sprintf(`multipart/mixed; boundary="%s"; %s`, bound, protection)}.write(&b)
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", bound)
	b.Write(textPart(d.text))
	name := "OpenPGP_0x" + d.org.Own.Fingerprint() + ".asc"
	fmt.Fprintf(&b, "\r\n--%s\r\n", bound)
	field{"Content-Type", fmt.Sprintf(`application/pgp-keys; name="%s"`, name)}.write(&b)
	field{"Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, name)}.write(&b)
	fmt.Fprintf(&b, "Content-Transfer-Encoding: 7bit\r\n\r\n%s\r\n--%s--\r\n", crlf(d.attach), bound)
	return b.Bytes()
}

// crlf gives armor the line ends of mail.
func crlf(armor string) string {
	return strings.ReplaceAll(strings.TrimRight(armor, "\n"), "\n", "\r\n") + "\r\n"
}

// encrypted wraps a sealed payload (RFC 3156, section 4).
func (d *draft) encrypted(armor []byte) []byte {
	bound := boundary(d.token, "encrypted")
	b := d.head(fmt.Sprintf(`multipart/encrypted; protocol="application/pgp-encrypted"; boundary="%s"`, bound))
	fmt.Fprintf(b, "--%s\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n", bound)
	fmt.Fprintf(b, "--%s\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"+
		"Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n%s\r\n--%s--\r\n", bound, crlf(string(armor)), bound)
	return b.Bytes()
}

// signed puts a detached signature beside a payload (RFC 3156, section 5).
func (d *draft) signed(payload, armor []byte, micalg string) []byte {
	bound := boundary(d.token, "signed")
	b := d.head(fmt.Sprintf(`multipart/signed; micalg="%s"; protocol="application/pgp-signature"; boundary="%s"`, micalg, bound))
	fmt.Fprintf(b, "--%s\r\n%s\r\n--%s\r\n", bound, payload, bound)
	fmt.Fprintf(b, "Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n"+
		"Content-Disposition: attachment; filename=\"signature.asc\"\r\n\r\n%s\r\n--%s--\r\n", crlf(string(armor)), bound)
	return b.Bytes()
}

// head begins a message with the fields that everybody may read.
func (d *draft) head(contentType string) *bytes.Buffer {
	var b bytes.Buffer
	for _, f := range d.fields {
		f.write(&b)
	}
	for _, f := range d.bare {
		f.write(&b)
	}
	field{"MIME-Version", "1.0"}.write(&b)
	field{"Content-Type", contentType}.write(&b)
	b.WriteString("\r\n")
	return &b
}
