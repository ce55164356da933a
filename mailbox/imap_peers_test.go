//go:build peers

package mailbox

import (
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vdpd/mailbox/mailboxtest"
	"vdpd/triage"
)

// dovecotPeer gives each test a user of its own.
type dovecotPeer struct {
	server *mailboxtest.Dovecot
	tls    TLSMode
}

func (d *dovecotPeer) run(t *testing.T, test func(*testing.T)) { test(t) }

func (d *dovecotPeer) account(t *testing.T) Account {
	addr := d.server.Addr
	if d.tls == TLSImplicit {
		addr = d.server.AddrTLS
	}
	user := strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '-'
		}
		return r
	}, strings.ToLower(t.Name())) + "@identity.example"
	a := Account{
		Name: "iw", TLS: d.tls, RootCAs: d.server.RootCAs, User: user, Password: imapPassword("secret"),
		Mode: triage.Dedicated, Folders: []string{"INBOX"}, Processed: "Archive/Processed", PollEvery: 200 * time.Millisecond,
	}
	a.Host, a.Port = hostPort(addr)
	c := d.person(t, a)
	defer c.Close()
	if err := c.Create("Junk"); err != nil {
		t.Fatal(err)
	}
	return a
}

func (d *dovecotPeer) person(t *testing.T, a Account) *mailboxtest.Client {
	conn := must(net.Dial("tcp", d.server.Addr))(t)
	return must(mailboxtest.NewClient(conn, a.User, "secret"))(t)
}

func TestIMAPSuiteDovecot(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, test := range []struct {
		name       string
		tls        TLSMode
		capability string
	}{
		{"plain", TLSNone, ""},
		{"tls", TLSImplicit, ""},
		{"starttls", TLSStart, ""},
		{"without MOVE and IDLE", TLSImplicit, "IMAP4rev1 SASL-IR ENABLE UNSELECT UIDPLUS NAMESPACE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, err := mailboxtest.StartDovecot(test.capability)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			runIMAPSuite(t, &dovecotPeer{server, test.tls})
		})
	}
}
