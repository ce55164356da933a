// Vdpd is a vulnerability-disclosure mailbox: the daemon, and what its
// operator needs. Exit codes: 0 done, 1 failed, 2 bad configuration or usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // policies name zones, and the machine may have none

	"vdpd/cmd/internal/config"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main with an exit code. The first signal asks for an orderly stop;
// the second ends the process at once, as it would without us.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(os.Stderr, "vdpd:", err)
	}
	return exitCode(err)
}

// errSaid is wrapped by errors whose story is already on the screen.
var errSaid = errors.New("see above")

// usage is an error about how the program was called.
type usage struct{ error }

func exitCode(err error) int {
	if _, ok := errors.AsType[*config.Error](err); ok {
		return 2
	}
	if _, ok := errors.AsType[usage](err); ok {
		return 2
	}
	return 1
}
