package store

import (
	"encoding/binary"
	"fmt"
	"io"

	bolt "go.etcd.io/bbolt"

	"vdpd/triage"
)

// The kinds of record in the key file. Both are sealed, so that nobody can
// pass a case off as erased.
const (
	keyLive   = 1 // 32 bytes: a data key
	keyErased = 2 // seconds since 1970 in 8 bytes, and the reference of the case whose data key this was
)

// spareKeys is how many data keys are made at a time. They are durable before
// the first is used, so that a new case costs no commit of the key file.
const spareKeys = 32

// dataKey is the key of one case, or a spare one. A case is bound to its slot
// in the key file by the snapshot.
type dataKey struct {
	slot uint64
	box
}

func keyBinding(slot uint64) []byte { return binding("data key", "", slot) }

// keyAt opens a slot of the key file, for the case that has it. It returns
// [ErrErased] where the key was destroyed.
func (s *Store) keyAt(slot uint64, ref triage.Ref) (dataKey, error) {
	var sealed []byte
	err := s.keys.View(func(tx *bolt.Tx) error {
		sealed = append(sealed, tx.Bucket([]byte(bucketKeys)).Get(be64(slot))...)
		return nil
	})
	if err != nil {
		return dataKey{}, diskError(err)
	}
	if sealed == nil {
		return dataKey{}, fmt.Errorf("keys.db has no key for case %s (is it older than state.db?): %w", ref, ErrDamaged)
	}
	plain, err := s.wrap.open(keyBinding(slot), sealed)
	if err == nil && len(plain) == 33 && plain[0] == keyLive {
		return dataKey{slot, newBox(plain[1:], s.opt.Random)}, nil
	}
	if err == nil && len(plain) > 9 && plain[0] == keyErased && triage.Ref(plain[9:]) == ref {
		return dataKey{}, fmt.Errorf("%s: %w", ref, ErrErased)
	}
	return dataKey{}, fmt.Errorf("the data key of case %s: %w", ref, ErrDamaged)
}

// takeKey returns a durable data key for a new case.
func (s *Store) takeKey(triage.Ref) (dataKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spare) == 0 {
		if err := s.makeKeys(); err != nil {
			return dataKey{}, err
		}
	}
	last := len(s.spare) - 1
	key := s.spare[last]
	s.spare = s.spare[:last]
	return key, nil
}

// giveBack returns a key whose commit did not come about.
func (s *Store) giveBack(key dataKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = append(s.spare, key)
}

// makeKeys fills the spare keys. s.mu is held.
func (s *Store) makeKeys() error {
	var made []dataKey
	err := s.commit(s.keys, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketKeys))
		for range spareKeys {
			slot, err := b.NextSequence()
			if err != nil {
				return err
			}
			plain := make([]byte, 33)
			plain[0] = keyLive
			if _, err := io.ReadFull(s.opt.Random, plain[1:]); err != nil {
				return fmt.Errorf("random numbers: %w", err)
			}
			sealed, err := s.wrap.seal(keyBinding(slot), plain)
			if err != nil {
				return err
			}
			if err := b.Put(be64(slot), sealed); err != nil {
				return err
			}
			made = append(made, dataKey{slot, newBox(plain[1:], s.opt.Random)})
		}
		return nil
	})
	if err == nil {
		s.spare = made
	}
	return err
}

// findSpare collects the keys that no case has: what the last process did not
// use. Of very many, as an older state.db leaves, it takes as many as are made
// at a time.
func (s *Store) findSpare() error {
	used := map[uint64]bool{}
	err := s.view(func(t txn) error {
		return t.Bucket([]byte(bucketSnapshots)).ForEach(func(_, value []byte) error {
			_, slot, _ := splitSnapshot(value)
			used[slot] = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	return diskError(s.keys.View(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketKeys)).Cursor()
		for k, v := c.Last(); k != nil && len(s.spare) < spareKeys; k, v = c.Prev() {
			slot := binary.BigEndian.Uint64(k)
			if used[slot] {
				continue
			}
			if plain, err := s.wrap.open(keyBinding(slot), v); err == nil && len(plain) == 33 && plain[0] == keyLive {
				s.spare = append(s.spare, dataKey{slot, newBox(plain[1:], s.opt.Random)})
			}
		}
		return nil
	}))
}
