package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
)

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how the daemon is, and who it takes you for",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			status, err := a.client.Status(c.Context())
			if err != nil {
				return err
			}
			return a.print(status, statusPage(status, a.Now()))
		},
	}
}

func statusPage(s api.Status, now time.Time) *page {
	p := &page{}
	p.field("Daemon", s.Version+", running for "+span(now.Sub(s.Started)))
	you := s.You.ID + ", as " + strings.Join(s.You.Roles, ", ")
	if s.You.Kind == triage.Operator {
		you = "the operator, who may list the cases and read none"
	}
	p.field("You", you)
	late := ""
	if s.Late > 0 {
		late = count(s.Late, "evaluation") + " LATE"
	}
	p.field("Cases", join(", ", count(s.Open, "case")+" open", late))
	marks := undelivered(api.Summary{Held: s.Held, Undelivered: s.Failed})
	p.field("Our mails", join(", ", count(s.Pending, "mail")+" to be sent", marks))
	for _, m := range s.Mailboxes {
		state := "connected"
		if !m.Connected {
			state = join(": ", "NOT CONNECTED", m.Problem)
		}
		heard := "never read"
		if !m.Heard.IsZero() {
			heard = "last read " + span(now.Sub(m.Heard)) + " ago"
		}
		alone := ""
		if m.LeftAlone > 0 {
			alone = count(int(m.LeftAlone), "mail") + " left alone"
		}
		p.field("Mailbox", join("; ", m.Name+" (policy "+m.Policy+"): "+state, heard, alone))
	}
	return p
}
