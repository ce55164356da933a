package smime

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"
	"time"

	"vdpd/triage"
)

// Limits of one signed message.
const (
	maxSigners   = 8        // the rest is ignored
	maxCerts     = 32       // the rest is ignored
	maxCertBytes = 32 << 10 // a larger certificate is ignored

	maxAttributes = 64 // of a signature
)

// Verdict is what the signatures of a text are worth. One valid signature
// suffices, whatever the others are: anybody can add one.
type Verdict struct {
	// State is valid only for a signature over exactly the text, with SHA-256
	// or better, by a certificate for e-mail that leads to the caller's roots.
	// It is unknown-key for one that fits the text but leads nowhere, or can't
	// be checked. It is never [triage.SigPartial]: what else is in the message
	// the caller knows.
	State   triage.Signature
	Signer  string // SHA-256 fingerprint of the signer's certificate in upper-case hex; empty where it is missing
	Problem string // why it is not valid, or that there are other signatures; never words of the sender

	// Addresses are the certificate's, in lower case, where the signature fits
	// the text. Unless State is valid they are mere claims. Not for logs.
	Addresses []string
}

// Unwrap returns the content of a signed or compressed blob (RFC 8551,
// sections 3.5.2 and 3.6), at most max octets, and what the signature is worth.
// The content is given whatever the verdict is; it is nil for certificates
// only. roots may be nil: nobody is trusted. now is the time of arrival.
//
// The error wraps [ErrMalformed], [ErrTooLarge] or [ErrUnsupported].
func Unwrap(p7m []byte, roots *x509.CertPool, max int64, now time.Time) (content []byte, v Verdict, err error) {
	oid, r, err := contentInfo(p7m)
	if err != nil {
		return nil, Verdict{}, err
	}
	switch oid {
	case oidCompressed:
		content, err = inflate(r, max)
		return content, Verdict{State: triage.SigNone}, err
	case oidSigned:
	default:
		return nil, Verdict{}, fmt.Errorf("%w: neither signed nor compressed", ErrUnsupported)
	}
	s, err := parseSigned(r)
	switch {
	case err != nil:
		return nil, Verdict{}, err
	case int64(len(s.content)) > max:
		return nil, Verdict{}, ErrTooLarge
	case s.content == nil && (len(s.signers) > 0 || s.damaged):
		return nil, Verdict{}, malformed("a signature without its text")
	}
	return s.content, s.judge(s.content, roots, now), nil
}

// Verify judges the detached signature p7s over signed (RFC 8551, section
// 3.5.3). signed must be the exact octets of the part; where it has bare LF
// line ends, as some spools do, CRLF is tried too. roots and now are as for
// [Unwrap].
func Verify(signed, p7s []byte, roots *x509.CertPool, now time.Time) Verdict {
	if len(bytes.TrimSpace(p7s)) == 0 {
		return Verdict{State: triage.SigNone, Problem: "the signature is empty"}
	}
	oid, r, err := contentInfo(p7s)
	if err != nil || oid != oidSigned {
		return Verdict{State: triage.SigInvalid, Problem: unreadable}
	}
	s, err := parseSigned(r)
	if err != nil {
		return Verdict{State: triage.SigInvalid, Problem: unreadable}
	}
	v := s.judge(signed, roots, now)
	if canonical := toCRLF(signed); v.State == triage.SigInvalid && len(canonical) != len(signed) {
		if w := s.judge(canonical, roots, now); w.State != triage.SigInvalid {
			return w
		}
	}
	return v
}

// signedData is SignedData (RFC 5652, section 5.1).
type signedData struct {
	contentType string
	content     []byte // nil where it is elsewhere
	certs       []*x509.Certificate
	signers     []signer
	damaged     bool // behind the content
}

// signer is SignerInfo (section 5.3).
type signer struct {
	certID
	digest     string // OID
	algorithm  string // OID
	attributes *value // signed ones; nil where there are none
	signature  []byte
}

func parseSigned(r *reader) (*signedData, error) {
	var s signedData
	r.get(tagInteger)
	r.get(tagSet) // of digest algorithms
	s.contentType, s.content = r.encapsulated()
	if *r.failed {
		return nil, malformed("the signed text cannot be found")
	}
	if r.has(tagContext0) {
		s.certs = certificates(r.enter(tagContext0))
	}
	r.skip(tagContext1) // revocation lists
	infos := r.enter(tagSet)
	for n := 0; len(infos.rest) > 0 && n < maxSigners; n++ {
		one := newReader(infos.get(tagSequence).body)
		if by := parseSigner(one); !*one.failed {
			s.signers = append(s.signers, by)
		} else {
			s.damaged = true
		}
	}
	s.damaged = s.damaged || *r.failed
	return &s, nil
}

func parseSigner(r *reader) (by signer) {
	r.get(tagInteger)
	by.certID = r.certID()
	by.digest, _ = r.algorithm()
	if r.has(tagContext0) {
		v := r.next()
		by.attributes = &v
	}
	by.algorithm, _ = r.algorithm()
	by.signature = r.octets(tagOctets)
	return by
}

// judge gives the verdict on text.
func (s *signedData) judge(text []byte, roots *x509.CertPool, now time.Time) Verdict {
	if len(s.signers) == 0 {
		if s.damaged {
			return Verdict{State: triage.SigInvalid, Problem: unreadable}
		}
		return Verdict{State: triage.SigNone, Problem: "nobody signed it"}
	}
	var best Verdict
	digests := map[crypto.Hash][]byte{}
	for i := range s.signers {
		v := s.judgeOne(&s.signers[i], text, digests, roots, now)
		if i == 0 || rank(v.State) > rank(best.State) {
			best = v
		}
	}
	if len(s.signers) > 1 && best.State == triage.SigValid {
		best.Problem = fmt.Sprintf("one of %d signatures", len(s.signers))
	}
	return best
}

func rank(s triage.Signature) int {
	switch s {
	case triage.SigValid:
		return 2
	case triage.SigUnknownKey:
		return 1
	}
	return 0
}

// attributes are the signed attributes that matter (RFC 5652, section 11).
type attributes struct {
	contentType string
	digest      []byte
	time        time.Time // zero where there is none that can be read
}

// parseAttributes reads the body of a SET OF Attribute. Each of those that
// matter may be there once, with one value.
func parseAttributes(b []byte) (a attributes, ok bool) {
	seen := map[string]bool{}
	r := newReader(b)
	for n := 0; len(r.rest) > 0 && n < maxAttributes; n++ {
		one := r.enter(tagSequence)
		oid := one.oid()
		values := one.enter(tagSet)
		switch oid {
		case "1.2.840.113549.1.9.3":
			a.contentType = values.oid()
		case "1.2.840.113549.1.9.4":
			a.digest = values.octets(tagOctets)
		case "1.2.840.113549.1.9.5":
			_, _ = asn1.Unmarshal(values.next().raw, &a.time)
		default:
			continue
		}
		if seen[oid] || len(values.rest) > 0 {
			return a, false
		}
		seen[oid] = true
	}
	return a, !*r.failed && len(r.rest) == 0 && a.contentType != "" && a.digest != nil
}

// inflate returns the content of CompressedData (RFC 3274).
func inflate(r *reader, max int64) ([]byte, error) {
	r.get(tagInteger)
	algorithm, _ := r.algorithm()
	_, data := r.encapsulated()
	if *r.failed {
		return nil, errStructure
	}
	if algorithm != "1.2.840.113549.1.9.16.3.8" {
		return nil, fmt.Errorf("%w: compressed in an unknown way", ErrUnsupported)
	}
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, malformed("the compressed text is damaged")
	}
	content, err := io.ReadAll(io.LimitReader(z, max+1))
	if int64(len(content)) > max {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, malformed("the compressed text is damaged")
	}
	return content, nil
}

// toCRLF makes every line end CRLF; it returns b itself where all are.
func toCRLF(b []byte) []byte {
	bare := bytes.Count(b, []byte("\n")) - bytes.Count(b, []byte("\r\n"))
	if bare == 0 {
		return b
	}
	out := make([]byte, 0, len(b)+bare)
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
