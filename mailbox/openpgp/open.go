package openpgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"vdpd/triage"
)

// Errors of [Open]. Towards the outside they are one class; the difference is
// for the operator.
var (
	ErrNotForUs     = errors.New("no key of ours opens it")
	ErrNoIntegrity  = errors.New("refused: nothing proves that the message is whole and unaltered")
	ErrSymmetric    = errors.New("encrypted with a passphrase, not to a key of ours")
	ErrTooLarge     = errors.New("larger than the limit")
	ErrMalformed    = errors.New("damaged or not OpenPGP")
	ErrNotEncrypted = errors.New("OpenPGP data that is not encrypted")
)

var errOtherArmor = fmt.Errorf("%w: the armor holds something else", ErrNotEncrypted)

func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrMalformed, reason) }

const (
	maxLayers   = 4        // of compression
	maxAttempts = 256      // to open a session key; an RSA one costs milliseconds
	maxSessions = 3        // wrong ones that open; each costs the decryption of everything
	packetSlack = 64 << 10 // what signatures and headers may add to the plaintext

	maxRecipients = 8 // named to the operator
)

// Opened is a decrypted message.
type Opened struct {
	Plaintext  []byte   `json:"-"` // where the message calls it text, with LF line ends (RFC 9580, section 5.9)
	Signature  Verdict  // of the signature inside the encryption; none where there is none
	Recipients []string // the first key ids that it says it is encrypted to, upper-case hex; a hidden one is all zeros
	With       *Key     // ours, that opened it
}

// Format implements [fmt.Formatter] without the plaintext, whatever the verb.
func (o *Opened) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "openpgp.Opened(with %s)", o.With) }

// Open decrypts a message, armored or binary; armor may have text around it.
// Every key in own is tried that the message names, then every other, because
// recipients may be hidden or named wrongly. A signature inside is judged by
// certs; one by a key in own that isn't in certs is invalid: our mail come back.
//
// max bounds the plaintext, and what compression may swell to on the way. The
// plaintext is there only with a nil error: after the proof of integrity.
//
// The error wraps [ErrNotForUs], [ErrNoIntegrity] (no such protection, or it
// failed), [ErrSymmetric], [ErrTooLarge], [ErrMalformed] or [ErrNotEncrypted];
// for the last see [OpenSigned].
func Open(ciphertext []byte, own, certs *Ring, max int64, now time.Time) (*Opened, error) {
	data, err := unwrap(ciphertext, KindMessage)
	if err != nil {
		return nil, err
	}
	env, err := readEnvelope(data)
	if err != nil {
		return nil, err
	}
	recipients := env.recipients()
	inner, with, err := env.open(own.Keys())
	if err != nil {
		return nil, err
	}
	text, list, isText, err := unpack(inner, max)
	if err != nil {
		return nil, err
	}
	o := &Opened{Plaintext: text, Signature: judgeInside(text, list, certs, own, now), Recipients: recipients, With: with}
	if isText {
		o.Plaintext = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}
	return o, nil
}

// OpenSigned reads a message that is signed but not encrypted and not
// cleartext either, as gpg --sign makes it. max and err are as for [Open].
func OpenSigned(message []byte, certs *Ring, max int64, now time.Time) (text []byte, v Verdict, err error) {
	data, err := unwrap(message, KindMessage)
	if err != nil {
		return nil, Verdict{}, err
	}
	text, list, _, err := unpack(data, max)
	if err != nil {
		return nil, Verdict{}, err
	}
	return text, judgeInside(text, list, certs, nil, now), nil
}

func judgeInside(text []byte, list []*signature, certs, own *Ring, now time.Time) Verdict {
	if list == nil {
		return Verdict{State: triage.SigNone}
	}
	return judge(text, list, certs, own, now)
}

// envelope is an encrypted message, parsed as far as that needs no key.
type envelope struct {
	keys   []*packet.EncryptedKey
	sealed []byte // the packet with the encrypted data
}

func readEnvelope(data []byte) (*envelope, error) {
	var env envelope
	symmetric := false
	r := bytes.NewReader(data)
	for {
		start := len(data) - r.Len()
		p, err := packet.Read(r)
		switch p := p.(type) {
		case *packet.EncryptedKey:
			if err == nil {
				env.keys = append(env.keys, p)
			}
		case *packet.SymmetricKeyEncrypted:
			symmetric = true
		case *packet.SymmetricallyEncrypted, *packet.AEADEncrypted:
			if sed, ok := p.(*packet.SymmetricallyEncrypted); ok && !sed.IntegrityProtected {
				return nil, fmt.Errorf("%w: it was made without integrity protection (no MDC)", ErrNoIntegrity)
			}
			if err != nil {
				return nil, malformed("encrypted in a way that this version cannot read")
			}
			if len(env.keys) == 0 && symmetric {
				return nil, ErrSymmetric
			}
			env.sealed = data[start:]
			return &env, nil
		case *packet.Compressed, *packet.LiteralData, *packet.OnePassSignature, *packet.Signature,
			*packet.PublicKey, *packet.PrivateKey:
			if len(env.keys) > 0 || symmetric {
				return nil, malformed("session keys without an encrypted message")
			}
			return nil, ErrNotEncrypted
		}
		if err != nil && !unsupported(err) {
			return nil, malformed("the message is cut off or no OpenPGP message")
		}
	}
}

func (env *envelope) recipients() []string {
	var list []string
	for _, ek := range env.keys[:min(len(env.keys), maxRecipients)] {
		list = append(list, fmt.Sprintf("%016X", ek.KeyId))
	}
	return list
}

// open returns the packets inside. First it tries the keys that the message
// names or hides, then any key for any session key.
func (env *envelope) open(own []*Key) (inner []byte, with *Key, err error) {
	err = fmt.Errorf("%w (key ids %s)", ErrNotForUs, strings.Join(env.recipients(), " "))
	attempts, sessions := 0, 0
	for _, named := range []bool{true, false} {
		for _, ek := range env.keys {
			hidden := ek.KeyId == 0
			if !named {
				if hidden {
					continue
				}
				ek.KeyId, ek.KeyVersion = 0, 0 // the library refuses a key with another id
			}
			for _, k := range own {
				for _, priv := range secrets(k.entity) {
					if priv.PubKeyAlgo != ek.Algo || named && !hidden && priv.KeyId != ek.KeyId {
						continue
					}
					if attempts++; attempts > maxAttempts {
						return nil, nil, err
					}
					if ek.Decrypt(priv, nil) != nil {
						continue
					}
					if inner, err = env.unseal(ek); err == nil {
						return inner, k, nil
					}
					if sessions++; sessions == maxSessions {
						return nil, nil, err
					}
				}
			}
		}
	}
	return nil, nil, err
}

func (env *envelope) unseal(ek *packet.EncryptedKey) ([]byte, error) {
	failed := fmt.Errorf("%w: it was altered or cut off on the way", ErrNoIntegrity)
	p, err := packet.Read(bytes.NewReader(env.sealed))
	if err != nil {
		return nil, failed
	}
	r, err := p.(packet.EncryptedDataPacket).Decrypt(ek.CipherFunc, ek.Key)
	if err != nil {
		return nil, failed
	}
	inner := bytes.NewBuffer(make([]byte, 0, len(env.sealed)+bytes.MinRead))
	if _, err := inner.ReadFrom(r); err != nil {
		return nil, failed
	}
	if err := r.Close(); err != nil { // compares the MDC, or the last tag
		return nil, failed
	}
	return inner.Bytes(), nil
}

// unpack returns the literal data, the signatures around it, and whether the
// data says that it is text. A nil list
// means that nothing announced a signature. There must be one literal packet
// and nothing beside it: a second one would be text that no check covers.
func unpack(data []byte, max int64) (text []byte, list []*signature, isText bool, err error) {
	announced := 0
	for layers := 0; ; {
		r := bytes.NewReader(data)
		start := 0
		p, err := packet.Read(r)
		if err != nil && !unsupported(err) {
			return nil, nil, false, malformed("no text inside")
		}
		switch p := p.(type) {
		case *packet.Compressed:
			if layers++; err != nil || layers > maxLayers {
				return nil, nil, false, malformed("compressed in a way that this version cannot read")
			}
			if data, err = readLimited(p.Body, max+packetSlack); err != nil {
				return nil, nil, false, err
			}
			continue
		case *packet.OnePassSignature:
			announced++
		case *packet.Signature: // in front of the text, as PGP 5 did
			announced++
			list = append(list, signatures(data[start:len(data)-r.Len()])...)
		case *packet.LiteralData:
			if err != nil {
				return nil, nil, false, malformed("no text inside")
			}
			if text, err = readLimited(p.Body, max); err != nil {
				return nil, nil, false, err
			}
			rest := data[len(data)-r.Len():]
			if !onlySignatures(rest) {
				return nil, nil, false, malformed("something else beside the text inside")
			}
			list = append(list, signatures(rest)...)
			if announced > 0 && list == nil {
				list = []*signature{}
			}
			return text, list, p.Format == 't' || p.Format == 'u', nil
		case *packet.SymmetricallyEncrypted, *packet.AEADEncrypted, *packet.EncryptedKey, *packet.SymmetricKeyEncrypted:
			return nil, nil, false, malformed("another encrypted message in place of text")
		}
		data = data[len(data)-r.Len():]
	}
}

func onlySignatures(b []byte) bool {
	for r := bytes.NewReader(b); ; {
		p, err := packet.Read(r)
		switch p.(type) {
		case *packet.LiteralData, *packet.Compressed, *packet.SymmetricallyEncrypted, *packet.AEADEncrypted:
			return false
		}
		if err != nil && !unsupported(err) {
			return errors.Is(err, io.EOF)
		}
	}
}

func readLimited(r io.Reader, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if int64(len(b)) > max {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, malformed("the content is damaged")
	}
	return b, nil
}
