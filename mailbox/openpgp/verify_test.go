package openpgp

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"pgregory.net/rapid"

	"vdpd/triage"
)

// signature4 makes a signature packet that the library would not make.
func signature4(t testing.TB, k *Key, text []byte, change func(*packet.Signature)) []byte {
	t.Helper()
	pub := k.entity.PrimaryKey
	s := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: pub.PubKeyAlgo, Hash: crypto.SHA512,
		CreationTime: now, IssuerKeyId: &pub.KeyId, IssuerKeyVersion: 4, IssuerFingerprint: pub.Fingerprint,
	}
	if change != nil {
		change(s)
	}
	h, err := s.PrepareSign(config(now))
	if err != nil {
		t.Fatal(err)
	}
	if s.SigType == packet.SigTypeText {
		pgp.NewCanonicalTextHash(h).Write(text)
	} else {
		h.Write(text)
	}
	if err := s.Sign(h, k.entity.PrivateKey, config(now)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hide makes subpackets into ones of a private kind.
func hide(sig []byte, kinds ...byte) []byte {
	for _, kind := range kinds {
		length := map[byte]byte{33: 22, 16: 9}[kind]
		for _, critical := range []byte{0, 0x80} {
			sig = bytes.Replace(sig, []byte{length, kind | critical}, []byte{length, 100}, 1)
		}
	}
	return sig
}

func TestSignVerify(t *testing.T) {
	keys := []*Key{secret(t, "own-iw"), secret(t, "rsa"), secret(t, "dsa"), generateV6(t)}
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(keys).Draw(t, "key")
		text := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "text")
		sig, micalg, err := Sign(text, k, now)
		if err != nil || micalg != "pgp-sha512" {
			t.Fatal(micalg, err)
		}
		if v := Verify(text, sig, NewRing(k), now); v.State != triage.SigValid || v.Key != k || v.Signer != k.Fingerprint() || v.Problem != "" {
			t.Fatalf("%+v", v)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		text[at] ^= rapid.Byte().Filter(func(b byte) bool { return b != 0 }).Draw(t, "bits")
		if v := Verify(text, sig, NewRing(k), now); v.State != triage.SigInvalid {
			t.Fatalf("altered text: %+v", v)
		}
	})
}

func TestVerify(t *testing.T) {
	rita, rsa, sam, retired := secret(t, "rita"), secret(t, "rsa"), secret(t, "sam"), secret(t, "own-retired")
	certs := NewRing(public(t, "rita"), public(t, "rsa"), retired)
	text := []byte("line one\r\nline two  \r\n")
	bare := []byte("line one\nline two  \n")
	sign := func(k *Key, at time.Time) []byte {
		b, _, err := Sign(text, k, at)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	raw := func(k *Key, change func(*packet.Signature)) []byte { return signature4(t, k, text, change) }
	ritaFPR, samFPR := rita.entity.PrimaryKey.Fingerprint, sam.entity.PrimaryKey.Fingerprint
	good := sign(rita, now)
	binary, _ := dearmor(good)
	weakOnly, err := pgp.NewEntity("W", "", "w@researcher.example", &packet.Config{Time: config(now).Time, RSABits: 1024, MinRSABits: 1024})
	if err != nil {
		t.Fatal(err)
	}
	checks := maxSelfSignatures
	weak := newKey(weakOnly, &checks)
	certs.Add(weak)
	var textMode bytes.Buffer
	textMode.Write(raw(rita, func(s *packet.Signature) { s.SigType = packet.SigTypeText }))
	hour := uint32(3600)
	for name, c := range map[string]struct {
		text, sig []byte
		state     triage.Signature
		signer    string
	}{
		"armored":               {text, good, triage.SigValid, rita.Fingerprint()},
		"binary":                {text, binary, triage.SigValid, rita.Fingerprint()},
		"as PGP MESSAGE":        {text, enarmor(KindMessage, binary), triage.SigValid, rita.Fingerprint()},
		"bare LF":               {bare, good, triage.SigValid, rita.Fingerprint()},
		"trailing blanks gone":  {[]byte("line one\r\nline two\r\n"), good, triage.SigInvalid, rita.Fingerprint()},
		"text mode":             {text, textMode.Bytes(), triage.SigValid, rita.Fingerprint()},
		"text mode, bare LF":    {bare, textMode.Bytes(), triage.SigValid, rita.Fingerprint()},
		"unknown":               {text, sign(sam, now), triage.SigUnknownKey, sam.Fingerprint()},
		"unknown, key id only":  {text, hide(raw(sam, nil), 33), triage.SigUnknownKey, sam.Fingerprint()[24:]},
		"known, key id only":    {text, hide(raw(rita, nil), 33), triage.SigInvalid, rita.Fingerprint()},
		"claims another's key":  {text, bytes.ReplaceAll(bytes.ReplaceAll(raw(sam, nil), samFPR[12:], ritaFPR[12:]), samFPR[:12], ritaFPR[:12]), triage.SigInvalid, rita.Fingerprint()},
		"id and fingerprint":    {text, bytes.Replace(raw(rita, nil), ritaFPR[:12], samFPR[:12], 1), triage.SigUnknownKey, sam.Fingerprint()[:24] + rita.Fingerprint()[24:]},
		"no issuer":             {text, hide(raw(rita, nil), 33, 16), triage.SigUnknownKey, ""},
		"SHA-1":                 {text, sha1Signature(t, rsa, text), triage.SigInvalid, rsa.Fingerprint()},
		"unknown with SHA-1":    {text, sha1Signature(t, sam, text), triage.SigUnknownKey, sam.Fingerprint()},
		"RSA-1024":              {text, signature4(t, weak, text, nil), triage.SigInvalid, weak.Fingerprint()},
		"expired":               {text, raw(rita, func(s *packet.Signature) { s.SigLifetimeSecs = &hour; s.CreationTime = now.Add(-48 * time.Hour) }), triage.SigInvalid, rita.Fingerprint()},
		"clock ahead":           {text, raw(rita, func(s *packet.Signature) { s.CreationTime = now.Add(13 * time.Hour) }), triage.SigValid, rita.Fingerprint()},
		"far ahead":             {text, raw(rita, func(s *packet.Signature) { s.CreationTime = now.Add(48 * time.Hour) }), triage.SigInvalid, rita.Fingerprint()},
		"before the key":        {text, raw(rita, func(s *packet.Signature) { s.CreationTime = now.AddDate(-5, 0, 0) }), triage.SigInvalid, rita.Fingerprint()},
		"key expired since":     {text, sign(retired, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)), triage.SigValid, retired.Fingerprint()},
		"key expired":           {text, raw(retired, nil), triage.SigInvalid, retired.Fingerprint()},
		"not for documents":     {text, raw(rita, func(s *packet.Signature) { s.SigType = packet.SigTypePositiveCert }), triage.SigInvalid, rita.Fingerprint()},
		"unknown + valid":       {text, slices.Concat(raw(sam, nil), binary), triage.SigValid, rita.Fingerprint()},
		"valid + invalid":       {text, slices.Concat(binary, sha1Signature(t, rsa, text)), triage.SigValid, rita.Fingerprint()},
		"invalid + unknown":     {text, slices.Concat(sha1Signature(t, rsa, text), raw(sam, nil)), triage.SigInvalid, rsa.Fingerprint()},
		"valid, then junk":      {text, slices.Concat(binary, []byte("junk")), triage.SigValid, rita.Fingerprint()},
		"none":                  {text, []byte(" \r\n"), triage.SigNone, ""},
		"junk":                  {text, []byte("junk"), triage.SigInvalid, ""},
		"junk in armor":         {text, enarmor(KindSignature, []byte("junk")), triage.SigInvalid, ""},
		"no signature in armor": {text, enarmor(KindSignature, literal("x")), triage.SigInvalid, ""},
		"a key":                 {text, file(t, "rita.pub.asc"), triage.SigInvalid, ""},
		"version 3":             {text, rawPacket(tagSignature, append([]byte{3, 5, 0, 0, 0, 0, 0}, make([]byte, 60)...)), triage.SigUnknownKey, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := Verify(c.text, c.sig, certs, now)
			if name == "unknown + valid" || name == "valid + invalid" {
				if v.Problem != "one of 2 signatures" {
					t.Errorf("problem %q", v.Problem)
				}
			}
			if name == "SHA-1" && !strings.Contains(v.Problem, "SHA-1") {
				t.Errorf("problem %q", v.Problem)
			}
			if name == "none" {
				v.Problem = ""
			}
			wantState(t, v, c.state, c.signer)
			if strings.Contains(v.Problem, "openpgp:") {
				t.Errorf("text of the library in %q", v.Problem)
			}
		})
	}
}

// Eve hangs Rita's public key under her own, and comes first in the ring.
func TestVerifyStolenSubkey(t *testing.T) {
	rita := secret(t, "rita")
	eve, err := Generate("Eve", "eve@researcher.example", now.AddDate(0, -1, 0))
	if err != nil {
		t.Fatal(err)
	}
	eve.entity.Subkeys = append(eve.entity.Subkeys, pgp.Subkey{PublicKey: rita.entity.PrimaryKey, Primary: eve.entity})
	sub := &eve.entity.Subkeys[1]
	binding := &packet.Signature{
		Version: 4, SigType: packet.SigTypeSubkeyBinding, PubKeyAlgo: eve.entity.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA512,
		CreationTime: now.AddDate(0, -1, 0), IssuerKeyId: &eve.entity.PrimaryKey.KeyId, FlagsValid: true,
	}
	if err := binding.SignKey(sub.PublicKey, eve.entity.PrivateKey, config(now)); err != nil {
		t.Fatal(err)
	}
	sub.Bindings = []*packet.VerifiableSignature{packet.NewVerifiableSig(binding)}
	checks := maxSelfSignatures
	newKey(eve.entity, &checks)
	text := []byte("text")
	sig, _, err := Sign(text, rita, now)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, Verify(text, sig, NewRing(eve, rita), now), triage.SigValid, rita.Fingerprint())
	wantState(t, Verify(text, sig, NewRing(eve), now), triage.SigInvalid, eve.Fingerprint())
}

func clear(t testing.TB, text string, keys ...*Key) string {
	t.Helper()
	var b bytes.Buffer
	var privates []*packet.PrivateKey
	for _, k := range keys {
		privates = append(privates, k.entity.PrivateKey)
	}
	w, err := clearsign.EncodeMulti(&b, privates, config(now))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

func TestVerifyClear(t *testing.T) {
	rita, sam := secret(t, "rita"), secret(t, "sam")
	const text = "a report\n- with a list\n-----BEGIN PGP MESSAGE-----\nFrom here  \n\n\tindented\nend"
	const shown = "a report\n- with a list\n-----BEGIN PGP MESSAGE-----\nFrom here\n\n\tindented\nend"
	good := clear(t, text, rita)
	for name, c := range map[string]struct {
		block string
		state triage.Signature
		text  string
	}{
		"good":            {good, triage.SigValid, shown},
		"CRLF":            {strings.ReplaceAll(good, "\n", "\r\n"), triage.SigValid, shown},
		"trailing blanks": {strings.ReplaceAll(good, "\n", " \t\n"), triage.SigValid, shown},
		"two signatures":  {clear(t, text, sam, rita), triage.SigValid, shown},
		"altered":         {strings.Replace(good, "a report", "no report", 1), triage.SigInvalid, strings.Replace(shown, "a report", "no report", 1)},
		"bad armor":       {strings.Replace(good, "-----END PGP SIG", "****\n-----END PGP SIG", 1), triage.SigInvalid, shown},
		"empty":           {clear(t, "", rita), triage.SigValid, ""},
		"blank lines":     {clear(t, "\n\na\n\n", rita), triage.SigValid, "\n\na\n\n"},
	} {
		blocks := Blocks([]byte("before\n" + c.block + "after\n"))
		if len(blocks) != 1 || blocks[0].Kind != KindSigned {
			t.Errorf("%s: %v", name, blocks)
		}
		got, v, err := VerifyClear([]byte(c.block), NewRing(public(t, "rita")), now)
		if err != nil || string(got) != c.text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if v.State != c.state {
			t.Errorf("%s: %+v", name, v)
		}
	}
	_, v, _ := VerifyClear([]byte(clear(t, text, sam)), NewRing(rita), now)
	wantState(t, v, triage.SigUnknownKey, sam.Fingerprint())
}

func TestVerifyClearRefuses(t *testing.T) {
	good := clear(t, "text", secret(t, "rita"))
	certs := NewRing(public(t, "rita"))
	for name, block := range map[string]string{
		"empty":          "",
		"other block":    string(enarmor(KindSignature, []byte("x"))),
		"foreign header": strings.Replace(good, "Hash: SHA512", "Hash: SHA512\nDear reader: unsigned words", 1),
		"header of text": strings.Replace(good, "Hash: SHA512", "unsigned words", 1),
		"no blank line":  strings.Replace(good, "Hash: SHA512\n\n", "Hash: SHA512\n", 1),
		"no signature":   good[:strings.Index(good, "-----BEGIN PGP SIGNATURE")],
		"block inside":   strings.Replace(good, "text", "-----BEGIN PGP MESSAGE-----", 1),
		"never ends":     "-----BEGIN PGP SIGNED MESSAGE-----\n",
		"headers only":   "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n",
	} {
		text, v, err := VerifyClear([]byte(block), certs, now)
		if !errors.Is(err, ErrMalformed) || text != nil || v.State != triage.SigInvalid {
			t.Errorf("%s: %q, %+v, %v", name, text, v, err)
		}
	}
}
