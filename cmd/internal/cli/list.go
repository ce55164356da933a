package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vdpd/cmd/internal/api"
)

func (a *app) list() *cobra.Command {
	var filter api.Filter
	c := &cobra.Command{
		Use:   "list",
		Short: "List the cases, newest first",
		Long: `List the cases that wait for somebody, newest first: since when they are here,
where they stand, by when they are to be evaluated, who sent the report and how
it was protected, which roles have read it, and which mails of ours did not
leave. "due" is a date that was promised to the reporter; "target" is our own.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if filter.Limit < 1 || filter.Limit > api.MaxCases {
				return usage("--limit is from 1 to %d", api.MaxCases)
			}
			list, err := a.client.Cases(c.Context(), filter)
			if err != nil {
				return err
			}
			return a.print(list, listPage(list, filter, a.Now()))
		},
	}
	c.Flags().BoolVar(&filter.All, "all", false, "also cases that wait for nobody, such as filed bounces")
	c.Flags().IntVar(&filter.Limit, "limit", 100, "how many at most")
	return c
}

func listPage(list api.List, f api.Filter, now time.Time) *page {
	p := &page{}
	if len(list.Cases) == 0 {
		text := "Nothing waits for you."
		if f.All {
			text = "There is no case yet."
		}
		p.hang(0, text)
		return p
	}
	row := func(cells ...string) {
		p.labelled(16, cells[0], pad(cells[1], 12)+pad(cells[2], 12)+cells[3])
	}
	row("REFERENCE", "AGE", "STATE", "EVALUATION")
	for _, s := range list.Cases {
		row(string(s.Ref), span(now.Sub(s.Arrived)), string(s.State), evaluation(s, now))
		readers := ""
		if len(s.Seen) > 0 {
			readers = "read by " + strings.Join(s.Seen, ", ")
		} else if len(s.Unseen) > 0 {
			readers = "read by nobody"
		}
		p.hang(16, join("; ", s.From.Reveal(), protection(s), readers))
		if marks := undelivered(s); marks != "" {
			p.hang(16, "! "+marks)
		}
	}
	if list.More {
		p.blank()
		p.hang(0, "There are older ones; --limit shows more.")
	}
	return p
}

// undelivered says which mails of ours need a person.
func undelivered(s api.Summary) string {
	var held, failed string
	if s.Held > 0 {
		held = count(s.Held, "mail") + " held"
	}
	if s.Undelivered > 0 {
		failed = count(s.Undelivered, "mail") + " UNDELIVERED"
	}
	return join(", ", held, failed)
}
