package mailbox

import (
	"strings"

	"github.com/emersion/go-msgauth/authres"

	"vdpd/mailbox/mime"
)

// NoAuthServID as [Options].AuthServID stands for a server that writes its
// results without a name, as Exchange Online does. The topmost field counts
// then, if it has no name.
const NoAuthServID = "-"

// readAuth takes what our own mail server found out about the sender's domain:
// the topmost Authentication-Results with the configured authserv-id (RFC
// 8601, section 5). All others may be the sender's own work.
func (r *reader) readAuth() {
	results, ok := r.authResults()
	if !ok {
		return
	}
	auth := &r.m.Auth
	auth.Checked = true
	sender := r.m.Sender().Reveal()
	dmarc, dmarcSeen := true, false
	for _, result := range results {
		switch v := result.(type) {
		case *authres.DMARCResult:
			dmarcSeen = true
			dmarc = dmarc && v.Value == authres.ResultPass && (v.From == "" || strings.EqualFold(domainOf(v.From), domainOf(sender)))
		case *authres.SPFResult:
			path := r.m.ReturnPath
			auth.SPF = v.Value == authres.ResultPass && sender != "" && path != nil && strings.EqualFold(path.Reveal(), sender) &&
				strings.EqualFold(domainOf(v.From), domainOf(sender))
		}
	}
	auth.DMARC = dmarcSeen && dmarc && sender != ""
}

// authResults returns the results of the one field that counts. ok is false
// where there is none.
func (r *reader) authResults() (results []authres.Result, ok bool) {
	want := r.opt.AuthServID
	if want == "" {
		return nil, false
	}
	for _, v := range r.root.Header.All("Authentication-Results") {
		// What stands in comments and quotes may be the sender's words, such
		// as an envelope address with "; dmarc=pass" in it, and the library
		// would take them for results.
		v, balanced := mime.StripComments(v)
		if !balanced {
			r.budget.Fault("Authentication-Results with an open comment")
			v, _, _ = strings.Cut(v, ";")
		}
		first, _, _ := strings.Cut(v, ";")
		if want == NoAuthServID {
			if !strings.Contains(first, "=") {
				return nil, false
			}
			v = "-;" + v
		}
		id, list, err := authres.Parse(v)
		if !strings.EqualFold(id, want) {
			if want == NoAuthServID {
				return nil, false
			}
			continue
		}
		if err != nil {
			r.budget.Fault("unreadable Authentication-Results of our own server")
		}
		return list, true
	}
	return nil, false
}

// domainOf returns the domain of an address, or s itself where it is a domain.
func domainOf(s string) string { return s[strings.LastIndexByte(s, '@')+1:] }
