package mailbox

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"vdpd/mailbox/mime"
)

const (
	maxDKIM    = 4                // signatures that are looked at
	dkimPeriod = 10 * time.Second // for all questions to the DNS about one mail
)

// LookupTXT asks the DNS, as [net.Resolver.LookupTXT] does.
type LookupTXT func(ctx context.Context, name string) ([]string, error)

// DKIM reports whether the domain of From, or one above it, vouches for the
// mail with a valid signature (RFC 6376) that covers From and the whole body.
// It is for mailboxes whose server writes no Authentication-Results that could
// be believed. It asks the DNS and nothing else.
//
// A signature over part of the body (l=) does not count, and neither does any
// on a mail with more than one From, where the signed one may not be the one
// that people see.
func DKIM(ctx context.Context, raw []byte, lookup LookupTXT) bool {
	ctx, cancel := context.WithTimeout(ctx, dkimPeriod)
	defer cancel()
	header, _ := mime.ReadHeader(raw, mime.NewBudget(Limits{}.withDefaults().mime()))
	from := header.All("From")
	if len(from) != 1 || !header.Has("DKIM-Signature") {
		return false
	}
	senders := mime.ParseAddresses(from[0])
	if len(senders) != 1 {
		return false
	}
	sender := strings.ToLower(domainOf(senders[0].Addr))
	found, _ := verifyDKIM(raw, &dkim.VerifyOptions{
		LookupTXT:        func(name string) ([]string, error) { return lookup(ctx, name) },
		MaxVerifications: maxDKIM,
	})
	for _, v := range found {
		domain := strings.ToLower(v.Domain)
		aligned := sender == domain || (strings.Contains(domain, ".") && strings.HasSuffix(sender, "."+domain))
		if v.Err == nil && aligned {
			return true
		}
	}
	return false
}

// verifyDKIM turns a panic of the library into no signatures.
func verifyDKIM(raw []byte, opt *dkim.VerifyOptions) (found []*dkim.Verification, err error) {
	defer func() {
		if recover() != nil {
			found = nil
		}
	}()
	return dkim.VerifyWithOptions(bytes.NewReader(raw), opt)
}
