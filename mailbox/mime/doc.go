// Package mime reads mail as it really arrives: a tolerant parser of RFC 5322
// messages and MIME bodies of all ages.
//
// Start at [Parse], which turns octets into a tree of [Part] within [Limits].
// Nothing here fails: a construction that cannot be read is taken as the
// plainest thing that it could be (a multipart without boundary becomes text,
// an unknown charset is guessed) and the defect is named in [Part.Faults].
// Parts are slices of the input, so parsing copies nothing; [Part.Decode]
// undoes the transfer encoding of one part at a time.
//
// The octets of every part stay reachable as [Part.Raw], because a signature
// covers octets and not what a parser made of them (RFC 3156, section 5).
//
// The package has its own header and parameter parsers. Those of go-message
// and of the standard library refuse a whole message for one bad line, and
// what they refuse here is a report that nobody would see. The charset tables
// are those of golang.org/x/text.
//
// All functions are pure, start no goroutines, and take time and memory linear
// in their input.
package mime
