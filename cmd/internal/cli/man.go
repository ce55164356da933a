package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// man writes the manual pages; packaging calls it.
func man(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into an existing directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "vdpd", Manual: "Vulnerability disclosure"}, args[0])
		},
	}
}
