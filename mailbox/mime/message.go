package mime

import (
	"net/mail"
	"strings"
	"time"
)

// Subject returns the decoded subject as one line.
func (h Header) Subject() string { return cleanText(h.Text("Subject")) }

// Addresses returns the mailboxes of all fields of these names, in order.
func (h Header) Addresses(names ...string) []Address {
	var list []Address
	for _, name := range names {
		for _, v := range h.All(name) {
			list = append(list, ParseAddresses(v)...)
		}
	}
	return list
}

// MessageID returns the identifier of that field without angle brackets, or "".
func (h Header) MessageID(name string) string {
	if ids := MessageIDs(h.Get(name)); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// MessageIDs reads a list of message identifiers (RFC 5322, section 3.6.4),
// with or without angle brackets.
func MessageIDs(s string) []string {
	var ids []string
	for s != "" {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			break
		}
		id, rest, ok := strings.Cut(s[open+1:], ">")
		if id = strings.Join(strings.Fields(id), ""); id != "" {
			ids = append(ids, id)
		}
		if s = rest; !ok {
			break
		}
	}
	if ids == nil {
		for _, f := range strings.Fields(s) {
			if strings.Contains(f, "@") {
				ids = append(ids, strings.Trim(f, "<>,;"))
			}
		}
	}
	return ids
}

// Date returns the time of the Date field, zero where it is missing or
// unreadable. It is the sender's claim.
func (h Header) Date() time.Time {
	v := strings.Join(strings.Fields(h.Get("Date")), " ")
	if t, err := mail.ParseDate(v); err == nil {
		return t
	}
	if i := strings.IndexByte(v, '('); i > 0 {
		v = strings.TrimSpace(v[:i])
	}
	for _, layout := range []string{
		"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon 2 Jan 2006 15:04:05 -0700",
		"Monday, 2 January 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 -07:00", "Mon, 2 Jan 2006 15:04:05 GMT-0700",
		"Mon, 2 Jan 2006 15.04.05 -0700", "Mon, 2-Jan-2006 15:04:05 MST", "Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 MST 2006",
		"Mon Jan _2 15:04:05 2006 -0700", "Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05", time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, v); err == nil {
			return t
		}
	}
	return time.Time{}
}
