// Package store keeps cases, their evidence and the outbox on disk. It is the
// only package that knows bbolt; everybody else sees the types of triage.
//
// Start at [Open], then [Store.Known] and [Store.Apply]: the first reads what
// bears on a message, the second writes a decision in one commit. Mail leaves
// by [Store.Claim] and [Store.Settle]. [Store.Check] proves that what is on
// disk holds together.
//
// A store is a directory: state.db (bbolt: the event chain, snapshots,
// look-ups, the outbox, positions), keys.db (bbolt, small: one wrapped data
// key a case), blobs/ (sealed raw mails) and attempts/ (crash counters).
// Everything that a report says or that names a person is sealed; look-ups go
// by keyed hashes. docs/store-format.md says what can be seen all the same.
//
// The package starts no goroutine. A Store may be used by several at a time;
// commits queue behind each other.
package store
