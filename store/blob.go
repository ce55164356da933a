package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vdpd/triage"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// blobPath is where a blob lies: it is named by the SHA-256 of its sealed bytes.
func (s *Store) blobPath(id digest) string {
	name := id.String()
	return filepath.Join(s.blobs, name[:2], name)
}

// blobEntry says which event names a blob.
type blobEntry struct {
	Seq uint64     `json:"seq"`
	Ref triage.Ref `json:"ref"`
}

// writeBlob seals a raw mail under the key of its case and makes it durable:
// create, write and fsync the file, then fsync its directory. It gets its name
// at once, without a rename: nothing names the blob yet, an incomplete one can
// be told by its hash, and the next Open sweeps it. It is one seal, so it holds
// the mail twice in memory and no more.
func (s *Store) writeBlob(key box, ref triage.Ref, raw []byte) (digest, error) {
	sealed, err := key.seal(binding("blob", ref, 0), raw)
	if err != nil {
		return digest{}, err
	}
	id := digest(sha256.Sum256(sealed))
	path := s.blobPath(id)
	dir := filepath.Dir(path)
	if err := s.makeDir(dir); err != nil {
		return digest{}, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return digest{}, fmt.Errorf("write a mail: %w", diskError(err))
	}
	if _, err := f.Write(sealed); err != nil {
		_ = f.Close()
		s.dropBlob(id)
		return digest{}, fmt.Errorf("write a mail: %w", diskError(err))
	}
	// After a failed fsync the kernel may have dropped the pages and report
	// success the next time: there is no second try.
	if err := errors.Join(f.Sync(), s.failAt(FailBlobSync), f.Close(), syncDir(dir)); err != nil {
		return digest{}, s.halt(err)
	}
	return id, nil
}

// dropBlob takes back a blob whose commit did not come about. What it misses,
// the next Open sweeps.
func (s *Store) dropBlob(id digest) { _ = os.Remove(s.blobPath(id)) }

// makeDir makes one of the 256 blob directories and its entry durable.
func (s *Store) makeDir(dir string) error {
	switch err := os.Mkdir(dir, dirMode); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return fmt.Errorf("write a mail: %w", diskError(err))
	}
	if err := syncDir(s.blobs); err != nil {
		return s.halt(err)
	}
	return nil
}

// readBlob returns the raw mail.
func (s *Store) readBlob(key box, ref triage.Ref, id digest) ([]byte, error) {
	sealed, err := os.ReadFile(s.blobPath(id))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("blob %x of case %s is missing: %w", id[:4], ref, ErrDamaged)
	case err != nil:
		return nil, fmt.Errorf("blob %x of case %s: %w", id[:4], ref, err)
	case digest(sha256.Sum256(sealed)) != id:
		return nil, fmt.Errorf("blob %x of case %s was changed: %w", id[:4], ref, ErrDamaged)
	}
	raw, err := key.openInPlace(binding("blob", ref, 0), sealed)
	if err != nil {
		return nil, fmt.Errorf("blob %x of case %s: %w: %w", id[:4], ref, err, ErrDamaged)
	}
	return raw, nil
}

// syncDir makes the entries of a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// files calls fn with the path of every file in the blob directories and its
// ID, which is nil for a file that is no complete blob.
func (s *Store) files(fn func(path string, id *digest) error) error {
	return filepath.WalkDir(s.blobs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var id digest
		name, err := hex.DecodeString(d.Name())
		if err != nil || len(name) != len(id) {
			return fn(path, nil)
		}
		copy(id[:], name)
		return fn(path, &id)
	})
}
