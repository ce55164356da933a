package openpgp

import (
	"bytes"
	"strings"
	"testing"

	"vdpd/triage"
)

// FuzzOpen reads b as a message from outside, and as the packets inside of a
// well-made message.
func FuzzOpen(f *testing.F) {
	iw, rsa, rita := secret(f, "own-iw"), secret(f, "rsa"), secret(f, "rita")
	own, certs := NewRing(iw, rsa, secret(f, "dsa")), NewRing(rita)
	armored, err := Seal([]byte("text"), iw, rita, now)
	if err != nil {
		f.Fatal(err)
	}
	binary, _ := dearmor(armored)
	f.Add(armored)
	f.Add(binary)
	f.Add(encrypt(f, []byte("text"), config(now), []*Key{rsa}, []*Key{secret(f, "dsa")}, nil))
	f.Add(encrypt(f, []byte("text"), config(now), []*Key{generateV6(f)}, nil, nil))
	f.Add(rawPacket(9, []byte("no integrity")))
	f.Add(rawPacket(tagSKESK, []byte{4, 9, 3, 8, 1, 2, 3, 4, 5, 6, 7, 8, 96}))
	f.Add(literal("text"))
	f.Add(inside(f, binary, iw))
	f.Add(deflated(f, 2, literal("text")))
	const max = 1 << 16
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, message := range [][]byte{b, encryptPackets(t, b, iw)} {
			o, err := Open(message, own, certs, max, now)
			if (o == nil) == (err == nil) {
				t.Fatalf("%v, %v", o, err)
			}
			if err == nil && (len(o.Plaintext) > max || o.With == nil || o.Signature.State == "") {
				t.Fatalf("%d octets with %v: %+v", len(o.Plaintext), o.With, o.Signature)
			}
			IsMessage(message)
		}
		if text, v, err := OpenSigned(b, certs, max, now); err != nil && (text != nil || v.State != "") || len(text) > max {
			t.Fatalf("%d octets, %+v, %v", len(text), v, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	rita, rsa := secret(f, "rita"), secret(f, "rsa")
	certs := NewRing(rita, rsa, secret(f, "dsa"))
	text := []byte("text\n")
	for _, k := range []*Key{rita, rsa, secret(f, "dsa"), secret(f, "sam"), generateV6(f)} {
		armored, _, err := Sign([]byte("text\r\n"), k, now)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(armored)
		binary, _ := dearmor(armored)
		f.Add(binary)
		f.Add(append(binary, binary...))
	}
	valid := map[string]bool{}
	for _, k := range certs.Keys() {
		valid[k.Fingerprint()] = true
	}
	f.Fuzz(func(t *testing.T, sig []byte) {
		v := Verify(text, sig, certs, now)
		if v.State == triage.SigValid && (v.Key == nil || !valid[v.Signer]) || v.State == "" || v.State == triage.SigPartial {
			t.Fatalf("%+v", v)
		}
		if w := Verify([]byte("other"), sig, certs, now); w.State == triage.SigValid {
			t.Fatalf("a forged signature: %+v", w)
		}
	})
}

func FuzzBlocks(f *testing.F) {
	rita := secret(f, "rita")
	f.Add([]byte(clear(f, "- a\n-----BEGIN PGP MESSAGE-----\n", rita)))
	f.Add(file(f, "rita.pub.asc"))
	f.Add(enarmor(KindMessage, literal("text")))
	f.Add([]byte("> -----BEGIN PGP MESSAGE-----\r\n\xa0\nVersion: 1\n\nabcd\n=abcd\n-----END PGP MESSAGE----- \t\n"))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		last := 0
		for _, b := range Blocks(text) {
			if b.Start < last || b.End <= b.Start || b.End > len(text) || b.Start > 0 && text[b.Start-1] != '\n' {
				t.Fatalf("%+v after %d of %d", b, last, len(text))
			}
			last = b.End
			block := text[b.Start:b.End]
			if again := Blocks(block); len(again) != 1 || again[0].Kind != b.Kind || again[0].End != len(block) {
				t.Fatalf("%+v alone gives %+v", b, again)
			}
			if data, err := dearmor(block); err == nil && b.Kind != KindSigned {
				if again, err := dearmor(enarmor(b.Kind, data)); err != nil || !bytes.Equal(again, data) {
					t.Fatal("armor doesn't round trip")
				}
			}
		}
		shown, v, err := VerifyClear(text, NewRing(rita), now)
		if err != nil && (shown != nil || v.State != triage.SigInvalid) || v.State == triage.SigNone {
			t.Fatalf("%q, %+v, %v", shown, v, err)
		}
		_, _ = unwrap(text, KindMessage)
	})
}

func FuzzParseKeys(f *testing.F) {
	iw := secret(f, "own-iw")
	for _, name := range []string{"rita.pub.asc", "rita.sec.asc", "own-retired.pub.asc", "dsa.pub.asc", "rsa.sec.asc"} {
		f.Add(file(f, name))
		binary, err := unwrap(file(f, name), KindPublicKey, KindPrivateKey)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(binary)
	}
	v6, _ := generateV6(f).ArmorPublic()
	f.Add([]byte(v6))
	f.Fuzz(func(t *testing.T, b []byte) {
		if strings.Contains(string(b), "\x07\x03") || strings.Contains(string(b), "\xff\x09") {
			return // a locked key may ask for seconds of key stretching
		}
		_, _ = ParseKeys(b)
		keys, err := ParseCerts(b)
		if (err == nil) != (len(keys) > 0) || len(keys) > MaxCerts {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if k.HasSecret() || k.CanSign(now) {
				t.Fatalf("%s has a secret part", k)
			}
			k.Addresses()
			k.Expires()
			_, _ = k.Minimal()
			if k.CanEncrypt(now) {
				if _, err := Seal([]byte("text"), k, iw, now); err != nil {
					t.Fatalf("CanEncrypt, but %v", err)
				}
			}
			armored, err := k.ArmorPublic()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseCerts([]byte(armored))
			if err != nil || again[0].Fingerprint() != k.Fingerprint() || again[0].CanEncrypt(now) != k.CanEncrypt(now) {
				t.Fatalf("%s: the export reads as %v, %v", k, again, err)
			}
		}
	})
}
