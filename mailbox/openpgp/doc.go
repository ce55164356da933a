// Package openpgp opens and seals mail with OpenPGP (RFC 9580 and its
// predecessor RFC 4880). It is the only package that touches the library,
// and knows nothing about MIME: callers hand it octets and get octets.
//
// Start at [Open], which decrypts, and [Verify] and [VerifyClear], which judge
// signatures; [Seal] and [Sign] are for outgoing mail. Keys come in by
// [ParseKeys] (our own and the operator's) or [ParseCerts] (whatever a stranger
// attached) and are held in a [Ring].
//
// Four rules hold everywhere:
//   - No plaintext is returned before its integrity is proven (EFAIL).
//   - Every key of ours may decrypt, also a retired, expired or revoked one.
//   - A signature is valid only by a key that the caller put into certs. What a
//     User ID says proves nothing.
//   - No error and no [Verdict.Problem] holds text of a message, a User ID or
//     an error text of the library. Fingerprints and key ids may occur.
//
// All functions are pure but for randomness, and safe for concurrent use. A
// [Key] does not change once made. The package starts no goroutines.
package openpgp
