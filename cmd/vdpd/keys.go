package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vdpd/mailbox/openpgp"
)

// makeKey makes an OpenPGP key of an organisation: Ed25519 to sign, because
// every mail is signed, and Curve25519 to be encrypted to.
func makeKey(name, address string) (secret, public, fingerprint string, err error) {
	key, err := openpgp.Generate(name, address, time.Now())
	if err != nil {
		return "", "", "", err
	}
	if secret, err = key.ArmorSecret(""); err != nil {
		return "", "", "", err
	}
	public, err = key.ArmorPublic()
	return secret, public, key.Fingerprint(), err
}

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and show OpenPGP keys",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(keysGenerateCommand(), keysShowCommand())
	return cmd
}

func keysGenerateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generate FILE",
		Short: "Make a secret key in FILE (mode 0600) and its public part in FILE.pub",
		Args:  arguments(cobra.ExactArgs(1)),
	}
	name := cmd.Flags().String("name", "", "`NAME` in the key, such as the organisation's")
	address := cmd.Flags().String("address", "", "`ADDRESS` to which researchers write")
	_ = cmd.MarkFlagRequired("name")
	_ = cmd.MarkFlagRequired("address")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		secret, public, fingerprint, err := makeKey(*name, *address)
		if err != nil {
			return err
		}
		if err := writeNew(args[0], secret, 0o600); err != nil {
			return err
		}
		if err := writeNew(args[0]+".pub", public, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "made %s\nsecret key   %s (keep a copy where nobody else reads it)\npublic key   %s.pub (publish it beside your policy)\n",
			fingerprint, args[0], args[0])
		return nil
	}
	return cmd
}

// writeNew writes a file that must not exist yet.
func writeNew(path, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is already there, and is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func keysShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE...",
		Short: "Show what is in key files",
		Args:  arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, file := range args {
				b, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				keys, err := openpgp.ParseCerts(b)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				for _, k := range keys {
					expires := "never expires"
					if t, ok := k.Expires(); ok {
						expires = "expires " + t.UTC().Format(time.DateOnly)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %v\n", k.Fingerprint(), expires, k.Addresses())
				}
			}
			return nil
		},
	}
}
