package config

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vdpd/triage"
)

// maxSocketPath is what fits into sockaddr_un, less the final NUL.
const maxSocketPath = 107

// check looks at what no single value shows: names that must exist or must be
// different, and what does not go together.
func (l *loader) check(main *file) {
	l.checkPlaces(main)
	l.checkServers(main)
	l.checkPeople(main)
	l.checkMailboxes(main)
	l.checkReaders()
	l.checkLoops(main)
}

func (l *loader) checkPlaces(main *file) {
	c := l.conf
	if info, err := os.Stat(c.StateDir); err == nil {
		switch {
		case !info.IsDir():
			main.problem("state_dir", c.StateDir+" is not a folder", "")
		case info.Mode().Perm()&0o077 != 0:
			main.problem("state_dir", fmt.Sprintf("%s has mode %04o, which lets others in", c.StateDir, info.Mode().Perm()), "run: chmod 0700 "+c.StateDir)
		}
	}
	if abs, err := filepath.Abs(c.Socket.Path); err == nil && c.Socket.Path != "" {
		c.Socket.Path = abs
	}
	if len(c.Socket.Path) > maxSocketPath {
		main.problem("socket.path", fmt.Sprintf("is longer than %d bytes, which the kernel does not take", maxSocketPath), "choose a shorter path, such as /run/vdpd/vdpd.sock")
	}
	if name := c.Socket.Group; name != "" {
		if _, err := user.LookupGroup(name); err != nil {
			main.problem("socket.group", fmt.Sprintf("there is no group %q on this machine", name), "make it with: groupadd --system "+name)
		}
	}
	if c.CAFile != "" && !main.bad["ca_file"] {
		l.certificates(main)
	}
}

// certificates trusts those of CAFile beside those of the system.
func (l *loader) certificates(main *file) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any: the file must do
	}
	pem, err := os.ReadFile(l.conf.CAFile)
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		main.problem("ca_file", "there is no certificate in "+l.conf.CAFile, "it must have PEM blocks that begin with -----BEGIN CERTIFICATE-----")
		return
	}
	l.conf.CAs = pool
}

// checkServers completes ports and refuses a login that everybody could read.
func (l *loader) checkServers(main *file) {
	s := &l.conf.SMTP
	if s.Port == 0 {
		s.Port = map[string]int{"tls": 465, "starttls": 587, "none": 25}[s.TLS]
	}
	plainOnlyToLoopback(main, "smtp.tls", s.TLS, s.Host)
	switch user, password := main.given("smtp.user"), main.given("smtp.password"); {
	case user && !password:
		main.problem("smtp.user", "has no password", `add password = { credential = "smtp-password" }, or remove the user`)
	case password && !user:
		main.problem("smtp.password", "has no user", "add user, or remove the password")
	}
	for i := range l.conf.Mailboxes {
		m := &l.conf.Mailboxes[i]
		if m.Port == 0 {
			m.Port = map[string]int{"tls": 993, "starttls": 143, "none": 143}[m.TLS]
		}
		plainOnlyToLoopback(main, fmt.Sprintf("mailbox.%d.tls", i), m.TLS, m.Host)
	}
	if s.Helo == "" && len(l.conf.Policies) > 0 {
		s.Helo = l.conf.Policies[0].Domain
	}
}

func plainOnlyToLoopback(main *file, path, tls, host string) {
	addr, err := netip.ParseAddr(host)
	if tls == "none" && host != "localhost" && (err != nil || !addr.IsLoopback()) {
		main.problem(path, "none is allowed only to localhost, 127.0.0.1 or ::1", `use "tls" or "starttls"`)
	}
}

func (l *loader) checkPeople(main *file) {
	ids, users := map[string]bool{}, map[int]bool{}
	for i := range l.conf.People {
		p := &l.conf.People[i]
		at := func(key string) string { return fmt.Sprintf("person.%d.%s", i, key) }
		unique(main, at("id"), p.ID, ids, "person")
		if p.UID = -1; p.User != "" {
			p.UID = uidOf(p.User)
			switch {
			case p.UID < 0:
				main.problem(at("user"), fmt.Sprintf("there is no login %q on this machine", p.User), "write the name that `id -un` shows, or the number that `id -u` shows")
			case users[p.UID]:
				main.problem(at("user"), fmt.Sprintf("%q is the login of another person already", p.User), "each person needs a login of their own")
			}
			users[p.UID] = true
		}
		if p.Key != "" && !main.bad[at("key")] {
			publicOnly(main, at("key"), p.Key)
		}
	}
}

// uidOf returns the number of a login, or -1 where there is none.
func uidOf(login string) int {
	if u, err := user.Lookup(login); err == nil {
		login = u.Uid
	}
	n, err := strconv.ParseUint(login, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// publicOnly refuses a person's secret key: the service has no business with
// it, and the file may be readable by all.
func publicOnly(main *file, path, name string) {
	b, err := os.ReadFile(name)
	if err == nil && bytes.Contains(b, []byte("BEGIN PGP PRIVATE KEY BLOCK")) {
		main.problem(path, name+" holds a secret key", "put only the public one there (gpg --armor --export ADDRESS) and treat the secret one as disclosed")
	}
}

// unique refuses a name that was seen before.
func unique(f *file, path, name string, seen map[string]bool, what string) {
	if name != "" && seen[name] {
		f.problem(path, fmt.Sprintf("there are two of the name %q", name), "each "+what+" needs a name of its own")
	}
	seen[name] = true
}

// known refuses the id of a person that is not in the main file.
func (l *loader) known(f *file, path, id string) {
	var ids []string
	for _, p := range l.conf.People {
		ids = append(ids, p.ID)
	}
	if id == "" || slices.Contains(ids, id) || slices.Contains(ids, "") {
		return // the last: some id has a problem of its own, and may be this one
	}
	hint := "add a [[person]] with this id to " + l.conf.Path
	if n := nearest(id, ids); n != "" {
		hint = fmt.Sprintf("did you mean %q?", n)
	}
	f.problem(path, fmt.Sprintf("there is no person %q", id), hint)
}

func (l *loader) checkMailboxes(main *file) {
	names, accounts := map[string]bool{}, map[string]bool{}
	for i, m := range l.conf.Mailboxes {
		at := func(key string) string { return fmt.Sprintf("mailbox.%d.%s", i, key) }
		unique(main, at("name"), m.Name, names, "mailbox")
		account := strings.ToLower(fmt.Sprintf("%s:%d %s", m.Host, m.Port, m.User))
		if m.User != "" && accounts[account] {
			main.problem(at("user"), "this account is read by another [[mailbox]] already", "its mails can have one policy only")
		}
		accounts[account] = true
		folders := append([]string{m.Inbox}, m.Junk...)
		if m.ReportFolder != "" {
			if m.Policy != nil && m.Policy.Mode == triage.Dedicated {
				main.problem(at("report_folder"), "means nothing for a mailbox whose policy has intake.mode dedicated", "remove the line")
			}
			if slices.Contains(folders, m.ReportFolder) {
				main.problem(at("report_folder"), fmt.Sprintf("folder %q is the inbox or a junk folder", m.ReportFolder), "it needs a folder of its own")
			}
			folders = append(folders, m.ReportFolder)
		}
		if slices.Contains(folders, m.Processed) {
			main.problem(at("processed"), fmt.Sprintf("folder %q is read for new mail", m.Processed), "processed messages need a folder of their own")
		}
	}
}

// checkReaders refuses readers that do not exist and roles that are named
// twice: one person holds a role.
func (l *loader) checkReaders() {
	for _, p := range l.rules {
		roles := map[string]bool{}
		for i, r := range p.Readers {
			unique(p.file, fmt.Sprintf("readers.%d.role", i), r.Role, roles, "role")
			l.known(p.file, fmt.Sprintf("readers.%d.person", i), r.Person)
		}
	}
}

// checkLoops refuses notices to an address that is read for reports: each
// would come back as one.
func (l *loader) checkLoops(main *file) {
	policy := map[triage.Secret]string{}
	for _, p := range l.rules {
		for i, a := range p.Addresses {
			if other, ok := policy[a]; ok && a != "" {
				p.file.problem(fmt.Sprintf("intake.addresses.%d", i), fmt.Sprintf("is an address of policy %q too", other), "an address has one policy")
			}
			policy[a] = p.ID
		}
	}
	for i, p := range l.conf.People {
		if id, ok := policy[p.Address]; ok && p.Address != "" {
			main.problem(fmt.Sprintf("person.%d.address", i), fmt.Sprintf("is an address at which policy %q takes reports", id), "notices would come back as reports: use another address")
		}
	}
}
