package api

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"vdpd/triage"
)

// overflow is the uid by which a user namespace shows every user that it does
// not have; it names nobody.
const overflow = 65534

type peerKey struct{}

// peer is who is at the other end of a connection.
type peer struct {
	uid   uint32
	actor triage.Actor
	known bool
}

// identify asks the kernel who made the connection. It is the ConnContext of
// the HTTP server, so it runs once per connection.
func (s *Server) identify(ctx context.Context, c net.Conn) context.Context {
	p := peer{uid: overflow}
	if uid, err := peerUID(c); err != nil {
		s.opt.Log.Error("staff socket: the kernel does not say who calls", "error", err)
	} else if p.uid = uid; uid != overflow {
		p.actor, p.known = s.opt.Who(uid)
	}
	return context.WithValue(ctx, peerKey{}, p)
}

func peerUID(c net.Conn) (uint32, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("%T is not a connection of a Unix socket", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return cred.Uid, nil
}

// stranger is the sentence for somebody whom the configuration does not name.
func (p peer) stranger() string {
	if p.uid == overflow {
		return "the daemon cannot see who you are; the operator must not run it in a user namespace of its own (PrivateUsers= of systemd)"
	}
	return fmt.Sprintf(`the configuration does not name you (uid %d); ask the operator to add user = "your login name" to your [[person]]`, p.uid)
}
