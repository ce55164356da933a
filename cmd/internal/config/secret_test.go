package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vdpd/cmd/internal/config"
)

const key64 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// small loads the smallest configuration with another master key line.
func small(t *testing.T, masterKey, credentials string) config.Secret {
	t.Helper()
	enter(t, examples+"/small")
	b, err := os.ReadFile("vdpd.toml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "vdpd.toml", strings.Replace(string(b), `{ file = "master-key" }`, masterKey, 1), 0o600)
	c, err := config.Load("vdpd.toml", func(string) string { return credentials })
	if err != nil {
		t.Fatal(err)
	}
	return c.MasterKey
}

func TestSecretSources(t *testing.T) {
	credentials := t.TempDir()
	write(t, filepath.Join(credentials, "plain"), key64+"\n", 0o440) // systemd's own modes are not ours to judge
	write(t, filepath.Join(credentials, "secrets_folder"), key64, 0o400)
	for _, c := range []struct{ name, source, dir string }{
		{"file", `{ file = "k" }`, ""},
		{"credential", `{ credential = "plain" }`, credentials},
		{"of a folder", `{ credential = "folder" }`, credentials},
		{"both, by hand", `{ credential = "gone", file = "k" }`, ""},
		{"both, under systemd", `{ credential = "plain", file = "gone" }`, credentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := small(t, c.source, c.dir)
			write(t, "k", key64+"\r\n", 0o600)
			text, err := s.Read()
			if err != nil || text.Reveal() != key64 {
				t.Fatalf("read %d bytes, %v", len(text), err)
			}
			key, err := s.ReadKey()
			if err != nil || fmt.Sprintf("%x", key) != key64 {
				t.Fatalf("key is wrong, %v", err)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, text), "00112233") {
				t.Error("a secret shows when it is formatted")
			}
		})
	}
}

func TestSecretErrors(t *testing.T) {
	credentials := t.TempDir()
	for _, c := range []struct {
		name, source, dir string
		text              string
		mode              os.FileMode
		want              string
	}{
		{"no file", `{ file = "gone" }`, "", "", 0,
			`vdpd.toml:3: master_key: file gone cannot be opened: no such file or directory; make it with: (umask 077; cat > gone)`},
		{"mode", `{ file = "k" }`, "", key64, 0o640,
			`vdpd.toml:3: master_key: file k has mode 0640, but must have 0600 or 0400; run: chmod 0600 k`},
		{"empty", `{ file = "k" }`, "", "", 0o600,
			`vdpd.toml:3: master_key: file k is empty; write the secret into it`},
		{"only a line end", `{ file = "k" }`, "", "\n", 0o600,
			`vdpd.toml:3: master_key: file k is empty; write the secret into it`},
		{"folder", `{ file = "." }`, "", "", 0,
			`vdpd.toml:3: master_key: file . is not a regular file`},
		{"not a key", `{ file = "k" }`, "", key64[1:], 0o600,
			`vdpd.toml:3: master_key: file k does not hold 64 hexadecimal digits; put back the key that this store was made with, or for a new store make one with: openssl rand -hex 32`},
		{"too long for a key", `{ file = "k" }`, "", key64 + "00", 0o600,
			`vdpd.toml:3: master_key: file k does not hold 64 hexadecimal digits; put back the key that this store was made with, or for a new store make one with: openssl rand -hex 32`},
		{"too large", `{ file = "k" }`, "", strings.Repeat("x", 1<<20+1), 0o600,
			`vdpd.toml:3: master_key: file k is larger than 1 MiB; it is not a secret of vdpd`},
		{"no credentials", `{ credential = "master-key" }`, "", "", 0,
			`vdpd.toml:3: master_key: credential "master-key" cannot be looked up, because $CREDENTIALS_DIRECTORY is not set; systemd sets it for a service with LoadCredential=; for a start by hand add file = "PATH" beside the credential`},
		{"no such credential", `{ credential = "master-key", file = "k" }`, credentials, key64, 0o600,
			`vdpd.toml:3: master_key: credential "master-key" is not in ` + credentials + `; put it into /etc/vdpd/secrets/master-key (mode 0600, owner root) and restart vdpd`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := small(t, c.source, c.dir)
			if c.mode != 0 {
				write(t, "k", c.text, c.mode)
				if err := os.Chmod("k", c.mode); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.ReadKey(); err == nil || err.Error() != c.want {
				t.Errorf("got\n\t%v\nwant\n\t%s", err, c.want)
			}
		})
	}
}

// TestSecretOfAnother needs root, as CI has, to give a file away.
func TestSecretOfAnother(t *testing.T) {
	s := small(t, `{ file = "k" }`, "")
	write(t, "k", key64, 0o600)
	if os.Geteuid() != 0 {
		if _, err := s.Read(); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.Chown("k", 4242, -1); err != nil {
		t.Fatal(err)
	}
	want := `vdpd.toml:3: master_key: file k belongs to uid 4242, but vdpd runs as uid 0; run: chown 0 k, or use a credential`
	if _, err := s.Read(); err == nil || err.Error() != want {
		t.Errorf("got\n\t%v\nwant\n\t%s", err, want)
	}
}

// TestReadExact: a binary OpenPGP key may end in bytes that look like a line
// end.
func TestReadExact(t *testing.T) {
	s := small(t, `{ file = "k" }`, "")
	write(t, "k", "\x99\x01\r\n", 0o400)
	if b, err := s.ReadExact(); err != nil || b.Reveal() != "\x99\x01\r\n" {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
}

func TestStateDirOpenToOthers(t *testing.T) {
	enter(t, examples+"/small")
	if err := os.Mkdir("state", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("state", 0o755); err != nil {
		t.Fatal(err)
	}
	want := "vdpd.toml:2: state_dir: state has mode 0755, which lets others in; run: chmod 0700 state"
	if _, err := config.Load("vdpd.toml", noEnv); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	want := "vdpd.toml: cannot be read: no such file or directory; vdpd init DIR writes a configuration to begin with"
	if _, err := config.Load("vdpd.toml", noEnv); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
