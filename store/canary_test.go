package store_test

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

// TestCanaries runs everything that writes, and looks through every byte and
// every name in the directory, the log and the errors for what a report says
// and whom it names.
func TestCanaries(t *testing.T) {
	dir := t.TempDir()
	var log, errs bytes.Buffer
	opt := store.Options{Create: true, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	s, err := store.Open(dir, storetest.Key(), opt)
	check(t, err)
	failed := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error where one is expected")
			return
		}
		errs.WriteString(err.Error() + "\n")
	}

	m := storetest.Mail(1, 1)
	m.Keys = []triage.Key{{Fingerprint: "AAAA", Addresses: []triage.Secret{storetest.Address(1)}, Cert: storetest.CanaryBody}}
	storetest.Must(t, s,
		storetest.Open(ref(1), m),
		storetest.Join(ref(1), storetest.Mail(2, 1), triage.ViaThread, 1),
		storetest.Left(storetest.Mail(3, 2)),
		storetest.Change(ref(1), storetest.Start,
			triage.Noted{Text: storetest.CanaryBody}, triage.KeyPinned{Key: m.Keys[0], How: "carried"},
			triage.Seen{Role: "support", Person: storetest.CanaryAddress},
		),
	)
	_, err = s.Attempt(storetest.Mail(4, 1).Source)
	check(t, err)
	letters, _, err := s.Claim(t.Context(), storetest.Start.AddDate(0, 0, 1), 2)
	check(t, err)
	os := outcomes(letters[:1], triage.Retry, storetest.Start)
	os[0].Reply = triage.Secret("451 " + storetest.CanaryAddress)
	check(t, s.Settle(t.Context(), os...))
	late := os[0]
	late.Notice = "no such notice"
	check(t, s.Settle(t.Context(), late))
	k, err := s.Known(t.Context(), storetest.Policy, m)
	check(t, err)
	if k.Same != ref(1) || k.Pinned == nil {
		t.Error("the store does not know the mail again")
	}
	failed(s.Apply(t.Context(), storetest.Open(ref(9), m)))
	failed(s.Apply(t.Context(), storetest.Open(ref(1), storetest.Mail(8, 8))))
	_, err = s.Raw(t.Context(), ref(1), 7)
	failed(err)
	storetest.Verify(t, s)

	killed := storetest.Kill(t, dir) // with a mail in flight and an attempt noted
	check(t, s.Close())
	opt.Create = false
	s, err = store.Open(killed, storetest.Key(), opt)
	check(t, err)
	storetest.Verify(t, s)
	check(t, s.Close())
	if !strings.Contains(log.String(), "may have been delivered") || !strings.Contains(log.String(), "not in the outbox") {
		t.Error("nothing was logged")
	}

	secrets := append(storetest.Canaries(), "researcher.example", "identity.example", "login form", "support", "backoffice",
		"INBOX", "S7.support.1", "TRIAGE", "opened", "received", "report", "policy_hash", "message_id")
	for _, where := range []struct{ name, bytes string }{
		{"the directory", content(t, dir)}, {"the directory after a crash", content(t, killed)},
		{"the log", log.String()}, {"an error", errs.String()},
	} {
		for i, secret := range secrets {
			if i >= len(storetest.Canaries()) && !strings.HasPrefix(where.name, "the directory") {
				break // the log and the errors may name a notice
			}
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(secret)} {
				if strings.Contains(where.bytes, form) {
					t.Errorf("%s holds %q", where.name, form)
				}
			}
		}
	}
}
