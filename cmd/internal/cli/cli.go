// Package cli is the command line of staff: vdp list, show, raw, seen, note,
// release and status. Each command asks the daemon once or twice over its
// socket and prints the answer, as text for people or, with --json, as one
// JSON document with times in UTC.
//
// Start reading at [Run]. Whatever came by mail is hostile: text leaves only
// through a page (page.go), which takes the power over the terminal from it
// and keeps its lines apart from ours. The package starts no goroutines.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
)

// Exit codes of [Run].
const (
	exitOK     = 0
	exitFailed = 1 // understood, and not done
	exitUsage  = 2 // not understood
)

// Env is the world around a command. All fields are required.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	StdinTerminal  bool // a person can be asked
	StdoutTerminal bool // raw bytes would reach a terminal
	Getenv         func(string) string
	Now            func() time.Time
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// app is one run of the program.
type app struct {
	Env
	socket string
	json   bool
	client *api.Client
	began  bool // the command line was understood
}

// usageError is a mistake in the command line that a command finds itself.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// Run runs the command line args, without the program's name, and returns the
// exit code. An error is told on Stderr with what to do about it.
func Run(ctx context.Context, args []string, env Env) int {
	a := &app{Env: env}
	root := a.root()
	root.SetArgs(append([]string{}, args...))
	err := root.ExecuteContext(ctx)
	if a.client != nil {
		a.client.Close()
	}
	if err == nil {
		return exitOK
	}
	_, ours := errors.AsType[usageError](err)
	p := page{}
	p.hang(0, "vdp: "+a.explain(err))
	if !a.began {
		p.hang(0, `"vdp --help" shows what is possible.`)
	}
	_, _ = io.WriteString(a.Stderr, p.String())
	if ours || !a.began {
		return exitUsage
	}
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vdp",
		Short: "Read and work the cases of the vulnerability-disclosure mailbox",
		Long: `vdp shows the reports that arrived, to the people whose roles let them read
them, and does what they decide. It talks to the daemon vdpd on this machine,
which knows you by your login; there is nothing to log in to.

A case has a reference such as 7K3M-Q9XT-2H4C. It may be typed in any case,
with or without dashes; the last character finds a slip of the pen.`,
		Example: `  vdp list                         what waits for somebody
  vdp show 7K3M-Q9XT-2H4C          everything about one case
  vdp seen 7K3M-Q9XT-2H4C          you have read it, for each of your roles`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		PersistentPreRun: func(*cobra.Command, []string) {
			a.began = true
			a.client = api.Dial(a.socket)
		},
	}
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	flags := root.PersistentFlags()
	flags.StringVar(&a.socket, "socket", cmp.Or(a.Getenv("VDP_SOCKET"), api.DefaultSocket), "`path` of the daemon's socket; else $VDP_SOCKET")
	flags.Lookup("socket").DefValue = api.DefaultSocket
	flags.BoolVar(&a.json, "json", false, "print one JSON document, for programs")
	root.AddCommand(a.list(), a.show(), a.raw(), a.seen(), a.take(), a.leave(), a.note(), a.release(), a.status(), man(root))
	for _, c := range root.Commands() {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	return root
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// print writes an answer: v for programs, or the page for people.
func (a *app) print(v any, people *page) error {
	text := []byte(people.String())
	if a.json {
		var err error
		if text, err = document(v); err != nil {
			return err
		}
	}
	_, err := a.Stdout.Write(text)
	return err
}

func reference(s string) (triage.Ref, error) {
	ref, err := triage.ParseRef(s)
	if err != nil {
		return "", usage(`%q is not a reference; did you mistype it? It has twelve characters, such as 7K3M-Q9XT-2H4C, and the last one checks the others. "vdp list" shows the ones you have.`, s)
	}
	return ref, nil
}
