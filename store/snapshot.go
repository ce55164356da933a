package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	"vdpd/triage"
)

// snapshot is a case as its events make it, kept so that reading does not fold.
type snapshot struct {
	Log  []uint64    `json:"log"` // its events, in order
	Case triage.Case `json:"case"`
}

// shelved reports whether a case of that state is kept for the record only.
func shelved(s triage.State) bool { return s == triage.StateFiled || s == triage.StateLeft }

// orderEntry lets a list of cases leave out the filed ones unopened.
type orderEntry struct {
	Ref   triage.Ref `json:"ref"`
	Filed bool       `json:"filed,omitempty"`
}

// putSnapshot writes a case: the number of its first event and the slot of its
// data key in clear, then the sealed snapshot.
func (t txn) putSnapshot(ref triage.Ref, key dataKey, snap *snapshot) error {
	plain, err := json.Marshal(snap)
	if err != nil {
		return fmt.Errorf("snapshot of case %s: %w", ref, errEncode)
	}
	opened := snap.Log[0]
	sealed, err := key.seal(binding("case", ref, opened), plain)
	if err != nil {
		return err
	}
	order := orderEntry{ref, shelved(snap.Case.State)}
	var old orderEntry
	if _, err := t.get(bucketOrder, be64(opened), &old); err != nil {
		return err
	}
	if order != old {
		if err := t.put(bucketOrder, be64(opened), order); err != nil {
			return err
		}
	}
	value := append(append(be64(opened), be64(key.slot)...), sealed...)
	return t.Bucket([]byte(bucketSnapshots)).Put([]byte(ref), value)
}

func splitSnapshot(value []byte) (opened, slot uint64, sealed []byte) {
	r := reader{b: value}
	opened, slot = r.uint64(), r.uint64()
	return opened, slot, r.b
}

func decodeSnapshot(ref triage.Ref, key box, value []byte) (snapshot, error) {
	opened, _, sealed := splitSnapshot(value)
	plain, err := key.open(binding("case", ref, opened), sealed)
	if err != nil {
		return snapshot{}, fmt.Errorf("snapshot of case %s: %w: %w", ref, err, ErrDamaged)
	}
	var snap snapshot
	if json.Unmarshal(plain, &snap) != nil || len(snap.Log) == 0 || snap.Log[0] != opened {
		return snapshot{}, fmt.Errorf("snapshot of case %s: %w: %w", ref, errRecord, ErrDamaged)
	}
	return snap, nil
}

// sealedCase is the row of a case, copied out of a transaction.
func (s *Store) sealedCase(ref triage.Ref) (value []byte, err error) {
	err = s.view(func(t txn) error {
		value = bytes.Clone(t.Bucket([]byte(bucketSnapshots)).Get([]byte(ref)))
		return nil
	})
	if err == nil && value == nil {
		err = fmt.Errorf("%s: %w", ref, ErrNoCase)
	}
	return value, err
}

// caseKey returns the data key of a case, [ErrErased] where it was destroyed,
// and [ErrNoCase].
func (s *Store) caseKey(ref triage.Ref) (dataKey, error) {
	value, err := s.sealedCase(ref)
	if err != nil {
		return dataKey{}, err
	}
	_, slot, _ := splitSnapshot(value)
	return s.keyAt(slot, ref)
}

func (s *Store) openSnapshot(ref triage.Ref) (snapshot, box, error) {
	value, err := s.sealedCase(ref)
	if err != nil {
		return snapshot{}, box{}, err
	}
	return s.openSealed(ref, value)
}

func (s *Store) openSealed(ref triage.Ref, value []byte) (snapshot, box, error) {
	_, slot, _ := splitSnapshot(value)
	key, err := s.keyAt(slot, ref)
	if err != nil {
		return snapshot{}, box{}, err
	}
	snap, err := decodeSnapshot(ref, key.box, value)
	return snap, key.box, err
}
