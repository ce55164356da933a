package triage

import (
	"time"
)

// tellOfFailure is how many readers at a time hear that a mail did not arrive.
const tellOfFailure = 2

// Failed decides what follows when a mail of the case could not be delivered
// for good: the next readers of the policy hear of it, never by the route that
// failed. The change is empty where nobody is left to tell.
func (p *Policy) Failed(now time.Time, c *Case, o Outcome) Change {
	change := Change{Case: c.Ref}
	if m := c.Mail(o.Notice); m != nil {
		change.queue(now, p.tellFailure(now, c, m.Notice, o.Code)...)
	}
	return change
}

// bounced records what a delivery status notification says of a mail of ours.
// It is believed only where it names a Message-ID or an envelope address that
// we made for this case.
func (p *Policy) bounced(now time.Time, c *Change, m *Message, known *Case, notice string) {
	sent := known.Mail(notice)
	if sent == nil || sent.Last.Result == Failed {
		return
	}
	for _, b := range m.Bounces {
		if b.Action == "failed" {
			c.add(now, Actor{Kind: System}, Bounced{Notice: notice, Status: b.Status})
			c.queue(now, p.tellFailure(now, known, sent.Notice, b.Status)...)
			return
		}
	}
}

func (p *Policy) tellFailure(now time.Time, c *Case, failed Notice, code string) []Notice {
	root := failed.ID
	if failed.Kind == Undelivered {
		root = failed.Facts.Failed
	}
	told := map[string]bool{failed.Person: true}
	if first := c.Mail(root); first != nil {
		told[first.Notice.Person] = true
	}
	for _, m := range c.Mails {
		if m.Notice.Kind == Undelivered && m.Notice.Facts.Failed == root {
			told[m.Notice.Person] = true
		}
	}
	var next []Reader
	for _, r := range p.Readers {
		if !told[r.Person] && len(next) < tellOfFailure {
			told[r.Person] = true
			r.Detail = DetailSummary
			next = append(next, r)
		}
	}
	return p.tell(now, Undelivered, c, failed.Item, Facts{Received: failed.Facts.Received, Failed: root, Reply: code}, next)
}
