package smime

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vdpd/triage"
)

func TestUnwrapMessagesOfOpenSSL(t *testing.T) {
	roots, now := pool(t, "root"), arrival(t)
	for name, c := range map[string]struct {
		state   triage.Signature
		signer  string // certificate
		problem string
	}{
		"rsa":       {triage.SigValid, "rita", ""},
		"stream":    {triage.SigValid, "rita", ""},
		"pss":       {triage.SigValid, "rita", ""},
		"ec":        {triage.SigValid, "ec", ""},
		"keyid":     {triage.SigValid, "ec", ""},
		"noattr":    {triage.SigValid, "ec", ""},
		"two":       {triage.SigValid, "ec", "one of 2 signatures"},
		"stranger":  {triage.SigUnknownKey, "stranger", "no issuer that we trust"},
		"nocerts":   {triage.SigUnknownKey, "", "certificate is not in the message"},
		"sha1":      {triage.SigInvalid, "ec", "broken hash function (SHA-1)"},
		"weak":      {triage.SigInvalid, "weak", "too weak"},
		"expired":   {triage.SigInvalid, "expired", "expired"},
		"tls":       {triage.SigInvalid, "tls", "not for e-mail"},
		"nosign":    {triage.SigInvalid, "nosign", "may not sign"},
		"othertype": {triage.SigInvalid, "ec", "no mail"},
	} {
		content, v, err := Unwrap(file(t, name+".p7m"), roots, limit, now)
		if err != nil || !bytes.Equal(content, text(t)) {
			t.Errorf("%s: %q, %v", name, content, err)
		}
		checkVerdict(t, name, v, c.state, c.problem)
		signer := ""
		if c.signer != "" {
			signer = fingerprint(cert(t, c.signer))
		}
		if v.Signer != signer {
			t.Errorf("%s: signed by %s, want %s", name, v.Signer, signer)
		}
	}
}

func TestAddresses(t *testing.T) {
	for name, want := range map[string][]string{
		"rsa":      {"rita@researcher.example"}, // given twice, once with capitals
		"stranger": {"rita@researcher.example"}, // a claim: the state says that it proves nothing
		"weak":     nil,                         // the signature is worthless
	} {
		_, v, err := Unwrap(file(t, name+".p7m"), pool(t, "root"), limit, arrival(t))
		if err != nil || !slices.Equal(v.Addresses, want) {
			t.Errorf("%s: %q, %v", name, v.Addresses, err)
		}
	}
	c := &x509.Certificate{EmailAddresses: []string{"a b@x", "@x", "x@", "a@b@c", "<a@b>", "a\x00@b", "é@b", "A@B"}}
	if got := addresses(c); !slices.Equal(got, []string{"a@b"}) {
		t.Errorf("%q", got)
	}
}

func TestTrust(t *testing.T) {
	now := arrival(t)
	year := 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		message string
		roots   *x509.CertPool
		now     time.Time
		state   triage.Signature
		problem string
	}{
		"nobody":                   {"ec", nil, now, triage.SigUnknownKey, "no issuer that we trust"},
		"another root":             {"ec", pool(t, "stranger"), now, triage.SigUnknownKey, "no issuer that we trust"},
		"the issuer":               {"ec", pool(t, "issuer"), now, triage.SigValid, ""},
		"the certificate itself":   {"ec", pool(t, "ec"), now, triage.SigValid, ""},
		"self-signed and pinned":   {"stranger", pool(t, "stranger"), now, triage.SigValid, ""},
		"a namesake":               {"stranger", pool(t, "rita"), now, triage.SigUnknownKey, "no issuer that we trust"},
		"arrived a month later":    {"ec", pool(t, "root"), now.Add(year / 12), triage.SigValid, ""},
		"arrived after its end":    {"ec", pool(t, "root"), now.Add(30 * year), triage.SigInvalid, "expired"},
		"arrived before it":        {"ec", pool(t, "root"), now.Add(-year / 12), triage.SigInvalid, "in the future"},
		"a clock that is an hour":  {"ec", pool(t, "root"), now.Add(-2 * time.Hour), triage.SigValid, ""},
		"no time, before its time": {"noattr", pool(t, "root"), now.Add(-5 * year), triage.SigInvalid, "expired"},
		"not trusted, expired":     {"expired", nil, now, triage.SigInvalid, "expired"},
	} {
		_, v, err := Unwrap(file(t, c.message+".p7m"), c.roots, limit, c.now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkVerdict(t, name, v, c.state, c.problem)
	}
}

// A thief of an expired certificate's key may date the signature back.
func TestBackdated(t *testing.T) {
	a := newAuthor(t)
	for days, want := range map[int]triage.Signature{0: triage.SigValid, 20: triage.SigValid, 40: triage.SigInvalid, 4000: triage.SigInvalid} {
		arrived := a.cert.NotAfter.Add(time.Duration(days) * 24 * time.Hour)
		message := a.withAttributes(text(t), attribute(attrType, oid(oidData)), attribute(attrDigest, digestOf(text(t))),
			attribute(attrTime, timeOf(a.cert.NotAfter.Add(-time.Hour))))
		_, v, err := Unwrap(message, pool(t, "root", "ec"), limit, arrived)
		if err != nil || v.State != want {
			t.Errorf("%d days after the end: %+v, %v", days, v, err)
		}
	}
}

func TestVerify(t *testing.T) {
	roots, now, p7s := pool(t, "root"), arrival(t), file(t, "detached.p7s")
	whole := text(t)
	lf := bytes.ReplaceAll(whole, []byte("\r\n"), []byte("\n"))
	for name, c := range map[string]struct {
		signed, p7s []byte
		state       triage.Signature
		problem     string
	}{
		"good":               {whole, p7s, triage.SigValid, ""},
		"bare LF":            {lf, p7s, triage.SigValid, ""},
		"altered":            {bytes.Replace(whole, []byte("SQL"), []byte("XML"), 1), p7s, triage.SigInvalid, "does not fit"},
		"more at the end":    {append(bytes.Clone(whole), ' '), p7s, triage.SigInvalid, "does not fit"},
		"empty text":         {nil, p7s, triage.SigInvalid, "does not fit"},
		"empty signature":    {whole, []byte(" \r\n"), triage.SigNone, "empty"},
		"rubbish":            {whole, []byte("rubbish"), triage.SigInvalid, "cannot be read"},
		"cut off":            {whole, p7s[:len(p7s)/2], triage.SigInvalid, "cannot be read"},
		"an encrypted blob":  {whole, file(t, "cbc.p7m"), triage.SigInvalid, "cannot be read"},
		"certificates":       {whole, file(t, "certs.p7m"), triage.SigNone, "nobody signed"},
		"opaque, same text":  {whole, file(t, "ec.p7m"), triage.SigValid, ""},
		"opaque, other text": {[]byte("other"), file(t, "ec.p7m"), triage.SigInvalid, "does not fit"},
		"by a weak key":      {whole, file(t, "weak.p7m"), triage.SigInvalid, "too weak"},
	} {
		checkVerdict(t, name, Verify(c.signed, c.p7s, roots, now), c.state, c.problem)
	}
	checkVerdict(t, "nobody trusted", Verify(whole, p7s, nil, now), triage.SigUnknownKey, "no issuer that we trust")
}

// What no honest program makes, but which is signed by the right key.
func TestAttributes(t *testing.T) {
	a, roots, now, whole := newAuthor(t), pool(t, "root"), arrival(t), text(t)
	kind, digest, at := attribute(attrType, oid(oidData)), attribute(attrDigest, digestOf(whole)), attribute(attrTime, timeOf(now))
	other := attribute(attrDigest, digestOf([]byte("other")))
	valid := a.withAttributes(whole, kind, digest, at)
	set := der(tagSet, kind, digest)
	many := append([][]byte{kind, digest}, slices.Repeat([][]byte{attribute("1.2.3", version)}, 80)...)
	for name, c := range map[string]struct {
		message []byte
		state   triage.Signature
		problem string
	}{
		"all":                     {valid, triage.SigValid, ""},
		"no time":                 {a.withAttributes(whole, kind, digest), triage.SigValid, ""},
		"unreadable time":         {a.withAttributes(whole, kind, digest, attribute(attrTime, version)), triage.SigValid, ""},
		"another attribute":       {a.withAttributes(whole, kind, digest, attribute("1.2.3", version, version)), triage.SigValid, ""},
		"future":                  {a.withAttributes(whole, kind, digest, attribute(attrTime, timeOf(now.Add(48*time.Hour)))), triage.SigInvalid, "future"},
		"digest of another text":  {a.withAttributes(whole, kind, other), triage.SigInvalid, "does not fit"},
		"two digests":             {a.withAttributes(whole, kind, digest, other), triage.SigInvalid, "does not fit"},
		"two digests in one":      {a.withAttributes(whole, kind, attribute(attrDigest, digestOf(whole), digestOf([]byte("other")))), triage.SigInvalid, "does not fit"},
		"no digest":               {a.withAttributes(whole, kind), triage.SigInvalid, "does not fit"},
		"no type":                 {a.withAttributes(whole, digest), triage.SigInvalid, "does not fit"},
		"another type":            {a.withAttributes(whole, attribute(attrType, oid(oidSigned)), digest), triage.SigInvalid, "does not fit"},
		"no attributes at all":    {a.signed(whole, a.info([]byte{}, a.sign(whole))), triage.SigInvalid, "does not fit"},
		"very many":               {a.withAttributes(whole, many...), triage.SigInvalid, "does not fit"},
		"signature of other ones": {a.signed(whole, a.info(slices.Concat(kind, digest), a.sign(der(tagSet, kind, digest, at)))), triage.SigInvalid, "does not fit"},
		"attributes as text":      {a.signed(set, a.info(nil, a.sign(set))), triage.SigInvalid, "does not fit"},
		"unreadable signature":    {a.signed(whole, der(tagSequence, version)), triage.SigInvalid, "cannot be read"},
		"unreadable and valid":    {a.signed(whole, der(tagSequence, version), a.info(nil, a.sign(whole))), triage.SigValid, ""},
		"nobody":                  {a.signed(whole), triage.SigNone, "nobody signed"},
		"bad and good":            {a.signed(whole, a.info(nil, a.sign([]byte("x"))), a.info(nil, a.sign(whole))), triage.SigValid, "one of 2"},
		"good after eight bad":    {a.signed(whole, append(slices.Repeat([][]byte{a.info(nil, a.sign([]byte("x")))}, 8), a.info(nil, a.sign(whole)))...), triage.SigInvalid, "does not fit"},
	} {
		content, v, err := Unwrap(c.message, roots, limit, now)
		if err != nil || len(content) == 0 {
			t.Errorf("%s: %q, %v", name, content, err)
		}
		checkVerdict(t, name, v, c.state, c.problem)
	}
	// The signature fits the text beside it, but what it carries is another.
	carries := a.signed([]byte("other"), a.info(nil, a.sign(whole)))
	checkVerdict(t, "another text inside", Verify(whole, carries, roots, now), triage.SigInvalid, "carries another text")
}

func TestEd25519(t *testing.T) {
	a, whole, now := newAuthor(t), text(t), arrival(t)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), SubjectKeyId: []byte("key")}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512(whole)
	attributes := slices.Concat(attribute(attrType, oid(oidData)), attribute(attrDigest, der(tagOctets, sum[:])))
	signature, err := private.Sign(nil, der(tagSet, attributes), crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	by := der(tagSequence, version, der(0x80, []byte("key")), der(tagSequence, oid(oidSHA512)), der(tagContext0, attributes),
		der(tagSequence, oid(oidEd25519)), der(tagOctets, signature))
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, v, err := Unwrap(a.signed(whole, by), roots, limit, now)
	if err != nil || v.State != triage.SigValid {
		t.Errorf("%+v, %v", v, err)
	}
	checkVerdict(t, "altered", Verify([]byte("other"), a.signed(nil, by), roots, now), triage.SigInvalid, "does not fit")
}

// A valid verdict stands for the content as it was signed, whichever octet of
// the whole message is altered.
func TestFlipped(t *testing.T) {
	roots, now, whole := pool(t, "root"), arrival(t), text(t)
	for _, name := range []string{"ec", "noattr"} {
		message := file(t, name+".p7m")
		start := bytes.Index(message, whole)
		for i := range message {
			altered := bytes.Clone(message)
			altered[i] ^= 1 << (i % 8)
			content, v, err := Unwrap(altered, roots, limit, now)
			inside := i >= start && i < start+len(whole)
			if v.State == triage.SigValid && (inside || !bytes.Equal(content, whole)) {
				t.Fatalf("%s, octet %d: valid for %q", name, i, content)
			}
			if inside && (err != nil || len(content) != len(whole)) {
				t.Fatalf("%s, octet %d: the content is lost: %v", name, i, err)
			}
		}
	}
	p7s := file(t, "detached.p7s")
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(whole)
		for range rapid.IntRange(1, 4).Draw(t, "count") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "to")
		}
		same := bytes.Equal(toCRLF(b), whole)
		if v := Verify(b, p7s, roots, now); (v.State == triage.SigValid) != same {
			t.Fatalf("%q: %+v", b, v)
		}
	})
}

func TestStreamed(t *testing.T) {
	roots, now, keys, whole := pool(t, "root"), arrival(t), own(t), text(t)
	signed, sealed := [][]byte{file(t, "rsa.p7m"), file(t, "ec.p7m")}, file(t, "gcm.p7m")
	rapid.Check(t, func(t *rapid.T) {
		depth, piece := rapid.IntRange(0, 4).Draw(t, "depth"), rapid.IntRange(1, 100).Draw(t, "piece")
		for _, m := range signed {
			content, v, err := Unwrap(streamed(m, depth, whole, piece), roots, limit, now)
			if err != nil || v.State != triage.SigValid || !bytes.Equal(content, whole) {
				t.Fatalf("%q, %+v, %v", content, v, err)
			}
		}
		o, err := Open(streamed(sealed, depth, whole, piece), keys, limit)
		if err != nil || !bytes.Equal(o.Content, whole) {
			t.Fatal(o, err)
		}
	})
}

func TestUnwrapErrors(t *testing.T) {
	whole := int64(len(text(t)))
	for name, c := range map[string]struct {
		b    []byte
		max  int64
		want error
	}{
		"empty":               {nil, limit, ErrMalformed},
		"text":                {text(t), limit, ErrMalformed},
		"a certificate":       {cert(t, "ec").Raw, limit, ErrMalformed},
		"encrypted":           {file(t, "cbc.p7m"), limit, ErrUnsupported},
		"detached":            {file(t, "detached.p7s"), limit, ErrMalformed},
		"too large":           {file(t, "ec.p7m"), whole - 1, ErrTooLarge},
		"too large, streamed": {file(t, "stream.p7m"), whole - 1, ErrTooLarge},
		"too large, packed":   {compressed(pack(t, text(t))), whole - 1, ErrTooLarge},
		"packed and damaged":  {compressed(pack(t, text(t))[:20]), limit, ErrMalformed},
		"packed, no zlib":     {compressed([]byte("rubbish")), limit, ErrMalformed},
		"packed otherwise":    {info(oidCompressed, version, der(tagSequence, oid("1.2.3")), der(tagSequence, oid(oidData))), limit, ErrUnsupported},
		"another type":        {info("1.2.3", version), limit, ErrUnsupported},
	} {
		if content, v, err := Unwrap(c.b, nil, c.max, arrival(t)); !errors.Is(err, c.want) || content != nil || v.State == triage.SigValid {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
	for name, b := range map[string][]byte{"plain": file(t, "ec.p7m"), "packed": compressed(pack(t, text(t)))} {
		if content, _, err := Unwrap(b, nil, whole, arrival(t)); err != nil || !bytes.Equal(content, text(t)) {
			t.Errorf("%s, as large as the limit: %q, %v", name, content, err)
		}
	}
	if content, v, err := Unwrap(file(t, "certs.p7m"), nil, limit, arrival(t)); content != nil || v.State != triage.SigNone || err != nil {
		t.Errorf("certificates: %q, %+v, %v", content, v, err)
	}
	message := file(t, "ec.p7m")
	for i := range message {
		if content, _, err := Unwrap(message[:i], nil, limit, arrival(t)); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut at %d: %q, %v", i, content, err)
		}
	}
}

func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestBomb(t *testing.T) {
	bomb := compressed(pack(t, make([]byte, 32<<20)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := Unwrap(bomb, nil, limit, time.Time{}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16*limit {
		t.Errorf("%d octets that swell to 32 MB took %d octets of memory with a limit of %d", len(bomb), n, limit)
	}
}

func TestKind(t *testing.T) {
	for name, want := range map[string]string{
		"rsa.p7m": KindSigned, "stream.p7m": KindSigned, "detached.p7s": KindSigned, "noattr.p7m": KindSigned,
		"certs.p7m": KindCertsOnly, "cbc.p7m": KindEnveloped, "cbc-stream.p7m": KindEnveloped, "to-ec.p7m": KindEnveloped,
		"gcm.p7m": KindAuthEnveloped, "gcm-stream.p7m": KindAuthEnveloped, "text": "", "own.p12": "", "own.pem": "",
	} {
		b := file(t, name)
		if got := Kind(b); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if got := Kind(b[:len(b)/2]); got != want && want != KindCertsOnly {
			t.Errorf("half of %s: %q, want %q", name, got, want)
		}
	}
	if got := Kind(compressed(nil)); got != KindCompressed {
		t.Errorf("%q", got)
	}
	for _, b := range [][]byte{nil, {0x30}, {0x30, 0x80}, {0x31, 0x80, 6}, cert(t, "ec").Raw, info("1.2.3", version)} {
		if got := Kind(b); got != "" {
			t.Errorf("%x: %q", b, got)
		}
	}
}

// Constructions that others read in quadratic time, or till the stack bursts.
func TestHostileIsLinear(t *testing.T) {
	const size = 2 << 20
	a := newAuthor(t)
	fill := func(b ...byte) []byte { return bytes.Repeat(b, size/len(b)) }
	packed := func(tag byte, b ...byte) []byte { return append([]byte{tag, 0x80}, fill(b...)...) }
	signedWith := func(certs, infos []byte) []byte {
		return info(oidSigned, version, der(tagSet), der(tagSequence, oid(oidData), der(tagContext0, der(tagOctets))), der(tagContext0, certs), der(tagSet, infos))
	}
	inner := func(content []byte) []byte {
		return ber(tagSequence, oid(oidSigned), ber(tagContext0, ber(tagSequence, version, der(tagSet), ber(tagSequence, oid(oidData), ber(tagContext0, content)), der(tagSet))))
	}
	sealed := func(infos, content []byte) []byte {
		return info(oidEnveloped, version, der(tagSet, infos), der(tagSequence, oid(oidData), der(tagSequence, oid("1.2.3")), der(0x80, content)))
	}
	serial := der(tagInteger, a.cert.SerialNumber.Bytes())
	for name, b := range map[string][]byte{
		"nested":                packed(tagSequence, tagSequence, 0x80),
		"siblings":              packed(tagSequence, tagOctets, 1, 'A'),
		"long tags":             packed(tagSequence, 0x1f, 0xff),
		"octets in octets":      inner(append(fill(0x24, 0x80), fill(0, 0)...)),
		"small pieces":          inner(ber(0x24, fill(tagOctets, 1, 'A'))),
		"empty pieces":          inner(ber(0x24, fill(tagOctets, 0))),
		"empty certificates":    signedWith(fill(tagSequence, 0), nil),
		"a certificate again":   signedWith(bytes.Repeat(a.cert.Raw, size/len(a.cert.Raw)), nil),
		"one large certificate": signedWith(der(tagSequence, fill(tagSequence, 0)), nil),
		"empty signatures":      signedWith(nil, fill(tagSequence, 0)),
		"a signature again":     a.signed(fill('A'), bytes.Repeat(a.info(nil, a.sign([]byte("x"))), 5_000)),
		"many attributes":       a.withAttributes(text(t), fill(tagSequence, 5, tagOID, 1, 0x2a, tagSet, 0)),
		"a long OID":            info(oidSigned, version, der(tagSet), der(tagSequence, der(tagOID, fill(0x2a)))),
		"a large serial number": signedWith(a.cert.Raw, der(tagSequence, version, der(tagSequence, a.cert.RawIssuer, der(tagInteger, fill(0x2a))))),
		"empty recipients":      sealed(fill(tagSequence, 0), nil),
		"recipients":            sealed(bytes.Repeat(der(tagSequence, version, der(tagSequence, a.cert.RawIssuer, serial), der(tagSequence, oid("1.2.3")), der(tagOctets)), size/100), nil),
		"sets as text":          a.signed(append([]byte{tagSet, 0x80}, fill(tagSet, 0x80)...), a.info(nil, a.sign(nil))),
	} {
		start := time.Now()
		_, v, _ := Unwrap(b, pool(t, "root"), 2*size, arrival(t))
		w := Verify([]byte("text"), b, pool(t, "root"), arrival(t))
		_, err := Open(b, own(t), 2*size)
		Kind(b)
		if v.State == triage.SigValid || w.State == triage.SigValid || err == nil {
			t.Errorf("%s: %+v, %+v, %v", name, v, w, err)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s: %d octets took %v", name, len(b), d)
		} else {
			t.Logf("%-22s %9d octets %v", name, len(b), d.Round(time.Millisecond))
		}
	}
}

func TestNothingIsPrinted(t *testing.T) {
	o, err := Open(file(t, "cbc.p7m"), own(t), limit)
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %x %v %+v", o, o, o, o, o, *o.With, o.With)
	if strings.Contains(shown, "SQL") || strings.Contains(shown, o.With.key.D.String()) || !strings.Contains(shown, o.With.Fingerprint()) {
		t.Error(shown)
	}
}
