package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"
)

// present finds the two files, or creates them where that is asked for and
// safe.
func (s *Store) present(master MasterKey) error {
	has := func(name string) (bool, error) {
		_, err := os.Stat(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	state, err := has(stateFile)
	if err != nil {
		return err
	}
	keys, err := has(keysFile)
	switch {
	case err != nil:
		return err
	case state && keys:
		return nil
	case keys && s.opt.Create && s.unused():
		return s.create(master) // a creation was cut short
	case state != keys:
		return ErrIncomplete
	case !s.opt.Create:
		return ErrNoStore
	}
	return s.create(master)
}

// unused reports whether the key file holds no data key, so that nothing can
// have been sealed.
func (s *Store) unused() bool {
	if _, err := readMeta(s.path(keysFile)); err != nil {
		return false
	}
	db, err := openBolt(s.path(keysFile), 0)
	if err != nil {
		return false
	}
	defer db.Close()
	none := false
	err = db.View(func(tx *bolt.Tx) error {
		none = tx.Bucket([]byte(bucketKeys)).Sequence() == 0
		return nil
	})
	return err == nil && none
}

// create makes an empty store. state.db gets its name last: a creation cut
// short leaves at most a key file that nothing was sealed with.
func (s *Store) create(master MasterKey) error {
	if err := os.Chmod(s.dir, dirMode); err != nil {
		return err
	}
	id, storeKey := make([]byte, 16), make([]byte, 32)
	for _, b := range [][]byte{id, storeKey} {
		if _, err := io.ReadFull(s.opt.Random, b); err != nil {
			return fmt.Errorf("random numbers: %w", err)
		}
	}
	wrapped, err := s.wrapBox(master, id).seal(parts("store key"), storeKey)
	if err != nil {
		return err
	}
	meta := map[string][]byte{metaSchema: be64(Schema), metaID: id}
	if err := createBolt(s.path(stateFile), meta, stateBuckets()); err != nil {
		return diskError(err)
	}
	meta[metaCheck], meta[metaStoreKey] = keyCheck(master, id), wrapped
	if err := createBolt(s.path(keysFile), meta, []string{bucketKeys}); err != nil {
		return diskError(err)
	}
	for _, name := range []string{keysFile, stateFile} {
		if err := os.Rename(s.path(name)+newSuffix, s.path(name)); err != nil {
			return err
		}
		if err := syncDir(s.dir); err != nil {
			return err
		}
	}
	return nil
}

func createBolt(path string, meta map[string][]byte, buckets []string) error {
	path += newSuffix
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(path, 0)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range append(buckets, bucketMeta) {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		for key, value := range meta {
			if err := tx.Bucket([]byte(bucketMeta)).Put([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}
