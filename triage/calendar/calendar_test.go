package calendar_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"vdpd/triage/calendar"
)

func amsterdam(t interface{ Fatal(...any) }) calendar.Calendar {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	return calendar.Calendar{
		Zone: zone, Opens: 9 * 60, Closes: 17 * 60, Country: "nl",
		Workdays:   [7]bool{time.Monday: true, time.Tuesday: true, time.Wednesday: true, time.Thursday: true, time.Friday: true},
		Liberation: calendar.LiberationLustre,
	}
}

func TestDue(t *testing.T) {
	const minute = "2006-01-02 15:04"
	plain := amsterdam(t)
	goodFriday := plain
	goodFriday.GoodFriday = true
	may5 := plain
	may5.Liberation = calendar.LiberationAlways
	noHolidays := plain
	noHolidays.Country = ""

	for _, tt := range []struct {
		name  string
		cal   calendar.Calendar
		start string
		span  string
		want  string // local, with zone
	}{
		{"Friday a minute before closing", plain, "2026-11-20 16:59", "3bd", "2026-11-25 17:00 CET"},
		{"Friday night counts like Friday", plain, "2026-11-20 23:59", "3bd", "2026-11-25 17:00 CET"},
		{"Saturday", plain, "2026-11-21 03:00", "3bd", "2026-11-25 17:00 CET"},
		{"Christmas on a Friday", plain, "2026-12-24 16:00", "3bd", "2026-12-30 17:00 CET"},
		{"New Year", plain, "2026-12-30 09:00", "3bd", "2027-01-05 17:00 CET"},
		{"Easter and the clock change", plain, "2027-03-25 12:00", "3bd", "2027-03-31 17:00 CEST"},
		{"Good Friday as a holiday", goodFriday, "2027-03-25 12:00", "3bd", "2027-04-01 17:00 CEST"},
		{"King's Day", plain, "2027-04-23 12:00", "3bd", "2027-04-29 17:00 CEST"},
		{"Ascension Day", plain, "2027-05-04 12:00", "3bd", "2027-05-10 17:00 CEST"},
		{"5 May every year", may5, "2027-05-04 12:00", "3bd", "2027-05-11 17:00 CEST"},
		{"King's Day moved from Sunday", plain, "2025-04-25 12:00", "3bd", "2025-04-30 17:00 CEST"},
		{"5 May in a lustrum year", plain, "2025-05-02 12:00", "1bd", "2025-05-06 17:00 CEST"},
		{"a country without a list", noHolidays, "2026-12-24 16:00", "3bd", "2026-12-29 17:00 CET"},
		{"leap day", plain, "2028-02-28 10:00", "1bd", "2028-02-29 17:00 CET"},
		{"embargo over New Year's Day", plain, "2026-11-20 10:00", "42d", "2027-01-01 10:00 CET"},
		{"days into the skipped hour", plain, "2027-03-27 02:30", "1d", "2027-03-28 01:30 CET"},
		{"days into the repeated hour", plain, "2026-10-24 02:30", "1d", "2026-10-25 02:30 CEST"},
		{"months clamp", plain, "2026-08-31 10:00", "6mo", "2027-02-28 10:00 CET"},
		{"hours cross the clock change", plain, "2027-03-27 12:00", "24h", "2027-03-28 13:00 CEST"},
		{"working hours within a day", plain, "2026-11-20 09:30", "4wh", "2026-11-20 13:30 CET"},
		{"working hours over a weekend", plain, "2026-11-20 16:00", "4wh", "2026-11-23 12:00 CET"},
		{"working hours from the night", plain, "2026-11-20 03:00", "8wh", "2026-11-20 17:00 CET"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start, err := time.ParseInLocation(minute, tt.start, tt.cal.Zone)
			if err != nil {
				t.Fatal(err)
			}
			span, err := calendar.ParseSpan(tt.span)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.cal.Due(start.UTC(), span).Format(minute + " MST"); got != tt.want {
				t.Errorf("%s + %s = %s, want %s", tt.start, tt.span, got, tt.want)
			}
		})
	}
}

func TestDueProperties(t *testing.T) {
	cal := amsterdam(t)
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(rapid.Int64Range(1_600_000_000, 2_500_000_000).Draw(t, "start"), 0)
		n := rapid.IntRange(1, 60).Draw(t, "n")
		span := calendar.Span{N: n, Unit: calendar.BusinessDays}
		due := cal.Due(start, span)
		if !cal.IsBusinessDay(due) {
			t.Fatalf("%v is no business day", due)
		}
		if due.Hour() != 17 || due.Minute() != 0 {
			t.Fatalf("%v is not the close of business", due)
		}
		if next := cal.Due(start, calendar.Span{N: n + 1, Unit: calendar.BusinessDays}); !next.After(due) {
			t.Fatalf("one more day ends at %v, not after %v", next, due)
		}
		easy := cal
		easy.Country = ""
		if cal.Due(start, span).Before(easy.Due(start, span)) {
			t.Fatal("holidays shortened a promise")
		}
		if wh := cal.Due(start, calendar.Span{N: n, Unit: calendar.WorkingHours}); !cal.IsBusinessDay(wh) || wh.Hour() < 9 || wh.Hour() > 17 {
			t.Fatalf("working hours end at %v", wh)
		}
	})
}

func TestParseSpan(t *testing.T) {
	for _, good := range []string{"3bd", "42d", "72h", "4wh", "6mo"} {
		if s, err := calendar.ParseSpan(good); err != nil || s.String() != good {
			t.Errorf("ParseSpan(%q) = %v, %v", good, s, err)
		}
	}
	for _, bad := range []string{"", "3", "bd", "0d", "-1d", "3 bd", "3weeks", "10000d", "1.5h", "3BD"} {
		if s, err := calendar.ParseSpan(bad); err == nil {
			t.Errorf("ParseSpan(%q) = %v, want an error", bad, s)
		}
	}
}
