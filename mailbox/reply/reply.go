// Package reply finds the new text in an answer: without the quoted earlier
// mail, the line that introduces it, and the signature. It is conservative:
// quotations between new text stay, since the text makes no sense without
// them, and whatever may be new text stays. Start at [Strip].
//
// The package is pure, starts no goroutines, and is linear in its input.
package reply

import "strings"

// Strip returns the new text of a message. answer says that the message
// answers another one; in a message that does not, everything is new but the
// signature: a first report may well hold header fields or quoted logs.
func Strip(text string, answer bool) string {
	whole := strings.TrimSpace(text)
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if answer {
		lines = trimQuotes(cutEarlier(lines))
	}
	lines = cutSignature(lines, answer)
	if answer {
		lines = trimQuotes(lines) // a signature may stand under the quotation
	}
	out := strings.TrimSpace(strings.Join(lines, "\n"))
	if out == "" {
		return whole
	}
	// One line break too many is left where something was cut out.
	for strings.Contains(out, "\n\n\n\n") {
		out = strings.ReplaceAll(out, "\n\n\n\n", "\n\n\n")
	}
	return out
}

// cutEarlier drops what follows a separator that mail programs set above a
// whole message, and the lines that introduce quotations.
func cutEarlier(lines []string) []string {
	var kept []string
	for i := 0; i < len(lines); i++ {
		if isSeparator(lines[i]) || headerBlock(lines[i:]) {
			break
		}
		n := introduction(lines[i:])
		if n == 0 {
			kept = append(kept, lines[i])
			continue
		}
		if !quoteFollows(lines[i+n:]) {
			break // the earlier mail follows without marks
		}
		i += n - 1
	}
	return kept
}

// quoteFollows reports whether the next line with text is a quotation.
func quoteFollows(lines []string) bool {
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			return isQuote(l)
		}
	}
	return true
}

// trimQuotes drops quotations, blank lines and rules at both ends.
func trimQuotes(lines []string) []string {
	idle := func(l string) bool { return isQuote(l) || isRule(l) || strings.TrimSpace(l) == "" }
	for len(lines) > 0 && idle(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	for len(lines) > 0 && (isQuote(lines[0]) || strings.TrimSpace(lines[0]) == "") {
		lines = lines[1:]
	}
	return lines
}

func isQuote(line string) bool {
	s := strings.TrimLeft(line, " \t")
	return strings.HasPrefix(s, ">") || strings.HasPrefix(s, "|> ")
}

// isRule reports whether a line is nothing but a drawn line.
func isRule(line string) bool {
	s := strings.ReplaceAll(strings.TrimSpace(line), " ", "")
	return len(s) >= 5 && (strings.Trim(s, "_") == "" || strings.Trim(s, "-") == "" || strings.Trim(s, "=") == "" || strings.Trim(s, "*") == "")
}

// isSeparator recognises lines such as "-----Original Message-----": words
// between dashes, in the languages that mail programs have.
func isSeparator(line string) bool {
	s := strings.Trim(strings.TrimSpace(line), "*> ")
	if len(s) > 120 || !strings.HasPrefix(s, "--") || !strings.HasSuffix(s, "--") {
		return false
	}
	s = strings.ToLower(strings.Trim(s, "- *"))
	for _, p := range separators {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return strings.HasPrefix(s, "on ") && strings.HasSuffix(s, " wrote")
}

var separators = []string{
	"original message", "original email", "original appointment", "forwarded message", "forwarded by", "begin forwarded message",
	"ursprüngliche nachricht", "urspruengliche nachricht", "originalnachricht", "original-nachricht", "weitergeleitete nachricht",
	"message d'origine", "message original", "message transféré", "message transmis",
	"oorspronkelijk bericht", "origineel bericht", "doorgestuurd bericht",
	"mensaje original", "mensaje reenviado", "mensagem original", "mensagem encaminhada", "messaggio originale", "messaggio inoltrato",
	"original meddelelse", "oprindelig meddelelse", "originalmeddelande", "ursprungligt meddelande", "alkuperäinen viesti", "opprinnelig melding",
	"wiadomość oryginalna", "oryginalna wiadomość", "původní zpráva", "исходное сообщение", "пересылаемое сообщение", "pôvodná správa",
	"orijinal mesaj", "eredeti üzenet", "mesaj original", "reply message", "原始邮件", "原始郵件", "元のメッセージ", "转发邮件",
}

// headerBlock recognises the header fields that Outlook and others print
// above the earlier mail: at least three different ones in neighbouring lines,
// one of them the sender or the date first.
func headerBlock(lines []string) bool {
	const window = 10
	if first := fieldOf(lines[0]); first != "from" && first != "date" {
		return false
	}
	seen := map[string]bool{}
	strange := 0
	for _, l := range lines[:min(len(lines), window)] {
		switch f := fieldOf(l); {
		case f != "":
			seen[f] = true
			strange = 0
		case strings.TrimSpace(l) == "" && len(seen) >= 2:
			return len(seen) >= 3 && seen["from"]
		default:
			if strange++; strange > 2 {
				return false
			}
		}
	}
	return len(seen) >= 3 && seen["from"]
}

// fieldOf returns which header field a line like "Von: ..." is, or "".
func fieldOf(line string) string {
	s := strings.TrimLeft(line, " \t*")
	label, _, ok := strings.Cut(s, ":")
	if !ok || len(label) > 40 {
		return ""
	}
	return fields[strings.ToLower(strings.Trim(label, " \t*\u00a0"))]
}

// fields are the labels of mail programs, by language: en de fr nl it es pt
// sv da/no fi pl cs ru uk tr hu ja zh.
var fields = labels(map[string]string{
	"from": "from von de van da från fra lähettäjä od от від kimden feladó 差出人 发件人 寄件者 保有者 remitente expéditeur mittente afzender",
	"date": "sent date gesendet datum envoyé envoyé_le date_d'envoi verzonden inviato data enviado enviado_el enviada_em fecha skickat sendt dato " +
		"lähetetty päivämäärä wysłano odesláno отправлено дата надіслано gönderme_tarihi tarih elküldve dátum 送信日時 日時 发送时间 日期 message_du sent_at envoyée",
	"to":      "to an à a aan para till til vastaanottaja do komu кому kime címzett 宛先 收件人 pour",
	"cc":      "cc bcc kopie copie copie_à kopia kopi copia копия bilgi 抄送 cc_to",
	"subject": "subject betreff objet sujet onderwerp oggetto asunto assunto ämne emne aihe temat předmět тема konu tárgy 件名 主题 主旨 re",
	"reply":   "reply-to antwort_an répondre_à antwoord_naar risposta responder_a",
})

func labels(byField map[string]string) map[string]string {
	m := map[string]string{}
	for field, words := range byField {
		for _, w := range strings.Fields(words) {
			m[strings.ReplaceAll(w, "_", " ")] = field
		}
	}
	return m
}
