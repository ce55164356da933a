// Package smime reads mail that is signed or encrypted by S/MIME (RFC 8551,
// on the structures of RFC 5652). It knows nothing about MIME: callers hand it
// the octets of a part, without transfer encoding, and get octets.
//
// Start at [Kind], which tells what a blob is; then [Unwrap] takes the content
// out of a signed or compressed one, [Verify] judges a signature that came as
// a part of its own, and [Open] decrypts for an [Identity] of ours, which
// [ParseIdentity] reads. Nothing here makes S/MIME mail.
//
// Five rules hold everywhere:
//   - A signature is valid only where its certificate leads to a root that the
//     caller gave. The machine's own roots are never used.
//   - The content of a signed message is given whatever its signature is
//     worth: a bad signature must not hide a report.
//   - What is encrypted with CBC has no protection against alteration (EFAIL),
//     and S/MIME programs send hardly anything else. So it is opened, other
//     than OpenPGP without such protection, but [Opened.Integrity] is false.
//     The caller must show it as plain text, fetch nothing that it names, and
//     send no part of it to anybody outside.
//   - Time and memory are linear in the size of the input, whatever is in it.
//   - No error and no [Verdict.Problem] holds text of a message or a
//     certificate.
//
// All cryptography, certificates and chains of them are the standard
// library's. The structures around them are read here, because the PKCS #7
// library that is best kept, github.com/smallstep/pkcs7, is not fit for mail
// from strangers: 4 MB of nested BER burst the stack and end the process, which
// nothing can recover; 1 MB of siblings takes seconds, with the square of the
// size; an altered padding panics; SHA-1, RSA-1024 and certificates for web
// servers pass as good; and PSS, GCM and key identifiers are not read.
//
// Revocation is not checked: that would ask a server which the sender names.
//
// All functions are pure but for randomness, and safe for concurrent use. The
// package starts no goroutines.
package smime
