package store

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// MasterKey wraps the data keys of a store. It is never written to the store,
// and every way of formatting it gives "[redacted]".
type MasterKey [32]byte

const redacted = "[redacted]"

// String implements [fmt.Stringer] without the key.
func (MasterKey) String() string { return redacted }

// Format implements [fmt.Formatter], so that %x, %v and %d hide the key too.
func (MasterKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer] without the key.
func (MasterKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the key out of JSON, TOML and XML.
func (MasterKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// NewMasterKey returns a new master key in the text form that [ParseMasterKey]
// reads: 64 hexadecimal digits and a line end.
func NewMasterKey() string {
	var k MasterKey
	_, _ = rand.Read(k[:]) // never fails (crypto/rand)
	return hex.EncodeToString(k[:]) + "\n"
}

// errMasterKey says what a master key looks like, and nothing of what it met.
var errMasterKey = errors.New("a master key is 32 random bytes, or their text as 64 hexadecimal digits or as base64 (`vdpd init` makes one)")

// ParseMasterKey reads the content of a key file or a systemd credential:
// exactly 32 raw bytes, or their hexadecimal or base64 text, which may end in
// white space. 32 bytes of printable text are refused, because that is a
// passphrase and not a key; so are 32 equal bytes. The error names lengths
// only.
func ParseMasterKey(b []byte) (MasterKey, error) {
	var k MasterKey
	raw := b
	if len(raw) != len(k) {
		text := string(bytes.TrimSpace(b))
		raw = nil
		for _, decode := range []func(string) ([]byte, error){
			hex.DecodeString,
			base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
			base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
		} {
			if d, err := decode(text); err == nil && len(d) == len(k) {
				raw = d
				break
			}
		}
		if raw == nil {
			return MasterKey{}, fmt.Errorf("%d bytes are not a master key: %w", len(b), errMasterKey)
		}
	} else if printable(raw) {
		return MasterKey{}, fmt.Errorf("32 bytes of plain text are a passphrase, not a master key: %w", errMasterKey)
	}
	if bytes.Count(raw, raw[:1]) == len(raw) {
		return MasterKey{}, fmt.Errorf("32 equal bytes are not random: %w", errMasterKey)
	}
	copy(k[:], raw)
	return k, nil
}

func printable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return (r < ' ' || r > '~') && r != '\n' && r != '\r' && r != '\t' })
}
