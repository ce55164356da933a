// Package mailboxtest has mail servers to try a mailbox against: [Server], a
// whole IMAP server in memory, and [Script], a peer that says what a test tells
// it to, right or wrong. [Faulty] breaks connections to either, or to a real
// server. [Client] is the other user of a mailbox: it delivers, looks and moves
// as a person's mail program does, on any server.
//
// Start with [NewServer]. Nothing here is for production, and nothing imports
// package testing, so that the demo can run on it.
//
// A Server has one goroutine for each listener and a few for each connection;
// Close ends them. With Options.InProcess no socket is involved and everything
// works in a bubble of testing/synctest.
package mailboxtest
