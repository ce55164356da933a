package store

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"vdpd/triage"
)

// sealVersion is the first byte of everything sealed.
const sealVersion = 1

// sealOverhead is what sealing adds: version, nonce and tag.
const sealOverhead = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// errOpen is all that is said about a sealed value that does not open.
var errOpen = errors.New("a sealed value does not open")

// digest is a SHA-256, written as text in hexadecimal.
type digest [sha256.Size]byte

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (d digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *digest) UnmarshalText(b []byte) error {
	if len(b) != 2*len(d) {
		return errRecord
	}
	if _, err := hex.Decode(d[:], b); err != nil {
		return errRecord
	}
	return nil
}

// box seals and opens under one 256-bit key with XChaCha20-Poly1305. Nonces
// are random, which 192 bits allow without counting.
type box struct {
	aead   cipher.AEAD
	random io.Reader
}

func newBox(key []byte, random io.Reader) box {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic("store: key of wrong length") // a programming error: every key here has 32 bytes
	}
	return box{aead, random}
}

// seal returns version, nonce and ciphertext in one new slice.
func (b box) seal(ad, plain []byte) ([]byte, error) {
	head := 1 + chacha20poly1305.NonceSizeX
	out := make([]byte, head, sealOverhead+len(plain))
	out[0] = sealVersion
	if _, err := io.ReadFull(b.random, out[1:head]); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	return b.aead.Seal(out, out[1:head], plain, ad), nil
}

// open returns the plaintext in a new slice, so that nothing of sealed, which
// may be memory of a transaction, outlives the call.
func (b box) open(ad, sealed []byte) ([]byte, error) {
	return b.openTo(nil, ad, sealed)
}

// openInPlace does the same and overwrites sealed: for large blobs.
func (b box) openInPlace(ad, sealed []byte) ([]byte, error) {
	head := min(1+chacha20poly1305.NonceSizeX, len(sealed))
	return b.openTo(sealed[head:head], ad, sealed)
}

func (b box) openTo(dst, ad, sealed []byte) ([]byte, error) {
	head := 1 + chacha20poly1305.NonceSizeX
	if len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return nil, errOpen
	}
	plain, err := b.aead.Open(dst, sealed[1:head], sealed[head:], ad)
	if err != nil {
		return nil, errOpen
	}
	return plain, nil
}

// binding is the additional data of a value sealed under the key of a case: it
// opens only as what it was written as, and where.
func binding(kind string, ref triage.Ref, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(parts(kind, string(ref)), seq)
}

// parts joins strings so that different lists never give equal bytes.
func parts(list ...string) []byte {
	var out []byte
	for _, s := range list {
		out = binary.BigEndian.AppendUint64(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}

// secrets are the keys that everything outside the cases hangs on. All derive
// from the store key; the master key wraps that one, so that a change of the
// master key leaves state.db as it is.
type secrets struct {
	state     box    // seals what belongs to no case: skeletons, look-ups, outbox, positions
	lookupKey []byte // keyed hashes of look-ups
	tokenKey  []byte // tokens in our mails
}

func deriveSecrets(storeKey []byte, random io.Reader) secrets {
	return secrets{
		state:     newBox(derive(storeKey, nil, "vdpd state"), random),
		lookupKey: derive(storeKey, nil, "vdpd lookup"),
		tokenKey:  derive(storeKey, nil, "vdpd token"),
	}
}

// derive is HKDF-SHA-256 (RFC 5869) to 32 bytes.
func derive(secret, salt []byte, info string) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, info, 32)
	if err != nil {
		panic("store: HKDF: " + err.Error()) // cannot happen for 32 bytes
	}
	return key
}

func mac(key []byte, list ...string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(parts(list...))
	return h.Sum(nil)
}

// tokenLength gives 130 bits.
const tokenLength = 26

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (k *secrets) tokenOf(list ...string) string {
	return tokenText.EncodeToString(mac(k.tokenKey, list...))[:tokenLength]
}

// messageToken is the local part of the Message-ID of a notice, and its mark
// in the envelope sender.
func (k *secrets) messageToken(ref triage.Ref, notice string) string {
	return k.tokenOf("message-id", string(ref), notice)
}

// partyReporter is the party of a case that is not a role.
const partyReporter = "reporter"

// replyToken marks the reply address that one party of a case is given.
func (k *secrets) replyToken(ref triage.Ref, party string) string {
	return k.tokenOf("reply", string(ref), party)
}

// asToken returns s as a token, or "" where it cannot be one. Some servers
// change the case of a local part.
func asToken(s string) string {
	if len(s) != tokenLength {
		return ""
	}
	s = strings.ToLower(s)
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return ""
	}
	return s
}
