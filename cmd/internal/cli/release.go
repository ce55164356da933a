package cli

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
)

func (a *app) release() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "release REF [MAIL]",
		Short: "Send a mail that was held for a person to decide",
		Long: `Send a mail that was held for a person to decide, such as a receipt to an
address that anybody could have written. What will be sent, to whom and how
protected is shown first, and sent only if you agree.

MAIL is its name as "vdp show" has it, such as R1.1; it may be left out where
only one is held.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := reference(args[0])
			if err != nil {
				return err
			}
			if !yes && !a.StdinTerminal {
				return usage("nobody can be asked here; add --yes to send the mail without a question")
			}
			view, err := a.client.Case(c.Context(), ref)
			if err != nil {
				return err
			}
			mail, err := heldMail(&view.Case, args[1:])
			if err != nil {
				return err
			}
			if !yes {
				_, _ = io.WriteString(a.Stderr, releasePage(view, mail, a.Now()).String())
				answer, _ := bufio.NewReader(a.Stdin).ReadString('\n')
				if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
					return fmt.Errorf("nothing was sent")
				}
			}
			result, err := a.client.Act(c.Context(), ref, triage.Action{Verb: triage.VerbRelease, Notice: mail.Notice.ID})
			if err != nil {
				return err
			}
			p := &page{}
			p.hang(0, fmt.Sprintf(`%s is on its way; "vdp show %s" says when it has left.`, mail.Notice.ID, ref))
			return a.print(result, p)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "send it without a question")
	return c
}

// heldMail finds the mail to let go, by its name or because it is the only one.
func heldMail(c *triage.Case, name []string) (triage.Mail, error) {
	var held []triage.Mail
	var names []string
	for _, m := range c.Mails {
		if m.Notice.Held != "" {
			held, names = append(held, m), append(names, m.Notice.ID)
		}
	}
	switch {
	case len(held) == 0:
		return triage.Mail{}, fmt.Errorf("%s has no held mail", c.Ref)
	case len(name) == 0 && len(held) == 1:
		return held[0], nil
	case len(name) == 0:
		return triage.Mail{}, usage("%s has several held mails; name one of %s", c.Ref, strings.Join(names, ", "))
	}
	i := slices.Index(names, name[0])
	if i < 0 {
		return triage.Mail{}, fmt.Errorf("%s has no held mail %q; held are %s", c.Ref, name[0], strings.Join(names, ", "))
	}
	return held[i], nil
}

func releasePage(v api.View, m triage.Mail, now time.Time) *page {
	p := &page{}
	c, n, z := &v.Case, m.Notice, zone(v.Summary.Zone)
	p.field("Mail", n.ID+", "+word(notices, n.Kind))
	p.field("To", recipient(n, c))
	p.field("Held because", n.Held)
	p.field("It says", says(n, now, z))
	p.field("Language", n.Lang)
	if n.Kind.ToReporter() {
		key := "none of theirs is known, so it goes in clear, signed"
		if c.Reporter.Key != nil {
			key = "encrypted to " + c.Reporter.Key.Fingerprint + ", signed"
		}
		p.field("Key", key)
	}
	p.hang(0, "Send it? [y/N] ")
	return p
}

// says lists the statements of a mail.
func says(n triage.Notice, now time.Time, z *time.Location) string {
	var parts []string
	if !n.Facts.Received.IsZero() {
		parts = append(parts, "the report arrived "+date(n.Facts.Received, now, z))
	}
	if !n.Facts.EvaluationDue.IsZero() {
		parts = append(parts, "our evaluation comes by "+date(n.Facts.EvaluationDue, now, z))
	}
	if !n.Facts.EmbargoUntil.IsZero() {
		parts = append(parts, "we ask not to publish before "+date(n.Facts.EmbargoUntil, now, z))
	}
	return strings.Join(parts, "; ")
}
