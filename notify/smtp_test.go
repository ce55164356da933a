package notify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vdpd/notify/notifytest"
	"vdpd/triage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type netConn = net.Conn

// certificate makes a certificate for a name and the pool that believes it.
func certificate(t *testing.T, name string, until time.Time) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away"}, DNSNames: []string{name},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func server(t testing.TB, opt notifytest.Options) (*notifytest.Server, *SMTP) {
	t.Helper()
	s, err := notifytest.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	address := s.Addr().(*net.TCPAddr)
	return s, &SMTP{Host: "localhost", Port: address.Port, TLS: Plain, Timeout: 10 * time.Second,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address.String())
		}}
}

func password(p triage.Secret) func(context.Context) (triage.Secret, error) {
	return func(context.Context) (triage.Secret, error) { return p, nil }
}

// TestConnect: each way to protect and to log in, and each way to fail, with
// the stage and the hint that an operator gets.
func TestConnect(t *testing.T) {
	config, pool := certificate(t, "mail.example", time.Now().Add(24*time.Hour))
	expired, expiredPool := certificate(t, "mail.example", time.Now().Add(-time.Hour))
	const user = "vdpd"
	tests := map[string]struct {
		opt   notifytest.Options
		set   func(*SMTP)
		tls   string
		stage Stage // empty: it works
		hint  string
	}{
		"plain":          {},
		"starttls":       {opt: notifytest.Options{TLS: config}, set: func(s *SMTP) { s.TLS = StartTLS }, tls: "TLS 1.3"},
		"tls":            {opt: notifytest.Options{TLS: config, Implicit: true}, set: func(s *SMTP) { s.TLS = TLS }, tls: "TLS 1.3"},
		"login by PLAIN": {opt: notifytest.Options{TLS: config, User: user, Password: "right"}, set: func(s *SMTP) { s.TLS, s.User = StartTLS, user }, tls: "TLS 1.3"},
		"login by LOGIN": {
			opt: notifytest.Options{TLS: config, User: user, Password: "right", Mechanisms: []string{"LOGIN"}},
			set: func(s *SMTP) { s.TLS, s.User = StartTLS, user }, tls: "TLS 1.3",
		},
		"login in clear on this machine": {opt: notifytest.Options{User: user, Password: "right"}, set: func(s *SMTP) { s.User, s.Host = user, "localhost" }},
		"clear text to elsewhere":        {set: func(s *SMTP) { s.Host = "mail.example" }, stage: StageConnect, hint: `set tls to "starttls"`},
		"no STARTTLS":                    {set: func(s *SMTP) { s.TLS = StartTLS }, stage: StageTLS, hint: `try tls = "tls"`},
		"no TLS":                         {set: func(s *SMTP) { s.TLS = TLS }, stage: StageTLS, hint: `use tls = "starttls"`},
		"unknown authority":              {opt: notifytest.Options{TLS: config}, set: func(s *SMTP) { s.TLS, s.RootCAs = StartTLS, x509.NewCertPool() }, stage: StageTLS, hint: "authority"},
		"other name":                     {opt: notifytest.Options{TLS: config}, set: func(s *SMTP) { s.TLS, s.Host = StartTLS, "other.example" }, stage: StageTLS, hint: "another name"},
		"expired":                        {opt: notifytest.Options{TLS: expired}, set: func(s *SMTP) { s.TLS, s.RootCAs = StartTLS, expiredPool }, stage: StageTLS, hint: "not valid now"},
		"wrong password": {
			opt: notifytest.Options{TLS: config, User: user, Password: "other"}, set: func(s *SMTP) { s.TLS, s.User = StartTLS, user },
			stage: StageLogin, hint: "check user and password",
		},
		"no mechanism": {
			opt: notifytest.Options{TLS: config, User: user, Mechanisms: []string{"GSSAPI"}}, set: func(s *SMTP) { s.TLS, s.User = StartTLS, user },
			stage: StageLogin, hint: "submission ports",
		},
		"no password": {
			opt: notifytest.Options{TLS: config, User: user}, stage: StageLogin,
			set: func(s *SMTP) {
				s.TLS, s.User = StartTLS, user
				s.Password = func(context.Context) (triage.Secret, error) { return "", errors.New("file missing") }
			},
		},
		"nobody there": {
			set: func(s *SMTP) {
				s.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
			}, stage: StageConnect, hint: "server is running",
		},
		"no such name": {
			set: func(s *SMTP) {
				s.Dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.DNSError{Name: s.Host, Err: "no such host"}
				}
			}, stage: StageConnect, hint: "host name",
		},
		"turned away": {set: func(*SMTP) {}, stage: StageGreeting},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, transport := server(t, test.opt)
			transport.RootCAs, transport.Password = pool, password("right")
			if test.opt.TLS != nil {
				transport.Host = "mail.example"
			}
			if test.set != nil {
				test.set(transport)
			}
			if test.stage == StageGreeting {
				s.Inject(notifytest.Fault{Stage: notifytest.AtConnect, Code: 554, Text: "5.7.1 go away"})
			}
			got, err := ProbeSMTP(t.Context(), transport)
			if test.stage == "" {
				if err != nil || got.TLS != test.tls || got.Login != (transport.User != "") {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			var failed *ConnectError
			if !errors.As(err, &failed) || failed.Stage != test.stage || !strings.Contains(failed.Hint, test.hint) {
				t.Fatalf("%v, want stage %s and hint %q; got %+v", err, test.stage, test.hint, failed)
			}
			if strings.Contains(err.Error()+failed.Hint, "right") {
				t.Error("the error holds the password")
			}
			if !strings.Contains(err.Error(), "mail server "+transport.Host+":") {
				t.Errorf("the error doesn't say which server: %v", err)
			}
		})
	}
}

// TestSilentServer: a server that accepts and says nothing is left after the
// timeout, and at once when the context ends.
func TestSilentServer(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"timeout": 50 * time.Millisecond, "stopped": time.Hour} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := &SMTP{Host: "localhost", TLS: Plain, Timeout: timeout, Dial: func(context.Context, string, string) (net.Conn, error) {
				if name == "stopped" {
					cancel()
				}
				return ours, nil
			}}
			_, err := s.Open(ctx)
			var failed *ConnectError
			if !errors.As(err, &failed) || failed.Stage != StageGreeting {
				t.Fatal(err)
			}
			if name == "timeout" && !strings.Contains(failed.Hint, "firewall") {
				t.Errorf("hint %q", failed.Hint)
			}
		})
	}
}

// TestBytes: what is sent arrives to the byte, dots and all.
func TestBytes(t *testing.T) {
	s, transport := server(t, notifytest.Options{})
	session, err := transport.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	raw := []byte("Subject: x\r\n\r\n.\r\n..\r\n.a\r\nFrom b\r\n \r\nend\r\n")
	for _, from := range []string{"a@b.example", ""} {
		if reply, err := session.Send(t.Context(), &Mail{From: from, To: "c@d.example", Raw: raw}); err != nil || reply.Result != triage.Sent {
			t.Fatalf("%+v %v", reply, err)
		}
	}
	for i, m := range s.Mails() {
		if !bytes.Equal(m.Raw, raw) || !slices.Equal(m.To, []string{"c@d.example"}) || (m.From == "") != (i == 1) {
			t.Errorf("%q from %q to %q", m.Raw, m.From, m.To)
		}
	}
}

// TestOddAddresses: an address that this server can't take fails without
// disturbing the connection.
func TestOddAddresses(t *testing.T) {
	for _, offered := range []bool{false, true} {
		s, transport := server(t, notifytest.Options{UTF8: offered})
		session, err := transport.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for to, want := range map[triage.Secret]triage.Result{
			"":                  triage.Failed,
			"nobody":            triage.Failed,
			"a@b.example\r\nX":  triage.Failed,
			"jörg@c.example":    triage.Failed,
			"a@bücher.example":  triage.Sent,
			"rita@r.example":    triage.Sent,
			`"a b"@c.example`:   triage.Sent,
			"o'hara@c.example":  triage.Sent,
			"a+b=c@c.example":   triage.Sent,
			"no@\u202e.example": triage.Failed,
		} {
			if offered && to == "jörg@c.example" {
				want = triage.Sent
			}
			reply, err := session.Send(t.Context(), &Mail{From: "a@b.example", To: to, Raw: []byte("A: b\r\n\r\n")})
			if err != nil || reply.Result != want {
				t.Errorf("%q: %s, %v; want %s", to.Reveal(), reply.Result, err, want)
			}
		}
		session.Close()
		if n := len(s.Mails()); offered && n != 6 || !offered && n != 5 {
			t.Errorf("%d mails", n)
		}
	}
}

// TestErrorsHoldNoAddress: servers like to repeat the address in their refusal.
func TestErrorsHoldNoAddress(t *testing.T) {
	s, transport := server(t, notifytest.Options{})
	s.Inject(notifytest.Fault{Stage: notifytest.AtRcpt, Code: 421, Text: "4.7.1 " + canary + "@b.example is not welcome"})
	session, err := transport.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	reply, err := session.Send(t.Context(), &Mail{From: "a@b.example", To: canary + "@b.example"})
	if err == nil || strings.Contains(err.Error()+reply.Code+reply.Text.String(), canary) {
		t.Errorf("%v, %+v", err, reply)
	}
	if !strings.Contains(reply.Text.Reveal(), canary) {
		t.Error("the reply is lost for those who may read it")
	}
}

// BenchmarkBurst sends 200 rendered receipts over one connection.
func BenchmarkBurst(b *testing.B) {
	s, transport := server(b, notifytest.Options{})
	r := testRenderer(b)
	var mails []*Mail
	for _, l := range receipts(200) {
		m, err := r.Render(l, now)
		if err != nil {
			b.Fatal(err)
		}
		mails = append(mails, m)
	}
	for b.Loop() {
		session, err := transport.Open(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range mails {
			if reply, err := session.Send(b.Context(), m); err != nil || reply.Result != triage.Sent {
				b.Fatal(reply.Code, err)
			}
		}
		session.Close()
	}
	b.ReportMetric(float64(len(s.Mails()))/b.Elapsed().Seconds(), "mails/s")
}
