package daemon

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"vdpd/cmd/internal/config"
	"vdpd/mailbox"
	"vdpd/mailbox/openpgp"
	"vdpd/mailbox/smime"
	"vdpd/notify"
	"vdpd/triage"
)

// parts is a configuration with everything that it names opened: rules, keys
// and people. It is read by all goroutines and doesn't change, but for the
// ring of signers, which guards itself.
type parts struct {
	uid           uint32 // of this process
	boxes         map[string]*box
	policies      map[string]*triage.Policy
	organisations map[string]notify.Organisation
	people        map[string]notify.Person
	signers       *openpgp.Ring // pinned keys of all reporters
}

// box is a mailbox and how to read what comes from it.
type box struct {
	policy    *triage.Policy
	read      mailbox.Options
	leftAlone atomic.Int64 // messages of a shared mailbox that were none of ours, since the start
	dkim      bool         // nobody else looks whether the sender's domain vouches
}

// assemble opens the keys of a configuration. All that is wrong is reported at
// once, as a [*config.Error].
func assemble(cfg *config.Config, now time.Time) (*parts, error) {
	p := &parts{
		uid: uint32(os.Geteuid()), boxes: map[string]*box{}, policies: map[string]*triage.Policy{},
		organisations: map[string]notify.Organisation{}, people: map[string]notify.Person{}, signers: openpgp.NewRing(),
	}
	var problems []config.Problem
	wrong := func(file, hint string, err error) {
		if e, ok := errors.AsType[*config.Error](err); ok {
			problems = append(problems, e.Problems...)
			return
		}
		problems = append(problems, config.Problem{File: file, Text: err.Error(), Hint: hint})
	}

	own := map[string]*openpgp.Ring{}
	for _, policy := range cfg.Policies {
		ring, err := ownKeys(policy)
		if err != nil {
			wrong(policy.Path, "make a key with vdpd keys generate, or give the right passphrase", err)
			continue
		}
		if current := ring.Keys()[0]; !current.CanSign(now) || !current.CanEncrypt(now) {
			wrong(policy.Path, "put a key that is valid now first, and keep this one after it",
				fmt.Errorf("the first own key %s can not sign and decrypt now: it has expired, is revoked, or has no such part", current.Fingerprint()))
			continue
		}
		own[policy.ID] = ring
		p.policies[policy.ID] = &policy.Policy
		p.organisations[policy.ID] = notify.Organisation{
			Policy: &policy.Policy, Address: policy.From().Reveal(), Own: ring.Keys()[0], PlusAddressing: plusAddressing(cfg, policy.ID),
		}
	}
	for _, m := range cfg.Mailboxes {
		identities, roots, err := certificates(m.Policy)
		if err != nil {
			wrong(m.Policy.Path, "give the certificate together with its private key, and the right passphrase", err)
			continue
		}
		p.boxes[m.Name] = &box{policy: &m.Policy.Policy, read: mailbox.Options{
			Own: own[m.Policy.ID], Certs: p.signers, SMIME: identities, Roots: roots, AuthServID: m.AuthServID, Limits: mailbox.Limits{Bytes: int(m.MaxMessage)},
		}, dkim: m.AuthServID == "" && !m.SkipDKIM}
	}
	for _, person := range cfg.People {
		made := notify.Person{ID: person.ID, Name: person.Name.Reveal(), Address: person.Address, Lang: person.Lang}
		if person.Key != "" {
			key, err := publicKey(person.Key)
			if err != nil {
				wrong(person.Key, "export it with: gpg --export --armor ADDRESS", fmt.Errorf("the key of %s: %w", person.ID, err))
				continue
			}
			made.Key = key
		}
		p.people[person.ID] = made
	}
	if len(problems) > 0 {
		return nil, &config.Error{Problems: problems}
	}
	return p, nil
}

// ownKeys opens the secret keys of a policy, the current one first.
func ownKeys(p *config.Policy) (*openpgp.Ring, error) {
	var passphrases []triage.Secret
	if p.Passphrase.Given() {
		s, err := p.Passphrase.Read()
		if err != nil {
			return nil, err
		}
		passphrases = append(passphrases, s)
	}
	ring := openpgp.NewRing()
	for _, source := range p.OwnKeys {
		b, err := source.ReadExact()
		if err != nil {
			return nil, err
		}
		keys, err := openpgp.ParseKeys([]byte(b.Reveal()), passphrases...)
		if err != nil {
			return nil, fmt.Errorf("%s (%v): %w", source.Label(), source, err)
		}
		for _, k := range keys {
			if !k.HasSecret() {
				return nil, fmt.Errorf("%s (%v) has only the public part of %s", source.Label(), source, k.Fingerprint())
			}
		}
		ring.Add(keys...)
	}
	return ring, nil
}

// certificates opens what a policy has for S/MIME.
func certificates(p *config.Policy) (identities []*smime.Identity, roots *x509.CertPool, err error) {
	var passphrase triage.Secret
	if p.Passphrase.Given() && len(p.SMIME) > 0 {
		if passphrase, err = p.Passphrase.Read(); err != nil {
			return nil, nil, err
		}
	}
	for _, source := range p.SMIME {
		b, err := source.ReadExact()
		if err != nil {
			return nil, nil, err
		}
		some, err := smime.ParseIdentity([]byte(b.Reveal()), passphrase)
		if err != nil {
			return nil, nil, fmt.Errorf("%s (%v): %w", source.Label(), source, err)
		}
		identities = append(identities, some...)
	}
	if p.SMIMERoots == "" {
		return identities, nil, nil
	}
	pem, err := os.ReadFile(p.SMIMERoots)
	if err != nil {
		return nil, nil, err
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("%s holds no certificate", p.SMIMERoots)
	}
	return identities, roots, nil
}

func publicKey(file string) (*openpgp.Key, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	keys, err := openpgp.ParseCerts(b)
	if err != nil {
		return nil, err
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("the file holds %d keys; it is to hold one", len(keys))
	}
	return keys[0], nil
}

func plusAddressing(cfg *config.Config, policy string) bool {
	for _, m := range cfg.Mailboxes {
		if m.Policy.ID == policy {
			return m.PlusAddressing
		}
	}
	return false
}

// learn adds a reporter's pinned key to those that signatures are checked with.
func (p *parts) learn(k triage.Key, log *slog.Logger) {
	keys, err := openpgp.ParseCerts([]byte(k.Cert.Reveal()))
	if err != nil {
		log.Error("the key of a reporter can't be read back", "fingerprint", k.Fingerprint, "error", err)
		return
	}
	p.signers.Add(keys...)
}

// Organisation implements [notify.Directory].
func (p *parts) Organisation(policy string) (notify.Organisation, bool) {
	o, ok := p.organisations[policy]
	return o, ok
}

// Person implements [notify.Directory].
func (p *parts) Person(id string) (notify.Person, bool) {
	person, ok := p.people[id]
	return person, ok
}

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

func account(cfg *config.Config, m config.Mailbox, dial dialer) mailbox.Account {
	return mailbox.Account{
		Name: m.Name, Host: m.Host, Port: m.Port, TLS: mailbox.TLSMode(m.TLS), RootCAs: cfg.CAs,
		User: m.User, Password: m.Password.Read, Mode: m.Policy.Mode,
		Folders: append([]string{m.Inbox}, m.Junk...), ReportFolder: m.ReportFolder, Processed: m.Processed,
		PollEvery: m.Poll, MaxBytes: int64(m.MaxMessage), Dial: dial,
	}
}

func transport(cfg *config.Config, dial dialer) *notify.SMTP {
	s := cfg.SMTP
	hello := s.Helo
	if hello == "" && len(cfg.Policies) > 0 {
		hello = cfg.Policies[0].Domain
	}
	return &notify.SMTP{
		Host: s.Host, Port: s.Port, TLS: notify.TLSMode(s.TLS), RootCAs: cfg.CAs, User: s.User, Hello: hello, Dial: dial,
		Password: func(context.Context) (triage.Secret, error) { return s.Password.Read() },
	}
}

func renderer(cfg *config.Config, p *parts) (*notify.Renderer, error) {
	var override fs.FS
	if cfg.Templates != "" {
		override = os.DirFS(cfg.Templates)
	}
	templates, err := notify.LoadTemplates(override)
	if err != nil {
		return nil, err
	}
	return &notify.Renderer{Templates: templates, Directory: p}, nil
}
