package smime

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
)

const (
	maxRecipients = 1024 // the rest is ignored
	maxAttempts   = 4    // each may cost the decryption of everything
	maxPadding    = 32   // octets of padding and tag beside the content
	maxNamed      = 8    // recipients named to the operator
)

// Opened is a decrypted message.
type Opened struct {
	Content   []byte    `json:"-"` // a MIME entity, as the sender made it
	Integrity bool      // proven whole and unaltered since it was encrypted; says nothing about who did that
	With      *Identity // ours, that opened it
}

// Format implements [fmt.Formatter] without the content, whatever the verb.
func (o *Opened) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "smime.Opened(with %s)", o.With) }

// Open decrypts an enveloped blob (RFC 8551, sections 3.3 and 3.4) with the
// key of the certificate that it names: RSA with PKCS #1 v1.5 or OAEP, then AES
// with CBC or GCM, or Triple DES with CBC. The content has at most max octets.
// What opens is not proven to be unaltered unless [Opened.Integrity] says so;
// see the package comment for what that demands of the caller.
//
// The error wraps [ErrNotForUs], [ErrTooLarge], [ErrUnsupported] or
// [ErrMalformed]. A wrong key, wrong padding and a wrong tag are all the same
// malformed, and a wrong PKCS #1 padding isn't even noticed: decryption goes on
// with a random key (RFC 3218).
func Open(p7m []byte, keys []*Identity, max int64) (*Opened, error) {
	env, err := parseEnvelope(p7m)
	if err != nil {
		return nil, err
	}
	if int64(len(env.sealed)) > max+maxPadding {
		return nil, ErrTooLarge
	}
	err = fmt.Errorf("%w (it is for the certificates with the serial numbers %s)", ErrNotForUs, env.serials())
	attempts := 0
	for _, to := range env.recipients {
		for _, k := range keys {
			if !to.names(k.Cert) || attempts == maxAttempts {
				continue
			}
			attempts++
			var content []byte
			if content, err = env.open(to, k); err != nil {
				continue
			}
			if int64(len(content)) > max {
				return nil, ErrTooLarge
			}
			return &Opened{Content: content, Integrity: env.cipher.gcm, With: k}, nil
		}
	}
	return nil, err
}

// envelope is EnvelopedData (RFC 5652, section 6.1) or AuthEnvelopedData
// (RFC 5083, section 2.1).
type envelope struct {
	recipients []*recipient
	cipher     contentCipher
	parameters []byte // of the cipher
	sealed     []byte // with the tag at its end, for GCM
	tagSize    int
	attributes []byte // authenticated ones, as GCM takes them
}

// recipient is KeyTransRecipientInfo (RFC 5652, section 6.2.1).
type recipient struct {
	certID
	algorithm  string // OID
	parameters []byte
	key        []byte // encrypted
}

type contentCipher struct {
	keySize  int
	newBlock func(key []byte) (cipher.Block, error)
	gcm      bool
}

var ciphers = map[string]contentCipher{
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher, false},
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher, false},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher, false},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher, false},
	"2.16.840.1.101.3.4.1.6":  {16, aes.NewCipher, true},
	"2.16.840.1.101.3.4.1.26": {24, aes.NewCipher, true},
	"2.16.840.1.101.3.4.1.46": {32, aes.NewCipher, true},
}

func parseEnvelope(b []byte) (*envelope, error) {
	oid, r, err := contentInfo(b)
	if err != nil {
		return nil, err
	}
	authenticated := oid == oidAuthEnveloped
	if oid != oidEnveloped && !authenticated {
		return nil, fmt.Errorf("%w: not encrypted", ErrUnsupported)
	}
	var env envelope
	r.get(tagInteger)
	r.skip(tagContext0) // certificates of the sender
	infos := r.enter(tagSet)
	for n := 0; len(infos.rest) > 0 && n < maxRecipients; n++ {
		v := infos.next()
		one := newReader(v.body)
		if to := parseRecipient(one); v.tag == tagSequence && !*one.failed { // other kinds are for shared and elliptic curve keys
			env.recipients = append(env.recipients, to)
		}
	}
	inside := r.enter(tagSequence)
	inside.oid()
	algorithm, parameters := inside.algorithm()
	env.parameters, env.sealed = parameters, inside.octets(tagContext0)
	if authenticated {
		if r.has(tagContext1) {
			env.attributes = r.next().set()
		}
		tag := r.octets(tagOctets)
		env.sealed, env.tagSize = slices.Concat(env.sealed, tag), len(tag)
	}
	if *r.failed {
		return nil, errStructure
	}
	if c := ciphers[algorithm]; c.gcm == authenticated {
		env.cipher = c
	}
	return &env, nil
}

func parseRecipient(r *reader) *recipient {
	var to recipient
	r.get(tagInteger)
	to.certID = r.certID()
	to.algorithm, to.parameters = r.algorithm()
	to.key = r.octets(tagOctets)
	return &to
}

// serials lists the first serial numbers that the recipients are named by, in
// upper-case hex as openssl prints them.
func (env *envelope) serials() string {
	var list []string
	for _, to := range env.recipients[:min(len(env.recipients), maxNamed)] {
		if to.serial != nil && to.serial.BitLen() <= 160 { // as much as a certificate may have
			list = append(list, fmt.Sprintf("%X", to.serial))
		}
	}
	return strings.Join(list, " ")
}

var errNotOpened = malformed("it does not open with our key: it was altered or cut off on the way")

func (env *envelope) open(to *recipient, k *Identity) ([]byte, error) {
	if env.cipher.keySize == 0 {
		return nil, fmt.Errorf("%w: the cipher is unknown", ErrUnsupported)
	}
	var options crypto.DecrypterOpts
	switch to.algorithm {
	case "1.2.840.113549.1.1.1":
		options = &rsa.PKCS1v15DecryptOptions{SessionKeyLen: env.cipher.keySize} //nolint:staticcheck // what most mail programs send
	case "1.2.840.113549.1.1.7":
		o := oaep(to.parameters)
		if o == nil {
			return nil, fmt.Errorf("%w: the key is encrypted with unknown parameters", ErrUnsupported)
		}
		options = o
	default:
		return nil, fmt.Errorf("%w: the key is encrypted in an unknown way", ErrUnsupported)
	}
	key, err := k.key.Decrypt(rand.Reader, to.key, options)
	if err != nil || len(key) != env.cipher.keySize {
		return nil, errNotOpened
	}
	block, err := env.cipher.newBlock(key)
	if err != nil {
		return nil, errNotOpened
	}
	if env.cipher.gcm {
		return env.openGCM(block)
	}
	return env.openCBC(block)
}

func (env *envelope) openCBC(block cipher.Block) ([]byte, error) {
	var iv []byte
	size := block.BlockSize()
	_, err := asn1.Unmarshal(env.parameters, &iv)
	if err != nil || len(iv) != size || len(env.sealed) == 0 || len(env.sealed)%size != 0 {
		return nil, errNotOpened
	}
	content := make([]byte, len(env.sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(content, env.sealed)
	padding := content[len(content)-1]
	if padding == 0 || int(padding) > size {
		return nil, errNotOpened
	}
	content, pad := content[:len(content)-int(padding)], content[len(content)-int(padding):]
	for _, c := range pad {
		if c != padding {
			return nil, errNotOpened
		}
	}
	return content, nil
}

func (env *envelope) openGCM(block cipher.Block) ([]byte, error) {
	var parameters struct {
		Nonce   []byte
		TagSize int `asn1:"optional,default:12"`
	}
	_, err := asn1.Unmarshal(env.parameters, &parameters)
	if err != nil || len(parameters.Nonce) != 12 || parameters.TagSize != env.tagSize {
		return nil, errNotOpened
	}
	aead, err := cipher.NewGCMWithTagSize(block, env.tagSize) // 12 to 16
	if err != nil {
		return nil, errNotOpened
	}
	content, err := aead.Open(nil, parameters.Nonce, env.sealed, env.attributes)
	if err != nil {
		return nil, errNotOpened
	}
	return content, nil
}

// oaep reads RSAES-OAEP-params (RFC 4055, section 4.1); SHA-1 is the default,
// and no weakness here. It returns nil for what it doesn't know.
func oaep(parameters []byte) *rsa.OAEPOptions {
	var p struct {
		Hash  pkix.AlgorithmIdentifier `asn1:"optional,explicit,tag:0"`
		MGF   pkix.AlgorithmIdentifier `asn1:"optional,explicit,tag:1"`
		Label pkix.AlgorithmIdentifier `asn1:"optional,explicit,tag:2"`
	}
	if len(parameters) > 0 {
		if _, err := asn1.Unmarshal(parameters, &p); err != nil {
			return nil
		}
	}
	options := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	known := true
	if p.Hash.Algorithm != nil {
		options.Hash, known = hashes[p.Hash.Algorithm.String()]
	}
	if p.MGF.Algorithm != nil && known {
		var inner pkix.AlgorithmIdentifier
		_, err := asn1.Unmarshal(p.MGF.Parameters.FullBytes, &inner)
		options.MGFHash, known = hashes[inner.Algorithm.String()]
		known = known && err == nil && p.MGF.Algorithm.String() == "1.2.840.113549.1.1.8"
	}
	if p.Label.Algorithm != nil {
		options.Label = p.Label.Parameters.Bytes
	}
	if !known || options.Hash == crypto.MD5 || options.MGFHash == crypto.MD5 {
		return nil
	}
	return options
}
