package openpgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"vdpd/triage"
)

// ArmorPublic returns the public key in armor, without signatures of others,
// the same octets at every call.
func (k *Key) ArmorPublic() (string, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	var b bytes.Buffer
	e := k.entity
	if err := write(&b, e.PrimaryKey, e.Revocations, e.DirectSignatures); err != nil {
		return "", k.exportError()
	}
	for _, id := range identities(e) {
		if err := write(&b, id.UserId, id.Revocations, id.SelfCertifications); err != nil {
			return "", k.exportError()
		}
	}
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		if err := write(&b, sub.PublicKey, sub.Revocations, sub.Bindings); err != nil {
			return "", k.exportError()
		}
	}
	return string(enarmor(KindPublicKey, b.Bytes())), nil
}

// Minimal returns the public key in binary as the Autocrypt header wants it
// (Autocrypt level 1): the primary key, one User ID and one
// encryption subkey, each with its newest valid signature. It returns
// [ErrCannotEncrypt] where there is no such subkey. Expiry isn't looked at.
func (k *Key) Minimal() ([]byte, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	c := config(time.Time{})
	sub, ok := k.entity.EncryptionKey(time.Time{}, c)
	selfSig, id := k.entity.PrimaryIdentity(time.Time{}, c)
	if !ok || id == nil || sub.IsPrimary() {
		return nil, fmt.Errorf("key %s: %w", k.Fingerprint(), ErrCannotEncrypt)
	}
	var b bytes.Buffer
	for _, p := range []serializer{k.entity.PrimaryKey, id.UserId, selfSig, sub.PublicKey, sub.SelfSignature} {
		if err := p.Serialize(&b); err != nil {
			return nil, k.exportError()
		}
	}
	return b.Bytes(), nil
}

// ArmorSecret returns the whole key in armor, its secret part protected by the
// passphrase; an empty one leaves it in the clear.
func (k *Key) ArmorSecret(passphrase triage.Secret) (string, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.entity.PrivateKey == nil {
		return "", fmt.Errorf("key %s: %w", k.Fingerprint(), errNoSecret)
	}
	var b bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&b, nil); err != nil {
		return "", k.exportError()
	}
	if passphrase != "" {
		// Locking changes the keys in place, so it is done to a copy.
		copied, err := pgp.ReadKeyRing(&b)
		if err != nil || len(copied) != 1 {
			return "", k.exportError()
		}
		b.Reset()
		if err := copied[0].EncryptPrivateKeys([]byte(passphrase.Reveal()), config(time.Time{})); err != nil {
			return "", k.exportError()
		}
		if err := copied[0].SerializePrivateWithoutSigning(&b, nil); err != nil {
			return "", k.exportError()
		}
	}
	return string(enarmor(KindPrivateKey, b.Bytes())), nil
}

func (k *Key) exportError() error {
	return errors.New("key " + k.Fingerprint() + " cannot be written: the library refuses one of its parts")
}

type serializer interface{ Serialize(io.Writer) error }

func write(b *bytes.Buffer, p serializer, signatures ...[]*packet.VerifiableSignature) error {
	if err := p.Serialize(b); err != nil {
		return err
	}
	for _, list := range signatures {
		for _, s := range list {
			if !*s.Valid {
				continue
			}
			if err := s.Packet.Serialize(b); err != nil {
				return err
			}
		}
	}
	return nil
}
