package facts

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/abadojack/whatlanggo"
)

// WishKind is what a sender seems to wish or to worry about.
type WishKind string

// The kinds of wishes. Each is a question to put to a person, never an answer.
const (
	WishAnonymity WishKind = "anonymity" // not to be named
	WishCredit    WishKind = "credit"    // to be named
	WishDeadline  WishKind = "deadline"  // publication is announced
	WishTalk      WishKind = "talk"      // a talk or a conference is announced
	WishReward    WishKind = "reward"    // money or a reward is asked for
	WishData      WishKind = "data"      // the sender may hold data of others
	WishLegal     WishKind = "legal"     // legal steps are feared or threatened
)

// Wish is a place in the mail where a wish seems to be expressed.
type Wish struct {
	Kind  WishKind `json:"kind"`
	Line  int      `json:"line"`
	Start int      `json:"start"` // bytes into what Line tells: the text, the subject or the name of an attachment
	End   int      `json:"end"`
	Date  string   `json:"date,omitempty"` // for deadline and talk: YYYY-MM-DD, where the mail gives one clearly near by
	Days  int      `json:"days,omitempty"` // likewise, a time such as "in 30 days", from when the mail was written; a month counts 30
}

const wishesEach = 4 // of a kind

var wishes = []WishKind{WishAnonymity, WishCredit, WishDeadline, WishTalk, WishReward, WishData, WishLegal}

// wish notes a phrase that seems to express a wish.
func (s *scan) wish(k WishKind, from, to int) {
	switch k {
	case WishReward, WishDeadline:
		s.add(Kind(k))
	}
	same := 0
	for _, w := range s.f.Wishes {
		if w.Kind == k {
			if w.Line == s.line {
				return
			}
			same++
		}
	}
	if same == wishesEach {
		s.cut("wishes")
		return
	}
	w := Wish{Kind: k, Line: s.line, Start: from, End: to}
	if k == WishDeadline || k == WishTalk {
		w.Date, w.Days = when(s.text, from, to)
	}
	s.f.Wishes = append(s.f.Wishes, w)
}

const months = `jan(?:uar[iy]|vier)?|feb(?:ruar[iy]|ruari)?|februar|mar(?:ch)?|maart|mrt|märz|apr(?:il)?|may|mei|mai|jun[ie]?|jul[iy]?|aug(?:ust|ustus)?|sep(?:t|tember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?`

var (
	dateForms = regexp.MustCompile(`(?i)\b(?:(\d{4})-(\d\d)-(\d\d)|(\d{1,2})(?:st|nd|rd|th|\.)? (?:of )?(` + months + `)\.?,? (\d{4})|(` + months + `)\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})|(\d{1,2})[-./](\d{1,2})[-./](\d{4}))\b`)
	spanForms = regexp.MustCompile(`(?i)\b(\d{1,3}|one|two|three|four|six|een|twee|drie|vier|zes|ein|zwei|drei|sechs)[- ]?(hours?|days?|weeks?|months?|uur|dag(?:en)?|we[ek]+en|week|maand(?:en)?|stunden|tagen?|wochen?|monate?n?|jours|semaines|mois|días|semanas|meses)`)
	numbers   = map[string]int{"one": 1, "een": 1, "ein": 1, "two": 2, "twee": 2, "zwei": 2, "three": 3, "drie": 3, "drei": 3, "four": 4, "vier": 4, "six": 6, "zes": 6, "sechs": 6}
)

// when looks for a date or a time span near the phrase text[from:to]. It
// gives a date only where there is one way to read it.
func when(text string, from, to int) (date string, days int) {
	const near = 120
	text = text[max(0, from-near):min(len(text), to+near)]
	if m := dateForms.FindStringSubmatch(text); m != nil {
		date = firstDate(m)
	}
	if m := spanForms.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			n = numbers[strings.ToLower(m[1])]
		}
		switch unit := strings.ToLower(m[2]); unit[0] {
		case 'h', 'u':
			days = (n + 23) / 24
		case 'w':
			days = n * 7
		case 'm':
			days = n * 30
		case 's':
			if days = n * 7; strings.HasPrefix(unit, "stunde") {
				days = (n + 23) / 24
			}
		default:
			days = n
		}
	}
	return date, days
}

// firstDate makes a date of the groups of dateForms, or "" where day and month
// could be either way round or there is no such day.
func firstDate(m []string) string {
	var year, month, day string
	switch {
	case m[1] != "":
		year, month, day = m[1], m[2], m[3]
	case m[4] != "":
		year, month, day = m[6], monthNumber(m[5]), m[4]
	case m[7] != "":
		year, month, day = m[9], monthNumber(m[7]), m[8]
	default:
		year, month, day = m[12], m[11], m[10]
	}
	y, _ := strconv.Atoi(year)
	mo, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	if m[10] != "" && !strings.Contains(m[0], ".") { // 3/4/2026, of which nobody knows
		if mo > 12 {
			mo, d = d, mo
		} else if d <= 12 && d != mo {
			return ""
		}
	}
	if t := time.Date(y, time.Month(mo), d, 0, 0, 0, 0, time.UTC); t.Day() != d || int(t.Month()) != mo {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", y, mo, d)
}

// monthNumber tells the months of English, Dutch and German apart by what
// they begin with.
func monthNumber(name string) string {
	name = strings.ToLower(name)
	for i, starts := range []string{"ja", "f", "mar|maa|mrt|mär", "ap", "may|mei|mai", "jun", "jul", "au", "s", "o", "n", "d"} {
		for start := range strings.SplitSeq(starts, "|") {
			if strings.HasPrefix(name, start) {
				return strconv.Itoa(i + 1)
			}
		}
	}
	return ""
}

// language guesses the language of prose. Below 0.3 or under 20 letters it
// says nothing.
func language(prose []byte) (string, float64) {
	if len(prose) < 20 {
		return "", 0
	}
	known := map[whatlanggo.Lang]bool{whatlanggo.Eng: true, whatlanggo.Nld: true, whatlanggo.Deu: true, whatlanggo.Fra: true, whatlanggo.Spa: true}
	info := whatlanggo.DetectWithOptions(string(prose), whatlanggo.Options{Whitelist: known})
	if !known[info.Lang] || info.Confidence < 0.3 {
		return "", 0
	}
	return info.Lang.Iso6391(), info.Confidence
}
