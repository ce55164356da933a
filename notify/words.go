package notify

import (
	"fmt"
	"strings"
	"time"
)

// languages that mails are written in.
var languages = []string{"en", "nl"}

var (
	dutchDays   = [...]string{"zondag", "maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag"}
	dutchMonths = [...]string{"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"}
)

// date writes a time so that nobody can misread it, in the organisation's
// zone: "Wednesday 25 November 2026, 17:00 (CET)", "woensdag 25 november 2026,
// 17.00 uur (CET)". The zero time gives "".
func date(lang string, t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	if lang == "nl" {
		return fmt.Sprintf("%s %d %s %d, %s uur (%s)",
			dutchDays[t.Weekday()], t.Day(), dutchMonths[t.Month()-1], t.Year(), t.Format("15.04"), t.Format("MST"))
	}
	return t.Format("Monday 2 January 2006, 15:04 (MST)")
}

// utc writes a time for those who compare clocks.
func utc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// size writes a size for people.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
}

// grouped writes a fingerprint in groups of four digits.
func grouped(fingerprint string) string {
	var b strings.Builder
	for i := range len(fingerprint) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(fingerprint[i])
	}
	return b.String()
}
