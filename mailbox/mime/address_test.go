package mime

import (
	"reflect"
	"strings"
	"testing"
	"unicode"
)

func TestParseAddresses(t *testing.T) {
	tests := map[string][]Address{
		`a@b.example`:                            {{"", "a@b.example"}},
		`<a@b.example>`:                          {{"", "a@b.example"}},
		`Anna <a@b.example>`:                     {{"Anna", "a@b.example"}},
		`"Maas, Anna" <a@b.example>`:             {{"Maas, Anna", "a@b.example"}},
		`Maas, Anna <a@b.example>`:               {{"Maas, Anna", "a@b.example"}},
		`a@b.example (Anna)`:                     {{"Anna", "a@b.example"}},
		`a@b.example, Bo <c@d.example>`:          {{"", "a@b.example"}, {"Bo", "c@d.example"}},
		`a@b.example; c@d.example`:               {{"", "a@b.example"}, {"", "c@d.example"}},
		`team: a@b.example, c@d.example;`:        {{"", "a@b.example"}, {"", "c@d.example"}},
		`undisclosed-recipients:;`:               nil,
		`=?utf-8?Q?M=C3=BCller=2C_A?= <a@b.c>`:   {{"Müller, A", "a@b.c"}},
		`"=?utf-8?Q?M=C3=BCller?=" <a@b.c>`:      {{"Müller", "a@b.c"}},
		`"CISO <ciso@identity.example>" <x@y.z>`: {{"CISO <ciso@identity.example>", "x@y.z"}},
		`"quoted local"@b.example`:               {{"", `"quoted local"@b.example`}},
		`<@relay.example:a@b.example>`:           {{"", "a@b.example"}},
		`mailto:a@b.example`:                     {{"", "a@b.example"}},
		`<>`:                                     nil,
		`MAILER-DAEMON (Mail Delivery System)`:   {{"Mail Delivery System", "MAILER-DAEMON"}},
		`"Firm " <>, "LTD" <a@b.example>`:        {{"Firm, LTD", "a@b.example"}},
		`Anna <a@b.example`:                      {{"Anna", "a@b.example"}},
		`Anna`:                                   {{"Anna", ""}},
		``:                                       nil,
		"Gr\xfc\xdfe <a@b.example>":              {{"Grüße", "a@b.example"}},
		"=?utf-8?Q?a=0D=0ABcc:_x@y?= <a@b.c>":    {{"a  Bcc: x@y", "a@b.c"}},
	}
	for in, want := range tests {
		if got := ParseAddresses(in); !reflect.DeepEqual(got, want) {
			t.Errorf("ParseAddresses(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestStripComments(t *testing.T) {
	for in, want := range map[string]string{
		`a (b (c) d) e`:           `a  e`,
		`a "b; c" d`:              `a _ d`,
		`a (b; dmarc=pass`:        `a `,
		`spf=pass (x\) y) z`:      `spf=pass  z`,
		`(x) auto-replied (away)`: ` auto-replied `,
	} {
		if got, _ := StripComments(in); got != want {
			t.Errorf("StripComments(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzAddress looks for fields that give more than they hold, or characters
// that could break a line.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"Anna <a@b>, (x) c@d", `"a\"`, `"a" <<b@c>>`, "a:b:c@d;", "((((", "=?utf-8?Q?=0A?= <a@b>", `\"\"\"`, "<<<<", "a@b c@d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		total := 0
		for _, a := range ParseAddresses(s) {
			total += len(a.Addr)
			if strings.ContainsFunc(a.Name+a.Addr, unicode.IsControl) && !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
				t.Errorf("control character in %q", a)
			}
		}
		if total > len(s)*4 {
			t.Errorf("%d octets of addresses from %d", total, len(s))
		}
		ParseValue(s)
		DecodeText(s)
		MessageIDs(s)
		(Header{{"Date", s}}).Date()
	})
}
