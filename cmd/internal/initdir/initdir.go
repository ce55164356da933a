// Package initdir writes the configuration that an operator begins with.
//
// Start reading at [Write]. The files are made from the templates beside this
// file; what only a person can know is marked FILL-IN, which package config
// reports by name and line. The package starts no goroutines.
package initdir

import (
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"unicode"
)

// Options say what is known already. Every field may be left out.
type Options struct {
	Org     string // name of the organisation, as in its mails
	Address string // to which researchers write

	// MakeKey makes an OpenPGP key of the organisation. It is called where Org
	// and Address are given. The secret part has no passphrase: it would lie
	// beside the key.
	MakeKey func(name, address string) (secret, public, fingerprint string, err error)
}

//go:embed templates
var templates embed.FS

// entry is a file or a folder to write.
type entry struct {
	name string
	mode fs.FileMode // with fs.ModeDir for a folder
	text string
	what string // for the person who runs init; empty: not worth a word
}

// Write makes a configuration in dir, and dir itself where it is missing, and
// tells on out what it wrote and what is left to do. It overwrites nothing:
// where anything is there already, nothing is written. A dir below /etc gets a
// configuration for the systemd unit, any other one that runs where it stands.
func Write(dir string, out io.Writer, opt Options) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if opt.Address != "" {
		if a, err := mail.ParseAddress(opt.Address); err != nil || a.Address != opt.Address {
			return errors.New("--address is no mail address; write it as local@domain, such as security@identity.example")
		}
	}
	if strings.ContainsFunc(opt.Org, unicode.IsControl) {
		return errors.New("--org has a control character in it")
	}
	p := plan{Dir: dir, System: strings.HasPrefix(dir, "/etc/"), Options: opt}
	entries, err := p.entries()
	if err != nil {
		return err
	}
	if err := free(dir, entries); err != nil {
		return err
	}
	if err := makeDir(dir); err != nil {
		return err
	}
	for _, e := range entries {
		if err := e.write(dir); err != nil {
			return err
		}
	}
	return p.tell(out, entries)
}

// plan is what the templates and the last words are made from.
type plan struct {
	Options
	Dir         string
	System      bool
	fingerprint string // of the key that was made; empty: none was
}

func (p *plan) entries() ([]entry, error) {
	master := make([]byte, 32)
	_, _ = rand.Read(master) // never fails
	entries := []entry{
		{name: "secrets", mode: fs.ModeDir | 0o700},
		{name: "secrets/master-key", mode: 0o600, text: hex.EncodeToString(master) + "\n",
			what: "seals everything that is stored"},
	}
	for _, e := range []entry{
		{name: "vdpd.toml", mode: 0o644, what: "servers, people and mailboxes"},
		{name: "policy.toml", mode: 0o644, what: "what your organisation promises"},
	} {
		var err error
		if e.text, err = p.render(e.name); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	if !p.System {
		entries = append(entries, entry{name: "state", mode: fs.ModeDir | 0o700})
	}
	if p.Org == "" || p.Address == "" || p.MakeKey == nil {
		return entries, nil
	}
	secret, public, fingerprint, err := p.MakeKey(p.Org, p.Address)
	if err != nil {
		return nil, fmt.Errorf("the OpenPGP key could not be made: %w", err)
	}
	p.fingerprint = fingerprint
	return append(entries,
		entry{name: "secrets/openpgp-key", mode: 0o600, text: secret, what: "your OpenPGP key " + fingerprint},
		entry{name: "openpgp-key.pub", mode: 0o644, text: public, what: "its public part, to publish beside your policy"}), nil
}

func (p *plan) render(name string) (string, error) {
	t, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, p)
	return b.String(), err
}

// free reports everything that is in the way.
func free(dir string, entries []entry) error {
	var there []string
	for _, e := range entries {
		if _, err := os.Lstat(filepath.Join(dir, e.name)); err == nil {
			there = append(there, e.name)
		}
	}
	if len(there) > 0 {
		return fmt.Errorf("nothing was written, because %s already has %s; choose another folder, or move them away",
			dir, strings.Join(there, ", "))
	}
	return nil
}

// makeDir makes the folder itself, where it is missing, with a mode that does
// not depend on the umask: the service must be able to read it.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755))
}

func (e entry) write(dir string) error {
	path := filepath.Join(dir, e.name)
	if e.mode.IsDir() {
		return os.Mkdir(path, e.mode.Perm())
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, e.text)
	return errors.Join(err, f.Chmod(e.mode), f.Sync(), f.Close())
}

// The texts that stand in the templates, as TOML writes them.

// AddressOr returns the address, or what stands for it.
func (p *plan) AddressOr(blank string) string { return quote(p.Address, blank) }

// OrgOr returns the name of the organisation, or what stands for it.
func (p *plan) OrgOr(blank string) string { return quote(p.Org, blank) }

// DomainOr returns the domain of the address, or what stands for it.
func (p *plan) DomainOr(blank string) string {
	_, domain, _ := strings.Cut(p.Address, "@")
	return quote(strings.ToLower(domain), blank)
}

// SignOff returns who signs mails.
func (p *plan) SignOff() string {
	if p.Org == "" {
		return quote("", "FILL-IN")
	}
	return quote("The security team of "+p.Org, "")
}

// quote returns text, or blank where there is none, as a TOML string.
func quote(text, blank string) string {
	if text == "" {
		text = blank
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
