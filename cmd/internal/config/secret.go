package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"vdpd/triage"
)

// maxSecret bounds a secret; systemd itself allows 1 MB for all of a unit.
const maxSecret = 1 << 20

// credentialsDir is the variable by which systemd tells a service where its
// credentials are.
const credentialsDir = "CREDENTIALS_DIRECTORY"

// Secret says where a secret is. Exactly one is enough; where both are given,
// the credential counts under systemd, and the file for a start by hand.
type Secret struct {
	// Credential is the name of a systemd credential (LoadCredential=). The
	// unit loads the whole folder /etc/vdpd/secrets, so NAME is the name of a
	// file there.
	Credential string `toml:"credential" is:"credential"`

	// File holds the secret. It must have mode 0600 or 0400 and belong to the
	// account that runs vdpd.
	File string `toml:"file" is:"path"`

	label string  // what it is for, such as smtp.password
	dir   string  // $CREDENTIALS_DIRECTORY when the configuration was read
	where Problem // file and line that name it
}

// Given reports whether the configuration names a source.
func (s Secret) Given() bool { return s.Credential != "" || s.File != "" }

// Label says what the secret is for: the key in the configuration.
func (s Secret) Label() string { return s.label }

// String says where the secret is, and nothing of what it is.
func (s Secret) String() string {
	if s.Credential != "" && (s.dir != "" || s.File == "") {
		return fmt.Sprintf("credential %q", s.Credential)
	}
	return "file " + s.File
}

// Read returns the secret without the line end that editors add. The error is
// an [*Error] that says which secret it is, where it was looked for and how to
// supply it.
func (s Secret) Read() (triage.Secret, error) {
	b, err := s.bytes()
	text := strings.TrimRight(string(b), "\r\n")
	if err == nil && text == "" {
		return "", s.problem("is empty", "write the secret into it")
	}
	return triage.Secret(text), err
}

// ReadExact returns the secret byte for byte, for OpenPGP keys, which may be
// binary. The error is as for [Secret.Read].
func (s Secret) ReadExact() (triage.Secret, error) {
	b, err := s.bytes()
	return triage.Secret(b), err
}

// ReadKey returns a secret of 32 bytes that is written as 64 hexadecimal
// digits. The error is as for [Secret.Read].
func (s Secret) ReadKey() (key [32]byte, err error) {
	text, err := s.Read()
	if err != nil {
		return key, err
	}
	n, err := hex.Decode(key[:], []byte(text.Reveal()[:min(64, len(text))]))
	if err != nil || n != len(key) || len(text) != 64 {
		return [32]byte{}, s.problem("does not hold 64 hexadecimal digits",
			"put back the key that this store was made with, or for a new store make one with: openssl rand -hex 32")
	}
	return key, nil
}

func (s Secret) bytes() ([]byte, error) {
	switch {
	case s.Credential != "" && s.dir != "":
		return s.readCredential()
	case s.File != "":
		return s.readFile()
	}
	return nil, s.problem("cannot be looked up, because $"+credentialsDir+" is not set",
		"systemd sets it for a service with LoadCredential=; for a start by hand add file = \"PATH\" beside the credential")
}

// readCredential looks for the credential under its own name, and as systemd
// names it where the unit loads a whole folder as "secrets".
func (s Secret) readCredential() ([]byte, error) {
	for _, name := range []string{s.Credential, "secrets_" + s.Credential} {
		f, err := os.Open(filepath.Join(s.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, s.problem("cannot be opened: "+reason(err), "look at LoadCredential= of the unit")
		}
		defer f.Close()
		return s.readAll(f)
	}
	return nil, s.problem("is not in "+s.dir,
		fmt.Sprintf("put it into /etc/vdpd/secrets/%s (mode 0600, owner root) and restart vdpd", s.Credential))
}

func (s Secret) readFile() ([]byte, error) {
	f, err := os.Open(s.File)
	if err != nil {
		return nil, s.problem("cannot be opened: "+reason(err),
			fmt.Sprintf("make it with: (umask 077; cat > %s)", s.File))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, s.problem("cannot be looked at: "+reason(err), "")
	}
	owner, mine := info.Sys().(*syscall.Stat_t).Uid, uint32(os.Geteuid())
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, s.problem("is not a regular file", "")
	case owner != mine:
		return nil, s.problem(fmt.Sprintf("belongs to uid %d, but vdpd runs as uid %d", owner, mine),
			fmt.Sprintf("run: chown %d %s, or use a credential", mine, s.File))
	case mode.Perm() != 0o600 && mode.Perm() != 0o400:
		return nil, s.problem(fmt.Sprintf("has mode %04o, but must have 0600 or 0400", mode.Perm()),
			"run: chmod 0600 "+s.File)
	}
	return s.readAll(f)
}

func (s Secret) readAll(f *os.File) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return nil, s.problem("cannot be read: "+reason(err), "")
	case len(b) > maxSecret:
		return nil, s.problem("is larger than 1 MiB", "it is not a secret of vdpd")
	case len(b) == 0:
		return nil, s.problem("is empty", "write the secret into it")
	}
	return b, nil
}

// problem is the error of every method: what the source of the secret is, or
// has, or does.
func (s Secret) problem(verb, hint string) error {
	p := s.where
	p.Text = s.String() + " " + verb
	if s.label != "" {
		p.Text = s.label + ": " + p.Text
	}
	p.Hint = hint
	return &Error{Problems: []Problem{p}}
}

// reason cuts from an error of package os what the message says already.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
