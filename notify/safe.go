package notify

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"vdpd/triage"
	"vdpd/triage/printable"
)

const (
	maxNoticeText = 32 << 10 // bytes of a report in a notice
	maxNoticeLine = 200      // characters of a name, an address or a subject
	maxNoticeList = 50       // attachments that are listed
)

// fill adds what only a full notice shows: words of the sender, made safe.
func (v *staffView) fill(m *triage.Message) {
	for i, a := range m.From {
		if i > 0 {
			v.From += ", "
		}
		if a.Name != "" {
			v.From += safeLine(a.Name.Reveal()) + " "
		}
		v.From += "<" + safeLine(a.Address.Reveal()) + ">"
		if i == 4 {
			break
		}
	}
	v.Signer = grouped(m.OpenPGP.Signer)
	v.Subject = safeLine(m.Subject.Reveal())
	for i, p := range m.Parts {
		if i == maxNoticeList {
			v.Attachments = append(v.Attachments, attachmentView{Name: "…"})
			break
		}
		v.Attachments = append(v.Attachments, attachmentView{safeLine(p.Name.Reveal()), safeLine(p.Type), size(p.Size)})
	}
	text := m.Text.Reveal()
	if reply := m.Reply.Reveal(); m.Kind == triage.KindReply && reply != "" {
		text = reply
	}
	text, v.Cut = cut(text, maxNoticeText)
	v.Text = safeText(text)
}

// safeLine makes words of a sender fit for one line of a notice.
func safeLine(s string) string {
	s, long := cut(s, maxNoticeLine)
	s = defang(printable.Line(s))
	if long {
		s += "…"
	}
	return s
}

// safeText makes a sender's text fit for a notice. Each line is marked, so that
// none can pass for ours.
func safeText(s string) string {
	s = strings.TrimRight(defang(printable.Text(s)), "\n")
	if s == "" {
		return ""
	}
	return strings.ReplaceAll("| "+strings.ReplaceAll(s, "\n", "\n| ")+"\n", "| \n", "|\n")
}

// cut shortens s to at most max bytes without breaking a character.
func cut(s string, max int) (string, bool) {
	if len(s) <= max {
		return s, false
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max], true
}

var bareWWW = regexp.MustCompile(`(?i)www\.`)

// defang breaks links, so that no mail program makes them clickable: http
// becomes hxxp, other schemes lose their "://", and dots in a host get
// brackets.
func defang(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			break
		}
		scheme := i
		for scheme > 0 && (isAlnum(s[scheme-1]) || strings.IndexByte("+-.", s[scheme-1]) >= 0) {
			scheme--
		}
		b.WriteString(s[:scheme])
		switch name := s[scheme:i]; strings.ToLower(name) {
		case "http", "https":
			b.WriteString("hxxp" + name[4:] + "://")
		default:
			b.WriteString(name + "[:]//")
		}
		s = s[i+len("://"):]
		host := strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`/?#:<>"`, r) })
		if host < 0 {
			host = len(s)
		}
		b.WriteString(strings.ReplaceAll(s[:host], ".", "[.]"))
		s = s[host:]
	}
	b.WriteString(s)
	return bareWWW.ReplaceAllStringFunc(b.String(), func(www string) string { return www[:3] + "[.]" })
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
