package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vdpd/triage"
)

func (a *app) note() *cobra.Command {
	return &cobra.Command{
		Use:   "note REF TEXT... | note REF -",
		Short: "Add a note for colleagues",
		Long: `Add a note to a case. Colleagues who may read the case see it; the reporter
never does. It can't be changed or removed.

Text on the command line stays in the history of your shell and can be seen by
others on this machine; with - the note is read from standard input instead.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := reference(args[0])
			if err != nil {
				return err
			}
			text := strings.Join(args[1:], " ")
			if text == "-" {
				b, err := io.ReadAll(io.LimitReader(a.Stdin, triage.MaxNote+1))
				if err != nil {
					return err
				}
				text = string(b)
			}
			if len(text) > triage.MaxNote {
				return usage("the note is too long: at most %d bytes", triage.MaxNote)
			}
			result, err := a.client.Act(c.Context(), ref, triage.Action{Verb: triage.VerbNote, Text: triage.Secret(text)})
			if err != nil {
				return err
			}
			p := &page{}
			p.hang(0, string(ref)+" has "+count(result.Summary.Notes, "note")+" now.")
			return a.print(result, p)
		},
	}
}
