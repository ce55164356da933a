package smime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vdpd/triage"
)

func TestOpenMessagesOfOpenSSL(t *testing.T) {
	for name, c := range map[string]struct {
		integrity bool
		with      string // certificate
	}{
		"cbc":             {false, "own"},
		"cbc-stream":      {false, "own"},
		"cbc-192":         {false, "own-renewed"},
		"3des":            {false, "own"},
		"oaep":            {false, "own"},
		"oaep-sha1":       {false, "own"},
		"recipient-keyid": {false, "own"},
		"gcm":             {true, "own"},
		"gcm-stream":      {true, "own"},
	} {
		o, err := Open(file(t, name+".p7m"), own(t), limit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(o.Content, text(t)) || o.Integrity != c.integrity {
			t.Errorf("%s: %q, integrity %v", name, o.Content, o.Integrity)
		}
		// The certificates of one key have one key identifier.
		if o.With.Fingerprint() != fingerprint(cert(t, c.with)) && name != "recipient-keyid" {
			t.Errorf("%s: opened with %v", name, o.With)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	whole := int64(len(text(t)))
	for name, c := range map[string]struct {
		b    []byte
		keys []*Identity
		max  int64
		want error
	}{
		"empty":               {nil, own(t), limit, ErrMalformed},
		"text":                {text(t), own(t), limit, ErrMalformed},
		"signed":              {file(t, "ec.p7m"), own(t), limit, ErrUnsupported},
		"no key":              {file(t, "cbc.p7m"), nil, limit, ErrNotForUs},
		"for another":         {file(t, "to-rita.p7m"), own(t), limit, ErrNotForUs},
		"by elliptic curve":   {file(t, "to-ec.p7m"), own(t), limit, ErrNotForUs},
		"an unknown cipher":   {file(t, "camellia.p7m"), own(t), limit, ErrUnsupported},
		"too large":           {file(t, "cbc.p7m"), own(t), whole - 1, ErrTooLarge},
		"much too large":      {file(t, "cbc.p7m"), own(t), 1, ErrTooLarge},
		"too large, GCM":      {file(t, "gcm.p7m"), own(t), whole - 1, ErrTooLarge},
		"GCM as CBC envelope": {bytes.Replace(file(t, "cbc.p7m"), oid("2.16.840.1.101.3.4.1.42"), oid("2.16.840.1.101.3.4.1.46"), 1), own(t), limit, ErrUnsupported},
	} {
		o, err := Open(c.b, c.keys, c.max)
		if !errors.Is(err, c.want) || o != nil {
			t.Errorf("%s: %v, %v; want %v", name, o, err, c.want)
		}
	}
	_, err := Open(file(t, "to-rita.p7m"), own(t), limit)
	if serial := fmt.Sprintf("%X", cert(t, "rita").SerialNumber); !strings.Contains(err.Error(), serial) {
		t.Errorf("%v doesn't name the certificate %s", err, serial)
	}
	for _, name := range []string{"cbc", "gcm"} {
		if o, err := Open(file(t, name+".p7m"), own(t), whole); err != nil || !bytes.Equal(o.Content, text(t)) {
			t.Errorf("%s, as large as the limit: %v, %v", name, o, err)
		}
		message := file(t, name+".p7m")
		for i := range message {
			if o, err := Open(message[:i], own(t), limit); !errors.Is(err, ErrMalformed) || o != nil {
				t.Fatalf("%s, cut at %d: %v, %v", name, i, o, err)
			}
		}
	}
}

// Integrity is claimed only for the text as it was encrypted; what CBC makes of
// an altered message is claimed for nothing.
func TestAlteredOnTheWay(t *testing.T) {
	keys := own(t)
	for _, name := range []string{"gcm", "cbc"} {
		message := file(t, name+".p7m")
		for i := range message {
			altered := bytes.Clone(message)
			altered[i] ^= 1 << (i % 8)
			o, err := Open(altered, keys, limit)
			if err == nil && o.Integrity && (name != "gcm" || !bytes.Equal(o.Content, text(t))) {
				t.Fatalf("%s, octet %d: %q passes as unaltered", name, i, o.Content)
			}
		}
	}
}

func TestSignedInEncrypted(t *testing.T) {
	o, err := Open(file(t, "nested.p7m"), own(t), limit)
	if err != nil || o.Integrity {
		t.Fatal(o, err)
	}
	_, body, _ := bytes.Cut(o.Content, []byte("\r\n\r\n"))
	inner, err := base64.StdEncoding.DecodeString(string(bytes.ReplaceAll(body, []byte("\n"), nil)))
	if err != nil || Kind(inner) != KindSigned {
		t.Fatalf("%q, %v", Kind(inner), err)
	}
	content, v, err := Unwrap(inner, pool(t, "root"), limit, arrival(t))
	if err != nil || v.State != triage.SigValid || !bytes.Equal(content, text(t)) {
		t.Errorf("%q, %+v, %v", content, v, err)
	}
}

func TestParseIdentity(t *testing.T) {
	join := func(names ...string) []byte {
		var all []byte
		for _, n := range names {
			all = append(append(all, file(t, n)...), '\n')
		}
		return all
	}
	for name, c := range map[string]struct {
		b          []byte
		passphrase triage.Secret
		count      int
		want       error
	}{
		"PEM":                   {join("own.key.pem", "own.pem"), "", 1, nil},
		"certificate first":     {join("own.pem", "own.key.pem"), "", 1, nil},
		"with issuers":          {join("issuer.pem", "own.pem", "root.pem", "own.key.pem"), "", 1, nil},
		"old and renewed":       {join("own.key.pem", "own.pem", "own-renewed.pem"), "", 2, nil},
		"two keys":              {join("own.key.pem", "own.pem", "rita.key.pem", "rita.pem"), "", 2, nil},
		"traditional":           {join("own-traditional.key.pem", "own.pem"), "", 1, nil},
		"PKCS #12":              {join("own.p12"), "throw-away", 1, nil},
		"old PKCS #12":          {join("own-legacy.p12"), "throw-away", 1, nil},
		"wrong passphrase":      {join("own.p12"), "wrong", 0, ErrLocked},
		"no passphrase":         {join("own.p12"), "", 0, ErrLocked},
		"locked PEM":            {join("own-locked.key.pem", "own.pem"), "throw-away", 0, ErrLocked},
		"no key":                {join("own.pem"), "", 0, ErrNoIdentity},
		"no certificate":        {join("own.key.pem"), "", 0, ErrNoIdentity},
		"another's certificate": {join("own.key.pem", "rita.pem"), "", 0, ErrNoIdentity},
		"elliptic curve":        {join("ec.key.pem", "ec.pem"), "", 0, ErrUnsupported},
		"rubbish":               {[]byte("rubbish"), "", 0, ErrMalformed},
		"rubbish in PEM":        {[]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "", 0, ErrMalformed},
		"empty":                 {nil, "", 0, ErrMalformed},
	} {
		// PKCS #12 needs its exact octets.
		b := c.b
		if !bytes.Contains(b, []byte("-----")) {
			b = bytes.TrimSuffix(b, []byte("\n"))
		}
		list, err := ParseIdentity(b, c.passphrase)
		if len(list) != c.count || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
		for _, k := range list[:min(1, len(list))] {
			if c.count == 1 && (k.Fingerprint() != fingerprint(cert(t, "own")) || k.Addresses()[0] != "security@identity.example") {
				t.Errorf("%s: %v with %q", name, k, k.Addresses())
			}
		}
	}
}
