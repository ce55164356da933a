package smime

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vdpd/triage"
)

const limit = 1 << 20

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// arrival is an hour after the messages of testdata were made.
func arrival(t testing.TB) time.Time {
	t.Helper()
	made, err := time.Parse(time.RFC3339, strings.TrimSpace(string(file(t, "made"))))
	if err != nil {
		t.Fatal(err)
	}
	return made.Add(time.Hour)
}

func text(t testing.TB) []byte { t.Helper(); return file(t, "text") }

func cert(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(file(t, name+".pem"))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pool(t testing.TB, names ...string) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	for _, name := range names {
		p.AddCert(cert(t, name))
	}
	return p
}

func identities(t testing.TB, files ...string) []*Identity {
	t.Helper()
	var b []byte
	for _, f := range files {
		b = append(append(b, file(t, f)...), '\n')
	}
	list, err := ParseIdentity(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func own(t testing.TB) []*Identity {
	t.Helper()
	return identities(t, "own.key.pem", "own.pem", "own-renewed.pem")
}

// der encodes a value with a definite length.
func der(tag byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	case n < 0x10000:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	default:
		return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
	}
}

// ber encodes a value with an indefinite length.
func ber(tag byte, parts ...[]byte) []byte {
	return append(append([]byte{tag, 0x80}, bytes.Join(parts, nil)...), 0, 0)
}

func oid(dotted string) []byte {
	o, err := x509.ParseOID(dotted)
	if err != nil {
		panic(err)
	}
	b, err := o.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return der(tagOID, b)
}

var version = []byte{tagInteger, 1, 1}

const (
	oidSHA256      = "2.16.840.1.101.3.4.2.1"
	oidSHA512      = "2.16.840.1.101.3.4.2.3"
	oidECDSASHA256 = "1.2.840.10045.4.3.2"
	oidEd25519     = "1.3.101.112"
	oidZlib        = "1.2.840.113549.1.9.16.3.8"

	attrType   = "1.2.840.113549.1.9.3"
	attrDigest = "1.2.840.113549.1.9.4"
	attrTime   = "1.2.840.113549.1.9.5"
)

func attribute(kind string, values ...[]byte) []byte {
	return der(tagSequence, oid(kind), der(tagSet, values...))
}

func digestOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return der(tagOctets, sum[:])
}

func timeOf(t time.Time) []byte {
	b, err := asn1.Marshal(t.UTC())
	if err != nil {
		panic(err)
	}
	return b
}

// author makes signed messages octet by octet, also such as no program makes.
type author struct {
	t    testing.TB
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthor(t testing.TB) author {
	t.Helper()
	block, _ := pem.Decode(file(t, "ec.key.pem"))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return author{t, cert(t, "ec"), key.(crypto.Signer)}
}

func (a author) sign(message []byte) []byte {
	a.t.Helper()
	sum := sha256.Sum256(message)
	b, err := a.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// info is a SignerInfo; attributes may be empty.
func (a author) info(attributes, signature []byte) []byte {
	serial, err := asn1.Marshal(a.cert.SerialNumber)
	if err != nil {
		a.t.Fatal(err)
	}
	var attrs []byte
	if attributes != nil {
		attrs = der(tagContext0, attributes)
	}
	return der(tagSequence, version, der(tagSequence, a.cert.RawIssuer, serial), der(tagSequence, oid(oidSHA256)),
		attrs, der(tagSequence, oid(oidECDSASHA256)), der(tagOctets, signature))
}

// signed is a SignedData with its ContentInfo.
func (a author) signed(content []byte, infos ...[]byte) []byte {
	inner := [][]byte{oid(oidData)}
	if content != nil {
		inner = append(inner, der(tagContext0, der(tagOctets, content)))
	}
	return info(oidSigned, version, der(tagSet), der(tagSequence, inner...),
		der(tagContext0, a.cert.Raw, cert(a.t, "issuer").Raw), der(tagSet, infos...))
}

func info(kind string, parts ...[]byte) []byte {
	return der(tagSequence, oid(kind), der(tagContext0, der(tagSequence, parts...)))
}

// withAttributes is a message with these signed attributes, rightly signed.
func (a author) withAttributes(content []byte, attributes ...[]byte) []byte {
	set := der(tagSet, attributes...)
	return a.signed(content, a.info(bytes.Join(attributes, nil), a.sign(set)))
}

func compressed(packed []byte) []byte {
	return info(oidCompressed, version, der(tagSequence, oid(oidZlib)),
		der(tagSequence, oid(oidData), der(tagContext0, der(tagOctets, packed))))
}

// streamed encodes a DER structure again as programs do that stream: down to
// the depth all lengths are indefinite, and the content comes in pieces. From
// depth 5 on that would be inside of what must be DER.
func streamed(b []byte, depth int, content []byte, piece int) []byte {
	var out []byte
	for r := newReader(b); len(r.rest) > 0; {
		v := r.next()
		switch {
		case v.tag&^constructed == tagOctets && bytes.Equal(v.body, content):
			var pieces []byte
			for part := range slices.Chunk(content, piece) {
				pieces = append(pieces, der(tagOctets, part)...)
			}
			out = append(out, ber(tagOctets|constructed, pieces)...)
		case depth > 0 && v.tag&constructed != 0:
			out = append(out, ber(v.tag, streamed(v.body, depth-1, content, piece))...)
		case v.tag&constructed != 0:
			out = append(out, der(v.tag, streamed(v.body, 0, content, piece))...)
		default:
			out = append(out, v.raw...)
		}
	}
	return out
}

func checkVerdict(t testing.TB, name string, v Verdict, state triage.Signature, problem string) {
	t.Helper()
	if v.State != state || !strings.Contains(v.Problem, problem) || (v.Problem == "") != (problem == "") {
		t.Errorf("%s: %s, %q; want %s, %q", name, v.State, v.Problem, state, problem)
	}
}
