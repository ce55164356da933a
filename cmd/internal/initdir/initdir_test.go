package initdir_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"vdpd/cmd/internal/config"
	"vdpd/cmd/internal/initdir"
)

func noEnv(string) string { return "" }

// key stands for OpenPGP, which this package knows nothing of.
func key(name, address string) (string, string, string, error) {
	return "secret of " + name + "\n", "public of " + address + "\n", "0123ABCD", nil
}

func begin(t *testing.T, opt initdir.Options) (dir, said string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "vdpd")
	var out bytes.Buffer
	if err := initdir.Write(dir, &out, opt); err != nil {
		t.Fatal(err)
	}
	return dir, out.String()
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// problems loads a configuration that has some.
func problems(t *testing.T, dir string) []config.Problem {
	t.Helper()
	_, err := config.Load(filepath.Join(dir, "vdpd.toml"), noEnv)
	bad, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("no problems, but %v", err)
	}
	return bad.Problems
}

// fill does what a person does: it replaces each blank by a value that fits.
func fill(t *testing.T, dir string) {
	t.Helper()
	values := map[string]string{
		"smtp.host": "smtp.identity.example", "smtp.user": "vdpd", "mailbox.host": "imap.identity.example",
		"mailbox.user": "security@identity.example", "person.id": "anna", "person.name": "Anna Smit",
		"person.address": "anna@identity.example", "sign_off": "Anna Smit", "org.name": "Identity Platform",
		"org.domain": "identity.example", "policy.url": "https://identity.example/security",
		"policy.effective": "2026-01-31", "intake.addresses": "security@identity.example",
		"embargo.kind": "none", "readers.person": "anna",
	}
	for _, p := range problems(t, dir) {
		what, ok := strings.CutSuffix(p.Text, ": is still to be filled in")
		if !ok || values[what] == "" {
			t.Fatalf("not a blank that this test knows: %v", p)
		}
		lines := strings.Split(read(t, p.File), "\n")
		lines[p.Line-1] = strings.Replace(lines[p.Line-1], "FILL-IN", values[what], 1)
		write(t, strings.Join(lines, "\n"), p.File)
	}
}

func TestBlanksFilledLoad(t *testing.T) {
	for name, opt := range map[string]initdir.Options{
		"nothing known": {MakeKey: key},
		"all known":     {Org: `The "Identity" Platform \ Zoë`, Address: "security@identity.example", MakeKey: key},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := begin(t, opt)
			if n := strings.Count(read(t, dir, "vdpd.toml")+read(t, dir, "policy.toml"), `"FILL-IN"`); n != len(problems(t, dir)) {
				t.Errorf("%d blanks, but %d problems", n, len(problems(t, dir)))
			}
			fill(t, dir)
			c, err := config.Load(filepath.Join(dir, "vdpd.toml"), noEnv)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.MasterKey.ReadKey(); err != nil {
				t.Error(err)
			}
			if opt.Org != "" && c.Policies[0].Org != opt.Org {
				t.Errorf("organisation is %q", c.Policies[0].Org)
			}
			for _, s := range c.Secrets() {
				if _, err := s.Read(); err == nil {
					continue
				}
				write(t, "secret\n", s.File) // what init tells the person to do
				if _, err := s.Read(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestCommentedLinesHold: whoever removes a "# " gets a configuration that
// loads.
func TestCommentedLinesHold(t *testing.T) {
	dir, _ := begin(t, initdir.Options{})
	fill(t, dir)
	commented := regexp.MustCompile(`(?m)^# ([a-z_]+ = )`)
	for _, name := range []string{"vdpd.toml", "policy.toml"} {
		text := commented.ReplaceAllString(read(t, dir, name), "$1")
		text = strings.Replace(text, `"vdpd-staff"`, `"root"`, 1) // groups and logins of the test machine
		text = strings.Replace(text, `user = "anna"`, `user = "root"`, 1)
		write(t, text, dir, name)
	}
	write(t, certificate, dir, "ca.pem")
	write(t, certificate, dir, "smime-roots.pem")
	write(t, "a public key", dir, "people/anna.asc")
	if err := os.Mkdir(filepath.Join(dir, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(filepath.Join(dir, "vdpd.toml"), noEnv); err != nil {
		t.Error(err)
	}
}

// TestEveryKeyIsShown keeps the files in step with package config.
func TestEveryKeyIsShown(t *testing.T) {
	dir, _ := begin(t, initdir.Options{})
	for name, root := range map[string]reflect.Type{"vdpd.toml": reflect.TypeFor[config.Config](), "policy.toml": reflect.TypeFor[config.PolicyFile]()} {
		text := read(t, dir, name)
		for _, key := range keys(root) {
			if !regexp.MustCompile(`\b` + key + ` = |\[` + key + `\]`).MatchString(text) {
				t.Errorf("%s does not show %s", name, key)
			}
		}
	}
}

func keys(t reflect.Type) (all []string) {
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		all = append(all, key)
		inner := t.Field(i).Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			all = append(all, keys(inner)...)
		}
	}
	return all
}

func TestModes(t *testing.T) {
	dir, said := begin(t, initdir.Options{Org: "Identity Platform", Address: "security@identity.example", MakeKey: key})
	for name, want := range map[string]os.FileMode{
		".": 0o755, "vdpd.toml": 0o644, "policy.toml": 0o644, "state": 0o700, "secrets": 0o700,
		"secrets/master-key": 0o600, "secrets/openpgp-key": 0o600, "openpgp-key.pub": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(read(t, dir, "secrets/master-key")) {
		t.Error("the master key is not 64 hexadecimal digits")
	}
	if strings.Contains(said, strings.TrimSpace(read(t, dir, "secrets/master-key"))) {
		t.Error("the master key is printed")
	}
}

func TestOverwritesNothing(t *testing.T) {
	dir, _ := begin(t, initdir.Options{})
	before := read(t, dir, "secrets/master-key")
	want := fmt.Sprintf("nothing was written, because %s already has secrets, secrets/master-key, vdpd.toml, policy.toml, state; choose another folder, or move them away", dir)
	if err := initdir.Write(dir, io.Discard, initdir.Options{}); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if read(t, dir, "secrets/master-key") != before {
		t.Error("the master key is another one")
	}

	one := t.TempDir()
	write(t, "mine", one, "policy.toml")
	if err := initdir.Write(one, io.Discard, initdir.Options{}); err == nil {
		t.Error("wrote beside a file that is there")
	}
	if found, _ := os.ReadDir(one); len(found) != 1 || read(t, one, "policy.toml") != "mine" {
		t.Errorf("something was written: %v", found)
	}
}

func TestLastWords(t *testing.T) {
	dir, said := begin(t, initdir.Options{Org: "Identity Platform", Address: "security@identity.example", MakeKey: key})
	if strings.Contains(said, "keys generate") || !strings.Contains(said, "0123ABCD") {
		t.Errorf("the key was made, but the words are:\n%s", said)
	}
	_, said = begin(t, initdir.Options{Org: "Identity Platform", MakeKey: key})
	if !strings.Contains(said, `openpgp-key --name "Identity Platform" --address ADDRESS`) {
		t.Errorf("no key was made, but the words are:\n%s", said)
	}
	if strings.Contains(said, "systemctl") || !strings.Contains(said, "vdpd run --config") {
		t.Errorf("%s is no folder of the system, but the words are:\n%s", dir, said)
	}
}

func TestRefusals(t *testing.T) {
	for name, opt := range map[string]initdir.Options{
		"address with a name": {Address: "Security <security@identity.example>"},
		"no address":          {Address: "security"},
		"line end":            {Org: "Identity\nPlatform"},
		"key fails": {Org: "Identity Platform", Address: "security@identity.example", MakeKey: func(string, string) (string, string, string, error) {
			return "", "", "", errors.New("no entropy")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "vdpd")
			if err := initdir.Write(dir, io.Discard, opt); err == nil {
				t.Error("taken")
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("something was written")
			}
		})
	}
}

const certificate = `-----BEGIN CERTIFICATE-----
MIIBljCCAT2gAwIBAgIULe7Eq/3zcDoAB+aJkH/iqLmBLGswCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVdGVzdC5pZGVudGl0eS5leGFtcGxlMCAXDTI2MTEyMzE4MDIz
OFoYDzIxMjYxMDMwMTgwMjM4WjAgMR4wHAYDVQQDDBV0ZXN0LmlkZW50aXR5LmV4
YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASzgU3tUDof4J4iiQi+aQIt
TMOMMtLJQR/BWVt73WXlFIGY21H0MezWi29IPV69WoXGGLlGZgQXPYKiyuvU9HQF
o1MwUTAdBgNVHQ4EFgQUay9/qmWUG/4SfeWub5ROk0NvmEUwHwYDVR0jBBgwFoAU
ay9/qmWUG/4SfeWub5ROk0NvmEUwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD
AgNHADBEAiBvQB6gnuvkKxr5kRNEa+x7lFOa1j19fra4Ty5sDpKz2gIgGRrGWs85
3Io/jLUG464UAWPRWEWfKB8x7e/JYZbuzJg=
-----END CERTIFICATE-----
`
