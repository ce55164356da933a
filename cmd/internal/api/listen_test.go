package api_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vdpd/cmd/internal/api"
)

// stale leaves a socket at path that nobody answers.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
}

func TestListen(t *testing.T) {
	tests := []struct {
		name    string
		before  func(t *testing.T, path string)
		group   string
		wantErr string
	}{
		{name: "nothing there", before: func(*testing.T, string) {}},
		{name: "stale socket", before: stale},
		{name: "own group", before: stale, group: ownGroup(t)},
		{name: "unknown group", before: stale, group: "no-such-group", wantErr: `there is no group "no-such-group"`},
		{name: "live socket", wantErr: api.ErrInUse.Error(), before: func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("the live socket was taken away: %v", err)
				}
				_ = l.Close()
			})
		}},
		{name: "a file", wantErr: "something else than a socket", before: func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if b, _ := os.ReadFile(path); string(b) != "precious" {
					t.Errorf("the file is %q", b)
				}
			})
		}},
		{name: "a symbolic link", wantErr: "something else than a socket", before: func(t *testing.T, path string) {
			if err := os.Symlink("/dev/null", path); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vdpd.sock")
			test.before(t, path)
			l, err := api.Listen(path, 0o660, test.group)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("got %v, want %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode() != fs.ModeSocket|0o660 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			_ = l.Close()
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the closed listener leaves its socket: %v", err)
			}
		})
	}
}

func ownGroup(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return g.Name
}

func TestListenBadPaths(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "missing", "vdpd.sock"):   "the directory does not exist",
		filepath.Join(dir, strings.Repeat("x", 120)): "must be absolute",
		"vdpd.sock": "must be absolute",
		"@abstract": "must be absolute",
	} {
		if _, err := api.Listen(path, 0o660, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// TestListenAtOnce starts many daemons over one stale socket: one gets it, and
// is the one that answers.
func TestListenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vdpd.sock")
	stale(t, path)
	var wg sync.WaitGroup
	results := make(chan net.Listener, 16)
	for range cap(results) {
		wg.Go(func() {
			l, err := api.Listen(path, 0o600, "")
			if err != nil && !errors.Is(err, api.ErrInUse) {
				t.Errorf("got %v", err)
			}
			results <- l
		})
	}
	wg.Wait()
	close(results)
	winners := 0
	for l := range results {
		if l == nil {
			continue
		}
		winners++
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Errorf("nobody answers: %v", err)
		} else {
			_ = conn.Close()
		}
		_ = l.Close()
	}
	if winners != 1 {
		t.Errorf("%d daemons have the socket", winners)
	}
}
