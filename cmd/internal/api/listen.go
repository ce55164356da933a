package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// DefaultSocket is where the daemon listens unless told otherwise.
const DefaultSocket = "/run/vdpd/vdpd.sock"

// maxPath is the length of a socket's path in bytes (unix(7)).
const maxPath = 107

// ErrInUse is returned by [Listen] where another process answers at the path.
var ErrInUse = errors.New("another daemon answers on this socket")

// Listen creates the socket at path, an absolute path in an existing directory,
// with the given mode, and with the given group where one is named. A socket
// that nobody answers any more is replaced; a live one, or anything that is
// not a socket, is left alone. Two daemons that start at once can't take the
// socket from each other: a lock file beside it makes one wait.
//
// The socket is closed to everybody until its mode and group are right. It is
// removed when the listener closes.
func Listen(path string, mode fs.FileMode, group string) (net.Listener, error) {
	l, err := listen(path, mode, group)
	if err != nil {
		return nil, fmt.Errorf("staff socket %s: %w", path, err)
	}
	return l, nil
}

func listen(path string, mode fs.FileMode, group string) (net.Listener, error) {
	if !filepath.IsAbs(path) || len(path) > maxPath {
		return nil, fmt.Errorf("the path must be absolute and have at most %d bytes", maxPath)
	}
	gid := -1
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return nil, fmt.Errorf("there is no group %q; create it or name another", group)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return nil, err
		}
	}
	unlock, err := lock(path + ".lock")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the directory does not exist; create it, or let systemd do it with RuntimeDirectory=")
	} else if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// On Linux the mode of the unbound socket is that of the file.
		var chmodErr error
		err := c.Control(func(fd uintptr) { chmodErr = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, chmodErr)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chown(path, -1, gid), os.Chmod(path, mode)); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("group and mode can't be set; is the daemon a member of the group? %w", err)
	}
	return l, nil
}

// lock holds an advisory lock until unlock is called; the file stays.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// removeStale removes the socket of a daemon that is gone.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is something else than a socket at this path; remove it or name another path")
	}
	c, err := net.Dial("unix", path)
	switch {
	case err == nil:
		_ = c.Close()
		return ErrInUse
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("can't tell whether another daemon uses it: %w", err)
}
