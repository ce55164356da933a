package store_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

var update = flag.Bool("update", false, "write testdata/store/v1.json anew, and the store beside it where there is none")

const golden = "../testdata/store/v1"

// TestSkeletonVector pins the bytes that the chain is hashed over.
func TestSkeletonVector(t *testing.T) {
	e := triage.Event{
		Time: time.Date(2026, 11, 20, 9, 1, 1, 250, time.UTC), Case: "7K3M-Q9XT-2H4C",
		By: triage.Actor{Kind: triage.Staff, ID: "dana", Method: "peercred"}, Data: triage.Noted{},
	}
	got, err := store.Vector(2, [32]byte{0: 0xaa, 31: 0xbb}, e, "9f2c", [32]byte{0: 0xcc, 31: 0xdd})
	check(t, err)
	want := hex.EncodeToString([]byte("vdpd event 1\n")) +
		"0000000000000002" + "aa" + zeros(30) + "bb" +
		"000000006b000c4d" + "000000fa" +
		"0005" + hex.EncodeToString([]byte("staff")) + "0004" + hex.EncodeToString([]byte("dana")) +
		"0008" + hex.EncodeToString([]byte("peercred")) + "000e" + hex.EncodeToString([]byte("7K3M-Q9XT-2H4C")) +
		"0005" + hex.EncodeToString([]byte("noted")) + "0004" + hex.EncodeToString([]byte("9f2c")) +
		"cc" + zeros(30) + "dd"
	if hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
}

func zeros(n int) string { return hex.EncodeToString(make([]byte, n)) }

// TestTokenVectors pins what leaves the store, and what look-ups are found by:
// mails that were sent must be recognised by every later version.
func TestTokenVectors(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	message, reply, folder, lookup := store.Tokens(key, "7K3M-Q9XT-2H4C", "S1.support.1", "reporter", "security", "INBOX")
	got := []string{message, reply, folder, lookup}
	want := []string{
		"lgcoss7m2xg7guwxh72fcyo5zu", "p2d42v7albhshrgz3kk4ajaqqz", "93538fb9f02e8399b68976b7b2402c06",
		"63eb828f690993bb088c70f4cebb9c2190",
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("vector %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

// TestOldStore opens the store that the first version wrote: it reads as it
// did then, and takes new mail.
func TestOldStore(t *testing.T) {
	if _, err := os.Stat(golden); *update && err != nil {
		writeGolden(t)
	}
	dir := t.TempDir()
	check(t, os.CopyFS(dir, os.DirFS(golden)))
	s := storetest.At(t, dir)
	storetest.Verify(t, s)
	got := goldenText(t, s)
	if *update {
		check(t, os.WriteFile(golden+".json", []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden + ".json")
	check(t, err)
	if got != string(want) {
		t.Errorf("it reads as\n%s\nwant\n%s", got, want)
	}
	raw, err := s.Raw(t.Context(), ref(1), 1)
	check(t, err)
	if !bytes.Equal(raw, storetest.Raw(2)) {
		t.Errorf("raw mail: %q", raw)
	}
	storetest.Must(t, s, storetest.Join(ref(1), storetest.Mail(9, 1), triage.ViaThread, 2))
}

func goldenText(t *testing.T, s *store.Store) string {
	t.Helper()
	seq, hash, err := s.Head(t.Context())
	check(t, err)
	cases, err := s.Cases(t.Context(), store.Filter{Filed: true})
	check(t, err)
	events, err := s.Events(t.Context(), ref(1))
	check(t, err)
	position, err := s.Position(t.Context(), "security", "INBOX")
	check(t, err)
	text, err := json.MarshalIndent(map[string]any{
		"seq": seq, "hash": hash, "cases": cases, "events": events, "last": events[len(events)-1].Data, "position": position,
	}, "", "  ")
	check(t, err)
	return string(text) + "\n"
}

// writeGolden makes the store of testdata from numbers that are the same each
// time.
func writeGolden(t *testing.T) {
	t.Helper()
	s, err := store.Open(golden, storetest.Key(), store.Options{Create: true, Random: rand.NewChaCha8([32]byte{1})})
	check(t, err)
	storetest.Must(t, s,
		storetest.Open(ref(1), storetest.Mail(1, 1)),
		storetest.Join(ref(1), storetest.Mail(2, 1), triage.ViaThread, 1),
		storetest.Left(storetest.Mail(3, 2)),
		storetest.Open(ref(2), storetest.Mail(4, 2)),
	)
	letters, _, err := s.Claim(t.Context(), storetest.Start.AddDate(0, 0, 1), 2)
	check(t, err)
	check(t, s.Settle(t.Context(), outcomes(letters[:1], triage.Sent, storetest.Start)...))
	check(t, s.Settle(t.Context(), outcomes(letters[1:], triage.Retry, storetest.Start)...))
	check(t, s.Close())
	for _, name := range []string{"state.db", "keys.db"} { // without the room to grow
		path := filepath.Join(golden, name)
		db, err := bolt.Open(path, 0o600, nil)
		check(t, err)
		var size int64
		check(t, db.View(func(tx *bolt.Tx) error {
			size = tx.Size()
			return nil
		}))
		check(t, db.Close())
		check(t, os.Truncate(path, size))
	}
}
