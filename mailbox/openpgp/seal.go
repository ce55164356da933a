package openpgp

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Errors of [Seal] and [Sign]; see [Key.CanEncrypt] and [Key.CanSign].
var (
	ErrCannotEncrypt = errors.New("the key cannot be used to encrypt: it is expired, revoked, too weak or not meant for that")
	ErrCannotSign    = errors.New("the key cannot be used to sign: it is expired, revoked, has no secret part or is not meant for that")
)

// Seal signs plaintext with signer and encrypts it to one key, AES-256 where
// that can read it. The result is armored, with LF line ends and without
// headers. There is one recipient for each message on purpose: a second key
// id would tell the first recipient about the second.
func Seal(plaintext []byte, to, signer *Key, now time.Time) (armored []byte, err error) {
	if !to.CanEncrypt(now) {
		return nil, fmt.Errorf("key %s: %w", to, ErrCannotEncrypt)
	}
	if !signer.CanSign(now) {
		return nil, fmt.Errorf("key %s: %w", signer, ErrCannotSign)
	}
	var b bytes.Buffer
	b.Grow(len(plaintext) + 2048) // keys and a signature
	w, err := pgp.Encrypt(&b, []*pgp.Entity{to.entity}, nil, []*pgp.Entity{signer.entity}, nil, config(now))
	if err == nil {
		_, err = w.Write(plaintext)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", to, ErrCannotEncrypt)
	}
	return enarmor(KindMessage, b.Bytes()), nil
}

// Sign makes a detached signature over data, armored as by [Seal], and returns
// with it the value of the micalg parameter (RFC 3156, section 5).
func Sign(data []byte, signer *Key, now time.Time) (armored []byte, micalg string, err error) {
	if !signer.CanSign(now) {
		return nil, "", fmt.Errorf("key %s: %w", signer, ErrCannotSign)
	}
	var b bytes.Buffer
	if err := pgp.DetachSign(&b, []*pgp.Entity{signer.entity}, bytes.NewReader(data), config(now)); err != nil {
		return nil, "", fmt.Errorf("key %s: %w", signer, ErrCannotSign)
	}
	p, err := packet.Read(bytes.NewReader(b.Bytes()))
	s, ok := p.(*packet.Signature)
	if err != nil || !ok || micalgs[s.Hash.String()] == "" {
		return nil, "", fmt.Errorf("key %s: %w", signer, ErrCannotSign)
	}
	return enarmor(KindSignature, b.Bytes()), micalgs[s.Hash.String()], nil
}

// micalgs has the names of hash functions in RFC 3156, section 5, and RFC 9580,
// section 9.5.
var micalgs = map[string]string{
	"SHA-256":  "pgp-sha256",
	"SHA-384":  "pgp-sha384",
	"SHA-512":  "pgp-sha512",
	"SHA3-256": "pgp-sha3-256",
	"SHA3-512": "pgp-sha3-512",
}
