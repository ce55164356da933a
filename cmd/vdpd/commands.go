package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"vdpd/cmd/internal/config"
	"vdpd/cmd/internal/daemon"
	"vdpd/cmd/internal/demo"
	"vdpd/cmd/internal/initdir"
)

const defaultConfig = "/etc/vdpd/vdpd.toml"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "vdpd",
		Short: "A vulnerability-disclosure mailbox that keeps what its policy promises",
		Long: `vdpd reads mail sent to addresses such as security@, makes sealed cases of it,
tells the right people by encrypted mail, answers the researcher, and watches
every date that the disclosure policy promises.

Try it:            vdpd demo
Set it up:         vdpd init DIR, fill in the blanks, vdpd check, vdpd run
Work with cases:   vdp list (see vdp --help)`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          arguments(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(runCommand(), demoCommand(), initCommand(), checkCommand(), inspectCommand(), keysCommand(), verifyCommand(), manCommand())
	return root
}

// arguments checks the number of arguments, as an error of usage.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
		}
		return nil
	}
}

func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("config", "c", defaultConfig, "configuration `FILE`")
}

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon until SIGTERM or SIGINT",
		Long: `Run reads the mailboxes of the configuration until it is told to stop. On SIGTERM
or SIGINT it takes no new work, finishes the message and the mail in hand, and
exits 0; a second signal ends it at once, and loses nothing either. It logs to
standard error. Exit code 2 means that the configuration must be mended first.`,
		Args: arguments(cobra.NoArgs),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(*path, os.Getenv)
		if err != nil {
			return err
		}
		watch, err := sd.SdWatchdogEnabled(false)
		if err != nil {
			return fmt.Errorf("WATCHDOG_USEC of systemd: %w", err)
		}
		d, err := daemon.New(cfg, daemon.Options{
			Log: logger(cfg.Log, os.Stderr), Version: version(), Watch: watch / 3,
			Notify: func(state string) { _, _ = sd.SdNotify(false, state) },
		})
		if err != nil {
			return err
		}
		return d.Run(cmd.Context())
	}
	return cmd
}

func logger(c config.Log, w io.Writer) *slog.Logger {
	opt := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job on this machine: three reports, from mail to cases, receipts and notices",
		Long: `Demo starts a mail server and the daemon inside this process, with keys made for
the occasion, lets a researcher send three reports, and tells what happens. It
needs no configuration, reaches nothing outside this machine, and leaves nothing
behind. It stays up until Ctrl-C, so that you can look around with vdp.`,
		Args: arguments(cobra.NoArgs),
	}
	var opt demo.Options
	cmd.Flags().BoolVar(&opt.Once, "once", false, "exit when the story is told")
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "print the counts as JSON in the last line")
	cmd.Flags().BoolVar(&opt.Verbose, "log", false, "show the daemon's log too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opt.Version = version()
		return demo.Run(cmd.Context(), cmd.OutOrStdout(), os.Stderr, opt)
	}
	return cmd
}

func initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a commented configuration, a master key and an OpenPGP key",
		Long: `Init writes vdpd.toml, a policy file and the secrets that it can make into DIR,
and overwrites nothing. What only you know is marked FILL-IN; vdpd check lists
what is left. With --org and --address the organisation's OpenPGP key is made
too.`,
		Args: arguments(cobra.ExactArgs(1)),
	}
	var opt initdir.Options
	cmd.Flags().StringVar(&opt.Org, "org", "", "`NAME` of the organisation, as in its mails")
	cmd.Flags().StringVar(&opt.Address, "address", "", "`ADDRESS` to which researchers write")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opt.MakeKey = makeKey
		return initdir.Write(args[0], cmd.OutOrStdout(), opt)
	}
	return cmd
}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what is right and what is wrong with the configuration and its servers",
		Long: `Check reads the configuration strictly, renders every mail template once, opens
every key, and connects and logs in to the IMAP and SMTP servers. It changes
nothing and sends nothing. Exit code 0: all is well; 1: a server or the store
is not; 2: the configuration must be mended.`,
		Args: arguments(cobra.NoArgs),
	}
	path := configFlag(cmd)
	offline := cmd.Flags().Bool("offline", false, "connect to nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		report := daemon.Check(cmd.Context(), *path, daemon.CheckOptions{Offline: *offline, Now: time.Now()})
		report.Print(cmd.OutOrStdout())
		if err := report.Err(); err != nil {
			return fmt.Errorf("%w: %w", errSaid, err)
		}
		return nil
	}
	return cmd
}

func verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every event, mail and look-up of the store (while the daemon is stopped)",
		Args:  arguments(cobra.NoArgs),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(*path, os.Getenv)
		if err != nil {
			return err
		}
		return daemon.Verify(cmd.Context(), cfg, cmd.OutOrStdout())
	}
	return cmd
}

func manCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder",
		Args:  arguments(cobra.ExactArgs(1)),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.Root().DisableAutoGenTag = true
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "VDPD", Section: "8", Source: "vdpd"}, args[0])
	}
	return cmd
}

// version is what the build recorded: a tag, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
