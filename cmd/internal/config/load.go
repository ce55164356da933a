package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vdpd/triage"
	"vdpd/triage/calendar"
)

// Load reads the main file and the policies that it names. getenv is
// [os.Getenv]; it is asked for $CREDENTIALS_DIRECTORY. The names of people's
// logins and of the socket's group are looked up in the system.
//
// The error is an [*Error] with all that is wrong. No secret is read; see
// [Config.Secrets].
func Load(path string, getenv func(string) string) (*Config, error) {
	l := loader{credentials: getenv(credentialsDir), conf: &Config{Path: path}}
	if main, ok := l.read(path, l.conf); ok {
		l.policies(main)
		l.check(main)
	}
	if err := asError(l.files); err != nil {
		return nil, err
	}
	return l.conf, nil
}

// loader is one run of Load.
type loader struct {
	credentials string
	conf        *Config
	files       []*file // the main file first
	rules       []rules
}

// rules are a policy together with the file that it was read from.
type rules struct {
	*Policy
	file *file
}

// read decodes one file. It reports false where nothing could be decoded.
func (l *loader) read(path string, dst any) (*file, bool) {
	f := &file{name: path, credentials: l.credentials}
	l.files = append(l.files, f)
	doc, ok := f.readFile()
	return f, ok && f.decode(doc, dst)
}

// policies reads each policy that a mailbox names, once.
func (l *loader) policies(main *file) {
	for i := range l.conf.Mailboxes {
		m := &l.conf.Mailboxes[i]
		at := fmt.Sprintf("mailbox.%d.policy", i)
		if main.bad[at] || m.PolicyFile == "" {
			continue
		}
		p := l.conf.Policy(policyID(m.PolicyFile))
		switch {
		case p == nil:
			p = l.policy(main, at, m.PolicyFile)
		case p.Path != m.PolicyFile:
			main.problem(at, fmt.Sprintf("%s and %s are both policy %q", p.Path, m.PolicyFile, p.ID), "rename one of the files")
		}
		own := *p
		own.ReportFolder = m.ReportFolder
		m.Policy = &own
	}
}

func policyID(path string) string { return strings.TrimSuffix(filepath.Base(path), ".toml") }

// policy reads one policy file. It returns a policy even where the file has
// problems, so that they are told once.
func (l *loader) policy(main *file, at, path string) *Policy {
	var in PolicyFile
	p := &Policy{Path: path}
	p.ID = policyID(path)
	l.conf.Policies = append(l.conf.Policies, p)
	if _, bad := forms["id"]("", p.ID); bad != nil {
		main.problem(at, fmt.Sprintf("the file name %q cannot be the id of a policy", filepath.Base(path)), bad.hint)
	}
	f := &file{name: path, credentials: l.credentials}
	l.files = append(l.files, f)
	doc, ok := f.readFile()
	if !ok || !f.decode(doc, &in) {
		return p
	}
	sum := sha256.Sum256(doc)
	p.Hash = hex.EncodeToString(sum[:])
	in.into(f, p)
	l.rules = append(l.rules, rules{p, f})
	return p
}

// into makes the policy that the file states.
func (in *PolicyFile) into(f *file, p *Policy) {
	p.Org, p.Domain, p.SignOff = in.Org.Name, in.Org.Domain, in.SignOff
	p.URL, p.Version, p.Effective = in.Policy.URL, in.Policy.Version, in.Policy.Effective
	p.Mode, p.Addresses = in.Intake.Mode, in.Intake.Addresses
	p.Languages = in.languages(f)
	p.Calendar = in.calendar(f)
	p.ReportAddress = in.Intake.ReportAddress
	if in.Intake.Mode == triage.Dedicated && in.Intake.ReportAddress != "" {
		f.problem("intake.report_address", "means nothing for a mailbox that is for reports only", "remove the line")
	}
	p.AckAuto, p.MaxReceipts, p.MaxBurst = in.Ack.Auto, in.Limits.ReceiptsPerAddress, in.Limits.AutomaticPer10Minutes
	p.ScopeIn, p.ScopeOut = in.Scope.In, in.Scope.Out
	p.OwnKeys, p.Passphrase = in.Keys.Own, in.Keys.Passphrase
	p.SMIME, p.SMIMERoots = in.Keys.SMIME, in.Keys.SMIMERoots
	in.evaluation(f, p)
	in.embargo(f, p)
	for _, r := range in.Readers {
		p.Readers = append(p.Readers, triage.Reader(r))
	}
}

// languages returns the default one first.
func (in *PolicyFile) languages(f *file) []string {
	first := in.Intake.DefaultLanguage
	if !slices.Contains(in.Intake.Languages, first) && first != "" {
		f.problem("intake.default_language", fmt.Sprintf("%q is not among the languages", first), "add it to intake.languages")
	}
	rest := slices.DeleteFunc(slices.Clone(in.Intake.Languages), func(l string) bool { return l == first })
	return append([]string{first}, rest...)
}

func (in *PolicyFile) evaluation(f *file, p *Policy) {
	p.EvaluationPromised, p.EvaluationTarget = in.Evaluation.Promised, in.Evaluation.Target
	switch promised := p.EvaluationPromised; {
	case !p.EvaluationTarget.IsZero():
		if p.EvaluationTarget.Unit == promised.Unit && p.EvaluationTarget.N > promised.N {
			f.problem("evaluation.target", fmt.Sprintf("%s is later than the %s that are promised", p.EvaluationTarget, promised), "a target is at most what is promised")
		}
	case !promised.IsZero():
		p.EvaluationTarget = promised
	default:
		p.EvaluationTarget = calendar.Span{N: 3, Unit: calendar.BusinessDays}
	}
}

// embargo refuses a span that the kind of embargo would ignore.
func (in *PolicyFile) embargo(f *file, p *Policy) {
	p.Embargo, p.EmbargoLength, p.EmbargoBackstop = in.Embargo.Kind, in.Embargo.Length, in.Embargo.Backstop
	switch fixed := p.Embargo == triage.EmbargoFixed; {
	case p.Embargo == "":
		return
	case fixed && !f.given("embargo.length"):
		f.problem("embargo.length", "is missing", `an embargo of kind "fixed" needs a line such as: length = "42d"`)
	case !fixed && f.given("embargo.length"):
		f.problem("embargo.length", fmt.Sprintf("means nothing for an embargo of kind %q", p.Embargo), `remove the line, or write kind = "fixed"`)
	}
	if p.Embargo != triage.EmbargoUntilResolved && f.given("embargo.backstop") {
		f.problem("embargo.backstop", fmt.Sprintf("means nothing for an embargo of kind %q", p.Embargo), `remove the line, or write kind = "until_resolved"`)
	}
}

func (in *PolicyFile) calendar(f *file) calendar.Calendar {
	c := calendar.Calendar{GoodFriday: in.Calendar.GoodFriday, Liberation: in.Calendar.LiberationDay}
	if in.Calendar.Holidays == "none" {
		for _, key := range []string{"calendar.good_friday", "calendar.liberation_day"} {
			if f.given(key) {
				f.problem(key, "means nothing where calendar.holidays is none", "remove the line")
			}
		}
	} else {
		c.Country = in.Calendar.Holidays
	}
	// "Local" would mean what the machine happens to be set to.
	zone, err := time.LoadLocation(in.Calendar.Zone)
	if err != nil || zone == time.Local {
		f.problem("calendar.zone", fmt.Sprintf("%q is no time zone", in.Calendar.Zone), "write an IANA name such as Europe/Amsterdam")
	}
	c.Zone = zone
	var bad *fault
	if c.Opens, c.Closes, bad = businessHours(in.Calendar.BusinessHours); bad != nil {
		f.problem("calendar.business_hours", bad.text, bad.hint)
	}
	if c.Workdays, bad = workdays(in.Calendar.Workdays); bad != nil {
		f.problem("calendar.workdays", bad.text, bad.hint)
	}
	return c
}

func businessHours(s string) (opens, closes calendar.Clock, bad *fault) {
	from, until, _ := strings.Cut(s, "-")
	a, errA := time.Parse("15:04", from)
	b, errB := time.Parse("15:04", until)
	if errA != nil || errB != nil || !a.Before(b) {
		return 0, 0, &fault{fmt.Sprintf("%q are no business hours", s), `write two times of one day, such as "09:00-17:00"`}
	}
	minutes := func(t time.Time) calendar.Clock { return calendar.Clock(t.Hour()*60 + t.Minute()) }
	return minutes(a), minutes(b), nil
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // by time.Weekday

func workdays(s string) (days [7]bool, bad *fault) {
	for part := range strings.SplitSeq(s, ",") {
		from, until, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			until = from
		}
		a, b := slices.Index(dayNames, from), slices.Index(dayNames, until)
		if a < 0 || b < 0 {
			return days, &fault{fmt.Sprintf("%q are no working days", s), `write "mon-fri", or a list such as "mon,tue,thu"`}
		}
		for d := a; ; d = (d + 1) % 7 {
			days[d] = true
			if d == b {
				break
			}
		}
	}
	return days, nil
}
