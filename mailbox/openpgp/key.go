package openpgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"vdpd/triage"
)

// Limits of [ParseCerts].
const (
	MaxCertBytes = 1 << 20 // of the packets, without armor
	MaxCerts     = 16      // the rest is ignored

	maxSelfSignatures = 256 // checked for each call; a cert needs a handful
)

// Errors about keys.
var (
	ErrNoKey    = errors.New("no OpenPGP key found")
	ErrLocked   = errors.New("the OpenPGP secret key is protected by a passphrase that was not given")
	errNoSecret = errors.New("the key has no secret part")
)

// Key is a certificate, perhaps with its secret part, which is unlocked then.
// It formats as its fingerprint only.
type Key struct {
	entity *pgp.Entity // never changed after newKey, which fills the library's caches but one

	writing sync.Mutex // held while entity is serialised: each signature then fills a cache of its own
}

// ParseKeys reads keys, public or secret, armored or binary; a file may hold
// several armored blocks and text before them. Each locked secret key is
// tried with each passphrase. The error is [ErrNoKey], or wraps [ErrLocked] and
// names the fingerprint.
func ParseKeys(b []byte, passphrases ...triage.Secret) ([]*Key, error) {
	entities, err := readEntities(b)
	if err != nil {
		return nil, err
	}
	keys := make([]*Key, len(entities))
	for i, e := range entities {
		if err := unlock(e, passphrases); err != nil {
			return nil, err
		}
		checks := maxSelfSignatures
		keys[i] = newKey(e, &checks)
	}
	return keys, nil
}

// ParseCerts reads the public keys that a stranger sent, within [MaxCertBytes]
// and [MaxCerts]. Secret parts are dropped, and so are keys that don't vouch
// for themselves by a valid self-signature. The error is [ErrNoKey] or
// [ErrTooLarge].
func ParseCerts(b []byte) ([]*Key, error) {
	if len(b) > 2*MaxCertBytes { // armored
		return nil, ErrTooLarge
	}
	entities, err := readEntities(b)
	if err != nil {
		return nil, err
	}
	var keys []*Key
	checks := maxSelfSignatures
	for _, e := range entities[:min(len(entities), MaxCerts)] {
		strip(e)
		if k := newKey(e, &checks); k.vouched() {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, ErrNoKey
	}
	return keys, nil
}

func readEntities(b []byte) (pgp.EntityList, error) {
	if leadingTag(b) != 0 {
		return readPackets(b)
	}
	var all pgp.EntityList
	for _, block := range Blocks(b) {
		if block.Kind != KindPublicKey && block.Kind != KindPrivateKey {
			continue
		}
		data, err := dearmor(b[block.Start:block.End])
		if err != nil {
			continue
		}
		if entities, err := readPackets(data); err == nil {
			all = append(all, entities...)
		}
	}
	if len(all) == 0 {
		return nil, ErrNoKey
	}
	return all, nil
}

func readPackets(b []byte) (pgp.EntityList, error) {
	entities, err := pgp.ReadKeyRing(bytes.NewReader(b))
	if err != nil || len(entities) == 0 {
		return nil, ErrNoKey // the library's text may quote the input
	}
	return entities, nil
}

func unlock(e *pgp.Entity, passphrases []triage.Secret) error {
	for _, p := range passphrases {
		if !locked(e) {
			return nil
		}
		_ = e.DecryptPrivateKeys([]byte(p.Reveal())) // locked tells whether it helped
	}
	if locked(e) {
		return fmt.Errorf("key %X: %w", e.PrimaryKey.Fingerprint, ErrLocked)
	}
	return nil
}

func locked(e *pgp.Entity) bool {
	for _, priv := range secrets(e) {
		if priv.Encrypted {
			return true
		}
	}
	return false
}

// secrets are the secret parts that are really there: a primary key kept
// offline leaves a dummy.
func secrets(e *pgp.Entity) []*packet.PrivateKey {
	var list []*packet.PrivateKey
	add := func(priv *packet.PrivateKey) {
		if priv != nil && !priv.Dummy() {
			list = append(list, priv)
		}
	}
	add(e.PrivateKey)
	for i := range e.Subkeys {
		add(e.Subkeys[i].PrivateKey)
	}
	return list
}

func strip(e *pgp.Entity) {
	e.PrivateKey = nil
	for i := range e.Subkeys {
		e.Subkeys[i].PrivateKey = nil
	}
}

// newKey checks the self-signatures now. The library would do so on first use
// and remember the result in the entity: a data race between readers, and
// wrong where the first use asks about another time than the second.
func newKey(e *pgp.Entity, checks *int) *Key {
	settle := func(sigs []*packet.VerifiableSignature, verify func(*packet.Signature) error) {
		for _, s := range sigs {
			*checks--
			valid := *checks >= 0 && !weakBinding(s.Packet) && verify(s.Packet) == nil
			s.Valid = &valid
		}
	}
	pub := e.PrimaryKey
	settle(e.Revocations, pub.VerifyRevocationSignature)
	settle(e.DirectSignatures, pub.VerifyDirectKeySignature)
	for _, id := range identities(e) {
		verify := func(s *packet.Signature) error { return pub.VerifyUserIdSignature(id.Name, pub, s) }
		settle(id.SelfCertifications, verify)
		settle(id.Revocations, verify)
		id.OtherCertifications = nil // never used, never given away, and sometimes megabytes
	}
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		settle(sub.Bindings, func(s *packet.Signature) error { return pub.VerifyKeySignature(sub.PublicKey, s) })
		settle(sub.Revocations, func(s *packet.Signature) error {
			return pub.VerifySubkeyRevocationSignature(s, sub.PublicKey)
		})
	}
	return &Key{entity: e}
}

// weakBinding reports what disqualifies a self-signature. SHA-1 is let pass
// here: keys of many years are bound with it, by their owners alone.
func weakBinding(s *packet.Signature) bool {
	critical := func(n *packet.Notation) bool { return n.IsCritical }
	return s.Hash == crypto.MD5 || s.Hash == crypto.RIPEMD160 || slices.ContainsFunc(s.Notations, critical)
}

// identities in an order that doesn't change from one call to the next.
func identities(e *pgp.Entity) []*pgp.Identity {
	list := make([]*pgp.Identity, 0, len(e.Identities))
	for _, id := range e.Identities {
		list = append(list, id)
	}
	slices.SortFunc(list, func(a, b *pgp.Identity) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (k *Key) vouched() bool {
	_, err := k.entity.PrimarySelfSignature(time.Time{}, config(time.Time{}))
	return err == nil
}

// config is how this package uses the library. DSA, ElGamal and secp256k1,
// which it rejects by default, are let pass for researchers with old keys;
// [weakKey] has the limit of size.
func config(now time.Time) *packet.Config {
	return &packet.Config{
		Time:                      func() time.Time { return now },
		DefaultHash:               crypto.SHA512,
		DefaultCipher:             packet.CipherAES256,
		RejectPublicKeyAlgorithms: map[packet.PublicKeyAlgorithm]bool{},
		RejectCurves:              map[packet.Curve]bool{},
	}
}

const minBits = 2047 // some programs make moduli one bit short

func weakKey(pub *packet.PublicKey) bool {
	switch pub.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly,
		packet.PubKeyAlgoDSA, packet.PubKeyAlgoElGamal:
		bits, err := pub.BitLength()
		return err != nil || bits < minBits
	}
	return false
}

// Generate makes a key with an Ed25519 primary key, which signs and certifies,
// and a Curve25519 subkey, which decrypts. It doesn't expire. name and address
// must be free of ()<> and control characters.
func Generate(name, address string, now time.Time) (*Key, error) {
	c := config(now)
	c.Algorithm = packet.PubKeyAlgoEdDSA
	e, err := pgp.NewEntity(name, "", address, c)
	if err != nil {
		return nil, errors.New("cannot make an OpenPGP key: the name or the address has characters that a User ID must not have: ()<>")
	}
	checks := maxSelfSignatures
	return newKey(e, &checks), nil
}

// Fingerprint returns the fingerprint of the primary key in upper-case hex.
func (k *Key) Fingerprint() string { return fmt.Sprintf("%X", k.entity.PrimaryKey.Fingerprint) }

// HasSecret reports whether the key has a secret part: whether it is one of
// our own.
func (k *Key) HasSecret() bool { return len(secrets(k.entity)) > 0 }

// Addresses returns the addr-specs, in lower case, of the User IDs that are
// self-signed and not revoked; a User ID of another form than "name <address>"
// or a bare address gives none. They are claims of whoever made the key.
func (k *Key) Addresses() []string {
	var list []string
	for _, id := range identities(k.entity) {
		if _, err := id.Verify(time.Time{}, config(time.Time{})); err != nil {
			continue
		}
		if a := addrSpec(id.Name); a != "" && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

func addrSpec(userID string) string {
	s := strings.TrimSpace(userID)
	if i := strings.IndexByte(s, '<'); i >= 0 {
		var ok bool
		if s, ok = strings.CutSuffix(s[i+1:], ">"); !ok {
			return ""
		}
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) ||
		strings.ContainsAny(s, `<>()[],;:\"`) || strings.Contains(domain, "@") {
		return ""
	}
	return strings.ToLower(s)
}

// CanEncrypt reports whether mail can be sealed to the key at the time now: it
// is neither expired nor revoked, strong enough, and meant for encryption.
func (k *Key) CanEncrypt(now time.Time) bool {
	sub, ok := k.entity.EncryptionKey(now, config(now))
	return ok && !weakKey(sub.PublicKey)
}

// CanSign reports whether the key can sign at the time now: it has a secret
// part meant for that and is neither expired nor revoked.
func (k *Key) CanSign(now time.Time) bool {
	sub, ok := k.entity.SigningKey(now, config(now))
	return ok && sub.PrivateKey != nil && !sub.PrivateKey.Dummy() && !weakKey(sub.PublicKey)
}

// Expires returns the time after which nothing can be encrypted to the key:
// its own expiry or that of its last encryption subkey, whichever is earlier.
// ok is false for a key that doesn't expire.
func (k *Key) Expires() (at time.Time, ok bool) {
	c := config(time.Time{})
	if s, err := k.entity.PrimarySelfSignature(time.Time{}, c); err == nil {
		at, ok = expiry(k.entity.PrimaryKey, s)
	}
	var last time.Time
	for i := range k.entity.Subkeys {
		sub := &k.entity.Subkeys[i]
		s, err := sub.Verify(time.Time{}, c)
		if err != nil || !s.FlagEncryptCommunications && !s.FlagEncryptStorage {
			continue
		}
		end, expires := expiry(sub.PublicKey, s)
		if !expires {
			return at, ok
		}
		if end.After(last) {
			last = end
		}
	}
	if !last.IsZero() && (!ok || last.Before(at)) {
		return last, true
	}
	return at, ok
}

func expiry(pub *packet.PublicKey, s *packet.Signature) (time.Time, bool) {
	if s.KeyLifetimeSecs == nil || *s.KeyLifetimeSecs == 0 {
		return time.Time{}, false
	}
	return pub.CreationTime.Add(time.Duration(*s.KeyLifetimeSecs) * time.Second), true
}

// String returns the fingerprint.
func (k *Key) String() string {
	if k == nil {
		return "no key"
	}
	return k.Fingerprint()
}

// GoString implements [fmt.GoStringer] with the fingerprint only.
func (k *Key) GoString() string { return "openpgp.Key(" + k.String() + ")" }

// LogValue implements [slog.LogValuer] with the fingerprint only.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
