package notify

import (
	"errors"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

var errAddress = errors.New("not an address that mail can be sent to")

// envelopePath writes local@domain as a path for SMTP (RFC 5321, section
// 4.1.2), in angle brackets, with the domain in its ASCII form. The empty
// address gives the null path. utf8 says that the local part has letters
// outside ASCII, which needs RFC 6531 on the way.
func envelopePath(address string) (path string, utf8 bool, err error) {
	if address == "" {
		return "<>", false, nil
	}
	if a, err := mail.ParseAddress("<" + address + ">"); err == nil {
		address = a.Address // a quoted local part comes without its quotes
	}
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 || len(address) > 254 {
		return "", false, errAddress
	}
	local, domain := address[:at], address[at+1:]
	if !ascii(domain) {
		if domain, err = idna.Lookup.ToASCII(domain); err != nil {
			return "", false, errAddress
		}
	}
	for _, r := range local {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return "", false, errAddress
		}
	}
	for _, r := range domain {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:", r) {
			return "", false, errAddress
		}
	}
	return (&mail.Address{Address: local + "@" + domain}).String(), !ascii(local), nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// tagged adds a tag to the local part of one of our own addresses (RFC 5233).
func tagged(address, tag string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || tag == "" {
		return address
	}
	return local + "+" + tag + "@" + domain
}
