package mime

import (
	"reflect"
	"strings"
	"testing"
)

var testLimits = Limits{Parts: 1000, Depth: 20, HeaderBytes: 256 << 10, HeaderCount: 1000}

func TestReadHeader(t *testing.T) {
	tests := map[string]struct {
		in   string
		want Header
		body string
	}{
		"plain":                    {"From: a@b\r\nSubject: x\r\n\r\nbody", Header{{"From", "a@b"}, {"Subject", "x"}}, "body"},
		"bare LF, bare CR, CRCRLF": {"From: a\nTo: b\rCc: c\r\r\n\nbody", Header{{"From", "a"}, {"To", "b"}, {"Cc", "c"}}, "body"},
		"folded":                   {"Subject: one\r\n two\r\n\tthree\r\n\r\n", Header{{"Subject", "one two three"}}, ""},
		"folded with an empty line": {"To: a@b,\r\n\t\r\n\tc@d\r\nSubject: x\r\n\r\nbody",
			Header{{"To", "a@b,  c@d"}, {"Subject", "x"}}, "body"},
		"blank line of blanks":    {"Subject: x\n  \nbody", Header{{"Subject", "x"}}, "body"},
		"mbox separator":          {"From me@x Mon Jun  1\nSubject: x\n\nbody", Header{{"Subject", "x"}}, "body"},
		"blanks before the colon": {"Subject : x\n\nbody", Header{{"Subject", "x"}}, "body"},
		"rubbish between fields":  {"From: a\n=====\nSubject: x\n\nbody", Header{{"From", "a"}, {"Subject", "x"}}, "body"},
		"no empty line":           {"Subject: x\nHello,\nthis is it", Header{{"Subject", "x"}}, "Hello,\nthis is it"},
		"no header at all":        {"Hello,\n\nthis is it", nil, "Hello,\n\nthis is it"},
		"only a header":           {"Subject: x", Header{{"Subject", "x"}}, ""},
		"empty":                   {"", nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, body := ReadHeader([]byte(test.in), NewBudget(testLimits))
			if !reflect.DeepEqual(h, test.want) || string(body) != test.body {
				t.Errorf("got %q and body %q\nwant %q and %q", h, body, test.want, test.body)
			}
		})
	}
}

func TestHeaderLimits(t *testing.T) {
	long := "Subject: x\r\nX-Long: " + strings.Repeat("y", 1<<20) + "\r\n z\r\nTo: lost@example\r\n\r\nbody"
	b := NewBudget(testLimits)
	h, body := ReadHeader([]byte(long), b)
	if string(body) != "body" || h.Get("Subject") != "x" || len(h) != 1 || b.Limits()[0] != LimitHeaderBytes {
		t.Errorf("long field: %d fields, body %q, limits %q", len(h), body, b.Limits())
	}
	b = NewBudget(testLimits)
	h, body = ReadHeader([]byte(strings.Repeat("X: y\r\n", 5000)+"\r\nbody"), b)
	if string(body) != "body" || len(h) != testLimits.HeaderCount || b.Limits()[0] != LimitHeaderCount {
		t.Errorf("many fields: %d fields, body %q, limits %q", len(h), body, b.Limits())
	}
}

func TestDecodeText(t *testing.T) {
	tests := map[string]string{
		"plain":                                 "plain",
		"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=":           "Grüße",
		"=?UTF-8?B?R3LDvMOfZQ==?= an alle":      "Grüße an alle",
		"=?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?=": "Grüße", // a character split between words
		"=?utf-8?Q?a?= =?iso-8859-1?Q?=FC?=":    "aü",
		"=?iso-8859-1*de?Q?=FC?=":               "ü",
		"=?utf-8?Q?two words?=":                 "two words", // blanks are forbidden
		"=?utf-8?Q?a_b?=.pdf":                   "a b.pdf",
		"x=?utf-8?Q?=C3=BC?=y":                  "xüy",
		"=?utf-8?Q?unfinished":                  "=?utf-8?Q?unfinished",
		"=?utf-8?X?what?=":                      "=?utf-8?X?what?=",
		"=?nosuch?Q?=41?=":                      "A",
		"=?utf-8?Q?Pr=FCfung?=":                 "Prüfung", // another charset than it says
		"=?utf-8?B?nnDusSNdG92w?=":              "=?utf-8?B?nnDusSNdG92w?=",
		"=?iso-2022-jp?B?GyRCJDMbKEI=?=":        "こ",
		"=?gb2312?B?1tDOxA==?=":                 "中文",
		"Gr\xfc\xdfe":                           "Grüße",
		"Gr\xc3\xbc\xc3\x9fe":                   "Grüße",
	}
	for in, want := range tests {
		if got := DecodeText(in); got != want {
			t.Errorf("DecodeText(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseValue(t *testing.T) {
	type params = map[string]string
	tests := map[string]struct {
		in    string
		value string
		want  params
	}{
		"plain":                  {`text/plain; charset=utf-8`, "text/plain", params{"charset": "utf-8"}},
		"case, blanks, comments": {`Text/PLAIN (what) ; Charset = "utf-8" (mine)`, "text/plain", params{"charset": "utf-8"}},
		"empty parameters":       {`multipart/mixed ; ; ;; boundary="b"`, "multipart/mixed", params{"boundary": "b"}},
		"repeated":               {`a/b; name=1; name=2`, "a/b", params{"name": "1"}},
		"semicolon in quotes":    {`a/b; name="x;y"; c=d`, "a/b", params{"name": "x;y", "c": "d"}},
		"quote without end":      {`a/b; name="x; c=d`, "a/b", params{"name": "x", "c": "d"}},
		"file name with blanks":  {`attachment; filename=my file (1).txt`, "attachment", params{"filename": "my file (1).txt"}},
		"windows path":           {`a/b; name="C:\tmp\x.txt"`, "a/b", params{"name": `C:\tmp\x.txt`}},
		"escaped quote":          {`a/b; name="a\"b"`, "a/b", params{"name": `a"b`}},
		"RFC 2231":               {`a/b; name*=utf-8'de'Gr%C3%BC%C3%9Fe`, "a/b", params{"name": "Grüße"}},
		"RFC 2231 in pieces":     {`a/b; name*1="b.txt"; name*0*=utf-8''%C3%BC`, "a/b", params{"name": "üb.txt"}},
		"pieces without charset": {`a/b; name*0="one"; name*1=" two"`, "a/b", params{"name": "one two"}},
		"both forms":             {`a/b; name=u.txt; name*=utf-8''%C3%BC.txt`, "a/b", params{"name": "ü.txt"}},
		"encoded word":           {`a/b; name="=?utf-8?Q?=C3=BC?="`, "a/b", params{"name": "ü"}},
		"no charset in the form": {`a/b; name*=%C3%BC.txt`, "a/b", params{"name": "ü.txt"}},
		"nothing":                {``, "", params{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			value, got := ParseValue(test.in)
			if value != test.value || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q %q, want %q %q", value, got, test.value, test.want)
			}
		})
	}
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		"Mon, 1 Jun 2026 08:59:00 +0200":             "2026-06-01T08:59:00+02:00",
		"1 Jun 2026 08:59 +0200 (CEST)":              "2026-06-01T08:59:00+02:00",
		"Mon,  1 Jun 2026 08:59:00 GMT":              "2026-06-01T08:59:00Z",
		"Mon, 1 Jun 2026 08.59.00 +0200":             "2026-06-01T08:59:00+02:00",
		"2026-06-01T08:59:00Z":                       "2026-06-01T08:59:00Z",
		"Mon, 1 Jun 2026 08:59:00 +0200 (what (is))": "2026-06-01T08:59:00+02:00",
		"yesterday": "0001-01-01T00:00:00Z",
		"":          "0001-01-01T00:00:00Z",
	} {
		if got := (Header{{"Date", in}}).Date().Format("2006-01-02T15:04:05Z07:00"); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	for in, want := range map[string][]string{
		"<a@b>":              {"a@b"},
		"<a@b> <c@d>\t<e@f>": {"a@b", "c@d", "e@f"},
		"<a@b><c@d>":         {"a@b", "c@d"},
		"<a @b>":             {"a@b"},
		"a@b":                {"a@b"},
		"<a@b":               {"a@b"},
		"no id":              nil,
		"":                   nil,
	} {
		if got := MessageIDs(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}
