// Package mailbox gets mail in: it fetches messages from IMAP servers and reads
// them. It decides nothing; what becomes of a message is for package triage.
//
// There are two halves that know nothing of each other.
//
// Fetching: a [Poller] for each [Account] hands every message, whole and
// unmarked, to an [Intake], and moves it away only when that says that it is
// committed. [Probe] tries an account for "vdpd check".
//
// Reading: [Read] makes a [triage.Message] of the octets. It is pure and never
// fails; its steps stand in the order in which they run:
//
//	mime.Parse          the tree of parts                             package mime
//	readHead            sender, subject, ids, dates                   read_head.go
//	openLayers          decrypt, judge signatures, find the payload   read_layers.go, read_cipher.go, read_signature.go
//	readProtectedHead   fields from within the encryption             read_protected.go
//	readBody            text and attachments                          read_body.go, read_text.go; htmltext, uu, tnef, reply
//	readKeys            public keys that the mail carries             read_keys.go
//	classify            person, program, bounce, list or loop         read_kind.go; bounce, automatic
//	readAuth            what our own server found out                 read_auth.go
//	fingerprint         what two deliveries of one mail share         read_kind.go
//
// [DKIM] stands apart: it asks the DNS, for mailboxes whose server says nothing
// about senders.
//
// What a sender controls leaves this package as [triage.Secret]. Reasons,
// faults, limits and problems are fixed words of ours, so that they may be
// logged. Decoded attachments leave it as size and hash only.
//
// Read starts no goroutines; the pollers' goroutines are named at [Poller.Run].
package mailbox
