package bounce

import (
	"strings"

	"vdpd/mailbox/mime"
	"vdpd/triage"
)

// mention is a recipient found in prose and what stands after it.
type mention struct {
	address string
	after   string
}

// fromProse makes a report of what a server wrote for people. named are the
// recipients that a header field gives, if one does; own are the addresses
// that the report itself comes from and goes to.
func fromProse(prose string, named []string, own map[string]bool) []triage.Bounce {
	mentions := proseRecipients(prose)
	if len(named) > 0 {
		mentions = pick(mentions, named)
	}
	act := "failed"
	if delayed(prose) {
		act = "delayed"
	}
	var list []triage.Bounce
	for _, m := range mentions {
		if named == nil && own[strings.ToLower(m.address)] && len(mentions) > 1 {
			continue
		}
		list = append(list, triage.Bounce{
			Recipient: triage.Secret(m.address), Action: act,
			Status:     proseStatus(act, m.after, prose),
			Diagnostic: triage.Secret(strings.Join(strings.Fields(m.after), " ")),
		})
	}
	return list
}

func proseStatus(act, after, prose string) string {
	for _, text := range []string{after, prose} {
		if s := replyStatus(text); s != "" {
			return s
		}
		if findReply(text) != "" {
			return defaultStatus(act, text)
		}
	}
	return defaultStatus(act, "")
}

// pick returns a mention for each name, with the text found for it.
func pick(mentions []mention, names []string) []mention {
	var list []mention
	for _, n := range names {
		m := mention{address: n}
		for _, have := range mentions {
			if strings.EqualFold(have.address, n) {
				m.after = have.after
				break
			}
		}
		list = append(list, m)
	}
	return list[:min(len(list), maxRecipients)]
}

// proseRecipients finds recipients in the forms that servers print, the
// clearest form that occurs alone: an address that begins a paragraph or
// stands alone on its line, one that begins a line, the command RCPT TO, an
// address in the reply of a server, and one after a colon at the end of a line.
func proseRecipients(prose string) []mention {
	lines := strings.Split(prose, "\n")
	for _, form := range []func(string) string{ownLine, firstWord, rcptTo, inReply, afterColon} {
		var list []mention
		from := -1
		for i, line := range lines {
			address := form(line)
			if address == "" {
				continue
			}
			if from >= 0 {
				list[len(list)-1].after = strings.Join(lines[from:i], "\n")
			}
			from = i
			list = append(list, mention{address: address})
			if len(list) == maxRecipients {
				break
			}
		}
		if len(list) > 0 {
			list[len(list)-1].after = strings.Join(lines[from:min(len(lines), from+40)], "\n")
			return unique(list)
		}
	}
	return nil
}

// unique keeps the first mention of each address, with the text of all.
func unique(list []mention) []mention {
	var out []mention
	at := map[string]int{}
	for _, m := range list {
		key := strings.ToLower(m.address)
		if i, ok := at[key]; ok {
			out[i].after += "\n" + m.after
			continue
		}
		at[key] = len(out)
		out = append(out, m)
	}
	return out
}

// ownLine finds an address that begins a line and is followed by nothing, a
// colon, or a remark in brackets; or "(expanded from: address)".
func ownLine(line string) string {
	s := strings.TrimSpace(line)
	if rest, ok := strings.CutPrefix(s, "(expanded from:"); ok {
		return plainAddress(strings.Trim(rest, " )"))
	}
	if i := strings.Index(strings.ToUpper(s), "SMTP="); i >= 0 { // X.400
		word, _, _ := strings.Cut(s[i+len("SMTP="):], ";")
		return plainAddress(word)
	}
	s = strings.Trim(s, "\"'*->= \t")
	word, rest, _ := strings.Cut(s, " ")
	if strings.HasPrefix(s, "<") {
		if i := strings.IndexByte(s, '>'); i > 0 {
			word, rest = s[:i+1], s[i+1:]
		}
	}
	if w, more, ok := strings.Cut(word, ">:"); ok {
		word, rest = w+">", ":"+more+rest
	} else if strings.HasSuffix(word, ":") {
		word, rest = word[:len(word)-1], ":"
	}
	rest = strings.TrimSpace(rest)
	if rest != "" && !strings.ContainsAny(rest[:1], ":(") && !strings.HasPrefix(rest, "on ") {
		return ""
	}
	return plainAddress(word)
}

// firstWord finds an address that begins a line with other words.
func firstWord(line string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return plainAddress(strings.TrimRight(word, ":,;"))
}

func rcptTo(line string) string {
	_, after, ok := strings.Cut(strings.ToUpper(line), "RCPT TO:")
	if !ok {
		return ""
	}
	word, _, _ := strings.Cut(strings.TrimSpace(line[len(line)-len(after):]), " ")
	return plainAddress(strings.TrimRight(word, ":;,."))
}

func inReply(line string) string {
	if findReply(line) == "" && findStatus(line) == "" {
		return ""
	}
	return bracketed(line)
}

// afterColon takes an address that ends a line after a colon.
func afterColon(line string) string {
	i := strings.LastIndexByte(line, ':')
	if i < 0 {
		return ""
	}
	return plainAddress(strings.Trim(line[i+1:], " .\t"))
}

// bracketed returns the first address in angle brackets.
func bracketed(line string) string {
	for {
		_, after, ok := strings.Cut(line, "<")
		if !ok {
			return ""
		}
		word, rest, ok := strings.Cut(after, ">")
		if !ok {
			return ""
		}
		if a := plainAddress(word); a != "" {
			return a
		}
		line = rest
	}
}

// plainAddress returns s without brackets if it is an address and nothing else.
func plainAddress(s string) string {
	s = strings.Trim(s, "<>\"' \t")
	s = strings.TrimPrefix(strings.TrimPrefix(s, "mailto:"), "smtp:")
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(s) > 320 || strings.ContainsAny(s, " \t<>()[]{},;:|\"") || strings.Contains(domain, "@") ||
		strings.HasPrefix(domain, ".") || !strings.Contains(domain, ".") {
		return ""
	}
	if list := mime.ParseAddresses(s); len(list) != 1 {
		return ""
	}
	return s
}

// delayed reports whether the text of a bounce speaks of a delay. It only
// tells the two kinds of bounces apart.
func delayed(prose string) bool {
	s := strings.ToLower(prose)
	for _, phrase := range []string{
		"has been delayed", "not yet been delivered", "will continue to attempt", "delivery attempts will continue", "will be retried",
		"warning message only", "no need to resend", "still being attempted", "has not been delivered yet", "will keep trying",
	} {
		if strings.Contains(s, phrase) {
			return true
		}
	}
	return false
}
