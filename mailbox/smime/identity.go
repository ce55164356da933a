package smime

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"

	"vdpd/triage"
)

// Errors of [ParseIdentity].
var (
	ErrNoIdentity = errors.New("no certificate with its private key found")
	ErrLocked     = errors.New("the private key is protected by a passphrase that was not given")
)

// Identity is a certificate of ours with its private key, to open mail with.
// It formats as its fingerprint only.
type Identity struct {
	Cert *x509.Certificate
	key  *rsa.PrivateKey
}

// Fingerprint returns the SHA-256 fingerprint of the certificate in upper-case
// hex.
func (k *Identity) Fingerprint() string { return fingerprint(k.Cert) }

// Addresses returns the addr-specs of the certificate in lower case.
func (k *Identity) Addresses() []string { return addresses(k.Cert) }

// Format implements [fmt.Formatter] without the key, whatever the verb.
func (k *Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.Fingerprint()) }

// ParseIdentity reads an RSA key and its certificates from a PKCS #12 file, or
// from PEM blocks in any order. A key with several certificates, old and
// renewed, gives an identity for each; certificates of issuers are ignored.
//
// The passphrase is for PKCS #12; a locked PEM key is refused. The error wraps
// [ErrLocked], [ErrNoIdentity], [ErrUnsupported] or [ErrMalformed].
func ParseIdentity(pemOrP12 []byte, passphrase triage.Secret) ([]*Identity, error) {
	parse := parseP12
	if bytes.Contains(pemOrP12, []byte("-----BEGIN ")) {
		parse = parsePEM
	}
	keys, certs, err := parse(pemOrP12, passphrase)
	if err != nil {
		return nil, err
	}
	var list []*Identity
	for _, key := range keys {
		private, ok := key.(*rsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("%w: only RSA keys can open S/MIME mail", ErrUnsupported)
		}
		for _, c := range certs {
			if private.PublicKey.Equal(c.PublicKey) {
				list = append(list, &Identity{c, private})
			}
		}
	}
	if len(list) == 0 {
		return nil, ErrNoIdentity
	}
	return list, nil
}

func parseP12(b []byte, passphrase triage.Secret) (keys []any, certs []*x509.Certificate, err error) {
	key, cert, chain, err := pkcs12.DecodeChain(b, passphrase.Reveal())
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, nil, ErrLocked
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: no PKCS #12 file with one key and its certificate", ErrMalformed)
	}
	return []any{key}, append(chain, cert), nil
}

func parsePEM(b []byte, _ triage.Secret) (keys []any, certs []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return keys, certs, nil
		}
		var key any
		var cert *x509.Certificate
		switch block.Type {
		case "CERTIFICATE":
			if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
				certs = append(certs, cert)
			}
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, nil, errLockedPEM
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, nil, errLockedPEM
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: a PEM block of type %s cannot be read", ErrMalformed, block.Type)
		}
		if key != nil {
			keys = append(keys, key)
		}
	}
}

var errLockedPEM = fmt.Errorf("%w: locked PEM keys cannot be read; make a PKCS #12 file of it with openssl pkcs12 -export", ErrLocked)
