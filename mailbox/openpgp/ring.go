package openpgp

import (
	"bytes"
	"slices"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Ring is a set of keys in a fixed order: our own secret keys, the current
// one first and the retired ones after it, or the certificates of possible
// signers. A nil Ring is empty. It is safe for concurrent use.
type Ring struct {
	mu   sync.RWMutex
	keys []*Key // guarded by mu; one for each fingerprint
}

// NewRing makes a ring of keys.
func NewRing(keys ...*Key) *Ring {
	r := new(Ring)
	r.Add(keys...)
	return r
}

// Add appends keys; one with the fingerprint of a key already there takes its
// place, so that a renewed key keeps its rank.
func (r *Ring) Add(keys ...*Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		same := func(have *Key) bool { return have.Fingerprint() == k.Fingerprint() }
		if i := slices.IndexFunc(r.keys, same); i >= 0 {
			r.keys[i] = k
		} else {
			r.keys = append(r.keys, k)
		}
	}
}

// Keys returns the keys in order.
func (r *Ring) Keys() []*Key {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.keys)
}

// Find returns the key with that fingerprint (upper-case hex), or nil.
func (r *Ring) Find(fingerprint string) *Key {
	for _, k := range r.Keys() {
		if k.Fingerprint() == fingerprint {
			return k
		}
	}
	return nil
}

// issuers are the keys that may have made the signature. There can be several:
// anybody may hang another's public key under his own as a subkey.
func (r *Ring) issuers(s *packet.Signature) []*Key {
	var list []*Key
	for _, k := range r.Keys() {
		if slices.ContainsFunc(k.publics(), func(pub *packet.PublicKey) bool {
			return pub.KeyId == *s.IssuerKeyId &&
				(s.IssuerFingerprint == nil || bytes.Equal(pub.Fingerprint, s.IssuerFingerprint))
		}) {
			list = append(list, k)
		}
	}
	return list
}

func (k *Key) publics() []*packet.PublicKey {
	list := []*packet.PublicKey{k.entity.PrimaryKey}
	for i := range k.entity.Subkeys {
		list = append(list, k.entity.Subkeys[i].PublicKey)
	}
	return list
}

// intended reports whether the signature was made for a key of the ring, or
// names no recipient (RFC 9580, section 5.2.3.36).
func (r *Ring) intended(s *packet.Signature) bool {
	if r == nil || len(s.IntendedRecipients) == 0 {
		return true
	}
	return slices.ContainsFunc(s.IntendedRecipients, func(to *packet.Recipient) bool {
		return slices.ContainsFunc(r.Keys(), func(k *Key) bool {
			return bytes.Equal(k.entity.PrimaryKey.Fingerprint, to.Fingerprint)
		})
	})
}
