package openpgp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"pgregory.net/rapid"

	"vdpd/triage"
)

func TestParseKeys(t *testing.T) {
	for name, address := range map[string]string{
		"own-iw": "security@identity.example", "own-ep": "backoffice@relocation.example", "own-retired": "security@identity.example",
		"sam": "sam@identity.example", "olga": "olga@identity.example", "carl": "carl@identity.example",
		"locked": "locked@identity.example", "rita": "rita@researcher.example", "rsa": "robin@researcher.example", "dsa": "dora@researcher.example",
	} {
		sec, pub := secret(t, name), public(t, name)
		if sec.Fingerprint() != pub.Fingerprint() || len(sec.Fingerprint()) != 40 {
			t.Errorf("%s: fingerprints %s and %s", name, sec.Fingerprint(), pub.Fingerprint())
		}
		if !slices.Equal(pub.Addresses(), []string{address}) {
			t.Errorf("%s: addresses %q", name, pub.Addresses())
		}
		current := name != "own-retired"
		if pub.CanEncrypt(now) != current || sec.CanSign(now) != current || pub.CanSign(now) {
			t.Errorf("%s: CanEncrypt %v, CanSign %v, public part %v", name, pub.CanEncrypt(now), sec.CanSign(now), pub.CanSign(now))
		}
		if !sec.HasSecret() || pub.HasSecret() {
			t.Errorf("%s: HasSecret %v and %v", name, sec.HasSecret(), pub.HasSecret())
		}
		at, ok := pub.Expires()
		if ok == current || ok && at.Format(time.DateOnly) != "2025-01-01" {
			t.Errorf("%s: expires %v %v", name, at, ok)
		}
	}
}

func TestParseKeysManyInOneFile(t *testing.T) {
	all := slices.Concat(file(t, "own-iw.sec.asc"), []byte("and the next\r\n"), bytes.ReplaceAll(file(t, "sam.pub.asc"), []byte("\n"), []byte(" \r\n")))
	keys, err := ParseKeys(all)
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	binary, err := unwrap(file(t, "own-iw.sec.asc"), KindPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = ParseKeys(slices.Concat(binary, binary)); err != nil || len(keys) != 2 {
		t.Fatalf("binary: %d keys, %v", len(keys), err)
	}
}

func TestParseKeysRefuses(t *testing.T) {
	for name, b := range map[string]string{
		"empty": "", "text": "hello", "only BEGIN": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
		"no key inside": string(enarmor(KindPublicKey, literal("x"))), "binary junk": "\x99\x01\x0d\x04abc",
	} {
		if keys, err := ParseKeys([]byte(b)); !errors.Is(err, ErrNoKey) || keys != nil {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	for _, p := range [][]triage.Secret{nil, {"wrong"}, {"wrong", ""}} {
		_, err := ParseKeys(file(t, "locked.sec.asc"), p...)
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), public(t, "locked").Fingerprint()) || strings.Contains(err.Error(), "Officer") {
			t.Errorf("passphrases %d: %v", len(p), err)
		}
	}
	if _, err := ParseKeys(file(t, "locked.sec.asc"), "wrong", "throw-away"); err != nil {
		t.Error("second passphrase:", err)
	}
}

func TestParseCerts(t *testing.T) {
	// A reporter who attaches the secret key by mistake.
	keys, err := ParseCerts(slices.Concat(file(t, "rita.sec.asc"), file(t, "locked.sec.asc")))
	if err != nil || len(keys) != 2 || keys[0].HasSecret() || keys[1].HasSecret() {
		t.Fatal(keys, err)
	}
	if armored, err := keys[0].ArmorSecret(""); err == nil || armored != "" {
		t.Error("a stripped key has a secret part to export")
	}
	if _, err := ParseCerts(make([]byte, 2*MaxCertBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	many := bytes.Repeat(file(t, "rita.pub.asc"), MaxCerts+5)
	if keys, err = ParseCerts(many); err != nil || len(keys) != MaxCerts {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func TestParseCertsWantsSelfSignature(t *testing.T) {
	// Rita's User ID and its signature under Sam's key.
	rita, sam := public(t, "rita").entity, public(t, "sam").entity
	var b bytes.Buffer
	if err := sam.PrimaryKey.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	for _, id := range rita.Identities {
		if err := write(&b, id.UserId, id.SelfCertifications); err != nil {
			t.Fatal(err)
		}
	}
	if keys, err := ParseCerts(b.Bytes()); !errors.Is(err, ErrNoKey) {
		t.Error(keys, err)
	}
}

func TestParseCertsBoundsWork(t *testing.T) {
	// A certificate with thousands of self-signatures that don't fit.
	e := public(t, "dsa").entity
	var b bytes.Buffer
	id := identities(e)[0]
	sigs := slices.Repeat(id.SelfCertifications, 5000)
	*sigs[0].Valid = true
	if err := e.PrimaryKey.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	if err := write(&b, packet.NewUserId("Somebody else", "", "else@researcher.example"), sigs); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := ParseCerts(b.Bytes()); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestGenerate(t *testing.T) {
	k, err := Generate("Identity Platform", "security@identity.example", now)
	if err != nil {
		t.Fatal(err)
	}
	if !k.CanSign(now) || !k.CanEncrypt(now) || !k.HasSecret() || k.CanSign(now.Add(-time.Hour)) {
		t.Error("a new key cannot do its work, or could before its time")
	}
	if _, ok := k.Expires(); ok {
		t.Error("a new key expires")
	}
	if k.entity.PrimaryKey.PubKeyAlgo != packet.PubKeyAlgoEdDSA || k.entity.Subkeys[0].PublicKey.PubKeyAlgo != packet.PubKeyAlgoECDH {
		t.Error("not Ed25519 with Curve25519")
	}
	if _, err := Generate("Evil <boss@identity.example>", "x@y.example", now); err == nil || strings.Contains(err.Error(), "boss") {
		t.Error(err)
	}
}

func TestExport(t *testing.T) {
	for _, name := range []string{"own-iw", "own-retired", "rsa", "dsa", "locked"} {
		k := secret(t, name)
		pub, err := k.ArmorPublic()
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if again, _ := k.ArmorPublic(); again != pub {
				t.Fatalf("%s: two exports differ", name)
			}
		}
		if keys, err := ParseKeys([]byte(pub)); err != nil || keys[0].HasSecret() || keys[0].Fingerprint() != k.Fingerprint() || keys[0].CanEncrypt(now) != k.CanEncrypt(now) {
			t.Errorf("%s: public export: %v", name, err)
		}
		passphrases := []triage.Secret{""}
		if name == "own-iw" || name == "rsa" {
			passphrases = append(passphrases, "correct horse") // its stretching takes time
		}
		for _, passphrase := range passphrases {
			sec, err := k.ArmorSecret(passphrase)
			if err != nil {
				t.Fatal(name, err)
			}
			keys, err := ParseKeys([]byte(sec), passphrase)
			if err != nil || keys[0].CanSign(now) != k.CanSign(now) || !keys[0].HasSecret() {
				t.Errorf("%s: secret export: %v", name, err)
			}
			if _, err := ParseKeys([]byte(sec)); (passphrase != "") != errors.Is(err, ErrLocked) {
				t.Errorf("%s: opens without passphrase: %v", name, err)
			}
		}
		if locked(k.entity) {
			t.Errorf("%s: the export locked the key itself", name)
		}
	}
}

func TestExportKeepsOnlyValidSelfSignatures(t *testing.T) {
	rita, sam := secret(t, "rita"), secret(t, "sam")
	plain, _ := rita.ArmorPublic()
	for _, id := range rita.entity.Identities {
		if err := id.SignIdentity(sam.entity, config(now)); err != nil {
			t.Fatal(err)
		}
		forged := *id.SelfCertifications[0]
		forged.Valid = new(bool)
		id.SelfCertifications = append(id.SelfCertifications, &forged)
	}
	if certified, _ := rita.ArmorPublic(); certified != plain {
		t.Error("the export has the signature of somebody else, or one that is not valid")
	}
}

func TestMinimal(t *testing.T) {
	k, err := Generate("Two Names", "first@identity.example", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.entity.AddUserId("Two Names", "", "second@identity.example", config(now.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if err := k.entity.AddEncryptionSubkey(config(now.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	b, err := k.Minimal()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(b)
	if err != nil {
		t.Fatal(err)
	}
	m := keys[0]
	if m.Fingerprint() != k.Fingerprint() || len(m.entity.Identities) != 1 || len(m.entity.Subkeys) != 1 || !m.CanEncrypt(now.Add(2*time.Hour)) {
		t.Errorf("%d identities, %d subkeys", len(m.entity.Identities), len(m.entity.Subkeys))
	}
	if got, want := m.entity.Subkeys[0].PublicKey.KeyId, k.entity.Subkeys[1].PublicKey.KeyId; got != want {
		t.Error("not the newest subkey")
	}
	if len(b) > 1000 {
		t.Errorf("%d octets", len(b))
	}
}

func TestAddrSpec(t *testing.T) {
	for id, want := range map[string]string{
		"Rita <Rita@Researcher.example>":              "rita@researcher.example",
		"rita@researcher.example":                     "rita@researcher.example",
		"<rita@researcher.example>":                   "rita@researcher.example",
		" Rita (work) <rita@researcher.example>":      "rita@researcher.example",
		"Zoë <zoë@researcher.example>":                "zoë@researcher.example",
		"ceo@identity.example <x@researcher.example>": "x@researcher.example",
		"A <a@b.example> <c@d.example>":               "",
		"A <a@b.example> trailing":                    "",
		"a@b@c.example":                               "",
		"Rita":                                        "",
		"":                                            "",
		"<>":                                          "",
		"@b.example":                                  "",
		"a@":                                          "",
		"a b@c.example":                               "",
		"a\n@c.example":                               "",
		"<a@b.example":                                "",
	} {
		if got := addrSpec(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

func TestKeyIsRedacted(t *testing.T) {
	k := secret(t, "rita")
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "key", k, "verdict", Verdict{Key: k}, "ring", NewRing(k), "opened", &Opened{Plaintext: []byte("canary"), With: k})
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "key", k, "verdict", Verdict{Key: k}, "ring", NewRing(k), "opened", &Opened{Plaintext: []byte("canary"), With: k})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb, k)
		fmt.Fprintf(&b, verb, &Opened{Plaintext: []byte("canary"), With: k})
	}
	j, _ := json.Marshal(k) //nolint:staticcheck // that nothing comes out is what is tested
	b.Write(j)
	for _, canary := range []string{"Rita", "rita", "Researcher", "researcher", "canary", "636E617279", "63616e617279", "Y2FuYXJ5", "99 97 110", "0x63, 0x61"} {
		if strings.Contains(b.String(), canary) {
			t.Errorf("%q shows in %s", canary, b.String())
		}
	}
	if !strings.Contains(b.String(), k.Fingerprint()) {
		t.Error("the fingerprint doesn't show")
	}
	if (*Key)(nil).String() != "no key" {
		t.Error("nil key")
	}
}

func TestRing(t *testing.T) {
	rita, sam := public(t, "rita"), public(t, "sam")
	r := NewRing(rita, sam)
	renewed := secret(t, "rita")
	r.Add(renewed)
	if keys := r.Keys(); len(keys) != 2 || keys[0] != renewed || keys[1] != sam {
		t.Error(keys)
	}
	if r.Find(sam.Fingerprint()) != sam || r.Find("") != nil || (*Ring)(nil).Find("x") != nil {
		t.Error("Find")
	}
}

// Revoked keys cannot be used, and a key that is superseded stays good for
// what it signed before.
func TestRevoked(t *testing.T) {
	for _, reason := range []packet.ReasonForRevocation{packet.KeyCompromised, packet.KeySuperseded} {
		k, err := Generate("R", "r@researcher.example", now.Add(-48*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		text := []byte("text\r\n")
		sig, _, err := Sign(text, k, now.Add(-24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.entity.Revoke(reason, "", config(now.Add(-time.Hour))); err != nil {
			t.Fatal(err)
		}
		if k.CanEncrypt(now) || k.CanSign(now) {
			t.Error("a revoked key can be used")
		}
		if _, err := Seal(text, k, secret(t, "own-iw"), now); !errors.Is(err, ErrCannotEncrypt) {
			t.Error(err)
		}
		v := Verify(text, sig, NewRing(k), now)
		if want := reason == packet.KeySuperseded; (v.State == triage.SigValid) != want {
			t.Errorf("reason %d: %v (%s)", reason, v.State, v.Problem)
		}
	}
}

func TestParseKeysAnyOrderOfTime(t *testing.T) {
	// The library remembers the first answer about a signature. Asking about
	// another time first must not change the second answer.
	rapid.Check(t, func(rt *rapid.T) {
		k := public(t, "own-retired")
		for _, year := range rapid.SliceOfN(rapid.IntRange(2020, 2030), 1, 6).Draw(rt, "years") {
			at := time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
			if got, want := k.CanEncrypt(at), year == 2023 || year == 2024; got != want {
				rt.Fatalf("%d: CanEncrypt %v", year, got)
			}
		}
	})
}
