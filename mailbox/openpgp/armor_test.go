package openpgp

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBlocks(t *testing.T) {
	const (
		message = "-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----\n"
		signed  = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nhi\n- -----BEGIN PGP MESSAGE-----\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"
		key     = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
		private = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nabcd\n-----END PGP PRIVATE KEY BLOCK-----\n"
		sig     = "-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"
	)
	crlf := strings.ReplaceAll(message, "\n", "\r\n")
	blanks := strings.ReplaceAll(message, "\n", " \t\n")
	nbsp := strings.ReplaceAll(message, "\n", "\u00a0\n")
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":            {"", nil},
		"none":             {"hello\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", nil},
		"one":              {message, []string{message}},
		"text around":      {"before\n" + message + "after\n", []string{message}},
		"no last newline":  {strings.TrimSuffix(message, "\n"), []string{strings.TrimSuffix(message, "\n")}},
		"several":          {message + "x\n" + key + signed + private + sig, []string{message, key, signed, private, sig}},
		"CRLF":             {"a\r\n" + crlf, []string{crlf}},
		"trailing blanks":  {blanks, []string{blanks}},
		"no-break spaces":  {nbsp, []string{nbsp}},
		"BOM":              {"\ufeff" + message, []string{"\ufeff" + message}},
		"quoted":           {"> " + strings.ReplaceAll(message, "\n", "\n> "), nil},
		"indented":         {" " + strings.ReplaceAll(message, "\n", "\n "), nil},
		"in a sentence":    {"see -----BEGIN PGP MESSAGE-----\nabcd\n-----END PGP MESSAGE-----\n", nil},
		"no END":           {"-----BEGIN PGP MESSAGE-----\n\nabcd\n", nil},
		"BEGIN again":      {"-----BEGIN PGP MESSAGE-----\n\nabcd\n" + message, []string{message}},
		"wrong END":        {"-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP SIGNATURE-----\n-----END PGP MESSAGE-----\n", nil},
		"signed, no sig":   {"-----BEGIN PGP SIGNED MESSAGE-----\n\nhi\n-----END PGP SIGNED MESSAGE-----\n", nil},
		"message in text":  {"-----BEGIN PGP SIGNED MESSAGE-----\n\nhi\n" + message + sig, []string{message, sig}},
		"PGP 2 secret key": {strings.ReplaceAll(private, "PRIVATE", "SECRET"), []string{strings.ReplaceAll(private, "PRIVATE", "SECRET")}},
	} {
		var got []string
		for _, b := range Blocks([]byte(c.text)) {
			got = append(got, c.text[b.Start:b.End])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestBlocksLinear(t *testing.T) {
	for _, line := range []string{"-----BEGIN PGP MESSAGE-----\n", "-----BEGIN PGP SIGNED MESSAGE-----\n", "\n", "-----BEGIN ", strings.Repeat(" ", 100) + "x\n"} {
		text := bytes.Repeat([]byte(line), 4<<20/len(line))
		start := time.Now()
		Blocks(text)
		if _, err := unwrap(text, KindMessage); err == nil {
			t.Errorf("%.20q unwraps", line)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("4 MB of %.20q took %v", line, d)
		}
	}
}

func TestArmorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 500).Draw(t, "data")
		armored := enarmor(KindMessage, data)
		for line := range bytes.Lines(armored) {
			if len(line) > 65 {
				t.Fatalf("a line of %d octets", len(line))
			}
		}
		blocks := Blocks(armored)
		if len(blocks) != 1 || blocks[0] != (Block{KindMessage, 0, len(armored)}) {
			t.Fatal(blocks)
		}
		if got, err := dearmor(armored); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

func TestDearmorRepairs(t *testing.T) {
	data := []byte(strings.Repeat("sixty-four characters ", 9))
	good := string(enarmor(KindMessage, data))
	lines := strings.SplitAfter(good, "\n")
	body := strings.Join(lines[2:len(lines)-3], "") // without checksum
	end := lines[len(lines)-2]
	for name, armored := range map[string]string{
		"CRLF":                 strings.ReplaceAll(good, "\n", "\r\n"),
		"headers":              lines[0] + "Version: GnuPG v2\nComment: hello: world\n\n" + body + end,
		"no blank line":        lines[0] + body + end,
		"headers, no blank":    lines[0] + "Version: GnuPG v2\n" + body + end,
		"continued header":     lines[0] + "Comment: Using GnuPG with Thunderbird -\n http://www.example/ for more\n\n" + body + end,
		"blank line of blanks": lines[0] + " \t \n" + body + end,
		"blank line of NBSP":   lines[0] + "\u00a0\n" + body + end,
		"double spaced":        strings.ReplaceAll(good, "\n", "\n\n"),
		"trailing blanks":      strings.ReplaceAll(good, "\n", "  \t\n"),
		"NBSP in Latin-1":      strings.ReplaceAll(good, "\n", "\xa0\n"),
		"one long line":        lines[0] + "\n" + strings.ReplaceAll(body, "\n", "") + "\n" + end,
		"short lines":          lines[0] + "\n" + strings.Join(strings.Split(strings.ReplaceAll(body, "\n", ""), ""), "\n") + "\n" + end,
		"wrong checksum":       lines[0] + "\n" + body + "=abcd\n" + end,
		"damaged checksum":     lines[0] + "\n" + body + "=ab*\n" + end,
		"no END":               lines[0] + "\n" + body,
		"cut END":              lines[0] + "\n" + body + "-----EN",
	} {
		if got, err := dearmor([]byte(armored)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, armored := range map[string]string{
		"nothing inside": lines[0] + "\n" + end,
		"not base64":     lines[0] + "\nabcd\nab*d\n" + end,
		"cut":            lines[0] + "\nabcde\n" + end,
		"prose":          lines[0] + "\nOnly to show what is between here...\n" + end,
		"quoted":         "> " + strings.ReplaceAll(good, "\n", "\n> "),
	} {
		if got, err := dearmor([]byte(armored)); !errors.Is(err, ErrMalformed) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestIsMessageIsPublicKey(t *testing.T) {
	iw := secret(t, "own-iw")
	armored, err := Seal([]byte("x"), iw, iw, now)
	if err != nil {
		t.Fatal(err)
	}
	binary, _ := dearmor(armored)
	key, _ := unwrap(file(t, "rita.pub.asc"), KindPublicKey)
	secretKey, _ := unwrap(file(t, "rita.sec.asc"), KindPrivateKey)
	for name, c := range map[string]struct {
		b            []byte
		message, key bool
	}{
		"armored message": {armored, true, false},
		"leading lines":   {append([]byte("\ufeff\r\n \n"), armored...), true, false},
		"binary message":  {binary, true, false},
		"armored key":     {enarmor(KindPublicKey, key), false, true},
		"binary key":      {key, false, true},
		"secret key":      {secretKey, false, false},
		"text before":     {append([]byte("hello\n"), armored...), false, false},
		"literal":         {literal("x"), false, false},
		"empty":           {nil, false, false},
		"text":            {[]byte("Hello"), false, false},
		"UTF-8 Ä":         {[]byte("Ähnlich"), false, false},
		"UTF-8 Ã":         {[]byte("Ãµ and more of it"), false, false},
		"Cyrillic":        {[]byte("Уязвимость"), false, false},
		"Armenian":        {[]byte("Խոցելիություն"), false, false},
		"Latin-1 Ä":       {[]byte("\xc4hnlich"), false, false},
		"Latin-1 É":       {[]byte("\xc9tat des lieux"), false, false},
		"JPEG":            {[]byte("\xff\xd8\xff\xe0\x00\x10JFIF"), false, false},
		"PNG":             {[]byte("\x89PNG\r\n\x1a\n"), false, false},
		"gzip":            {[]byte("\x1f\x8b\x08\x00"), false, false},
		"short":           {[]byte("\x85\x01"), false, false},
	} {
		if IsMessage(c.b) != c.message || IsPublicKey(c.b) != c.key {
			t.Errorf("%s: IsMessage %v, IsPublicKey %v", name, IsMessage(c.b), IsPublicKey(c.b))
		}
	}
}
