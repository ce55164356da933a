package cli

import (
	"github.com/spf13/cobra"

	"vdpd/triage"
)

func (a *app) take() *cobra.Command {
	return a.decide(triage.VerbTake, "take REF", "Say that a mail in question is a report", `Say that a mail in a shared mailbox, about which you were asked, is a report. The
readers of the policy are told, and the receipt leaves unless something else
holds it. Dates count from the arrival of the mail.`, "is a report now. Its readers are told.")
}

func (a *app) leave() *cobra.Command {
	return a.decide(triage.VerbLeave, "leave REF", "Say that a mail in question is no report", `Say that a mail in a shared mailbox, about which you were asked, is ordinary mail.
It stays where it is, and nobody is told. If it turns out to be a report after
all, move it to the report folder.`, "is no report. The mail stays where it is.")
}

func (a *app) decide(verb triage.Verb, use, short, long, done string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := reference(args[0])
			if err != nil {
				return err
			}
			result, err := a.client.Act(c.Context(), ref, triage.Action{Verb: verb})
			if err != nil {
				return err
			}
			p := &page{}
			p.hang(0, string(ref)+" "+done)
			return a.print(result, p)
		},
	}
}
