package openpgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"vdpd/triage"
)

const (
	maxSignatures = 16             // of one text; each costs a hash over all of it
	maxSkew       = 24 * time.Hour // how far a sender's clock or time zone may be ahead
)

// Verdict is what the signatures of a text are worth. One valid signature
// suffices, whatever the others are.
type Verdict struct {
	// State is valid only by a key in certs that was neither expired at the
	// time of signing nor revoked, over exactly the text that was given, with
	// a hash better than SHA-1. It is never [triage.SigPartial]: what else is
	// in the message the caller knows.
	State   triage.Signature
	Signer  string // fingerprint of the signer's primary key; of an unknown key what the signature claims, perhaps a key id; upper-case hex
	Key     *Key   // of a valid signature, else nil
	Problem string // why it is not valid, or that there are other signatures; never words of the sender
}

// Verify judges detached signatures, armored or binary, over signed
// (RFC 3156, section 5). signed must be the exact octets of the part; where it
// has bare LF line ends, as some spools do, CRLF is tried too.
func Verify(signed, signature []byte, certs *Ring, now time.Time) Verdict {
	if len(bytes.TrimSpace(signature)) == 0 {
		return Verdict{State: triage.SigNone, Problem: "the signature is empty"}
	}
	data, err := unwrap(signature, KindSignature, KindMessage)
	if err != nil {
		return Verdict{State: triage.SigInvalid, Problem: "the signature cannot be read"}
	}
	v := judge(signed, signatures(data), certs, nil, now)
	if v.State == triage.SigInvalid {
		if canonical := toCRLF(signed); len(canonical) != len(signed) {
			if w := judge(canonical, signatures(data), certs, nil, now); w.State == triage.SigValid {
				return w
			}
		}
	}
	return v
}

// VerifyClear judges a cleartext signed message (RFC 9580, section 7), given
// as the octets of one [KindSigned] block before any charset conversion. text
// is what the signature speaks for: without dash escapes and trailing blanks,
// lines ending in LF. What lies outside of the block is not signed. err is
// [ErrMalformed] where the block has another structure; there is no text then.
func VerifyClear(block []byte, certs *Ring, now time.Time) (text []byte, v Verdict, err error) {
	text, armored, err := splitClear(block)
	if err != nil {
		return nil, Verdict{State: triage.SigInvalid}, err
	}
	var list []*signature
	if data, err := dearmor(armored); err == nil {
		list = signatures(data)
	}
	return text, judge(toCRLF(text), list, certs, nil, now), nil
}

func splitClear(block []byte) (text, armored []byte, err error) {
	n := lineLength(block)
	if begin, kind := marker(block[:n]); !begin || kind != KindSigned {
		return nil, nil, malformed("no cleartext signed message")
	}
	for {
		block = block[n:]
		n = lineLength(block)
		line := trimBlanks(block[:n])
		if len(line) == 0 {
			break
		}
		// Any other header would be text in front of the reader that nobody signed.
		if !bytes.HasPrefix(line, []byte("Hash: ")) {
			return nil, nil, malformed("a cleartext signed message with a foreign header")
		}
	}
	block = block[n:]
	for len(block) > 0 {
		n = lineLength(block)
		if begin, kind := marker(block[:n]); kind == KindSignature && begin {
			return bytes.TrimSuffix(text, []byte("\n")), block, nil
		} else if kind != "" {
			break
		}
		line := bytes.TrimRight(block[:n], " \t\r\n")
		text = append(append(text, bytes.TrimPrefix(line, []byte("- "))...), '\n')
		block = block[n:]
	}
	return nil, nil, malformed("a cleartext signed message without signature")
}

// signatures reads the signature packets of b, at most maxSignatures. One that
// the library can't read is nil in the list.
func signatures(b []byte) []*signature {
	var list []*signature
	r := bytes.NewReader(b)
	for len(list) < maxSignatures {
		start := len(b) - r.Len()
		p, err := packet.Read(r)
		if unsupported(err) {
			if _, ok := p.(*packet.Signature); ok {
				list = append(list, readV3(b[start:len(b)-r.Len()]))
			}
			continue
		}
		if err != nil {
			break
		}
		if s, ok := p.(*packet.Signature); ok {
			list = append(list, &signature{Signature: s, raw: b[start : len(b)-r.Len()]})
		}
	}
	return list
}

type signature struct {
	*packet.Signature // nil for one of version 3
	raw               []byte
	v3Issuer          string // key id of one of version 3
	v3Broken          bool   // and its hash function is broken
}

// readV3 takes from a signature of version 3, as PGP and GnuPG 1 made them and
// the library does not read, what can be said about it (RFC 4880, section
// 5.2.2). It returns nil for any other.
func readV3(raw []byte) *signature {
	p, err := packet.NewOpaqueReader(bytes.NewReader(raw)).Next()
	const algorithms, length = 15, 17
	if err != nil || len(p.Contents) < length || p.Contents[0] != 3 || p.Contents[1] != 5 {
		return nil
	}
	const md5, sha1, ripemd160 = 1, 2, 3
	hash := p.Contents[algorithms+1]
	return &signature{raw: raw, v3Issuer: fmt.Sprintf("%016X", p.Contents[7:algorithms]), v3Broken: hash == md5 || hash == sha1 || hash == ripemd160}
}

// unsupported reports an error after which the next packet can be read.
func unsupported(err error) bool {
	_, unsupported := errors.AsType[pgperrors.UnsupportedError](err)
	_, unknown := errors.AsType[pgperrors.UnknownPacketTypeError](err)
	return unsupported || unknown
}

// judge gives the verdict on text. own are our keys, where text was encrypted
// to one of them.
func judge(text []byte, list []*signature, certs, own *Ring, now time.Time) Verdict {
	if len(list) == 0 {
		return Verdict{State: triage.SigInvalid, Problem: "the signature cannot be read"}
	}
	var best Verdict
	for _, s := range list {
		if v := judgeOne(text, s, certs, own, now); rank(v.State) > rank(best.State) {
			best = v
		}
	}
	if len(list) > 1 && best.State == triage.SigValid {
		best.Problem = fmt.Sprintf("one of %d signatures", len(list))
	}
	return best
}

func rank(s triage.Signature) int {
	switch s {
	case triage.SigValid:
		return 3
	case triage.SigInvalid:
		return 2
	case triage.SigUnknownKey:
		return 1
	}
	return 0
}

func judgeOne(text []byte, s *signature, certs, own *Ring, now time.Time) Verdict {
	if s != nil && s.v3Broken {
		return Verdict{State: triage.SigInvalid, Signer: s.v3Issuer, Problem: "an old signature (version 3) with a broken hash function"}
	}
	if s == nil || s.Signature == nil || s.IssuerKeyId == nil {
		return Verdict{State: triage.SigUnknownKey, Problem: "the signature is of a kind that cannot be checked"}
	}
	v := Verdict{State: triage.SigUnknownKey, Signer: fmt.Sprintf("%016X", *s.IssuerKeyId), Problem: "the signer's key is not known"}
	if len(s.IssuerFingerprint) > 0 {
		v.Signer = fmt.Sprintf("%X", s.IssuerFingerprint)
	}
	for _, k := range certs.issuers(s.Signature) {
		problem := check(text, s, k, now)
		if problem == "" && !own.intended(s.Signature) {
			problem = "signed for another recipient: somebody passed it on"
		}
		if problem == "" {
			return Verdict{State: triage.SigValid, Signer: k.Fingerprint(), Key: k}
		}
		v = Verdict{State: triage.SigInvalid, Signer: k.Fingerprint(), Problem: problem}
	}
	if ours := own.issuers(s.Signature); v.State == triage.SigUnknownKey && len(ours) > 0 {
		return Verdict{State: triage.SigInvalid, Signer: ours[0].Fingerprint(), Problem: "signed with one of our own keys"}
	}
	return v
}

// check returns why the signature by k is not valid, or "".
func check(text []byte, s *signature, k *Key, now time.Time) (problem string) {
	switch s.Hash {
	case crypto.MD5, crypto.SHA1, crypto.RIPEMD160:
		return "signed with a broken hash function (" + s.Hash.String() + ")"
	}
	md, err := pgp.VerifyDetachedSignatureReader(pgp.EntityList{k.entity}, bytes.NewReader(text), bytes.NewReader(s.raw), config(now.Add(maxSkew)))
	if err != nil {
		return "the signature cannot be read"
	}
	if _, err := io.Copy(io.Discard, md.UnverifiedBody); err != nil {
		return "the signature cannot be read"
	}
	if len(md.SignatureCandidates) != 1 {
		return "the signature cannot be read"
	}
	candidate := md.SignatureCandidates[0]
	err = candidate.SignatureError
	_, weak := errors.AsType[pgperrors.WeakAlgorithmError](err)
	switch {
	case errors.Is(err, pgperrors.ErrSignatureExpired) && s.CreationTime.After(now):
		return "signed in the future"
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return "the signature has expired"
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return "the key had expired when it signed"
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return "the key is revoked"
	case errors.Is(err, pgperrors.ErrSignatureOlderThanKey):
		return "the signature is older than the key"
	case weak:
		return "the key is too weak"
	case err != nil && candidate.SignedBy == nil:
		return "the key may not sign, or did not exist when it signed"
	case err != nil:
		return "the signature does not fit the text"
	case candidate.SignedBy == nil:
		return "the signature cannot be read"
	case weakKey(candidate.SignedBy.PublicKey):
		return "the key is too weak"
	}
	return ""
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
