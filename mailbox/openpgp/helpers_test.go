package openpgp

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"vdpd/triage"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const limit = 32 << 20

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "keys", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func secret(t testing.TB, name string) *Key {
	t.Helper()
	keys, err := ParseKeys(file(t, name+".sec.asc"), "throw-away")
	if err != nil || len(keys) != 1 {
		t.Fatalf("%s: %d keys, %v", name, len(keys), err)
	}
	return keys[0]
}

func public(t testing.TB, name string) *Key {
	t.Helper()
	keys, err := ParseKeys(file(t, name+".pub.asc"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("%s: %d keys, %v", name, len(keys), err)
	}
	return keys[0]
}

// encrypt makes messages that Seal doesn't make.
func encrypt(t testing.TB, text []byte, c *packet.Config, to, hidden, signers []*Key) []byte {
	t.Helper()
	entities := func(keys []*Key) (list []*pgp.Entity) {
		for _, k := range keys {
			list = append(list, k.entity)
		}
		return list
	}
	var b bytes.Buffer
	w, err := pgp.Encrypt(&b, entities(to), entities(hidden), entities(signers), nil, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// encryptPackets encrypts arbitrary packets, as only an attacker does.
func encryptPackets(t testing.TB, packets []byte, to *Key) []byte {
	t.Helper()
	c := config(now)
	sub, ok := to.entity.EncryptionKey(now, c)
	if !ok {
		t.Fatal("no encryption key")
	}
	session := bytes.Repeat([]byte{7}, packet.CipherAES256.KeySize())
	var b bytes.Buffer
	if err := packet.SerializeEncryptedKey(&b, sub.PublicKey, packet.CipherAES256, session, c); err != nil {
		t.Fatal(err)
	}
	w, err := packet.SerializeSymmetricallyEncrypted(&b, packet.CipherAES256, false, packet.CipherSuite{}, session, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(packets); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parts cuts a message behind its first packet.
func parts(t testing.TB, message []byte) (first, rest []byte) {
	t.Helper()
	r := bytes.NewReader(message)
	if _, err := packet.Read(r); err != nil {
		t.Fatal(err)
	}
	n := len(message) - r.Len()
	return slices.Clone(message[:n]), slices.Clone(message[n:])
}

func literal(text string) []byte {
	body := append([]byte{'b', 0, 0, 0, 0, 0}, text...)
	return rawPacket(tagLiteral, body)
}

func rawPacket(tag byte, body []byte) []byte {
	n := len(body)
	return append([]byte{0xc0 | tag, 255, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func wantState(t testing.TB, v Verdict, state triage.Signature, signer string) {
	t.Helper()
	if v.State != state || v.Signer != signer {
		t.Errorf("verdict is %s by %q (%s), want %s by %q", v.State, v.Signer, v.Problem, state, signer)
	}
	if (v.Key != nil) != (state == triage.SigValid) {
		t.Errorf("verdict %s has key %v", v.State, v.Key)
	}
	if v.Problem == "" && (state == triage.SigInvalid || state == triage.SigUnknownKey) {
		t.Errorf("verdict %s has problem %q", v.State, v.Problem)
	}
}
