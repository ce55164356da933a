package mailbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const (
	chunkMessages = 50      // asked for, or moved, in one command
	chunkBytes    = 8 << 20 // of announced size, asked for in one command
)

// delivery is what FETCH gave for one message. It is all that is ever asked for:
// ENVELOPE and BODYSTRUCTURE are made by the server's own parser of mail, and a
// malformed one in a response ends the connection.
type delivery struct {
	size    int64     // RFC822.SIZE; Exchange is known to err
	arrived time.Time // INTERNALDATE; zero where it was not asked for
	raw     []byte    // BODY.PEEK[]; nil: not delivered
	cut     bool      // raw is only the beginning
}

// fetched makes a message of it. now stands in where nothing says when it
// arrived.
func (it *delivery) fetched(now time.Time) Fetched {
	f := Fetched{Raw: it.raw, Size: int64(len(it.raw)), Truncated: it.cut || it.raw == nil}
	if f.Truncated {
		f.Size = it.size
	}
	f.Source.Arrived = it.arrived
	if f.Source.Arrived.IsZero() {
		f.Source.Arrived = receivedAt(it.raw)
	}
	if f.Source.Arrived.IsZero() {
		f.Source.Arrived = now
	}
	return f
}

// receivedAt returns the time of the topmost Received header, which our own
// server wrote (RFC 5321, section 4.4), or the zero time.
func receivedAt(raw []byte) time.Time {
	const prefix = "received:"
	var field string
	for line := range bytes.Lines(raw[:min(len(raw), 64<<10)]) {
		text := strings.TrimRight(string(line), "\r\n")
		folded := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")
		switch {
		case field != "" && folded:
			field += text
		case field != "" || text == "":
			t, _ := mail.ParseDate(strings.TrimSpace(field[strings.LastIndex(field, ";")+1:]))
			return t
		case len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix):
			field = text
		}
	}
	return time.Time{}
}

// askSize asks for the size, and the arrival unless a response with it was
// unreadable before.
func askSize(arrived bool) *imap.FetchOptions {
	return &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: arrived}
}

// askBody asks for the message without marking it as read; limit 0 is all of it.
func askBody(limit int64) *imap.FetchOptions {
	section := &imap.FetchItemBodySection{Peek: true}
	if limit > 0 {
		section.Partial = &imap.SectionPartial{Size: limit}
	}
	return &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}
}

// fetch runs one FETCH and adds what comes to got. Messages that are gone do
// not come. limit says how much of a body is worth keeping.
func (s *session) fetch(ctx context.Context, uids []uint32, what *imap.FetchOptions, size int64, got map[uint32]*delivery, limit func(*delivery) int64) error {
	return s.op(ctx, ClassServer, "fetching", size, func() error {
		cmd := s.c.Fetch(uidSet(uids), what)
		// All of it is consumed: inside a literal the client's reader waits for
		// us, and any other command would wait for ever.
		for m := cmd.Next(); m != nil; m = cmd.Next() {
			uid, it := uint32(0), &delivery{}
			for data := m.Next(); data != nil; data = m.Next() {
				switch d := data.(type) {
				case imapclient.FetchItemDataUID:
					if uid = uint32(d.UID); got[uid] != nil {
						it = got[uid]
					}
				case imapclient.FetchItemDataRFC822Size:
					it.size = d.Size
				case imapclient.FetchItemDataInternalDate:
					it.arrived = d.Time
				case imapclient.FetchItemDataBodySection:
					if d.Literal == nil || it.raw != nil {
						continue
					}
					if err := it.read(d.Literal, limit(it)); err != nil {
						// The client's reader goes on by itself now. Nothing here may be
						// asked for more: it would read from under its hands.
						_ = s.c.Close()
						return err
					}
				}
			}
			got[uid] = it
		}
		return cmd.Close()
	})
}

// read keeps at most limit octets of a body. A literal that the peer cuts off
// ends in a plain EOF, so that its length has to be compared.
func (it *delivery) read(lit imap.LiteralReader, limit int64) error {
	if limit == 0 {
		return nil // not asked for
	}
	raw := make([]byte, min(lit.Size(), limit))
	if _, err := io.ReadFull(lit, raw); err != nil {
		return errShort
	}
	if len(raw) == 0 && it.size > 0 {
		return nil // servers that can't find a body give an empty one
	}
	it.raw, it.cut = raw, lit.Size() > limit
	it.size = max(it.size, lit.Size())
	return nil
}

// some fetches as many of the messages as make a chunk, from the first on, and
// says how many it tried. What is missing in got, or has no body there, is to be
// fetched alone.
func (s *session) some(ctx context.Context, uids []uint32) (got map[uint32]*delivery, tried int, err error) {
	uids = uids[:min(len(uids), chunkMessages)]
	got = map[uint32]*delivery{}
	if err := s.fetch(ctx, uids, askSize(true), 0, got, keepNone); err != nil {
		return nil, len(uids), err
	}
	var total int64
	for _, uid := range uids {
		if it := got[uid]; it != nil {
			if total += it.size; total > chunkBytes || it.size > s.account.MaxBytes {
				break
			}
		}
		tried++
	}
	if tried == 0 {
		return nil, 1, nil
	}
	// The announced sizes bound the memory; what turns out much larger waits.
	limit := func(it *delivery) int64 { return min(2*it.size+64<<10, s.account.MaxBytes) }
	err = s.fetch(ctx, uids[:tried], askBody(0), total, got, limit)
	for _, it := range got {
		if it.cut {
			it.raw, it.cut = nil, false
		}
	}
	return got, tried, err
}

func keepNone(*delivery) int64 { return 0 }

// alone fetches one message, the first MaxBytes of it. It returns nil without
// an error for one that is gone, and what it knows beside an error.
func (s *session) alone(ctx context.Context, uid uint32, arrived bool) (*delivery, error) {
	got := map[uint32]*delivery{}
	if err := s.fetch(ctx, []uint32{uid}, askSize(arrived), 0, got, keepNone); err != nil {
		return nil, err
	}
	it := got[uid]
	if it != nil {
		most, what := s.account.MaxBytes, askBody(0)
		partial := it.size > most
		if partial {
			what = askBody(most)
		}
		err := s.fetch(ctx, []uint32{uid}, what, min(it.size, most), got, func(*delivery) int64 { return most })
		if err != nil {
			return it, err
		}
		it.cut = it.cut || partial && int64(len(it.raw)) == most
	}
	if it == nil || it.raw == nil {
		there, err := s.search(ctx, uid, uid)
		if err == nil && len(there) > 0 {
			err = s.failed(ClassServer, "fetching", errors.New("the server lists a message and does not deliver it"))
			return it, err
		}
		return nil, err
	}
	return it, nil
}

func uidSet(uids []uint32) (set imap.UIDSet) {
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}
