package notify

import (
	"context"
	"time"

	"vdpd/triage"
)

// Outbox is where letters wait. It is implemented by the daemon around the
// store.
type Outbox interface {
	// Claim returns at most max letters that are due at now, the longest due
	// first, and the time when the next one after them is due (zero: none is
	// waiting). A claimed letter isn't returned again before it is settled.
	// That a letter was claimed is on disk before Claim returns, so that after
	// a crash it comes back with Unsure set.
	Claim(ctx context.Context, now time.Time, max int) ([]triage.Letter, time.Time, error)

	// Settle records outcomes. After an error all of them come again, and those
	// that were recorded must do no harm. An outcome without a Result
	// ([triage.NotTried]) ends the claim and nothing else: no event is written, no
	// attempt is counted, and the letter is due again at Next.
	Settle(ctx context.Context, outcomes []triage.Outcome) error
}

// Mail is one message to one recipient, complete.
type Mail struct {
	From       string        // envelope sender, local@domain; empty: the null path
	To         triage.Secret // envelope recipient, local@domain
	Raw        []byte        // the bytes that go over the wire, CRLF line ends, 7 bit
	Protection string        // encrypted, signed or stub
	Key        string        // fingerprint that it was encrypted to
}

// Transport is a way to a mail server.
type Transport interface {
	// Open connects and, where configured, logs in. Its error is a
	// [*ConnectError] and concerns no letter.
	Open(ctx context.Context) (Session, error)
}

// Session is one connection to a mail server. It is used by one goroutine.
type Session interface {
	// Send offers one mail. The reply says what became of the mail, always;
	// the error, if any, that the session is of no more use.
	Send(ctx context.Context, m *Mail) (Reply, error)

	// Close says goodbye, briefly.
	Close()
}

// Reply is what became of one mail.
type Reply struct {
	Result triage.Result
	Code   string        // reply code and enhanced status (RFC 3463), such as "550 5.1.1"; empty: there was no reply
	Text   triage.Secret // last reply line of the server, or our own words
}
