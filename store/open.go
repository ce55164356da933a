package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Schema is the version of the format that this program writes, the only one
// it reads.
const Schema = 1

const (
	stateFile   = "state.db"
	keysFile    = "keys.db"
	blobsDir    = "blobs"
	attemptsDir = "attempts"
	newSuffix   = ".new" // of a file whose creation is not complete
)

// The points at which Options.FailAt is called, in the order of Apply.
const (
	FailStart       = "start"        // nothing was written
	FailBlobSync    = "blob-sync"    // an error stands in for a failed fsync
	FailBlobWritten = "blob-written" // the raw mail is durable, nothing names it
	FailKeyWritten  = "key-written"  // so is the data key of a new case
	FailCommitted   = "committed"    // everything is durable; the caller does not know it yet
	FailCommitSync  = "commit-sync"  // an error stands in for a commit that failed on the disk
)

// Options adapt a store. The zero value opens an existing one for production.
type Options struct {
	Create bool             // make a new store where there is none
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // cryptographic, safe for concurrent use; nil: crypto/rand
	Log    *slog.Logger     // nil: nothing is logged
	// FailAt injects faults in tests: it is called at the points that the
	// Fail constants name, and what it returns is the result of the step.
	FailAt func(point string) error
}

// Store is an open store. Its methods may be called by several goroutines.
type Store struct {
	dir   string
	blobs string
	opt   Options
	lock  *os.File // of the directory; holds the flock
	state *bolt.DB
	keys  *bolt.DB

	wrap    box // seals the key file; from the master key
	secrets secrets
	anchor  digest // hash before the first event

	stopped atomic.Pointer[error] // set once, when the disk can no longer be trusted

	mu    sync.Mutex
	begun map[string]attempt // by mailbox: what this process began last; guarded by mu
	spare []dataKey          // durable, and of no case; guarded by mu
}

// Open opens the store in dir and repairs what a crash may have left: blobs
// that no commit names are removed, and mails that were being sent are marked as perhaps delivered and made due.
//
// The errors to decide on are [ErrNoStore], [ErrIncomplete], [ErrLocked],
// [ErrNewerSchema], [ErrWrongKey], [ErrTruncated] and [ErrDamaged]; with none
// of them has anything been written.
func Open(dir string, master MasterKey, opt Options) (_ *Store, err error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Random == nil {
		opt.Random = rand.Reader
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, blobs: filepath.Join(dir, blobsDir), opt: opt, begun: map[string]attempt{}}
	defer func() {
		if err != nil {
			_ = s.closeFiles()
			err = fmt.Errorf("open store %s: %w", dir, err)
		}
	}()
	if opt.Create {
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return nil, err
		}
	}
	if err := s.lockDir(); err != nil {
		return nil, err
	}
	if err := s.present(master); err != nil {
		return nil, err
	}
	if err := s.inspect(master); err != nil {
		return nil, err
	}
	if s.state, err = openBolt(s.path(stateFile), 1<<30); err != nil {
		return nil, err
	}
	if s.keys, err = openBolt(s.path(keysFile), 1<<26); err != nil {
		return nil, err
	}
	for _, d := range []string{s.blobs, s.path(attemptsDir)} { // a backup may leave out empty ones
		if err := os.MkdirAll(d, dirMode); err != nil {
			return nil, err
		}
	}
	// What the last process made and did not live to sync.
	if err := errors.Join(syncDir(s.blobs), syncDir(s.dir)); err != nil {
		return nil, err
	}
	if err := s.recoverOutbox(); err != nil {
		return nil, err
	}
	if err := errors.Join(s.findSpare(), s.sweep()); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// lockDir takes the lock of the whole directory, which covers creation and
// the blobs too; bbolt locks only its files.
func (s *Store) lockDir() error {
	f, err := os.Open(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoStore
	} else if err != nil {
		return err
	}
	s.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return ErrLocked
		}
		return err
	}
	return nil
}

// inspect looks at both files without writing to them: are they whole, of this
// schema, of one store, and made with this master key? It unwraps the keys.
func (s *Store) inspect(master MasterKey) error {
	state, err := readMeta(s.path(stateFile))
	if err != nil {
		return err
	}
	keys, err := readMeta(s.path(keysFile))
	if err != nil {
		return err
	}
	for name, meta := range map[string]map[string][]byte{stateFile: state, keysFile: keys} {
		if len(meta[metaSchema]) != 8 {
			return fmt.Errorf("%s: it is no file of a store: %w", name, ErrDamaged)
		}
		if v := binary.BigEndian.Uint64(meta[metaSchema]); v != Schema {
			return fmt.Errorf("%s has schema %d, this program knows %d: %w", name, v, Schema, ErrNewerSchema)
		}
	}
	id := state[metaID]
	if len(id) == 0 || subtle.ConstantTimeCompare(id, keys[metaID]) != 1 {
		return ErrIncomplete
	}
	if subtle.ConstantTimeCompare(keyCheck(master, id), keys[metaCheck]) != 1 {
		return ErrWrongKey
	}
	s.wrap = s.wrapBox(master, id)
	storeKey, err := s.wrap.open(parts("store key"), keys[metaStoreKey])
	if err != nil || len(storeKey) != 32 {
		return fmt.Errorf("%s: the store key: %w", keysFile, ErrDamaged)
	}
	s.secrets = deriveSecrets(storeKey, s.opt.Random)
	s.anchor = sha256.Sum256(append([]byte("vdpd store 1\n"), id...))
	return nil
}

func (s *Store) wrapBox(master MasterKey, id []byte) box {
	return newBox(derive(master[:], id, "vdpd wrap"), s.opt.Random)
}

// keyCheck tells whether a master key is the right one, and nothing about it.
func keyCheck(master MasterKey, id []byte) []byte {
	return derive(master[:], id, "vdpd key check")[:16]
}

// readMeta reads the meta bucket of a file by a read-only open, and visits every
// row. bbolt ends the process on a file that is shorter than it says, and on
// pages that point nowhere: opening for writing visits them in a goroutine
// where nothing can be recovered. Here it can.
func readMeta(path string) (meta map[string][]byte, err error) {
	name := filepath.Base(path)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer senseless(name, &err)
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.Size() == 0 {
		return nil, fmt.Errorf("%s is empty: %w", name, ErrTruncated)
	}
	db, err := bolt.Open(path, fileMode, &bolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, openError(err))
	}
	defer db.Close()
	meta = map[string][]byte{}
	err = db.View(func(tx *bolt.Tx) error {
		if fi.Size() < tx.Size() {
			return fmt.Errorf("%s has %d bytes of %d: %w", name, fi.Size(), tx.Size(), ErrTruncated)
		}
		return tx.ForEach(func(bucket []byte, b *bolt.Bucket) error {
			var prev []byte
			return b.ForEach(func(k, v []byte) error {
				if bytes.Compare(prev, k) >= 0 || b.Get(k) == nil {
					return fmt.Errorf("%s: its rows are out of order: %w", name, ErrDamaged)
				}
				prev = k
				if string(bucket) == bucketMeta {
					meta[string(k)] = append([]byte{}, v...)
				}
				return nil
			})
		})
	})
	return meta, err
}

// senseless turns a panic of bbolt over pages that make no sense into an error.
func senseless(name string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: its pages make no sense: %w", name, ErrDamaged)
	}
}

const lockTimeout = time.Second

func openBolt(path string, mmap int) (db *bolt.DB, err error) {
	defer senseless(filepath.Base(path), &err)
	db, err = bolt.Open(path, fileMode, &bolt.Options{
		Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, NoFreelistSync: true, InitialMmapSize: mmap,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), openError(err))
	}
	return db, nil
}

// openError sorts what bbolt says: about the lock, by the operating system, or
// about a file that is not what it should be.
func openError(err error) error {
	var errno syscall.Errno
	if errors.Is(err, berrors.ErrTimeout) || errors.As(err, &errno) {
		return diskError(err)
	}
	return fmt.Errorf("%w: %w", err, ErrDamaged)
}

// Close waits for commits in progress and closes the files. It also forgets
// the attempts in progress, because whoever closes did not crash.
func (s *Store) Close() error {
	s.forgetAttempts()
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var errs []error
	for _, db := range []*bolt.DB{s.state, s.keys} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// halt stops all writing for good after the disk refused a durable write.
func (s *Store) halt(cause error) error {
	err := fmt.Errorf("%w: %w", ErrUnsafe, diskError(cause))
	if s.stopped.CompareAndSwap(nil, &err) {
		s.opt.Log.Error("the disk refused a durable write; the store takes no further ones", "error", cause.Error())
	}
	return err
}

func (s *Store) failAt(point string) error {
	if s.opt.FailAt == nil {
		return nil
	}
	return s.opt.FailAt(point)
}
