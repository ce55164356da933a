package store

import (
	"crypto/rand"
	"encoding/hex"
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

// NewMasterKey returns a new master key as text: 64 hexadecimal digits and a
// line end.
func NewMasterKey() string {
	var k MasterKey
	_, _ = rand.Read(k[:]) // never fails (crypto/rand)
	return hex.EncodeToString(k[:]) + "\n"
}
