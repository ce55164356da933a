package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

func (a *app) raw() *cobra.Command {
	var item int
	var file string
	var force bool
	c := &cobra.Command{
		Use:   "raw REF",
		Short: "Write a mail of a case exactly as it arrived",
		Long: `Write a mail of a case exactly as it arrived, still encrypted if it was, to a
new file that only you can read, or to a pipe. The bytes are the sender's: they
may hold commands for your terminal, so it gets them only by force.`,
		Example: `  vdp raw 7K3M-Q9XT-2H4C -o report.eml
  vdp raw 7K3M-Q9XT-2H4C --item 2 | less`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := reference(args[0])
			switch {
			case err != nil:
				return err
			case item < 1:
				return usage("--item counts from 1")
			case file == "" && a.StdoutTerminal && !force:
				return usage("a mail may hold commands for your terminal; write it to a file with -o FILE, or pipe it to a program")
			}
			b, err := a.client.Raw(c.Context(), ref, item-1)
			if err != nil {
				return err
			}
			if file != "" {
				return writeNew(file, b)
			}
			_, err = a.Stdout.Write(b)
			return err
		},
	}
	c.Flags().IntVar(&item, "item", 1, "which mail of the case, as numbered by vdp show")
	c.Flags().StringVarP(&file, "output", "o", "", "file to create; an existing one is left alone")
	c.Flags().BoolVar(&force, "force", false, "write to a terminal all the same")
	return c
}

// writeNew writes a file that did not exist, for the eyes of its owner.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; name another file", path)
	} else if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}
