package store_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vdpd/store"
	"vdpd/store/storetest"
)

func open(dir string) (*store.Store, error) {
	return store.Open(dir, storetest.Key(), store.Options{})
}

// closed returns the directory of a store that holds some cases.
func closed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir, storetest.Key(), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint32(20) {
		storetest.Must(t, s, storetest.Open(ref(n+1), storetest.Mail(n+1, int(n))))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenRefuses(t *testing.T) {
	wrong := storetest.Key()
	wrong[0]++
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		key     store.MasterKey
		want    error
	}{
		{"an empty directory", func(t *testing.T, dir string) { empty(t, dir) }, storetest.Key(), store.ErrNoStore},
		{"no directory", func(t *testing.T, dir string) { check(t, os.RemoveAll(dir)) }, storetest.Key(), store.ErrNoStore},
		{"no keys.db", func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, "keys.db"))) }, storetest.Key(), store.ErrIncomplete},
		{"no state.db", func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, "state.db"))) }, storetest.Key(), store.ErrIncomplete},
		{"keys.db of another store", func(t *testing.T, dir string) {
			check(t, os.Rename(filepath.Join(closed(t), "keys.db"), filepath.Join(dir, "keys.db")))
		}, storetest.Key(), store.ErrIncomplete},
		{"the wrong master key", func(*testing.T, string) {}, wrong, store.ErrWrongKey},
		{"an empty state.db", func(t *testing.T, dir string) { check(t, os.Truncate(filepath.Join(dir, "state.db"), 0)) }, storetest.Key(), store.ErrTruncated},
		{"a state.db that is no database", func(t *testing.T, dir string) { noise(t, filepath.Join(dir, "state.db"), 1<<16) }, storetest.Key(), store.ErrDamaged},
		{"a short keys.db that is no database", func(t *testing.T, dir string) { noise(t, filepath.Join(dir, "keys.db"), 100) }, storetest.Key(), store.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := closed(t)
			c.prepare(t, dir)
			before := content(t, dir)
			s, err := store.Open(dir, c.key, store.Options{})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if s != nil {
				t.Error("a store came with the error")
			}
			if got := content(t, dir); got != before {
				t.Error("something was written")
			}
		})
	}
}

// TestCreateRefuses: where one file is left, making a new store would hide a loss.
func TestCreateRefuses(t *testing.T) {
	dir := closed(t)
	check(t, os.Remove(filepath.Join(dir, "state.db")))
	if _, err := store.Open(dir, storetest.Key(), store.Options{Create: true}); !errors.Is(err, store.ErrIncomplete) {
		t.Errorf("got %v", err)
	}
}

// TestCreateCutShort: a creation that a crash ended is begun anew.
func TestCreateCutShort(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, storetest.Key(), store.Options{Create: true})
	check(t, err)
	check(t, s.Close())
	check(t, os.Rename(filepath.Join(dir, "state.db"), filepath.Join(dir, "state.db.new")))
	if _, err := open(dir); !errors.Is(err, store.ErrIncomplete) {
		t.Errorf("opening it: %v", err)
	}
	s = storetest.At(t, dir)
	storetest.Must(t, s, storetest.Open(ref(1), storetest.Mail(1, 1)))
}

func TestTruncated(t *testing.T) {
	for _, name := range []string{"state.db", "keys.db"} {
		dir := closed(t)
		path := filepath.Join(dir, name)
		used := used(t, path)
		for _, length := range []int{1, 100, 4096, 4097, 8192, 12288, len(used) / 2, len(used) - 4096, len(used) - 1} {
			check(t, os.WriteFile(path, used[:length], 0o600))
			_, err := open(dir)
			if !errors.Is(err, store.ErrTruncated) && !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%s cut to %d bytes: %v", name, length, err)
			}
		}
	}
}

// used returns a file up to its last byte that is not zero: bbolt makes files
// larger than what is in them.
func used(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return bytes.TrimRight(b, "\x00")
}

// TestBitRot turns bytes of the files: the store says so when it is opened or
// checked, or nothing that counts was hit, and everything reads as before. It
// never dies of it.
func TestBitRot(t *testing.T) {
	dir := closed(t)
	before := readAll(t, dir)
	noticed, tried := 0, 0
	for _, name := range []string{"state.db", "keys.db"} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		check(t, err)
		length := len(used(t, path))
		write := func(b []byte) { // sparse, as bbolt makes it
			check(t, os.Remove(path))
			check(t, os.WriteFile(path, b[:length], 0o600))
			check(t, os.Truncate(path, int64(len(whole))))
		}
		for at := 3; at < length; at += length/40 + 1 {
			b := bytes.Clone(whole)
			for i := at; i < min(at+8, length); i++ {
				b[i] ^= 0xa5
			}
			write(b)
			tried++
			s, err := open(dir)
			if err != nil {
				if strings.Count(err.Error(), "(") == 0 {
					t.Errorf("%s, byte %d: no hint in %q", name, at, err)
				}
				noticed++
				continue
			}
			report, err := s.Check(t.Context())
			check(t, err)
			check(t, s.Close())
			if !report.OK() {
				noticed++
			} else if after := readAll(t, dir); after != before {
				t.Errorf("%s, byte %d: not noticed, and the store reads otherwise", name, at)
			}
		}
		write(whole)
	}
	if noticed < 5 { // the rest are free pages, and the slack of others
		t.Errorf("only %d of %d were noticed", noticed, tried)
	}
}

// readAll is the head and all cases of a closed store.
func readAll(t *testing.T, dir string) string {
	t.Helper()
	s, err := open(dir)
	check(t, err)
	seq, hash, err := s.Head(t.Context())
	check(t, err)
	cases, err := s.Cases(t.Context(), store.Filter{Filed: true, Limit: 500})
	check(t, err)
	text, err := json.Marshal(cases)
	check(t, err)
	check(t, s.Close())
	return fmt.Sprint(seq, hash, string(text))
}

func TestLocked(t *testing.T) {
	dir := closed(t)
	s, err := open(dir)
	check(t, err)
	if _, err := open(dir); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a second open: %v", err)
	}
	check(t, s.Close())
	s, err = open(dir)
	check(t, err)
	check(t, s.Close())
	if _, err := s.Case(t.Context(), ref(1)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("reading a closed store: %v", err)
	}
	if err := s.Apply(t.Context(), storetest.Left(storetest.Mail(99, 1))); !errors.Is(err, store.ErrClosed) {
		t.Errorf("writing a closed store: %v", err)
	}
}

func TestModes(t *testing.T) {
	check(t, filepath.WalkDir(closed(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v", filepath.Base(path), fi.Mode())
		}
		return err
	}))
}

// TestSweep: a few blobs without a commit are what crashes leave; many are a
// sign of something else and stay.
func TestSweep(t *testing.T) {
	dir := closed(t)
	litter := func(n int) {
		for i := range n {
			d := filepath.Join(dir, "blobs", "ab")
			check(t, os.MkdirAll(d, 0o700))
			noise(t, filepath.Join(d, strings.Repeat("ab", 31)+string("0123456789abcdef"[i/16])+string("0123456789abcdef"[i%16])), 100)
		}
		noise(t, filepath.Join(dir, "blobs", "half-written"), 10)
	}
	for _, c := range []struct{ litter, want int }{{3, 0}, {40, 41}} {
		n, want := c.litter, c.want
		litter(n)
		s, err := open(dir)
		check(t, err)
		report, err := s.Check(t.Context())
		check(t, err)
		if report.Orphans != want || report.OK() != (want == 0) {
			t.Errorf("after opening with %d orphans: %d, %v", n+1, report.Orphans, report.Findings)
		}
		check(t, s.Close())
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func noise(t *testing.T, path string, n int) {
	t.Helper()
	b := make([]byte, n)
	_, _ = rand.Read(b)
	check(t, os.WriteFile(path, b, 0o600))
}

func empty(t *testing.T, dir string) {
	t.Helper()
	check(t, os.RemoveAll(dir))
	check(t, os.Mkdir(dir, 0o700))
}

// content is everything in a directory, names included.
func content(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.WriteString(strings.TrimPrefix(path, dir) + "\n" + string(bytes.TrimRight(b, "\x00")))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all.String()
}
