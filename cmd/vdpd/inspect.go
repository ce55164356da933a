package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vdpd/cmd/internal/inspect"
	"vdpd/mailbox/openpgp"
	"vdpd/triage"
)

func inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect FILE.eml...",
		Short: "Show what the daemon would make of a message, and why",
		Long: `Inspect reads messages as the daemon would, without a configuration and without
a store, and shows what it found. It changes nothing and connects to nothing.
Exit code 0 whenever every file could be opened.`,
		Args: arguments(cobra.MinimumNArgs(1)),
	}
	asJSON := cmd.Flags().Bool("json", false, "one JSON object a line")
	secrets := cmd.Flags().StringArray("key", nil, "`FILE` with secret keys of ours (repeatable)")
	certs := cmd.Flags().StringArray("cert", nil, "`FILE` with public keys of possible signers (repeatable)")
	passphrases := cmd.Flags().StringArray("passphrase-file", nil, "`FILE` with passphrases of the keys, one a line (repeatable)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opt := inspect.Options{JSON: *asJSON, Now: time.Now()}
		phrases, err := readPassphrases(*passphrases)
		if err != nil {
			return err
		}
		if opt.Own, err = readRing(cmd, *secrets, func(b []byte) ([]*openpgp.Key, error) { return openpgp.ParseKeys(b, phrases...) }); err != nil {
			return err
		}
		if opt.Certs, err = readRing(cmd, *certs, openpgp.ParseCerts); err != nil {
			return err
		}
		return inspect.Run(cmd.OutOrStdout(), opt, args)
	}
	return cmd
}

func readPassphrases(files []string) ([]triage.Secret, error) {
	var phrases []triage.Secret
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, usage{fmt.Errorf("passphrases: %w", err)}
		}
		for line := range strings.Lines(string(b)) {
			phrases = append(phrases, triage.Secret(strings.TrimRight(line, "\r\n")))
		}
	}
	return phrases, nil
}

// readRing reads key files. A file without a usable key is told of and left
// out: what the others open is still worth seeing.
func readRing(cmd *cobra.Command, files []string, parse func([]byte) ([]*openpgp.Key, error)) (*openpgp.Ring, error) {
	ring := openpgp.NewRing()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, usage{err}
		}
		keys, err := parse(b)
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "vdpd: %s is left out: %v\n", f, err)
		}
		ring.Add(keys...)
	}
	return ring, nil
}
