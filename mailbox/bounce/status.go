package bounce

import (
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/triage"
)

// statusRecipients reads delivery-status fields (RFC 3464, section 2.3).
func statusRecipients(blocks []mime.Header) []triage.Bounce {
	var list []triage.Bounce
	for _, h := range blocks {
		final, original := typedAddress(h.Get("Final-Recipient")), typedAddress(h.Get("Original-Recipient"))
		if final == "" {
			final = original
		}
		if final == "" || len(list) == maxRecipients {
			continue
		}
		diagnostic := typedValue(h.Get("Diagnostic-Code"))
		list = append(list, triage.Bounce{
			Recipient:  triage.Secret(final),
			Action:     action(h.Get("Action")),
			Status:     bestStatus(h.Get("Status"), diagnostic, h.Get("Action")),
			Diagnostic: triage.Secret(diagnostic),
		})
	}
	return list
}

// typedValue cuts the type off, as in "smtp; 550 no such user".
func typedValue(v string) string {
	if _, after, ok := strings.Cut(v, ";"); ok {
		v = after
	}
	return strings.TrimSpace(v)
}

func typedAddress(v string) string {
	v = strings.Trim(typedValue(v), "<>\" ")
	if list := mime.ParseAddresses(v); len(list) == 1 && list[0].Addr != "" {
		return list[0].Addr
	}
	return v
}

// action folds the value of an Action field to one of the words of RFC 3464.
func action(v string) string {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(v)), " ")
	switch word = strings.Trim(word, "();,"); word {
	case "delayed", "delivered", "relayed", "expanded":
		return word
	}
	return "failed"
}

// bestStatus prefers the Status field, unless it says no more than the class
// and the diagnostic, which the other server wrote, says more.
func bestStatus(field, diagnostic, act string) string {
	f, d := findStatus(field), replyStatus(diagnostic)
	switch {
	case f == "" && d == "":
		return defaultStatus(action(act), diagnostic)
	case f == "", strings.HasSuffix(f, ".0.0") && d != "":
		return d
	}
	return f
}

// replyStatus returns the enhanced status code in the reply of a server: the
// one that follows a reply code, else the first.
func replyStatus(s string) string {
	if code := findReply(s); code != "" {
		after := s[strings.Index(s, code)+len(code):]
		if c := findStatus(after[:min(len(after), 12)]); c != "" {
			return c
		}
	}
	return findStatus(s)
}

// defaultStatus is the class alone (RFC 3463, section 3.1): that of the reply
// code, else what the action means.
func defaultStatus(act, text string) string {
	if c := findReply(text); c != "" {
		return c[:1] + ".0.0"
	}
	switch act {
	case "delayed":
		return "4.0.0"
	case "failed":
		return "5.0.0"
	}
	return "2.0.0"
}

// findStatus returns the first enhanced status code (RFC 3463) in a text.
// Addresses of hosts look alike but have four numbers.
func findStatus(s string) string {
	for i := 0; i+4 < len(s); i++ {
		if s[i] != '2' && s[i] != '4' && s[i] != '5' || s[i+1] != '.' || i > 0 && (isDigit(s[i-1]) || s[i-1] == '.') {
			continue
		}
		subject := digits(s[i+2:])
		rest := s[i+2+subject:]
		if subject == 0 || subject > 3 || len(rest) < 2 || rest[0] != '.' {
			continue
		}
		detail := digits(rest[1:])
		end := i + 2 + subject + 1 + detail
		if detail == 0 || detail > 3 || end+1 < len(s) && s[end] == '.' && isDigit(s[end+1]) {
			continue
		}
		return s[i:end]
	}
	return ""
}

// findReply returns the first SMTP reply code of failure (RFC 5321, section
// 4.2) in a text: three digits that stand alone.
func findReply(s string) string {
	for i := 0; i+3 <= len(s); i++ {
		if (s[i] == '4' || s[i] == '5') && s[i+1] >= '0' && s[i+1] <= '5' && isDigit(s[i+2]) &&
			(i == 0 || strings.IndexByte(" \t\n(:#=\"'", s[i-1]) >= 0) && (i+3 == len(s) || strings.IndexByte(" -\t\n):\"'", s[i+3]) >= 0) {
			return s[i : i+3]
		}
	}
	return ""
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// statusFields are the fields of a delivery status that some servers print in
// the text for people.
var statusFields = map[string]bool{
	"final-recipient": true, "original-recipient": true, "reporting-mta": true, "remote-mta": true, "diagnostic-code": true,
	"action": true, "status": true, "last-attempt-date": true, "received-from-mta": true, "arrival-date": true,
}

// statusLines collects delivery-status fields from prose, grouped as in a
// status part: a repeated field begins a new group. It returns nil where there
// are fewer than that many different fields.
func statusLines(prose string, different int) []mime.Header {
	groups := []mime.Header{{}}
	seen := map[string]bool{}
	for line := range strings.Lines(prose) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		name = strings.ToLower(name)
		if !ok || !statusFields[name] {
			continue
		}
		last := len(groups) - 1
		if groups[last].Has(name) && last < maxRecipients {
			groups = append(groups, mime.Header{})
			last++
		}
		seen[name] = true
		groups[last] = append(groups[last], mime.Field{Name: name, Value: strings.TrimSpace(value)})
	}
	if len(seen) < different {
		return nil
	}
	return groups
}
