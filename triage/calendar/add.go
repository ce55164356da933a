package calendar

import (
	"errors"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/nl"
)

// Validate reports what makes a calendar unusable: no zone, no working day, or
// business hours that do not end after they begin on the same day.
func (c Calendar) Validate() error {
	switch {
	case c.Zone == nil:
		return errors.New("the calendar has no time zone")
	case c.Workdays == [7]bool{}:
		return errors.New("the calendar has no working day")
	case c.Opens < 0 || c.Closes > 24*60 || c.Opens >= c.Closes:
		return errors.New("business hours must begin before they end, within one day")
	}
	return nil
}

// Due returns the instant at which a span that began at start is over.
//
// Business days count from the day after the local date of start, whatever the
// hour, and end at the close of business. Days and months keep the local time
// of day and ignore holidays; the 31st becomes the last day of a shorter
// month. Hours are plain hours. Working hours run only within business hours.
// A local time that the clock skips or repeats means its earlier instant.
//
// The calendar must be valid; see [Calendar.Validate].
func (c Calendar) Due(start time.Time, s Span) time.Time {
	local := start.In(c.Zone)
	switch s.Unit {
	case BusinessDays:
		return c.at(c.businessDay(dateOf(local), s.N), c.Closes.minutes())
	case Days:
		return c.sameTime(local, dateOf(local).AddDate(0, 0, s.N))
	case Months:
		return c.sameTime(local, addMonths(dateOf(local), s.N))
	case WorkingHours:
		return c.workingHours(local, time.Duration(s.N)*time.Hour)
	default:
		return local.Add(time.Duration(s.N) * time.Hour)
	}
}

// IsBusinessDay reports whether the organisation works on the local date of t.
func (c Calendar) IsBusinessDay(t time.Time) bool { return c.works(dateOf(t.In(c.Zone))) }

// A date is midnight UTC of a local date: arithmetic on it knows no clock
// changes.
func dateOf(local time.Time) time.Time {
	y, m, d := local.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func (c Calendar) businessDay(date time.Time, n int) time.Time {
	for n > 0 {
		date = date.AddDate(0, 0, 1)
		if c.works(date) {
			n--
		}
	}
	return date
}

func (c Calendar) workingHours(local time.Time, left time.Duration) time.Time {
	date := dateOf(local)
	for {
		if c.works(date) {
			from, until := c.at(date, c.Opens.minutes()), c.at(date, c.Closes.minutes())
			if local.After(from) {
				from = local
			}
			if open := until.Sub(from); open >= left {
				return from.Add(left)
			} else if open > 0 {
				left -= open
			}
		}
		date = date.AddDate(0, 0, 1)
	}
}

func (c Calendar) sameTime(local, date time.Time) time.Time {
	h, m, s := local.Clock()
	return c.at(date, time.Duration(h)*time.Hour+time.Duration(m)*time.Minute+time.Duration(s)*time.Second)
}

// at returns the earlier instant at which the zone's clock shows that time of
// day on date. [time.Date] does not promise which one it takes.
func (c Calendar) at(date time.Time, clock time.Duration) time.Time {
	wall := date.Add(clock)
	var best time.Time
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(near).In(c.Zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if best.IsZero() || better(c.Zone, t, best, offset) {
			best = t
		}
	}
	return best.In(c.Zone)
}

// better reports whether t, made with offset, is to replace best: a time that
// the clock really shows before one that it skips, then the earlier.
func better(zone *time.Location, t, best time.Time, offset int) bool {
	_, actual := t.In(zone).Zone()
	shown := actual == offset
	_, bestReal := best.In(zone).Zone()
	bestShown := best.Add(time.Duration(bestReal) * time.Second).Equal(t.Add(time.Duration(offset) * time.Second))
	if shown != bestShown {
		return shown
	}
	return t.Before(best)
}

func addMonths(date time.Time, n int) time.Time {
	y, m, d := date.Date()
	last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(y, m+time.Month(n), min(d, last), 0, 0, 0, 0, time.UTC)
}

func (c Calendar) works(date time.Time) bool {
	return c.Workdays[date.Weekday()] && !c.holiday(date)
}

// always are the days on which nobody works in the Netherlands. The library's
// own list has two more, which are a matter of custom.
var always = []*cal.Holiday{
	nl.Nieuwjaar, nl.TweedePaasdag, nl.Koningsdag, nl.Hemelvaart, nl.TweedePinksterDag, nl.EersteKerstdag, nl.TweedeKerstdag,
}

func (c Calendar) holiday(date time.Time) bool {
	if c.Country != "nl" {
		return false
	}
	for _, h := range always {
		if falls(h, date) {
			return true
		}
	}
	if c.GoodFriday && falls(nl.GoedeVrijdag, date) {
		return true
	}
	switch c.Liberation {
	case LiberationAlways:
		return falls(nl.BevrijdingsDag, date)
	case LiberationLustre:
		return date.Year()%5 == 0 && falls(nl.BevrijdingsDag, date)
	}
	return false
}

func falls(h *cal.Holiday, date time.Time) bool {
	_, observed := h.Calc(date.Year())
	return !observed.IsZero() && observed.Month() == date.Month() && observed.Day() == date.Day()
}
