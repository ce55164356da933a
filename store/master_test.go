package store_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vdpd/store"
)

func TestParseMasterKey(t *testing.T) {
	raw := []byte("0123456789\x00abcdefghijklmnopqrst\n")
	hexed, based := hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)
	for name, text := range map[string]string{
		"raw": string(raw), "hex": hexed, "hex, line end": hexed + "\n", "hex, capitals": strings.ToUpper(hexed) + "\r\n",
		"base64": based, "base64, line end": based + "\n", "base64, no padding": strings.TrimRight(based, "="),
		"base64 for URLs": base64.URLEncoding.EncodeToString(raw),
	} {
		k, err := store.ParseMasterKey([]byte(text))
		if err != nil || string(k[:]) != string(raw) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "a line end": "\n", "31 bytes": string(raw[:31]), "raw with a line end": string(raw) + "\n",
		"a passphrase of 32 letters": "correct horse battery staple 123", "short hex": hexed[:62], "long hex": hexed + "00",
		"32 zeros": strings.Repeat("\x00", 32), "64 zeros in hex": strings.Repeat("0", 64), "words": "hunter2 hunter2",
	} {
		_, err := store.ParseMasterKey([]byte(text))
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if text != "" && len(text) > 8 && strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("%s: the error holds it: %v", name, err)
		}
	}
}

func TestNewMasterKey(t *testing.T) {
	a, b := store.NewMasterKey(), store.NewMasterKey()
	if a == b {
		t.Error("two keys are the same")
	}
	for _, text := range []string{a, b} {
		if _, err := store.ParseMasterKey([]byte(text)); err != nil {
			t.Error(err)
		}
	}
}

func TestMasterKeyHides(t *testing.T) {
	k, err := store.ParseMasterKey([]byte("0123456789\x00abcdefghijklmnopqrst\n"))
	check(t, err)
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
