package config

import (
	"fmt"
	"log/slog"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vdpd/triage/calendar"
)

// fault is why a value is not taken.
type fault struct{ text, hint string }

// forms are the forms of text that the tag is: names. Each returns the text to
// store; dir is the folder of the file, where relative paths start. No message
// repeats an address.
var forms = map[string]func(dir, s string) (string, *fault){
	"text":       func(_, s string) (string, *fault) { return s, notText(s) },
	"id":         matching(`^[a-z0-9][a-z0-9_-]{0,31}$`, "is no id", "use up to 32 of a-z, 0-9, _ and -"),
	"credential": matching(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`, "is no name of a credential", "use letters, digits, dots, _ and -"),
	"domain":     domain,
	"host":       host,
	"address":    address,
	"url":        webAddress,
	"path":       pathBelow,
	"file":       existingFile,
	"dir":        existingDir,
}

func notText(s string) *fault {
	switch {
	case strings.TrimSpace(s) == "":
		return &fault{"is empty", "write a text, or remove the line"}
	case strings.ContainsFunc(s, unicode.IsControl):
		return &fault{"has a line end or another control character in it", ""}
	}
	return nil
}

func matching(pattern, text, hint string) func(_, s string) (string, *fault) {
	re := regexp.MustCompile(pattern)
	return func(_, s string) (string, *fault) {
		if !re.MatchString(s) {
			return s, &fault{fmt.Sprintf("%q %s", s, text), hint}
		}
		return s, nil
	}
}

var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)

func domain(_, s string) (string, *fault) {
	s = strings.ToLower(s)
	if len(s) > 253 || !domainName.MatchString(s) {
		return s, &fault{fmt.Sprintf("%q is no domain name", s), "write a name such as identity.example; names with other letters in their xn-- form"}
	}
	return s, nil
}

func host(_, s string) (string, *fault) {
	if _, err := netip.ParseAddr(s); err == nil || s == "localhost" {
		return s, nil
	}
	if _, err := domain("", s); err != nil {
		return s, &fault{fmt.Sprintf("%q is no host name and no IP address", s), "write the name alone, without port and protocol"}
	}
	return s, nil
}

func address(_, s string) (string, *fault) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" {
		return s, &fault{"is no mail address", "write it as local@domain, without name and brackets"}
	}
	if _, err := domain("", s[strings.LastIndexByte(s, '@')+1:]); err != nil {
		return s, &fault{"is a mail address without a full domain name", "write it as local@domain, such as security@identity.example"}
	}
	return strings.ToLower(s), nil
}

func webAddress(_, s string) (string, *fault) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return s, &fault{fmt.Sprintf("%q is no web address", s), "write it in full, such as https://identity.example/security"}
	}
	return s, nil
}

func pathBelow(dir, s string) (string, *fault) {
	if s == "" {
		return s, &fault{"is empty", "write a path, or remove the line"}
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(dir, s)
	}
	return filepath.Clean(s), nil
}

func existingFile(dir, s string) (string, *fault) {
	return existing(dir, s, func(info os.FileInfo) string {
		if !info.Mode().IsRegular() {
			return "is not a file"
		}
		return ""
	})
}

func existingDir(dir, s string) (string, *fault) {
	return existing(dir, s, func(info os.FileInfo) string {
		if !info.IsDir() {
			return "is not a folder"
		}
		return ""
	})
}

// existing opens what is at a path, so that a missing right shows now.
func existing(dir, s string, wrong func(os.FileInfo) string) (string, *fault) {
	path, bad := pathBelow(dir, s)
	if bad != nil {
		return path, bad
	}
	f, err := os.Open(path)
	if err != nil {
		return path, &fault{fmt.Sprintf("%s cannot be opened: %s", path, reason(err)), "relative paths start at the folder of this file"}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return path, &fault{fmt.Sprintf("%s cannot be looked at: %s", path, reason(err)), ""}
	}
	if text := wrong(info); text != "" {
		return path, &fault{path + " " + text, ""}
	}
	return path, nil
}

// A parser reads text with a unit. It returns the value to store, and the
// number that limits are compared with.
type parser func(s string, units []string) (any, int64, *fault)

var parsers = map[reflect.Type]parser{
	reflect.TypeFor[time.Duration](): parseDuration,
	reflect.TypeFor[time.Time]():     parseDate,
	reflect.TypeFor[calendar.Span](): parseSpan,
	reflect.TypeFor[Size]():          parseSize,
	reflect.TypeFor[slog.Level]():    parseLevel,
}

func parseDuration(s string, _ []string) (any, int64, *fault) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return d, 0, &fault{fmt.Sprintf("%q is no length of time", s), `write a number and a unit, such as "30s" or "1m"`}
	}
	return d, int64(d), nil
}

func parseDate(s string, _ []string) (any, int64, *fault) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return t, 0, &fault{fmt.Sprintf("%q is no date", s), "write year, month and day, such as 2026-01-31"}
	}
	return t, t.Unix(), nil
}

var unitNames = map[calendar.Unit]string{
	calendar.BusinessDays: "bd (business days)", calendar.Days: "d (days)", calendar.Hours: "h (hours)",
	calendar.WorkingHours: "wh (working hours)", calendar.Months: "mo (months)",
}

func parseSpan(s string, units []string) (any, int64, *fault) {
	var names []string
	for _, u := range units {
		names = append(names, unitNames[calendar.Unit(u)])
	}
	span, err := calendar.ParseSpan(s)
	if err != nil || !slices.Contains(units, string(span.Unit)) {
		return span, 0, &fault{fmt.Sprintf("%q is no span that can stand here", s), "write a number from 1 to 9999 and one of " + listed(names)}
	}
	return span, int64(span.N), nil
}

// Size is a number of bytes, written with a unit: "512KiB", "25MiB", "1GiB".
type Size int64

func parseSize(s string, _ []string) (any, int64, *fault) {
	digits := strings.TrimRight(s, "KMGiB")
	n, err := strconv.ParseInt(digits, 10, 32)
	shift, ok := map[string]int{"KiB": 10, "MiB": 20, "GiB": 30}[s[len(digits):]]
	if err != nil || !ok || n < 1 {
		return Size(0), 0, &fault{fmt.Sprintf("%q is no size", s), `write a number and KiB, MiB or GiB, such as "25MiB"`}
	}
	return Size(n << shift), n << shift, nil
}

func parseLevel(s string, _ []string) (any, int64, *fault) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return l, 0, &fault{fmt.Sprintf("%q is no level", s), "use debug, info, warn or error"}
	}
	return l, int64(l), nil
}
