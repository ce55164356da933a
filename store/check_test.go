package store_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

// damaged makes a closed store with two cases, three mails and one message
// left alone, for a test to damage.
func damaged(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir, storetest.Key(), store.Options{Create: true})
	check(t, err)
	storetest.Must(t, s,
		storetest.Open(ref(1), storetest.Mail(1, 1)),
		storetest.Open(ref(2), storetest.Mail(2, 2)),
		storetest.Join(ref(1), storetest.Mail(3, 1), triage.ViaThread, 1),
		storetest.Left(storetest.Mail(4, 1)),
	)
	check(t, s.Close())
	return dir
}

// TestCheckFinds damages one thing at a time, as somebody with access to the
// disk could, and expects the check to name it.
func TestCheckFinds(t *testing.T) {
	state := func(f func(tx *bolt.Tx) error) func(*testing.T, string) { return damage("state.db", f) }
	keys := func(f func(tx *bolt.Tx) error) func(*testing.T, string) { return damage("keys.db", f) }
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"an event is missing", state(drop("log", 2)), "events 2 to 2 are missing"},
		{"the last event is missing", state(drop("log", 8)), "the chain ends at event 8, and the log at 7"},
		{"the head points back", state(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("head")) }), "the chain ends at event 0, and the log at 8"},
		{"two events are exchanged", state(swap("log", 1, 4)), "event 1: a sealed value does not open"},
		{"two contents are exchanged", state(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("log"))
			one, two := clone(b.Get(number(2))), clone(b.Get(number(7)))
			n := 4 + int(binary.BigEndian.Uint32(one))
			return b.Put(number(2), append(one[:n], two[4+int(binary.BigEndian.Uint32(two)):]...))
		}), "event 2 of case"},
		{"an event is no record", state(put("log", 3, []byte{0xff})), "event 3"},
		{"a case is not listed", state(func(tx *bolt.Tx) error {
			k, _ := tx.Bucket([]byte("order")).Cursor().First()
			return tx.Bucket([]byte("order")).Delete(k)
		}), "is not in the list of cases"},
		{"two lines of the list are exchanged", state(func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte("order")).Cursor()
			k1, v1 := c.First()
			k2, v2 := c.Next()
			one, two, a, b := clone(k1), clone(k2), clone(v1), clone(v2)
			if err := tx.Bucket([]byte("order")).Put(one, b); err != nil {
				return err
			}
			return tx.Bucket([]byte("order")).Put(two, a)
		}), "bucket order: a sealed value does not open"},
		{"a case is missing", state(func(tx *bolt.Tx) error { return tx.Bucket([]byte("snapshots")).Delete([]byte(ref(1))) }), "and there is no such case"},
		{"two cases are exchanged", state(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("snapshots"))
			one, two := clone(b.Get([]byte(ref(1)))), clone(b.Get([]byte(ref(2))))
			return errors.Join(b.Put([]byte(ref(1)), two), b.Put([]byte(ref(2)), one))
		}), "snapshot of case"},
		{"a look-up is missing", state(each("index", func(b *bolt.Bucket, k []byte) error { return b.Delete(k) }, 1)), "is not found by look-up"},
		{"a look-up is made up", state(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("index"))
			k, v := b.Cursor().First()
			k = clone(k)
			k[len(k)-1] ^= 1
			return b.Put(k, clone(v))
		}), "bucket index: a sealed value does not open"},
		{"the outbox lost a mail", state(each("outbox", func(b *bolt.Bucket, k []byte) error { return b.Delete(k) }, 1)), "is in the outbox: false; its case says true"},
		{"a due time is missing", state(each("due", func(b *bolt.Bucket, k []byte) error { return b.Delete(k) }, 1)), "would never be sent"},
		{"a due time is made up", state(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("due")).Put(append(number(1), make([]byte, 10)...), nil)
		}), "a due time belongs to no mail"},
		{"the ledger lost a message", state(each("ledger", func(b *bolt.Bucket, k []byte) error { return b.Delete(k) }, 1)), "the ledger does not say"},
		{"the ledger lost the last message", state(func(tx *bolt.Tx) error {
			k, _ := tx.Bucket([]byte("ledger")).Cursor().Last()
			return tx.Bucket([]byte("ledger")).Delete(clone(k))
		}), "which has no disposition"},
		{"a raw mail is not registered", state(each("blobs", func(b *bolt.Bucket, k []byte) error { return b.Delete(k) }, 1)), "is not registered"},
		{"a raw mail is missing", blob(func(path string) error { return os.Remove(path) }), "is missing"},
		{"a raw mail was changed", blob(func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) }), "was changed"},
		{"a data key is missing", keys(func(tx *bolt.Tx) error { return tx.Bucket([]byte("keys")).Delete(number(slot)) }), "keys.db has no key for case"},
		{"a data key of another case", keys(swap("keys", slot, slot-1)), "the data key of case"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := damaged(t)
			c.damage(t, dir)
			s, err := open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			finds(t, s, c.want)
		})
	}
}

// slot is where the data key of the first case of a store lies: the spare ones
// are used from the last.
const slot = 32

// TestCheckFindsWrong seals values that are wrong in what they say: what a
// fault in the program would do.
func TestCheckFindsWrong(t *testing.T) {
	for _, c := range []struct {
		name, bucket string
		value        string // JSON
		want         string
	}{
		{"a look-up leads to another case", "index", `{"seq":1,"ref":"` + string(ref(2)) + `"}`, "is not found by look-up"},
		{"the outbox has a mail of another case", "outbox", `{"ref":"` + string(ref(2)) + `","notice":"R1.1","due":"2026-11-20T09:01:01Z"}`, "has the outbox entry of another"},
		{"a mail is held and due", "outbox", `{"ref":"` + string(ref(1)) + `","notice":"R1.1","held":true,"due":"2026-11-20T09:01:01Z"}`, "with a state that cannot be"},
		{"a mail is neither due nor in flight", "outbox", `{"ref":"` + string(ref(1)) + `","notice":"R1.1"}`, "with a state that cannot be"},
		{"a message went to another case", "ledger", `{"disposition":"report","ref":"` + string(ref(2)) + `"}`, "the ledger does not say"},
		{"a message went to no case", "ledger", `{"disposition":"report","ref":"0000-0000-0000"}`, "which is not there"},
		{"a message has no disposition", "ledger", `{"ref":"` + string(ref(1)) + `"}`, "has no disposition"},
		{"the position is behind", "positions", `{"uid_validity":7,"last":3}`, "a later one has a disposition"},
		{"the position is ahead", "positions", `{"uid_validity":7,"last":9}`, "which has no disposition"},
		{"a raw mail of another event", "blobs", `{"seq":7,"ref":"` + string(ref(2)) + `"}`, "is not registered"},
		{"the head has another hash", "meta", `{"seq":8,"hash":"` + strings.Repeat("00", 32) + `"}`, "is not that of the head"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := damaged(t)
			var first []byte
			damage("state.db", func(tx *bolt.Tx) error {
				k, _ := tx.Bucket([]byte(c.bucket)).Cursor().First()
				first = clone(k)
				return nil
			})(t, dir)
			s, err := open(dir)
			check(t, err)
			defer s.Close()
			check(t, s.Reseal(c.bucket, first, raw(c.value)))
			finds(t, s, c.want)
		})
	}
}

// raw is JSON as it stands.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func finds(t *testing.T, s *store.Store, want string) {
	t.Helper()
	report, err := s.Check(t.Context())
	check(t, err)
	all := strings.Join(report.Findings, "\n")
	if !strings.Contains(all, want) {
		t.Errorf("found %q, want %q", all, want)
	}
	for _, canary := range storetest.Canaries() {
		if strings.Contains(all, canary) {
			t.Errorf("a finding holds %q", canary)
		}
	}
}

// TestRollback puts an older snapshot in the place of a newer one.
func TestRollback(t *testing.T) {
	dir := damaged(t)
	var old []byte
	copySnapshot := func(tx *bolt.Tx) error {
		old = clone(tx.Bucket([]byte("snapshots")).Get([]byte(ref(1))))
		return nil
	}
	damage("state.db", copySnapshot)(t, dir)
	s, err := open(dir)
	check(t, err)
	storetest.Must(t, s, storetest.Change(ref(1), storetest.Start, triage.Noted{Text: "x"}))
	check(t, s.Close())
	damage("state.db", func(tx *bolt.Tx) error { return tx.Bucket([]byte("snapshots")).Put([]byte(ref(1)), old) })(t, dir)
	s, err = open(dir)
	check(t, err)
	defer s.Close()
	finds(t, s, "knows 5 events, the chain has 6")
}

// TestErased: a case whose data key is gone reads as erased, and what remains
// verifies.
func TestErased(t *testing.T) {
	s := storetest.New(t)
	storetest.Must(t, s,
		storetest.Open(ref(1), storetest.Mail(1, 1)), storetest.Open(ref(2), storetest.Mail(2, 1)),
		storetest.Change(ref(1), storetest.Start, triage.KeyPinned{Key: triage.Key{Fingerprint: "AAAA"}}),
	)
	check(t, s.Erase(ref(1), true))
	_, err := s.Case(t.Context(), ref(1))
	for _, e := range []error{
		err,
		second(s.Raw(t.Context(), ref(1), 0)), second(s.Events(t.Context(), ref(1))),
		s.Apply(t.Context(), storetest.Join(ref(1), storetest.Mail(3, 1), triage.ViaThread, 1)),
	} {
		if !errors.Is(e, store.ErrErased) {
			t.Errorf("got %v", e)
		}
	}
	cases, err := s.Cases(t.Context(), store.Filter{})
	check(t, err)
	if len(cases) != 1 || cases[0].Ref != ref(2) {
		t.Errorf("%d cases", len(cases))
	}
	k, err := s.Known(t.Context(), storetest.Policy, storetest.Mail(1, 1))
	check(t, err)
	if k.Same != "" || k.Pinned != nil || len(k.Others) != 1 {
		t.Errorf("an erased case is known: %q, %v, %v", k.Same, k.Pinned, k.Others)
	}
	report := storetest.Verify(t, s)
	if report.Erased != 1 || report.Cases != 1 || report.Events != 7 {
		t.Errorf("report: %+v", report)
	}

	// A case that is pointed at the tombstone of another is not erased.
	dir := damaged(t)
	s2, err := open(dir)
	check(t, err)
	gone := s2.Slot(ref(1))
	check(t, s2.Erase(ref(1), true))
	check(t, s2.Close())
	damage("state.db", func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("snapshots"))
		row := clone(b.Get([]byte(ref(2))))
		copy(row[8:16], number(gone))
		return b.Put([]byte(ref(2)), row)
	})(t, dir)
	s2, err = open(dir)
	check(t, err)
	defer s2.Close()
	finds(t, s2, "the data key of case")
}

// TestErasedLeftovers: an erasure that stops half-way is found.
func TestErasedLeftovers(t *testing.T) {
	dir := damaged(t)
	s, err := open(dir)
	check(t, err)
	defer s.Close()
	check(t, s.Erase(ref(1), false))
	finds(t, s, "the index has")
}

func second[T any](_ T, err error) error { return err }

func damage(file string, f func(tx *bolt.Tx) error) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		db, err := bolt.Open(filepath.Join(dir, file), 0o600, nil)
		check(t, err)
		check(t, db.Update(f))
		check(t, db.Close())
	}
}

func blob(f func(path string) error) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		found := errors.New("found")
		err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return errors.Join(f(path), found)
		})
		if !errors.Is(err, found) {
			t.Fatal(err)
		}
	}
}

func drop(bucket string, n uint64) func(tx *bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete(number(n)) }
}

func put(bucket string, n uint64, v []byte) func(tx *bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(number(n), v) }
}

func swap(bucket string, n, m uint64) func(tx *bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		one, two := clone(b.Get(number(n))), clone(b.Get(number(m)))
		return errors.Join(b.Put(number(n), two), b.Put(number(m), one))
	}
}

// each calls f for the first count keys of a bucket.
func each(bucket string, f func(b *bolt.Bucket, k []byte) error, count int) func(tx *bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		var keys [][]byte
		c := b.Cursor()
		for k, _ := c.First(); k != nil && len(keys) < count; k, _ = c.Next() {
			keys = append(keys, clone(k))
		}
		for _, k := range keys {
			if err := f(b, k); err != nil {
				return err
			}
		}
		return nil
	}
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func clone(b []byte) []byte { return append([]byte{}, b...) }

// TestCheckFindsHiddenCases: a case that no list shows is a promise forgotten.
func TestCheckFindsHiddenCases(t *testing.T) {
	for want, mislist := range map[string]func(*store.Store) error{
		"is listed as another kind":    func(s *store.Store) error { return s.Mislist(ref(1), 1, true) },
		"is listed in the wrong place": func(s *store.Store) error { return s.Mislist(ref(1), 99, false) },
		"and there is no such case":    func(s *store.Store) error { return s.Mislist(ref(77), 99, false) },
		"is not in the list of cases":  func(s *store.Store) error { return s.Mislist(ref(2), 1, false) },
	} {
		t.Run(want, func(t *testing.T) {
			s, err := open(damaged(t))
			check(t, err)
			check(t, mislist(s))
			report, err := s.Check(t.Context())
			check(t, err)
			if !strings.Contains(strings.Join(report.Findings, "\n"), want) {
				t.Errorf("found %q", report.Findings)
			}
			check(t, s.Close())
		})
	}
}
