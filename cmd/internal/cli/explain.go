package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"vdpd/cmd/internal/api"
	"vdpd/triage"
)

// explain says what went wrong and what to do next.
func (a *app) explain(err error) string {
	switch {
	case errors.Is(err, api.ErrNotRunning):
		return "nobody answers at " + a.socket + `. Is the daemon running ("systemctl status vdpd")? If it listens elsewhere, name the place with --socket or VDP_SOCKET.`
	case errors.Is(err, api.ErrNoAccess):
		return "you may not use " + a.socket + ". " + socketGroup(a.socket)
	case errors.Is(err, api.ErrNoCase):
		return err.Error() + `. "vdp list --all" shows every case that you may see.`
	case errors.Is(err, triage.ErrDenied):
		return err.Error() + ". The operator gives roles, in the configuration of the daemon."
	case errors.Is(err, context.Canceled):
		return "interrupted; nothing is certain about what was asked last"
	}
	return err.Error()
}

// socketGroup says who may use a socket.
func socketGroup(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "Its directory is closed to you; ask the operator."
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "Ask the operator."
	}
	group := "number " + strconv.Itoa(int(stat.Gid))
	if g, err := user.LookupGroupId(strconv.Itoa(int(stat.Gid))); err == nil {
		group = g.Name
	}
	return fmt.Sprintf("It is for members of the group %s: ask the operator to add you, then log in again.", group)
}
