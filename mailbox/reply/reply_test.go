package reply

import (
	"strings"
	"testing"
)

func TestStrip(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"nothing to strip":  {"It works.\n\nRita", "It works.\n\nRita"},
		"quoted below":      {"It works.\n\nOn Mon, Jun 1, 2026 at 8:00 AM Team <a@b.example> wrote:\n\n> Does it?\n", "It works."},
		"broken line":       {"It works.\n\nOn Mon, Jun 1, 2026 at 8:00 AM Team <\na@b.example> wrote:\n\n> Does it?\n", "It works."},
		"quoted above":      {"On 1 Jun 2026, at 8:00, Team wrote:\n\n> Does it?\n\nIt works.\n", "It works."},
		"between":           {"Hello,\n\nOn 1 Jun 2026, at 8:00, Team wrote:\n> Does it?\nYes.\n> Always?\nNo.\n", "Hello,\n\n> Does it?\nYes.\n> Always?\nNo."},
		"without marks":     {"It works.\n\nAm 01.06.2026 um 08:00 schrieb Team <a@b.example>:\n\nGeht es?\n", "It works."},
		"dutch":             {"Het werkt.\n\nOp 1 jun. 2026 om 08:00 heeft Team <a@b.example> het volgende geschreven:\n\n> Werkt het?\n", "Het werkt."},
		"french":            {"Ça marche.\n\nLe lun. 1 juin 2026 à 08:00, Team <a@b.example> a écrit :\n\n> Et ?\n", "Ça marche."},
		"spanish":           {"Funciona.\n\nEl lun, 1 jun 2026 a las 8:00, Team (<a@b.example>) escribió:\n\n> ¿Y?\n", "Funciona."},
		"german outlook":    {"Es geht.\n\nVon: Team <a@b.example>\nGesendet: Montag, 1. Juni 2026 08:00\nAn: Rita\nBetreff: Frage\n\nGeht es?\n", "Es geht."},
		"dutch outlook":     {"Het werkt.\n\nVan: Team <a@b.example>\nVerzonden: maandag 1 juni 2026 08:00\nAan: Rita\nOnderwerp: Vraag\n\nWerkt het?\n", "Het werkt."},
		"bold outlook":      {"It works.\n\n*From:* Team [mailto:a@b.example]\n*Sent:* Monday\n*To:* Rita\n*Subject:* x\n\nDoes it?", "It works."},
		"a rule above":      {"It works.\n________________________________\nFrom: Team <a@b.example>\nSent: Monday\nTo: Rita\nSubject: x\n\nDoes it?", "It works."},
		"original message":  {"It works.\n\n-----Original Message-----\nDoes it?", "It works."},
		"forwarded":         {"See below.\n\n---------- Forwarded message ---------\nFrom: x\n\ny", "See below."},
		"signature":         {"It works.\n\n-- \nRita\nresearcher.example\n", "It works."},
		"signature at last": {"It works.\n\n> Does it?\n\n-- \nRita\n", "It works."},
		"disclaimer":        {"It works.\n\n**********************\nThis mail is confidential.\n**********************\n", "It works."},
		"device":            {"It works.\n\nSent from my phone\n", "It works."},
		"devices":           {"Het werkt.\n\nVerzonden vanaf mijn iPhone\n\nOp 1 jun. 2026 om 08:00 schreef Team <a@b.example>:\n\nWerkt het?", "Het werkt."},
		"looks like one":    {"On the other hand, 2 of 3 fail:\n\nfirst\n\nAt 10:00 the server at a@b.example returned:\n\nerror", "On the other hand, 2 of 3 fail:\n\nfirst\n\nAt 10:00 the server at a@b.example returned:\n\nerror"},
		"list of dashes":    {"I found:\n-- one\n-- two\n", "I found:\n-- one\n-- two"},
		"table":             {"Host   Port\n-----------\na      80\n", "Host   Port\n-----------\na      80"},
		"only a quotation":  {"> Does it?\n", "> Does it?"},
		"CRLF":              {"It works.\r\n\r\n-- \r\nRita\r\n", "It works."},
		"empty":             {"", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Strip(test.in, true); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// TestFirstReport checks that a mail that answers nothing keeps all that may
// be matter: pasted header fields, quoted logs, separators.
func TestFirstReport(t *testing.T) {
	report := "The relay takes this:\n\nFrom: ceo@identity.example\nDate: Mon, 1 Jun 2026\nTo: x@y.example\nSubject: pay\n\n> 250 ok\n\n-----Original Message-----\n\nOn 1 Jun 2026, at 8:00, it wrote:\n\nlog"
	if got := Strip(report+"\n\n-- \nRita\n", false); got != report {
		t.Errorf("got %q", got)
	}
}

// FuzzReply checks that no text is made up: every line of the result stands in
// the mail, in order.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"a\n\nOn 1 Jun 2026, at 8:00, x wrote:\n> b\nc\n", "a\n--\nb", "From: a@b\nSent: x\nTo: y\nSubject: z\n", "2026-01-01 10:00 GMT+01:00 x", "Sent from my x", "____________\na",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, answer bool) {
		got := Strip(s, answer)
		if strings.TrimSpace(s) != "" && got == "" {
			t.Error("nothing is left of a text")
		}
		rest := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
		for _, line := range strings.Split(strings.ReplaceAll(got, "\r\n", "\n"), "\n") {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			for len(rest) > 0 && strings.TrimSpace(rest[0]) != line {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				t.Fatalf("line %q is not in the text, or not there in order", line)
			}
		}
	})
}
