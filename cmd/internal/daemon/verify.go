package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"vdpd/cmd/internal/config"
)

// Verify checks the whole store of a configuration and prints what it found.
// The daemon must be stopped: a store is open once.
func Verify(ctx context.Context, cfg *config.Config, w io.Writer) error {
	st, err := openStore(cfg, Options{Log: slog.New(slog.DiscardHandler)}, false)
	if err != nil {
		return err
	}
	defer st.Close()
	report, err := st.Check(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "events   %d in one chain\ncases    %d, and %d erased\nmails    %d opened\nlook-ups %d\nledger   %d messages\noutbox   %d mails\n",
		report.Events, report.Cases, report.Erased, report.Raw, report.Lookups, report.Ledger, report.Outbox)
	for _, f := range report.Findings {
		fmt.Fprintln(w, "DEFECT  ", f)
	}
	if n := len(report.Findings) + report.More; n > 0 {
		return fmt.Errorf("the store has %d defects; restore a backup, and keep this one to look into", n)
	}
	fmt.Fprintln(w, "Everything holds together.")
	return nil
}
