package openpgp

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"pgregory.net/rapid"

	"vdpd/triage"
)

func TestSealOpen(t *testing.T) {
	keys := map[string]*Key{"own-iw": secret(t, "own-iw"), "rita": secret(t, "rita"), "rsa": secret(t, "rsa"), "dsa": secret(t, "dsa")}
	rapid.Check(t, func(t *rapid.T) {
		to := keys[rapid.SampledFrom([]string{"own-iw", "rita", "rsa", "dsa"}).Draw(t, "to")]
		from := keys[rapid.SampledFrom([]string{"own-iw", "rita", "rsa", "dsa"}).Draw(t, "from")]
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		sealed, err := Seal(text, to, from, now)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed, []byte(":")) || bytes.Contains(sealed, []byte("\r")) {
			t.Fatalf("armor headers or CR:\n%s", sealed)
		}
		o, err := Open(sealed, NewRing(to), NewRing(from), limit, now)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(o.Plaintext, text) || o.With != to {
			t.Fatalf("%q with %v", o.Plaintext, o.With)
		}
		if o.Signature.State != triage.SigValid || o.Signature.Signer != from.Fingerprint() {
			t.Fatalf("%+v", o.Signature)
		}
		if id := fmt.Sprintf("%016X", to.entity.Subkeys[0].PublicKey.KeyId); !slices.Equal(o.Recipients, []string{id}) {
			t.Fatal(o.Recipients)
		}
	})
}

// A changed message gives an error or the very same plaintext, the latter
// where the change was in what isn't needed, such as the recipient's key id.
func TestOpenAlteredNeverReleases(t *testing.T) {
	iw, rita := secret(t, "own-iw"), secret(t, "rita")
	own, certs := NewRing(iw, secret(t, "rsa")), NewRing(rita)
	text := []byte(strings.Repeat("a report that nobody may alter\r\n", 30))
	v6 := generateV6(t)
	armored, err := Seal(text, iw, rita, now)
	if err != nil {
		t.Fatal(err)
	}
	seipd1, _ := dearmor(armored)
	armored, err = Seal(text, v6, rita, now)
	if err != nil {
		t.Fatal(err)
	}
	seipd2, _ := dearmor(armored)
	own.Add(v6)
	rapid.Check(t, func(t *rapid.T) {
		message := slices.Clone(rapid.SampledFrom([][]byte{seipd1, seipd2}).Draw(t, "message"))
		at := rapid.IntRange(0, len(message)-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"flip", "cut", "drop", "insert"}).Draw(t, "how") {
		case "flip":
			message[at] ^= rapid.Byte().Filter(func(b byte) bool { return b != 0 }).Draw(t, "bits")
		case "cut":
			message = message[:at]
		case "drop":
			message = slices.Delete(message, at, at+1)
		case "insert":
			message = slices.Insert(message, at, rapid.Byte().Draw(t, "octet"))
		}
		o, err := Open(message, own, certs, limit, now)
		if err == nil && !bytes.Equal(o.Plaintext, text) || err != nil && o != nil {
			t.Fatalf("%v, %v", o, err)
		}
		if err == nil && o.Signature.State != triage.SigValid {
			t.Fatalf("the text is whole but the signature isn't: %+v", o.Signature)
		}
	})
}

func generateV6(t testing.TB) *Key {
	t.Helper()
	c := config(now)
	c.Algorithm, c.V6Keys, c.AEADConfig = packet.PubKeyAlgoEd25519, true, &packet.AEADConfig{}
	e, err := pgp.NewEntity("V6", "", "v6@researcher.example", c)
	if err != nil {
		t.Fatal(err)
	}
	checks := maxSelfSignatures
	return newKey(e, &checks)
}

func TestOpenV6(t *testing.T) {
	v6, iw := generateV6(t), secret(t, "own-iw")
	sealed, err := Seal([]byte("text"), v6, iw, now)
	if err != nil {
		t.Fatal(err)
	}
	o, err := Open(sealed, NewRing(v6), NewRing(iw), limit, now)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, o.Signature, triage.SigValid, iw.Fingerprint())
	if len(v6.Fingerprint()) != 64 {
		t.Error(v6.Fingerprint())
	}
	sealed, err = Seal([]byte("text"), iw, v6, now)
	if err != nil {
		t.Fatal(err)
	}
	if o, err = Open(sealed, NewRing(iw), NewRing(v6), limit, now); err != nil {
		t.Fatal(err)
	}
	wantState(t, o.Signature, triage.SigValid, v6.Fingerprint())
	armored, _ := v6.ArmorPublic()
	if keys, err := ParseCerts([]byte(armored)); err != nil || !keys[0].CanEncrypt(now) {
		t.Error(keys, err)
	}
}

func TestOpenWithEveryKeyOfOurs(t *testing.T) {
	iw, ep, retired, rsa, dsa := secret(t, "own-iw"), secret(t, "own-ep"), secret(t, "own-retired"), secret(t, "rsa"), secret(t, "dsa")
	revoked, err := Generate("R", "r@identity.example", now.AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := revoked.entity.Revoke(packet.KeyCompromised, "", config(now)); err != nil {
		t.Fatal(err)
	}
	own := NewRing(iw, ep, retired, revoked, rsa, dsa)
	then := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) // when the retired key was good
	for name, c := range map[string]struct {
		message []byte
		with    *Key
	}{
		"current":      {encrypt(t, []byte("text"), config(now), []*Key{iw}, nil, nil), iw},
		"second":       {encrypt(t, []byte("text"), config(now), []*Key{ep}, nil, nil), ep},
		"retired":      {encrypt(t, []byte("text"), config(then), []*Key{retired}, nil, nil), retired},
		"RSA":          {encrypt(t, []byte("text"), config(now), []*Key{rsa}, nil, nil), rsa},
		"ElGamal":      {encrypt(t, []byte("text"), config(now), []*Key{dsa}, nil, nil), dsa},
		"revoked":      {encryptPacketsTo(t, literal("text"), revoked), revoked},
		"hidden":       {encrypt(t, []byte("text"), config(now), nil, []*Key{ep}, nil), ep},
		"hidden RSA":   {encrypt(t, []byte("text"), config(now), nil, []*Key{rsa}, nil), rsa},
		"with others":  {encrypt(t, []byte("text"), config(now), []*Key{public(t, "sam"), public(t, "olga"), ep}, []*Key{public(t, "carl")}, nil), ep},
		"wrong key id": {withKeyID(t, encrypt(t, []byte("text"), config(now), []*Key{ep}, nil, nil), 0x1122334455667788), ep},
		"another's id": {withKeyID(t, encrypt(t, []byte("text"), config(now), []*Key{ep}, nil, nil), iw.entity.Subkeys[0].PublicKey.KeyId), ep},
	} {
		o, err := Open(c.message, own, nil, limit, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(o.Plaintext) != "text" || o.With != c.with {
			t.Errorf("%s: %q with %v, want %v", name, o.Plaintext, o.With, c.with)
		}
		wantState(t, o.Signature, triage.SigNone, "")
	}
}

// encryptPacketsTo ignores that the key is revoked.
func encryptPacketsTo(t testing.TB, packets []byte, to *Key) []byte {
	t.Helper()
	revocations := to.entity.Revocations
	to.entity.Revocations = nil
	defer func() { to.entity.Revocations = revocations }()
	return encryptPackets(t, packets, to)
}

// withKeyID changes the key id of the first PKESK packet (version 3).
func withKeyID(t testing.TB, message []byte, id uint64) []byte {
	t.Helper()
	i := bytes.IndexByte(message, 3) // the version
	if message[0] != 0xc1 || i < 2 || i > 3 {
		t.Fatalf("begins with % X", message[:4])
	}
	binary.BigEndian.PutUint64(message[i+1:], id)
	return message
}

func TestOpenFindsTheMessage(t *testing.T) {
	iw, rita := secret(t, "own-iw"), secret(t, "rita")
	sealed, err := Seal([]byte("text"), iw, rita, now)
	if err != nil {
		t.Fatal(err)
	}
	armored := string(sealed)
	packets, _ := dearmor(sealed)
	for name, message := range map[string]string{
		"armored":      armored,
		"binary":       string(packets),
		"CRLF":         strings.ReplaceAll(armored, "\n", "\r\n"),
		"text around":  "Dear team,\n\n" + armored + "\nregards\n",
		"UTF-8 before": "Übersicht\n" + armored,
		"key before":   string(file(t, "rita.pub.asc")) + armored,
		"no END":       strings.TrimSuffix(armored, "-----END PGP MESSAGE-----\n"),
		"junk after":   string(packets) + "junk",
	} {
		if o, err := Open([]byte(message), NewRing(iw), NewRing(rita), limit, now); err != nil || string(o.Plaintext) != "text" {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	iw := secret(t, "own-iw")
	good := encrypt(t, []byte("text"), config(now), []*Key{iw}, nil, nil)
	pkesk, sealed := parts(t, good)
	_, others := parts(t, encryptPackets(t, literal("x"), iw))
	var symmetric, opaque bytes.Buffer
	w, err := pgp.SymmetricallyEncrypt(&symmetric, []byte("x"), nil, config(now))
	closed(t, w, err)
	w, err = pgp.Sign(&opaque, []*pgp.Entity{iw.entity}, nil, config(now))
	closed(t, w, err)
	pad := bytes.Repeat([]byte{0xaa}, 100)
	for name, c := range map[string]struct {
		message []byte
		want    error
	}{
		"another's":            {encrypt(t, []byte("text"), config(now), []*Key{public(t, "sam")}, nil, nil), ErrNotForUs},
		"another's, hidden":    {encrypt(t, []byte("text"), config(now), nil, []*Key{public(t, "sam")}, nil), ErrNotForUs},
		"symmetric":            {symmetric.Bytes(), ErrSymmetric},
		"no MDC":               {slices.Concat(pkesk, rawPacket(9, pad)), ErrNoIntegrity},
		"no MDC, armored":      {enarmor(KindMessage, rawPacket(9, pad)), ErrNoIntegrity},
		"cut":                  {good[:len(good)-3], ErrNoIntegrity},
		"altered":              {append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1), ErrNoIntegrity},
		"other session":        {slices.Concat(pkesk, others), ErrNoIntegrity},
		"data alone":           {sealed, ErrNotForUs},
		"key alone":            {pkesk, ErrMalformed},
		"key, then text":       {slices.Concat(pkesk, literal("text")), ErrMalformed},
		"unknown version":      {slices.Concat(pkesk, rawPacket(tagSEIPD, []byte{9, 9, 9, 9})), ErrMalformed},
		"empty":                {nil, ErrMalformed},
		"prose":                {[]byte("hello"), ErrMalformed},
		"prose in armor":       {[]byte("-----BEGIN PGP MESSAGE-----\n\nOnly to show...\n-----END PGP MESSAGE-----\n"), ErrMalformed},
		"text in armor":        {enarmor(KindMessage, []byte("just text")), ErrMalformed},
		"signed only":          {opaque.Bytes(), ErrNotEncrypted},
		"literal":              {literal("text"), ErrNotEncrypted},
		"a key":                {file(t, "rita.pub.asc"), ErrNotEncrypted},
		"a key as message":     {bytes.ReplaceAll(file(t, "rita.pub.asc"), []byte("PUBLIC KEY BLOCK"), []byte("MESSAGE")), ErrNotEncrypted},
		"nothing inside":       {encryptPackets(t, nil, iw), ErrMalformed},
		"nested message":       {encryptPackets(t, good, iw), ErrMalformed},
		"two texts":            {encryptPackets(t, slices.Concat(literal("one"), literal("two")), iw), ErrMalformed},
		"text after signature": {encryptPackets(t, slices.Concat(opaque.Bytes(), literal("two")), iw), ErrMalformed},
		"compressed forever":   {encryptPackets(t, deflated(t, maxLayers+1, literal("text")), iw), ErrMalformed},
		"damaged compression":  {encryptPackets(t, rawPacket(tagCompress, append([]byte{2}, pad...)), iw), ErrMalformed},
		"unknown compression":  {encryptPackets(t, rawPacket(tagCompress, append([]byte{77}, pad...)), iw), ErrMalformed},
		"cut literal":          {encryptPackets(t, literal("a text that is cut off here")[:20], iw), ErrMalformed},
	} {
		o, err := Open(c.message, NewRing(iw), nil, limit, now)
		if !errors.Is(err, c.want) || o != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "openpgp:") {
			t.Errorf("%s: text of the library in %v", name, err)
		}
	}
	if _, err := Open(good, nil, nil, limit, now); !errors.Is(err, ErrNotForUs) {
		t.Error("no keys:", err)
	}
}

func closed(t testing.TB, w interface {
	Write([]byte) (int, error)
	Close() error
}, err error) {
	t.Helper()
	if err == nil {
		_, err = w.Write([]byte("text"))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func deflated(t testing.TB, layers int, b []byte) []byte {
	t.Helper()
	for range layers {
		var z bytes.Buffer
		z.WriteByte(1)
		w, _ := flate.NewWriter(&z, flate.BestCompression)
		w.Write(b)
		w.Close()
		b = rawPacket(tagCompress, z.Bytes())
	}
	return b
}

func TestOpenCompressed(t *testing.T) {
	iw := secret(t, "own-iw")
	var z bytes.Buffer
	z.WriteByte(2)
	w := zlib.NewWriter(&z)
	w.Write(literal("text"))
	w.Close()
	// bzip2 of the same packet; the standard library cannot make it.
	bz, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWY1KiMwAAAdBhOAQEgAEQAAIAACgACIaaaZCDJiCIKveTZni7kinChIRqVEZgA==")
	if err != nil {
		t.Fatal(err)
	}
	for name, packets := range map[string][]byte{
		"stored": rawPacket(tagCompress, append([]byte{0}, literal("text")...)),
		"zip":    deflated(t, 1, literal("text")),
		"twice":  deflated(t, 2, literal("text")),
		"zlib":   rawPacket(tagCompress, z.Bytes()),
		"bzip2":  rawPacket(tagCompress, append([]byte{3}, bz...)),
	} {
		if o, err := Open(encryptPackets(t, packets, iw), NewRing(iw), nil, 10, now); err != nil || string(o.Plaintext) != "text" {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}

func TestOpenBounds(t *testing.T) {
	iw := secret(t, "own-iw")
	own := NewRing(iw)
	for _, n := range []int{0, 99, 100, 101, 1000} {
		o, err := Open(encrypt(t, make([]byte, n), config(now), []*Key{iw}, nil, nil), own, nil, 100, now)
		if n <= 100 && (err != nil || len(o.Plaintext) != n) || n > 100 && (!errors.Is(err, ErrTooLarge) || o != nil) {
			t.Errorf("%d of at most 100 octets: %v, %v", n, o, err)
		}
	}
	const swollen = 16 << 20
	onePass := rawPacket(tagOnePass, []byte{3, 0, 10, 22, 1, 2, 3, 4, 5, 6, 7, 8, 0})
	badSignature := rawPacket(tagSignature, []byte{4, 0, 22, 10, 0, 0, 0, 0, 0, 0})
	hidden, _ := parts(t, encrypt(t, nil, config(now), nil, []*Key{public(t, "olga")}, nil))
	_, others := parts(t, encrypt(t, []byte("text"), config(now), []*Key{public(t, "sam")}, nil, nil))
	for name, c := range map[string]struct {
		bomb []byte
		want error
	}{
		"zeros":           {encryptPackets(t, deflated(t, 1, literal(strings.Repeat("\x00", swollen))), iw), ErrTooLarge},
		"twice":           {encryptPackets(t, deflated(t, 2, literal(strings.Repeat("\x00", swollen))), iw), ErrTooLarge},
		"no literal":      {encryptPackets(t, deflated(t, 1, make([]byte, swollen)), iw), ErrTooLarge},
		"marker packets":  {encryptPackets(t, deflated(t, 1, bytes.Repeat([]byte{0xca, 3, 'P', 'G', 'P'}, swollen/5)), iw), ErrTooLarge},
		"one-pass":        {encryptPackets(t, bytes.Repeat(onePass, 50000), iw), ErrMalformed},
		"signatures":      {encryptPackets(t, bytes.Repeat(badSignature, 50000), iw), ErrMalformed},
		"many recipients": {slices.Concat(bytes.Repeat(hidden, 2000), others), ErrNotForUs},
	} {
		start := time.Now()
		o, err := Open(c.bomb, own, nil, 100<<10, now)
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s (%d octets): took %v", name, len(c.bomb), d)
		}
		if !errors.Is(err, c.want) || o != nil {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}

// How many recipients we try, and how many wrong session keys to our own key.
func TestOpenBoundsWork(t *testing.T) {
	iw := secret(t, "own-iw")
	forUs, sealed := parts(t, encrypt(t, []byte("text"), config(now), nil, []*Key{iw}, nil))
	another, _ := parts(t, encrypt(t, []byte("text"), config(now), nil, []*Key{public(t, "sam")}, nil))
	wrong, _ := parts(t, encrypt(t, []byte("text"), config(now), nil, []*Key{iw}, nil))
	for _, c := range []struct {
		before []byte
		want   error
	}{
		{bytes.Repeat(another, maxAttempts-1), nil},
		{bytes.Repeat(another, maxAttempts), ErrNotForUs},
		{bytes.Repeat(wrong, maxSessions-1), nil},
		{bytes.Repeat(wrong, maxSessions), ErrNoIntegrity},
	} {
		o, err := Open(slices.Concat(c.before, forUs, sealed), NewRing(iw), nil, limit, now)
		if !errors.Is(err, c.want) || (o == nil) != (c.want != nil) {
			t.Errorf("%v, %v, want %v", o, err, c.want)
		}
	}
}

// GnuPG 2.4 makes these. The octets are the public EAX and OCB examples of
// the draft that was to replace RFC 4880 (rfc4880bis).
func TestOpenTag20(t *testing.T) {
	iw := secret(t, "own-iw")
	for mode, c := range map[string]struct{ key, data string }{
		"EAX": {"86f1efb86952329f24acd3bfd0e5346d", "d44a0107010eb732379f73c4928de25facfe6517ec105dc11a81dc0cb8a2f6f3d90016384a56fc821ae11ae8dbcb49862655dea88d06a81486801b0ff387bd2eab013de1259586906eab2476"},
		"OCB": {"d1f01ba30e130aa7d2582c16e050ae44", "d4490107020e5ed2bc1e470abe8f1d644c7a6c8a567b0f7701196611a154ba9c2574cd056284a8ef68035c623d93cc708a43211bb6eaf2b27f7c18d571bcd83b20add3a08b73af15b9a098"},
	} {
		key, err1 := hex.DecodeString(c.key)
		data, err2 := hex.DecodeString(c.data)
		sub, _ := iw.entity.EncryptionKey(now, config(now))
		var b bytes.Buffer
		err3 := packet.SerializeEncryptedKey(&b, sub.PublicKey, packet.CipherAES128, key, config(now))
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		message := append(b.Bytes(), data...)
		if o, err := Open(message, NewRing(iw), nil, limit, now); err != nil || string(o.Plaintext) != "Hello, world!\n" {
			t.Errorf("%s: %v, %v", mode, o, err)
		}
		message[len(message)-1] ^= 1
		if o, err := Open(message, NewRing(iw), nil, limit, now); !errors.Is(err, ErrNoIntegrity) || o != nil {
			t.Errorf("%s, altered: %v, %v", mode, o, err)
		}
	}
}

func TestOpenSignatureInside(t *testing.T) {
	iw, ep, rita, sam, rsa := secret(t, "own-iw"), secret(t, "own-ep"), secret(t, "rita"), secret(t, "sam"), secret(t, "rsa")
	own, certs := NewRing(iw, ep), NewRing(public(t, "rita"), public(t, "rsa"), ep)
	text := []byte("text")
	opaque := func(signers ...*Key) []byte {
		var b bytes.Buffer
		var entities []*pgp.Entity
		for _, k := range signers {
			entities = append(entities, k.entity)
		}
		w, err := pgp.Sign(&b, entities, nil, config(now))
		closed(t, w, err)
		return b.Bytes()
	}
	stripped, _ := parts(t, opaque(rita)) // the one-pass packet alone
	armored, _, err := Sign(text, rita, now)
	if err != nil {
		t.Fatal(err)
	}
	sig, _ := dearmor(armored)
	for name, c := range map[string]struct {
		message []byte
		state   triage.Signature
		signer  string
	}{
		"none":              {encrypt(t, text, config(now), []*Key{iw}, nil, nil), triage.SigNone, ""},
		"valid":             {encrypt(t, text, config(now), []*Key{iw}, nil, []*Key{rita}), triage.SigValid, rita.Fingerprint()},
		"unknown":           {encrypt(t, text, config(now), []*Key{iw}, nil, []*Key{sam}), triage.SigUnknownKey, sam.Fingerprint()},
		"own key":           {encrypt(t, text, config(now), []*Key{iw}, nil, []*Key{iw}), triage.SigInvalid, iw.Fingerprint()},
		"own key in certs":  {encrypt(t, text, config(now), []*Key{iw}, nil, []*Key{ep}), triage.SigValid, ep.Fingerprint()},
		"unknown and valid": {encrypt(t, text, config(now), []*Key{iw}, nil, []*Key{sam, rita}), triage.SigValid, rita.Fingerprint()},
		"valid and unknown": {encrypt(t, text, config(now), []*Key{iw}, nil, []*Key{rita, sam}), triage.SigValid, rita.Fingerprint()},
		"SHA-1":             {encryptPackets(t, slices.Concat(literal("text"), sha1Signature(t, rsa, text)), iw), triage.SigInvalid, rsa.Fingerprint()},
		"passed on":         {encryptPackets(t, inside(t, encrypt(t, text, config(now), []*Key{sam}, nil, []*Key{rita}), sam), iw), triage.SigInvalid, rita.Fingerprint()},
		"no recipient":      {encryptPackets(t, opaque(rita), iw), triage.SigValid, rita.Fingerprint()},
		"in front":          {encryptPackets(t, slices.Concat(sig, literal("text")), iw), triage.SigValid, rita.Fingerprint()},
		"behind, unasked":   {encryptPackets(t, slices.Concat(literal("text"), sig), iw), triage.SigValid, rita.Fingerprint()},
		"of another text":   {encryptPackets(t, slices.Concat(literal("other"), sig), iw), triage.SigInvalid, rita.Fingerprint()},
		"announced only":    {encryptPackets(t, slices.Concat(stripped, literal("text")), iw), triage.SigInvalid, ""},
		"compressed":        {encryptPackets(t, deflated(t, 1, opaque(rita)), iw), triage.SigValid, rita.Fingerprint()},
	} {
		o, err := Open(c.message, own, certs, limit, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Run(name, func(t *testing.T) { wantState(t, o.Signature, c.state, c.signer) })
	}
}

// inside decrypts to the packets.
func inside(t testing.TB, message []byte, k *Key) []byte {
	t.Helper()
	env, err := readEnvelope(message)
	if err != nil {
		t.Fatal(err)
	}
	inner, _, err := env.open([]*Key{k})
	if err != nil {
		t.Fatal(err)
	}
	return inner
}

func sha1Signature(t testing.TB, k *Key, text []byte) []byte {
	t.Helper()
	b := signature4(t, k, text, nil)
	i := bytes.Index(b, []byte{4, byte(packet.SigTypeBinary), byte(k.entity.PrimaryKey.PubKeyAlgo), 10})
	b[i+3] = 2 // says SHA-1; the library makes none
	return b
}

func TestOpenSigned(t *testing.T) {
	rita := secret(t, "rita")
	var b bytes.Buffer
	w, err := pgp.Sign(&b, []*pgp.Entity{rita.entity}, nil, config(now))
	closed(t, w, err)
	for _, message := range [][]byte{b.Bytes(), enarmor(KindMessage, b.Bytes())} {
		text, v, err := OpenSigned(message, NewRing(public(t, "rita")), limit, now)
		if err != nil || string(text) != "text" {
			t.Fatal(text, err)
		}
		wantState(t, v, triage.SigValid, rita.Fingerprint())
	}
	if _, _, err := OpenSigned(encrypt(t, nil, config(now), []*Key{rita}, nil, nil), nil, limit, now); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, _, err := OpenSigned(b.Bytes(), nil, 3, now); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// Run with -race: keys and rings are shared by all goroutines of the daemon.
func TestConcurrentUse(t *testing.T) {
	iw, rita := secret(t, "own-iw"), secret(t, "rita")
	own, certs := NewRing(iw), NewRing(public(t, "rita"))
	sealed, err := Seal([]byte("text"), iw, rita, now)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				o, err := Open(sealed, own, certs, limit, now)
				if err != nil || o.Signature.State != triage.SigValid {
					t.Error(o, err)
				}
				if _, err := Seal([]byte("text"), public(t, "sam"), iw, now); err != nil {
					t.Error(err)
				}
				certs.Add(public(t, "rsa"))
				iw.Addresses()
				iw.CanEncrypt(now.AddDate(-3, 0, 0))
				if _, err := iw.ArmorPublic(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
