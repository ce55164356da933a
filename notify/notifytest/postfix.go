//go:build peers

package notifytest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Postfix is a real Postfix 3.7 with everything it has in one temporary
// directory. It takes mail over STARTTLS for the addresses it was given, with
// or without a plus tag, and refuses all others of their domains with 550
// 5.1.1; it puts later@identity.example off with 450 4.2.1. It relays nothing.
type Postfix struct {
	Addr    string // on loopback; the certificate is for this IP address
	CA      []byte // the authority of the certificate, in PEM
	RootCAs *x509.CertPool
	Boxes   string // folder of the maildirs, each named by its address

	dir  string
	cmd  *exec.Cmd
	log  startLog
	gone chan struct{} // closed when all its processes have ended
}

//go:embed postfix
var postfixFiles embed.FS

// StartPostfix starts one, as root: its processes give up rights they must
// have first.
func StartPostfix(addresses ...string) (*Postfix, error) {
	// Not the directory of a test: its parents are closed to the users that
	// Postfix turns into.
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		return nil, err
	}
	p := &Postfix{Boxes: filepath.Join(dir, "mail"), dir: dir, log: startLog{up: make(chan struct{})}, gone: make(chan struct{})}
	err = p.configure(addresses)
	if err == nil {
		err = p.start()
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("postfix: %w", err)
	}
	return p, nil
}

func (p *Postfix) configure(addresses []string) error {
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return err
	}
	uid, gid, err := p.folder("mail", "nobody")
	if err != nil {
		return err
	}
	for name, owner := range map[string]string{"queue": "root", "data": "postfix"} {
		if _, _, err := p.folder(name, owner); err != nil {
			return err
		}
	}
	if err := p.certify(); err != nil {
		return err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.Addr = free.Addr().String()
	_ = free.Close()

	var boxes, domains []string
	for _, a := range addresses {
		boxes = append(boxes, fmt.Sprintf("{ %s = %s/ }", a, a))
		if _, domain, _ := strings.Cut(a, "@"); !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	fill := strings.NewReplacer("@DIR@", p.dir, "@ADDR@", p.Addr,
		"@DOMAINS@", strings.Join(domains, ", "), "@BOXES@", strings.Join(boxes, " "),
		"@UID@", strconv.Itoa(uid), "@GID@", strconv.Itoa(gid))
	for _, name := range []string{"main.cf", "master.cf"} {
		b, err := postfixFiles.ReadFile("postfix/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(fill.Replace(string(b))), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// folder makes a folder that belongs to a user.
func (p *Postfix) folder(name, owner string) (uid, gid int, err error) {
	u, err := user.Lookup(owner)
	if err != nil {
		return 0, 0, err
	}
	path := filepath.Join(p.dir, name)
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(uidErr, gidErr, os.Mkdir(path, 0o755), os.Chown(path, uid, gid))
}

// certify makes a certificate that vouches for itself.
func (p *Postfix) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	p.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	p.RootCAs = x509.NewCertPool()
	p.RootCAs.AppendCertsFromPEM(p.CA)
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), p.CA...)
	return os.WriteFile(filepath.Join(p.dir, "tls.pem"), chain, 0o600)
}

// start returns when Postfix is up: it says so after its port is open.
func (p *Postfix) start() error {
	p.cmd = exec.Command("postfix", "-c", p.dir, "start-fg")
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return err
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // also until the last process has closed the log
	}()
	select {
	case <-p.log.up:
		return nil
	case <-p.gone:
		return fmt.Errorf("did not start: %s", p.Log())
	}
}

// Close ends it, waits for the last of its processes and removes its
// directory. A second call does nothing.
func (p *Postfix) Close() {
	if p.cmd != nil {
		_ = exec.Command("postfix", "-c", p.dir, "stop").Run() // fails where it has ended already
		<-p.gone
	}
	_ = os.RemoveAll(p.dir)
}

// Log returns what Postfix said so far.
func (p *Postfix) Log() string {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.log.said.String()
}

// Mails waits until an address has n mails or more, and returns them all, in
// no order and with the line ends that they were sent with.
func (p *Postfix) Mails(ctx context.Context, address string, n int) ([][]byte, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		files, err := filepath.Glob(filepath.Join(p.Boxes, address, "new", "*"))
		if err != nil {
			return nil, err
		}
		if len(files) >= n {
			return readMails(files)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d mails for %s came: %w", len(files), n, address, ctx.Err())
		}
	}
}

func readMails(files []string) (mails [][]byte, err error) {
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mails = append(mails, bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
	}
	return mails, nil
}

// startLog keeps a log and says when Postfix has started.
type startLog struct {
	mu   sync.Mutex // guards said
	said bytes.Buffer
	up   chan struct{} // closed at the start
	once sync.Once
}

// Write implements [io.Writer].
func (l *startLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said.Write(b)
	if bytes.Contains(l.said.Bytes(), []byte("daemon started")) {
		l.once.Do(func() { close(l.up) })
	}
	return len(b), nil
}
