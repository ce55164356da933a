package reply

import (
	"regexp"
	"strings"
)

// A signature has at most so many lines with text. What is longer after a
// separator is more likely the matter itself.
const longestSignature = 25

// cutSignature drops what follows "-- " (RFC 3676, section 4.3), and lines
// such as "Sent from my phone" at the end. In an answer it drops signatures
// and disclaimers under a drawn line too.
func cutSignature(lines []string, answer bool) []string {
	texts, cut := 0, len(lines)
	for i := len(lines) - 1; i > 0 && texts <= longestSignature; i-- {
		if isDelimiter(lines[i]) || answer && texts > 0 && isUnderline(lines[i]) {
			cut = i
		}
		if strings.TrimSpace(lines[i]) != "" {
			texts++
		}
	}
	lines = trimBlank(lines[:cut])
	for len(lines) > 1 && isDeviceLine(lines[len(lines)-1]) {
		lines = trimBlank(lines[:len(lines)-1])
	}
	return lines
}

func trimBlank(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// isDelimiter recognises "-- ", also where the blank got lost.
func isDelimiter(line string) bool {
	return strings.TrimRight(line, " \t\u00a0") == "--"
}

// isUnderline recognises the lines under which signatures and disclaimers
// stand. Dashes are not among them: people draw tables with those.
func isUnderline(line string) bool {
	s := strings.ReplaceAll(strings.TrimSpace(line), " ", "")
	return len(s) >= 10 && (strings.Trim(s, "_") == "" || strings.Trim(s, "*") == "")
}

var deviceLine = regexp.MustCompile(`(?i)^[<(\[]*\s*(` +
	`sent (from|via|with|by|using|on) |sent from$|get (\[?outlook|bluemail|typeapp) ?|from my |.{0,20} from mobile$|` +
	`envoyé (depuis|de|à partir|avec|par) |von meinem .* gesendet|gesendet (von|mit|über) |diese nachricht wurde von mein|` +
	`verzonden (met|vanaf|via|door) |verstuurd (vanaf|met|via) |enviado (desde|do|a partir|con|via|de) |enviada do |` +
	`inviato (da|dal) |sendt (fra|via) |skickat från |skickat med |lähetetty |wysłane z |wysłano z |odesláno z |` +
	`отправлено (с|из) |надіслано з |從我的.*傳送|发自我的|我的.*发送|iphoneから送信|.*から送信$)`)

// isDeviceLine recognises the advertisement of a device or a program.
func isDeviceLine(line string) bool {
	s := strings.TrimSpace(line)
	return len(s) < 120 && deviceLine.MatchString(s)
}
