package smime

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// Errors of [Unwrap] and [Open]. Towards the outside they are one class; the
// difference is for the operator.
var (
	ErrNotForUs    = errors.New("no key of ours opens it")
	ErrMalformed   = errors.New("damaged or not S/MIME")
	ErrTooLarge    = errors.New("larger than the limit")
	ErrUnsupported = errors.New("S/MIME of a kind that this version cannot read")
)

var errStructure = malformed("it is cut off or no S/MIME structure")

func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrMalformed, reason) }

// Content types (RFC 5652, section 4 and on; RFC 5083; RFC 3274).
const (
	oidData          = "1.2.840.113549.1.7.1"
	oidSigned        = "1.2.840.113549.1.7.2"
	oidEnveloped     = "1.2.840.113549.1.7.3"
	oidAuthEnveloped = "1.2.840.113549.1.9.16.1.23"
	oidCompressed    = "1.2.840.113549.1.9.16.1.9"
)

// contentInfo reads the outermost structure (RFC 5652, section 3). What
// follows it is ignored, as others do: some programs send padding.
func contentInfo(b []byte) (oid string, content *reader, err error) {
	r := newReader(b).enter(tagSequence)
	oid = r.oid()
	content = r.enter(tagContext0).enter(tagSequence)
	if *r.failed {
		return "", nil, errStructure
	}
	return oid, content, nil
}

// What [Kind] finds.
const (
	KindSigned        = "signed"        // with its content, or detached
	KindCertsOnly     = "certs-only"    // a signed structure with neither content nor signature
	KindEnveloped     = "enveloped"     // encrypted, not protected against alteration
	KindAuthEnveloped = "authenveloped" // encrypted and protected
	KindCompressed    = "compressed"
)

// Kind tells what b is by the object identifier it begins with, or returns "".
// It reads the identifier of a blob that is cut off, too.
func Kind(b []byte) string {
	_, size, _, ok := header(b)
	if !ok || b[0] != tagSequence {
		return ""
	}
	switch newReader(b[size:]).oid() {
	case oidSigned:
		if _, r, err := contentInfo(b); err == nil && r.certsOnly() {
			return KindCertsOnly
		}
		return KindSigned
	case oidEnveloped:
		return KindEnveloped
	case oidAuthEnveloped:
		return KindAuthEnveloped
	case oidCompressed:
		return KindCompressed
	}
	return ""
}

// certsOnly reads SignedData and reports whether it holds nothing else.
func (r *reader) certsOnly() bool {
	r.get(tagInteger)
	r.get(tagSet)
	inside := r.enter(tagSequence)
	inside.oid()
	r.skip(tagContext0)
	r.skip(tagContext1)
	signers := r.get(tagSet)
	return !*r.failed && len(inside.rest) == 0 && len(signers.body) == 0
}

// algorithm reads an AlgorithmIdentifier; parameters is empty or one value.
func (r *reader) algorithm() (oid string, parameters []byte) {
	inside := r.enter(tagSequence)
	return inside.oid(), inside.rest
}

// encapsulated reads EncapsulatedContentInfo (RFC 5652, section 5.2); content
// is nil where there is none.
func (r *reader) encapsulated() (contentType string, content []byte) {
	inside := r.enter(tagSequence)
	contentType = inside.oid()
	if inside.has(tagContext0) {
		content = inside.enter(tagContext0).octets(tagOctets)
	}
	return contentType, content
}

// certID names a certificate by issuer and serial number, or by its key
// (RFC 5652, section 10.2.4).
type certID struct {
	issuer, keyID []byte // one of them
	serial        *big.Int
}

func (r *reader) certID() (id certID) {
	if r.has(tagSequence) {
		name := r.enter(tagSequence)
		id.issuer = name.get(tagSequence).raw
		if _, err := asn1.Unmarshal(name.get(tagInteger).raw, &id.serial); err != nil {
			r.fail()
		}
		return id
	}
	id.keyID = r.get(tagContext0).body
	return id
}

func (id certID) names(c *x509.Certificate) bool {
	if id.serial == nil {
		return len(id.keyID) > 0 && bytes.Equal(c.SubjectKeyId, id.keyID)
	}
	return id.serial.Cmp(c.SerialNumber) == 0 && bytes.Equal(c.RawIssuer, id.issuer)
}
