package mailbox

import (
	"testing"

	"vdpd/triage"
)

func TestAuth(t *testing.T) {
	const (
		from = "From: Rita <rita@researcher.example>\r\n"
		path = "Return-Path: <rita@researcher.example>\r\n"
		id   = "mx.identity.example"
		pass = "Authentication-Results: mx.identity.example; spf=pass (ok) smtp.mailfrom=rita@researcher.example; dmarc=pass header.from=researcher.example\r\n"
	)
	yes := triage.Auth{Checked: true, DMARC: true, SPF: true}
	tests := map[string]struct {
		server, head string
		want         triage.Auth
	}{
		"ours":                {id, path + pass + from, yes},
		"no path":             {id, pass + from, triage.Auth{Checked: true, DMARC: true}},
		"none configured":     {"", path + pass + from, triage.Auth{}},
		"of another":          {"mx.other.example", path + pass + from, triage.Auth{}},
		"none":                {id, path + from, triage.Auth{}},
		"forged below":        {id, path + "Authentication-Results: mx.identity.example; dmarc=fail header.from=researcher.example\r\n" + pass + from, triage.Auth{Checked: true}},
		"another above":       {id, path + "Authentication-Results: mx.other.example; dmarc=fail\r\n" + pass + from, yes},
		"with a version":      {id, path + "Authentication-Results: mx.identity.example 1; dmarc=pass header.from=researcher.example\r\n" + from, triage.Auth{Checked: true, DMARC: true}},
		"another domain":      {id, path + "Authentication-Results: mx.identity.example; dmarc=pass header.from=evil.example\r\n" + from, triage.Auth{Checked: true}},
		"one of two":          {id, path + "Authentication-Results: mx.identity.example; dmarc=pass header.from=researcher.example; dmarc=fail header.from=researcher.example\r\n" + from, triage.Auth{Checked: true}},
		"two senders":         {id, path + pass + "From: rita@researcher.example, eve@evil.example\r\n", triage.Auth{Checked: true}},
		"two From fields":     {id, path + pass + from + "From: eve@evil.example\r\n", triage.Auth{Checked: true}},
		"path of another":     {id, "Return-Path: <bounces@researcher.example>\r\n" + pass + from, triage.Auth{Checked: true, DMARC: true}},
		"in a comment":        {id, path + "Authentication-Results: mx.identity.example; spf=fail (domain of eve; dmarc=pass header.from=researcher.example) smtp.mailfrom=x\r\n" + from, triage.Auth{Checked: true}},
		"in an open comment":  {id, path + "Authentication-Results: mx.identity.example; spf=fail (domain of eve; dmarc=pass header.from=researcher.example\r\n" + from, triage.Auth{Checked: true}},
		"in quotes":           {id, path + "Authentication-Results: mx.identity.example; spf=fail smtp.mailfrom=\"x; dmarc=pass header.from=researcher.example\"@evil.example\r\n" + from, triage.Auth{Checked: true}},
		"without a name":      {NoAuthServID, path + "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=researcher.example; dkim=pass header.d=researcher.example;dmarc=pass action=none header.from=researcher.example;compauth=pass reason=100\r\n" + from, yes},
		"a name where none":   {NoAuthServID, path + pass + from, triage.Auth{}},
		"no name where one":   {id, path + "Authentication-Results: dmarc=pass header.from=researcher.example\r\n" + from, triage.Auth{}},
		"second without name": {NoAuthServID, path + "Authentication-Results: mx.evil.example; none\r\nAuthentication-Results: dmarc=pass header.from=researcher.example\r\n" + from, triage.Auth{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := Read([]byte(test.head+"\r\nbody"), Options{AuthServID: test.server})
			if m.Auth != test.want {
				t.Errorf("got %+v, want %+v", m.Auth, test.want)
			}
		})
	}
}

func TestLoop(t *testing.T) {
	opt := testOptions(t)
	for head, want := range map[string]triage.Kind{
		"Message-ID: <ours.7@identity.example>\r\n":      triage.KindLoop,
		"X-VDPD-Case: 7K3M-Q9XT-2H4C\r\n":                triage.KindLoop,
		"X-Vdpd-Anything:\r\nAuto-Submitted: auto-x\r\n": triage.KindLoop,
		"X-Vdp: no\r\n": triage.KindReport,
		"In-Reply-To: <ours.7@identity.example>\r\n": triage.KindReply,
	} {
		if m := Read([]byte("From: a@b.example\r\n"+head+"\r\nbody"), opt); m.Kind != want {
			t.Errorf("%q is a %s (%s), want %s", head, m.Kind, m.Reason, want)
		}
	}
}
