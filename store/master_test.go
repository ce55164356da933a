package store_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vdpd/store"
)

func TestNewMasterKey(t *testing.T) {
	a, b := store.NewMasterKey(), store.NewMasterKey()
	if a == b {
		t.Error("two keys are the same")
	}
	for _, text := range []string{a, b} {
		if b, err := hex.DecodeString(strings.TrimSuffix(text, "\n")); err != nil || len(b) != len(store.MasterKey{}) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
}

func TestMasterKeyHides(t *testing.T) {
	k := store.MasterKey([]byte("0123456789\x00abcdefghijklmnopqrst\n"))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k, "pointer", &k)
	inside, err := json.Marshal(map[string]any{"key": k})
	check(t, err)
	for _, s := range []string{
		fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %x %X %q %s %d", k, k, k, k, k, k, k, k), fmt.Sprintf("%v", struct{ K store.MasterKey }{k}),
		string(inside), log.String(),
	} {
		for _, part := range []string{"0123", "30313233", "48 49 50", "abcd"} {
			if strings.Contains(s, part) {
				t.Errorf("the key shows in %q", s)
			}
		}
	}
}
