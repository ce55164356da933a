package smime

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vdpd/triage"
)

const (
	maxSkew  = 24 * time.Hour      // how far a sender's clock or time zone may be ahead
	maxDelay = 30 * 24 * time.Hour // how far back a sender may date the signature; longer ago counts as this

	minRSA, maxRSA = 2048, 8192 // bits; larger ones cost too much
)

var hashes = map[string]crypto.Hash{
	"1.2.840.113549.2.5":     crypto.MD5,
	"1.3.14.3.2.26":          crypto.SHA1,
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

const (
	unreadable  = "the signature cannot be read"
	uncheckable = "the signature is of a kind that cannot be checked"
	mismatch    = "the signature does not fit the text"
)

// judgeOne gives the verdict on one signature of text. digests keeps what was
// computed for the ones before.
func (s *signedData) judgeOne(by *signer, text []byte, digests map[crypto.Hash][]byte, roots *x509.CertPool, now time.Time) Verdict {
	cert := s.certificate(by)
	if cert == nil {
		return Verdict{State: triage.SigUnknownKey, Problem: "the signer's certificate is not in the message or cannot be read"}
	}
	v := Verdict{State: triage.SigInvalid, Signer: fingerprint(cert)}
	hash, known := hashes[by.digest]
	if !known {
		v.State, v.Problem = triage.SigUnknownKey, uncheckable
		return v
	}
	if hash == crypto.MD5 || hash == crypto.SHA1 {
		v.Problem = "signed with a broken hash function (" + hash.String() + ")"
		return v
	}
	if digests[hash] == nil {
		digests[hash] = sum(hash, text)
	}
	message, at, problem := by.message(text, digests[hash], s.contentType)
	if problem == "" {
		digest := digests[hash]
		if by.attributes != nil {
			digest = sum(hash, message)
		}
		problem = by.check(cert.PublicKey, hash, message, digest)
	}
	switch {
	case problem == uncheckable:
		v.State = triage.SigUnknownKey
	case problem != "":
	case s.content != nil && !bytes.Equal(s.content, text):
		problem = "the signature carries another text than the one it stands beside"
	case s.contentType != oidData:
		problem = "it signs something that is no mail"
	case cert.KeyUsage != 0 && cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
		problem = "the certificate may not sign"
	case at.After(now.Add(maxSkew)):
		problem = "signed in the future"
	default:
		v.Addresses = addresses(cert)
		v.State, problem = s.trace(cert, roots, believed(at, now))
	}
	v.Problem = problem
	return v
}

// message returns what the signature is made over, the signed attributes or
// the text itself, and when it was made by its own account.
func (by *signer) message(text, digest []byte, contentType string) (message []byte, at time.Time, problem string) {
	if by.attributes == nil {
		// A signature over attributes can be passed off as one over a text
		// that is the octets of those attributes.
		if set := newReader(text); set.get(tagSet).tag == tagSet && len(set.rest) == 0 {
			return nil, at, mismatch
		}
		return text, at, ""
	}
	a, ok := parseAttributes(by.attributes.body)
	if !ok || a.contentType != contentType || !bytes.Equal(a.digest, digest) {
		return nil, at, mismatch
	}
	return by.attributes.set(), a.time, ""
}

// check verifies the signature itself; digest is the hash of message. It
// returns why it is not good, or "".
func (by *signer) check(key crypto.PublicKey, hash crypto.Hash, message, digest []byte) (problem string) {
	var good bool
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch bits := key.N.BitLen(); {
		case bits < minRSA:
			return "the key is too weak"
		case bits > maxRSA:
			return uncheckable
		case by.algorithm == "1.2.840.113549.1.1.10":
			good = rsa.VerifyPSS(key, hash, digest, by.signature, nil) == nil // salt of any length
		default:
			good = rsa.VerifyPKCS1v15(key, hash, digest, by.signature) == nil
		}
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(key, digest, by.signature)
	case ed25519.PublicKey:
		good = ed25519.Verify(key, message, by.signature)
	default:
		return uncheckable
	}
	if !good {
		return mismatch
	}
	return ""
}

// believed is the time at which the certificate must have been valid: when the
// text was signed, as far as the sender may be believed.
func believed(at, now time.Time) time.Time {
	if earliest := now.Add(-maxDelay); !at.IsZero() && at.Before(earliest) {
		return earliest
	}
	if at.IsZero() || at.After(now) {
		return now
	}
	return at
}

// trace follows the certificate to the roots.
func (s *signedData) trace(cert *x509.Certificate, roots *x509.CertPool, at time.Time) (triage.Signature, string) {
	if roots == nil {
		roots = x509.NewCertPool() // nil would mean the machine's own
	}
	between := x509.NewCertPool()
	for _, c := range s.certs {
		if key, ok := c.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() >= minRSA && key.N.BitLen() <= maxRSA {
			between.AddCert(c)
		}
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}})
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case err == nil:
		return triage.SigValid, ""
	case ok && invalid.Reason == x509.Expired:
		return triage.SigInvalid, "the certificate has expired or was not valid yet"
	case ok && invalid.Reason == x509.IncompatibleUsage:
		return triage.SigInvalid, "the certificate is not for e-mail"
	case ok:
		return triage.SigInvalid, "the certificate breaks a rule of its issuer"
	}
	return triage.SigUnknownKey, "no issuer that we trust vouches for the certificate"
}

// certificates reads the set of certificates (RFC 5652, section 10.2.3);
// those of other kinds, and what crypto/x509 can't read, are left out.
func certificates(r *reader) []*x509.Certificate {
	var list []*x509.Certificate
	for n := 0; len(r.rest) > 0 && n < maxCerts; n++ {
		v := r.next()
		if v.tag != tagSequence || len(v.raw) > maxCertBytes {
			continue
		}
		if c, err := x509.ParseCertificate(v.raw); err == nil {
			list = append(list, c)
		}
	}
	return list
}

// certificate returns the certificate that the signer names, or nil.
func (s *signedData) certificate(by *signer) *x509.Certificate {
	if i := slices.IndexFunc(s.certs, by.names); i >= 0 {
		return s.certs[i]
	}
	return nil
}

// addresses returns the addr-specs of a certificate in lower case: of its
// alternative names, or of its subject where they have none (RFC 8550,
// section 3).
func addresses(c *x509.Certificate) []string {
	claimed := slices.Clone(c.EmailAddresses)
	if len(claimed) == 0 {
		for _, n := range c.Subject.Names {
			if a, ok := n.Value.(string); ok && n.Type.String() == "1.2.840.113549.1.9.1" {
				claimed = append(claimed, a)
			}
		}
	}
	var list []string
	for _, a := range claimed {
		local, domain, ok := strings.Cut(a, "@")
		if !ok || local == "" || domain == "" || strings.ContainsAny(a, `<>()[],;:\"`) || strings.Contains(domain, "@") ||
			strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			continue
		}
		if a = strings.ToLower(a); !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

func fingerprint(c *x509.Certificate) string { return fmt.Sprintf("%X", sha256.Sum256(c.Raw)) }

func sum(hash crypto.Hash, b []byte) []byte {
	h := hash.New()
	h.Write(b)
	return h.Sum(nil)
}
