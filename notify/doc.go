// Package notify turns the notices of a case into mail: a [triage.Letter]
// becomes one message to one recipient, sealed, sent and settled.
//
// Start reading at [Renderer.Render], which is pure apart from the randomness
// of encryption: it fills a template from a view of the letter (view.go, where
// a mail to a reporter has no access to the report), puts the text into a
// MIME entity with protected headers (compose.go) and signs or encrypts it.
// Then read [Sender.Run], the outbox loop, and [SMTP], the way out.
//
// Three rules hold for every mail. It has one recipient, one transaction and
// one key, and never a Cc or Bcc. Nothing of a report is ever in clear: without
// a usable key of the recipient, a mail is a signed stub. And it is rendered
// completely before the first byte leaves, so that half a mail can't be sent.
//
// [Sender.Run] is the only place that keeps a goroutine busy: its caller's. It
// starts no other, apart from those of the context package at shutdown.
//
// notifytest has an SMTP server to send to in tests and in the demo.
package notify
