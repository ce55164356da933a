// Package facts finds in the words of a mail what a person would look for
// first: addresses and whether they are in scope, identifiers, scores, places
// in code, the likely class of weakness, what the sender wishes, and reports
// that may be about the same thing.
//
// Everything here is a hint. A sender writes what he likes, so nothing that
// comes out may change a case, answer a mail or close a door; it may only put
// a question before a person, or a mail before a person's eyes.
//
// The package is pure: it does no I/O, starts no goroutine, opens no address,
// keeps no state and asks for no time. Equal input gives equal output. Work
// and output are bounded, and time is linear in the length of the text.
//
// Start at [Find]. [Weight] and [Shared] say how much the facts look like a
// report, for mailboxes that also receive other mail. [NewSketch] makes the
// fingerprint by which [Compare] and [Index] find likely duplicates.
//
// What a sender wrote is in plain strings here, because package triage imports
// this package and not the other way round: callers keep it in triage.Secret
// or sealed storage.
package facts
