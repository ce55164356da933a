package store_test

import (
	"bytes"
	"testing"

	"vdpd/store"
	"vdpd/store/storetest"
	"vdpd/triage"
)

// FuzzDecode: whatever decodes encodes to the same bytes again, and nothing
// makes a decoder panic.
func FuzzDecode(f *testing.F) {
	e := triage.Event{Case: ref(1), Time: storetest.Start, Data: triage.Noted{}}
	v, err := store.Vector(1, [32]byte{}, e, "9f2c", [32]byte{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v)
	f.Add(v[:len(v)-1])
	f.Add(append(v, 0))
	f.Add([]byte{})
	f.Add(append(make([]byte, 16), 1))
	f.Add(append(make([]byte, 16), 0, '{', '}'))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0, 0, 0, 1, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, decode := range store.Decoders {
			if again, ok := decode(b); ok && !bytes.Equal(again, b) {
				t.Errorf("%s: %x decodes, and encodes to %x", name, b, again)
			}
		}
	})
}

// FuzzKnown: no header of a stranger makes a look-up fail, or leads into a case.
func FuzzKnown(f *testing.F) {
	s := storetest.New(f)
	storetest.Must(f, s, storetest.Open(ref(1), storetest.Mail(1, 1)))
	f.Add("security+aaaaaaaaaaaaaaaaaaaaaaaaaa@identity.example", "report.1@researcher.example", "Re: 0000", "x")
	f.Add("+@", "@", string(ref(1)), "\xff\x00")
	f.Add("a+b+c", "<aaaaaaaaaaaaaaaaaaaaaaaaaa@>", "[0000-0000-000V]", "report.1@researcher.example")
	f.Fuzz(func(t *testing.T, to, id, subject, messageID string) {
		m := &triage.Message{
			Kind: triage.KindAutomatic, From: []triage.Address{{Address: "stranger@researcher.example"}},
			To: []triage.Address{{Address: triage.Secret(to)}}, InReplyTo: id, References: []string{id, to, subject},
			Subject: triage.Secret(subject), MessageID: messageID, Content: id,
			Bounces: []triage.Bounce{{OriginalMessageID: id}},
		}
		k, err := s.Known(t.Context(), storetest.Policy, m)
		if err != nil {
			t.Fatal(err)
		}
		if k.Thread.Ref != "" || k.Same != "" || s.IsOurs(messageID) {
			t.Errorf("a stranger gets into case %s by %s", k.Thread.Ref, k.Via)
		}
	})
}
