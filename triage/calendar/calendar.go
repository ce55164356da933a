// Package calendar does the arithmetic of promises: business days, calendar
// days and hours in an organisation's own time zone. It is pure; a Calendar is
// a value without state.
package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Unit is what a span counts.
type Unit string

// The units, as policies write them.
const (
	BusinessDays Unit = "bd"
	Days         Unit = "d"
	Hours        Unit = "h"
	WorkingHours Unit = "wh"
	Months       Unit = "mo"
)

// Span is a length of time as a policy states it, such as 3bd. The zero Span
// means that nothing is stated.
type Span struct {
	N    int
	Unit Unit
}

// ParseSpan reads a number followed by bd, d, h, wh or mo. The number is from
// 1 to 9999.
func ParseSpan(s string) (Span, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 9999 {
		return Span{}, fmt.Errorf("%q is not a span: a number from 1 to 9999 and a unit, such as 3bd", s)
	}
	switch u := Unit(s[len(digits):]); u {
	case BusinessDays, Days, Hours, WorkingHours, Months:
		return Span{n, u}, nil
	case "":
		return Span{}, fmt.Errorf("%q has no unit: bd (business days), d (days), h (hours), wh (working hours) or mo (months)", s)
	default:
		return Span{}, fmt.Errorf("%q has an unknown unit: use bd (business days), d (days), h (hours), wh (working hours) or mo (months)", s)
	}
}

// String returns the form that ParseSpan reads, or "" for the zero Span.
func (s Span) String() string {
	if s == (Span{}) {
		return ""
	}
	return strconv.Itoa(s.N) + string(s.Unit)
}

// IsZero reports whether nothing is stated.
func (s Span) IsZero() bool { return s == Span{} }

// Clock is a time of day in minutes after midnight.
type Clock int

func (c Clock) minutes() time.Duration { return time.Duration(c) * time.Minute }

// Calendar is when an organisation works.
type Calendar struct {
	Zone       *time.Location
	Opens      Clock // business hours, local
	Closes     Clock
	Workdays   [7]bool // by time.Weekday
	Country    string  // holidays of: "nl", or "" for none
	GoodFriday bool    // counts as a holiday
	Liberation Liberation
}

// Liberation says whether 5 May is a holiday in the Netherlands.
type Liberation string

// The customs about 5 May.
const (
	LiberationNever  Liberation = "never"
	LiberationLustre Liberation = "lustrum" // in years divisible by five
	LiberationAlways Liberation = "always"
)
