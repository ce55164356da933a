//go:build peers

package mailboxtest

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
)

// Dovecot is a real Dovecot 2.3 with everything it has in one temporary
// directory. Every user name exists, with an empty mailbox and the password
// "secret".
type Dovecot struct {
	Addr, AddrTLS string // on loopback: in the clear or with STARTTLS, and with TLS
	RootCAs       *x509.CertPool

	dir  string
	cmd  *exec.Cmd
	gone chan struct{} // closed when its log ends
}

// nobody owns the mail; Dovecot refuses to keep mail as root.
const nobody = 65534

// StartDovecot starts one, as root: its processes give up rights they must
// have first. capability is what it announces after the login; empty: all.
func StartDovecot(capability string) (*Dovecot, error) {
	// Not the directory of a test: paths of sockets must be short, and processes
	// that gave up their rights must get through.
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		return nil, err
	}
	d := &Dovecot{dir: dir, gone: make(chan struct{})}
	if err := errors.Join(d.configure(capability), d.start()); err != nil {
		d.Close()
		return nil, fmt.Errorf("dovecot: %w", err)
	}
	return d, nil
}

func (d *Dovecot) configure(capability string) error {
	home := filepath.Join(d.dir, "home")
	err := errors.Join(os.Chmod(d.dir, 0o755), os.Mkdir(home, 0o755), os.Chown(home, nobody, nobody))
	if err != nil {
		return err
	}
	cert, roots, err := certificate()
	if err != nil {
		return err
	}
	d.RootCAs = roots
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(filepath.Join(d.dir, "cert.pem"), chain, 0o600); err != nil {
		return err
	}
	var ports [2]int
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close() // only now, so that the second port is another one
		ports[i] = ln.Addr().(*net.TCPAddr).Port
	}
	d.Addr, d.AddrTLS = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	config, err := os.Create(filepath.Join(d.dir, "dovecot.conf"))
	if err != nil {
		return err
	}
	return errors.Join(template.Must(template.New("dovecot.conf").Parse(dovecotConf)).Execute(config, map[string]any{
		"Dir": d.dir, "Port": ports[0], "PortTLS": ports[1], "UID": nobody, "Capability": capability,
	}), config.Close())
}

// start returns when Dovecot is up: it says so after its ports are open.
func (d *Dovecot) start() error {
	d.cmd = exec.Command("dovecot", "-F", "-c", filepath.Join(d.dir, "dovecot.conf"))
	log, err := d.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	up := make(chan error, 1)
	go func() {
		defer close(d.gone)
		var said []string
		for lines := bufio.NewScanner(log); lines.Scan(); {
			said = append(said, lines.Text())
			if strings.Contains(lines.Text(), "starting up") {
				up <- nil
				said = nil
			}
		}
		select {
		case up <- fmt.Errorf("did not start: %s", strings.Join(said, "; ")):
		default:
		}
	}()
	return <-up
}

// Close ends it and removes its directory.
func (d *Dovecot) Close() {
	if d.cmd != nil && d.cmd.Process != nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		<-d.gone
		_ = d.cmd.Wait()
	}
	_ = os.RemoveAll(d.dir)
}

const dovecotConf = `protocols = imap
listen = 127.0.0.1
base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/state
log_path = /dev/stderr
ssl = yes
ssl_cert = <{{.Dir}}/cert.pem
ssl_key = <{{.Dir}}/cert.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0 secs
{{with .Capability}}imap_capability = {{.}}
{{end}}
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid={{.UID}} gid={{.UID}} home={{.Dir}}/home/%u
}
first_valid_uid = {{.UID}}
first_valid_gid = {{.UID}}
mail_location = maildir:~/Maildir
mailbox_list_index = no
mailbox_idle_check_interval = 1 secs
namespace inbox {
  inbox = yes
  separator = /
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0 # a wrong password must not slow down the next test
  }
}
service imap-login {
  chroot =
  service_count = 0
  inet_listener imap {
    port = {{.Port}}
  }
  inet_listener imaps {
    port = {{.PortTLS}}
    ssl = yes
  }
}
`
