// Command vdp is what staff use to read and work the cases of a
// vulnerability-disclosure mailbox. It talks to the daemon vdpd over its Unix
// socket and keeps nothing itself. It exits with 0 when it did what was asked,
// 1 when it could not, and 2 when it did not understand.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // dates are shown in the zone of a policy

	"vdpd/cmd/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		StdinTerminal: cli.IsTerminal(os.Stdin), StdoutTerminal: cli.IsTerminal(os.Stdout),
		Getenv: os.Getenv, Now: time.Now,
	})
	stop()
	os.Exit(code)
}
