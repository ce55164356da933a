package mailbox

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

const unsigned = "From: Rita <rita@mail.researcher.example>\r\n" +
	"To: security@identity.example\r\nSubject: finding\r\n\r\nThe logout does nothing.\r\n"

func TestDKIM(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	sign := func(domain, mail string) string {
		var b bytes.Buffer
		if err := dkim.Sign(&b, strings.NewReader(mail), &dkim.SignOptions{Domain: domain, Selector: "s", Signer: private}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	answer := func(_ context.Context, name string) ([]string, error) {
		if !strings.HasPrefix(name, "s._domainkey.") {
			t.Errorf("asked for %q", name)
		}
		return []string{record}, nil
	}
	silent := func(context.Context, string) ([]string, error) { return nil, errors.New("no answer") }

	for _, tt := range []struct {
		name   string
		mail   string
		lookup LookupTXT
		want   bool
	}{
		{"by the domain itself", sign("mail.researcher.example", unsigned), answer, true},
		{"by the domain above", sign("researcher.example", unsigned), answer, true},
		{"by another domain", sign("sender.example", unsigned), answer, false},
		{"by a top-level domain", sign("example", unsigned), answer, false},
		{"not signed", unsigned, answer, false},
		{"changed body", strings.Replace(sign("researcher.example", unsigned), "nothing", "much", 1), answer, false},
		{"another From above", "From: ceo@identity.example\r\n" + sign("researcher.example", unsigned), answer, false},
		{"another From of the domain above", "From: ceo@researcher.example\r\n" + sign("researcher.example", unsigned), answer, false},
		{"two senders", sign("researcher.example", strings.Replace(unsigned, "Rita <", "x@y.example, Rita <", 1)), answer, false},
		{"no answer", sign("researcher.example", unsigned), silent, false},
		{"nothing at all", "", answer, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := DKIM(t.Context(), []byte(tt.mail), tt.lookup); got != tt.want {
				t.Errorf("vouched: %v, want %v", got, tt.want)
			}
		})
	}
}

// TestDKIMAsksLittle: a mail with many signatures makes us ask a few times.
func TestDKIMAsksLittle(t *testing.T) {
	var asked atomic.Int32
	lookup := func(context.Context, string) ([]string, error) { asked.Add(1); return nil, errors.New("no answer") }
	one := "DKIM-Signature: v=1; a=ed25519-sha256; d=researcher.example; s=s; h=from; bh=x; b=x\r\n"
	DKIM(t.Context(), []byte(strings.Repeat(one, 500)+unsigned), lookup)
	if asked.Load() > maxDKIM {
		t.Errorf("asked %d times", asked.Load())
	}
}

func FuzzDKIM(f *testing.F) {
	f.Add([]byte(unsigned))
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=; b=\r\n" + unsigned))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		DKIM(context.Background(), raw, func(context.Context, string) ([]string, error) { return []string{"v=DKIM1; p="}, nil })
	})
}
