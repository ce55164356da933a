package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"vdpd/cmd/internal/config"
	"vdpd/mailbox"
	"vdpd/mailbox/openpgp"
	"vdpd/notify"
	"vdpd/store"
	"vdpd/triage"
)

// CheckOptions say what a check may do.
type CheckOptions struct {
	Offline bool // connect to nothing
	Now     time.Time
	Dial    dialer // nil: a net.Dialer
}

// Grade is how good or bad a finding is.
type Grade string

// The grades.
const (
	Right Grade = "ok"
	Mind  Grade = "note"  // works, and is worth a thought
	Wrong Grade = "WRONG" // does not work
)

// Finding is one line of a check.
type Finding struct {
	Grade Grade
	What  string // the thing that was looked at
	Text  string // what is so
	Do    string // what to do; may be empty
}

// CheckReport is what a check found.
type CheckReport struct {
	Findings []Finding
	// BadConfiguration says that a file is at fault, so that trying again
	// later can not help.
	BadConfiguration bool
}

// Check looks at everything that the daemon will need: the configuration,
// keys, templates, the store and, unless offline, the servers. It changes
// nothing and sends nothing.
func Check(ctx context.Context, path string, opt CheckOptions) *CheckReport {
	r := &CheckReport{}
	cfg, err := config.Load(path, os.Getenv)
	if err != nil {
		r.configuration(err)
		return r
	}
	r.add(Right, "configuration", path, "")
	r.secrets(cfg)
	if r.BadConfiguration {
		return r // the keys are secrets too
	}
	p, err := assemble(cfg, opt.Now)
	if err != nil {
		r.configuration(err)
		return r
	}
	for _, policy := range cfg.Policies {
		r.policy(cfg, policy, p, opt.Now)
	}
	r.people(cfg, p, opt.Now)
	r.templates(cfg, p)
	r.store(cfg)
	if !opt.Offline {
		r.servers(ctx, cfg, opt.Dial)
	}
	return r
}

func (r *CheckReport) add(g Grade, what, text, do string) {
	r.Findings = append(r.Findings, Finding{g, what, text, do})
}

// configuration adds each problem of an error about the configuration.
func (r *CheckReport) configuration(err error) {
	r.BadConfiguration = true
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		r.add(Wrong, "configuration", err.Error(), "")
		return
	}
	for _, p := range e.Problems {
		hint := p.Hint
		p.Hint = ""
		r.add(Wrong, "configuration", p.String(), hint)
	}
}

func (r *CheckReport) secrets(cfg *config.Config) {
	if _, err := cfg.MasterKey.ReadKey(); err != nil {
		r.configuration(err)
	}
	for _, s := range cfg.Secrets() {
		if s == cfg.MasterKey {
			continue
		}
		if _, err := s.Read(); err != nil {
			r.configuration(err)
		}
	}
}

func (r *CheckReport) policy(cfg *config.Config, policy *config.Policy, p *parts, now time.Time) {
	what := "policy " + policy.ID
	org := p.organisations[policy.ID]
	r.add(Right, what, fmt.Sprintf("%s, %d readers, key %s", policy.Org, len(policy.Readers), org.Own.Fingerprint()), "")
	r.expiry(what, org.Own, now)
	if policy.Effective.After(now) {
		r.add(Mind, what, "is in effect from "+policy.Effective.Format(time.DateOnly)+" only, and receipts name it now", "")
	}
	var unvouched []string
	for _, m := range cfg.Mailboxes {
		if m.Policy.ID == policy.ID && m.AuthServID == "" && m.SkipDKIM {
			unvouched = append(unvouched, m.Name)
		}
	}
	if policy.AckAuto == triage.AckAuthOnly && len(unvouched) > 0 {
		r.add(Mind, what, fmt.Sprintf("no receipt for mail to %s leaves by itself: nothing says whether a sender is authentic, so each waits for vdp release", strings.Join(unvouched, ", ")),
			`set authserv_id of the mailbox to the name in the Authentication-Results of your mail server, or ack.auto = "always" in the policy (a receipt holds fixed text only)`)
	}
}

func (r *CheckReport) expiry(what string, k *openpgp.Key, now time.Time) {
	const soon = 60 * 24 * time.Hour
	if t, ok := k.Expires(); ok && t.Sub(now) < soon {
		r.add(Mind, what, fmt.Sprintf("the key %s expires on %s", k.Fingerprint(), t.UTC().Format(time.DateOnly)), "extend it, or put its successor first and keep it after that")
	}
}

func (r *CheckReport) people(cfg *config.Config, p *parts, now time.Time) {
	for _, person := range cfg.People {
		what := "person " + person.ID
		key := p.people[person.ID].Key
		switch {
		case key == nil:
			r.add(Mind, what, "has no key, and gets notices without content", "ask for the public key and name its file in key =")
		case !key.CanEncrypt(now):
			r.add(Mind, what, fmt.Sprintf("has the key %s, which can't be encrypted to: it has expired, is revoked, or only signs; notices come without content", key.Fingerprint()), "ask for the renewed key")
		default:
			r.add(Right, what, "key "+key.Fingerprint(), "")
			r.expiry(what, key, now)
		}
		if person.UID < 0 {
			r.add(Mind, what, "has no Unix user, and can't use vdp", `set user = "LOGIN" if the person is to work with cases on this machine`)
		}
	}
}

func (r *CheckReport) templates(cfg *config.Config, p *parts) {
	rend, err := renderer(cfg, p)
	if err == nil {
		err = rend.Templates.Check()
	}
	if err != nil {
		r.BadConfiguration = true
		r.add(Wrong, "templates", err.Error(), "mend the file, or remove it to get the built-in mail back")
		return
	}
	r.add(Right, "templates", "every mail renders, in every language", "")
}

func (r *CheckReport) store(cfg *config.Config) {
	st, err := openStore(cfg, Options{Log: slog.New(slog.DiscardHandler)}, false)
	switch {
	case errors.Is(err, store.ErrNoStore):
		r.add(Mind, "store", "there is none yet in "+cfg.StateDir, "vdpd run makes it; if there was one before, find out where it went first")
	case errors.Is(err, store.ErrLocked):
		r.add(Right, "store", cfg.StateDir+" is in use: the daemon is running", "")
	case err != nil:
		r.add(Wrong, "store", err.Error(), "")
	default:
		r.add(Right, "store", cfg.StateDir+" opens with the master key", "")
		_ = st.Close()
	}
}

func (r *CheckReport) servers(ctx context.Context, cfg *config.Config, dial dialer) {
	for _, m := range cfg.Mailboxes {
		what := "mailbox " + m.Name
		found, err := mailbox.Probe(ctx, account(cfg, m, dial))
		if err != nil {
			r.add(Wrong, what, err.Error(), hintOf(err))
			continue
		}
		var folders []string
		for _, f := range found.Folders {
			folders = append(folders, fmt.Sprintf("%s (%d)", f.Name, f.Messages))
		}
		r.add(Right, what, "logged in; "+strings.Join(folders, ", "), "")
		if !found.Move && !found.UIDPlus {
			r.add(Mind, what, "the server can neither MOVE nor UID EXPUNGE, so that mail stays in the inbox after it was taken", "nothing is lost; a server with RFC 6851 or RFC 4315 tidies up")
		}
	}
	t := transport(cfg, dial)
	probed, err := notify.ProbeSMTP(ctx, t)
	if err != nil {
		r.add(Wrong, "smtp", err.Error(), hintOf(err))
		return
	}
	text := "takes mail without TLS, on this machine"
	if probed.TLS != "" {
		text = "takes mail over " + probed.TLS
	}
	if probed.Login {
		text += ", logged in"
	}
	r.add(Right, "smtp", text, "")
}

// hintOf returns what an error says to do, where it does.
func hintOf(err error) string {
	if e, ok := errors.AsType[*notify.ConnectError](err); ok {
		return e.Hint
	}
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		return e.Hint()
	}
	return ""
}

// Print writes the report for a person.
func (r *CheckReport) Print(w io.Writer) {
	wrong, mind := 0, 0
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-5s  %s: %s\n", f.Grade, f.What, f.Text)
		if f.Do != "" {
			fmt.Fprintf(w, "       -> %s\n", f.Do)
		}
		switch f.Grade {
		case Wrong:
			wrong++
		case Mind:
			mind++
		}
	}
	switch {
	case wrong > 0:
		fmt.Fprintf(w, "\n%d wrong. vdpd will not work until this is mended.\n", wrong)
	case mind > 0:
		fmt.Fprintf(w, "\nReady, with %d notes.\n", mind)
	default:
		fmt.Fprint(w, "\nReady.\n")
	}
}

// Err returns nil where nothing is wrong, a [*config.Error] where a file must
// be mended, and another error where a server or the store is at fault.
func (r *CheckReport) Err() error {
	var problems []config.Problem
	for _, f := range r.Findings {
		if f.Grade == Wrong {
			problems = append(problems, config.Problem{Text: f.What + ": " + f.Text, Hint: f.Do})
		}
	}
	switch {
	case len(problems) == 0:
		return nil
	case r.BadConfiguration:
		return &config.Error{Problems: problems}
	}
	return fmt.Errorf("%d checks failed", len(problems))
}
