package mime

import "testing"

func TestDecodeCharset(t *testing.T) {
	tests := []struct {
		label, in, want string
		ok              bool
	}{
		{"utf-8", "Grüße", "Grüße", true},
		{"UTF8", "Grüße", "Grüße", true},
		{"", "plain", "plain", true},
		{"", "Grüße", "Grüße", true},
		{"", "Gr\xfc\xdfe", "Grüße", false},
		{"us-ascii", "Gr\xfc\xdfe", "Grüße", false},
		{"utf-8", "Gr\xfc\xdfe", "Grüße", false},
		{"utf-8", "Grüße und \xff mehr", "Grüße und \ufffd mehr", false},
		{"iso-8859-1", "Grüße", "Grüße", false},
		{"iso-8859-1", "\x93quotes\x94", "“quotes”", true},
		{"iso-8859-15", "\xa4", "€", true},
		{"ISO8859-15", "\xa4", "€", true},
		{"windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2", "Привет", true},
		{"cp-1251", "\xcf\xf0\xe8\xe2\xe5\xf2", "Привет", true},
		{"koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4", "Привет", true},
		{"cp-850", "\x81", "ü", true},
		{"gb2312", "\xd6\xd0\xce\xc4", "中文", true},
		{"gb18030", "\xd6\xd0\xce\xc4", "中文", true},
		{"big5", "\xa4\xa4\xa4\xe5", "中文", true},
		{"shift_jis", "\x93\xfa\x96\x7b", "日本", true},
		{"euc-jp", "\xc6\xfc\xcb\xdc", "日本", true},
		{"iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本", true},
		{"", "\x1b$BF|K\\\x1b(B", "日本", true},
		{"ks_c_5601-1987", "\xc7\xd1\xb1\xdb", "한글", true},
		{"iso-2022-kr", "\x1b$)C\x0eGQ1[\x0f", "한글", true},
		{"utf-7", "Gr+APwA3w-e +- x", "Grüße + x", true},
		{"utf-16", "\xff\xfeh\x00i\x00", "hi", true},
		{"utf-16", "h\x00i\x00", "hi", true},
		{"utf-16", "\x00h\x00i", "hi", true},
		{"utf-16le", "h\x00i\x00", "hi", true},
		{"utf-32", "\x00\x00\xfe\xff\x00\x00\x00h", "h", true},
		{"x-unknown", "plain", "plain", true},
		{"no-such-charset", "Grüße", "Grüße", false},
		{"\"utf-8\"", "Grüße", "Grüße", true},
	}
	for _, test := range tests {
		if got, ok := DecodeCharset(test.label, []byte(test.in)); got != test.want || ok != test.ok {
			t.Errorf("DecodeCharset(%q, %q) = %q, %t, want %q, %t", test.label, test.in, got, ok, test.want, test.ok)
		}
	}
}

func TestUnflow(t *testing.T) {
	tests := map[string]struct {
		in, want string
		delSp    bool
	}{
		"paragraph":   {"one \ntwo\nthree\n", "one two\nthree\n", false},
		"delsp":       {"one \ntwo\n", "onetwo\n", true},
		"quotes":      {"> a \n> b\n>> c \n> d\n", "> a b\n>> c \n> d\n", false},
		"stuffed":     {" >not a quote\n From here\n", ">not a quote\nFrom here\n", false},
		"signature":   {"bye \n-- \nme\n", "bye \n-- \nme\n", false},
		"no line end": {"one \ntwo", "one two\n", false},
	}
	for name, test := range tests {
		if got := Unflow(test.in, test.delSp); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
