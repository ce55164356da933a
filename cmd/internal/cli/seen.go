package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"vdpd/triage"
)

func (a *app) seen() *cobra.Command {
	action := triage.Action{Verb: triage.VerbSeen}
	c := &cobra.Command{
		Use:   "seen REF",
		Short: "Say that you have read the report",
		Long: `Say that you have read the report, for every role that you hold or for one of
them. The policy promises the reporter that these roles read it; this is the
evidence. Only the first time counts.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := reference(args[0])
			if err != nil {
				return err
			}
			result, err := a.client.Act(c.Context(), ref, action)
			if err != nil {
				return err
			}
			p := &page{}
			text := string(ref) + " has been read by " + strings.Join(result.Summary.Seen, ", ") + "."
			if !result.Changed {
				text += " It was marked so before."
			}
			p.hang(0, text)
			return a.print(result, p)
		},
	}
	c.Flags().StringVar(&action.Role, "role", "", "the role that has read it (default every role that you hold)")
	return c
}
