package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The buckets of state.db; docs/store-format.md has keys and values.
const (
	bucketMeta      = "meta" // also in keys.db
	bucketLog       = "log"
	bucketSnapshots = "snapshots"
	bucketOrder     = "order"
	bucketIndex     = "index"
	bucketOutbox    = "outbox"
	bucketDue       = "due"
	bucketLedger    = "ledger"
	bucketPositions = "positions"
	bucketBlobs     = "blobs"

	bucketKeys = "keys" // in keys.db
)

// The keys of the meta buckets.
const (
	metaSchema   = "schema"
	metaID       = "id"
	metaHead     = "head"
	metaCheck    = "check"
	metaStoreKey = "store key"
)

func stateBuckets() []string {
	return []string{
		bucketLog, bucketSnapshots, bucketOrder, bucketIndex, bucketOutbox, bucketDue, bucketLedger,
		bucketPositions, bucketBlobs,
	}
}

// txn is a transaction on state.db. Inside one there is no other I/O and no
// call out of the package: an open read transaction stops the writer before
// long, and a slow writer stops everybody.
type txn struct {
	*bolt.Tx
	s *Store
}

// put seals v as JSON, bound to its bucket and key.
func (t txn) put(bucket string, key []byte, v any) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", bucket, errEncode)
	}
	sealed, err := t.s.secrets.state.seal(parts(bucket, string(key)), plain)
	if err != nil {
		return err
	}
	return t.Bucket([]byte(bucket)).Put(key, sealed)
}

// get reads what put wrote. found is false where there is nothing.
func (t txn) get(bucket string, key []byte, v any) (found bool, err error) {
	sealed := t.Bucket([]byte(bucket)).Get(key)
	if sealed == nil {
		return false, nil
	}
	return true, t.decode(bucket, key, sealed, v)
}

func (t txn) decode(bucket string, key, sealed []byte, v any) error {
	plain, err := t.s.secrets.state.open(parts(bucket, string(key)), sealed)
	if err != nil {
		return fmt.Errorf("bucket %s: %w: %w", bucket, err, ErrDamaged)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("bucket %s: %w: %w", bucket, errRecord, ErrDamaged)
	}
	return nil
}

func (t txn) has(bucket string, key []byte) bool { return t.Bucket([]byte(bucket)).Get(key) != nil }

func (t txn) delete(bucket string, key []byte) error { return t.Bucket([]byte(bucket)).Delete(key) }

// withPrefix calls fn for the rows whose key begins with prefix, the last one
// first, until it returns false. fn must not change the bucket.
func (t txn) withPrefix(bucket string, prefix []byte, fn func(key, sealed []byte) (more bool, err error)) error {
	c := t.Bucket([]byte(bucket)).Cursor()
	// The row after the last one that could have the prefix.
	end := append(append([]byte{}, prefix...), bytes.Repeat([]byte{0xff}, 24)...)
	for k, v := lastBefore(c, end); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
		if more, err := fn(k, v); err != nil || !more {
			return err
		}
	}
	return nil
}

// lastBefore moves to the last row before key.
func lastBefore(c *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ := c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func (s *Store) view(fn func(t txn) error) error {
	return diskError(s.state.View(func(tx *bolt.Tx) error { return fn(txn{tx, s}) }))
}

func (s *Store) update(fn func(t txn) error) error {
	return s.commit(s.state, func(tx *bolt.Tx) error { return fn(txn{tx, s}) })
}

// commit runs fn in one durable transaction. An error of fn rolls back; any
// other comes from the disk, and nobody can say what of the commit is on it.
func (s *Store) commit(db *bolt.DB, fn func(tx *bolt.Tx) error) error {
	began, refused := false, error(nil)
	err := db.Update(func(tx *bolt.Tx) error {
		began = true
		if stopped := s.stopped.Load(); stopped != nil {
			refused = *stopped
		} else {
			refused = fn(tx)
		}
		return refused
	})
	if err == nil {
		err = s.failAt(FailCommitSync)
	}
	switch {
	case err == nil, refused != nil:
		return err
	case !began:
		return diskError(err)
	}
	return s.halt(err)
}
