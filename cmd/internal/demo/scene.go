package demo

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"vdpd/cmd/internal/config"
	"vdpd/mailbox/openpgp"
	"vdpd/store"
)

//go:embed scene
var sceneFiles embed.FS

// person is a member of staff, with the secret key that only the person has.
type person struct {
	ID, Name, Address string
	key               *openpgp.Key
}

// reader is a role of an organisation, and who holds it.
type reader struct {
	Role, Called, Detail string // the role, how people say it, and how much it is sent
	*person
}

// organisation is one of the two that share the daemon.
type organisation struct {
	ID, Name, Domain, Address string
	key                       *openpgp.Key
	Readers                   []reader
}

// scene is everything that exists before the first report.
type scene struct {
	Dir           string
	User          int // who runs the demo, and plays the support colleague of the first organisation
	IMAP, SMTP    int // ports
	Organisations []*organisation

	rita, tomas *openpgp.Key // two researchers
}

// mailPassword is that of every mail account of the demo.
const mailPassword = "demo"

func newScene(dir string, now time.Time) (*scene, error) {
	sam := &person{ID: "sam", Name: "Sam", Address: "sam@helpdesk.example"}
	officers := func(domain string, ids ...string) []reader {
		readers := []reader{{"support", "support", "full", sam}, {"so_on_duty", "security officer on duty", "full", nil}, {"ciso", "CISO", "full", nil}, {"ceo", "CEO", "summary", nil}}
		for i, id := range ids {
			readers[i+1].person = &person{ID: id, Name: strings.ToUpper(id[:1]) + id[1:], Address: id + "@" + domain}
		}
		return readers
	}
	s := &scene{Dir: dir, User: os.Getuid(), Organisations: []*organisation{
		{ID: "identity", Name: "Identity Platform", Domain: "identity.example", Address: "security@identity.example",
			Readers: officers("identity.example", "olga", "carl", "eve")},
		{ID: "relocation", Name: "Relocation Services", Domain: "relocation.example", Address: "backoffice@relocation.example",
			Readers: officers("relocation.example", "noor", "finn", "ines")},
	}}
	var err error
	generate := func(name, address string) *openpgp.Key {
		k, e := openpgp.Generate(name, address, now)
		if e != nil {
			err = e
		}
		return k
	}
	for _, o := range s.Organisations {
		o.key = generate(o.Name, o.Address)
		for _, r := range o.Readers {
			if r.key == nil {
				r.key = generate(r.Name, r.Address)
			}
		}
	}
	s.rita, s.tomas = generate("Rita", ritaAddress), generate("Tomas", tomasAddress)
	return s, err
}

// write makes the files of a configuration such as an operator has, and loads
// it.
func (s *scene) write() (*config.Config, error) {
	files := map[string]string{}
	for _, o := range s.Organisations {
		secret, err := o.key.ArmorSecret("")
		if err != nil {
			return nil, err
		}
		files[o.ID+".sec.asc"] = secret
		if files[o.ID+".toml"], err = s.render(o.ID+".toml", o); err != nil {
			return nil, err
		}
		for _, r := range o.Readers {
			if files[r.ID+".asc"], err = r.key.ArmorPublic(); err != nil {
				return nil, err
			}
		}
	}
	main, err := s.render("vdpd.toml", s)
	if err != nil {
		return nil, err
	}
	files["vdpd.toml"], files["master.key"], files["mail.password"] = main, store.NewMasterKey(), mailPassword
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return config.Load(filepath.Join(s.Dir, "vdpd.toml"), func(string) string { return "" })
}

func (s *scene) render(name string, data any) (string, error) {
	t, err := template.New(name).ParseFS(sceneFiles, "scene/"+name)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return b.String(), nil
}

// People lists everybody once.
func (s *scene) People() []*person {
	var people []*person
	for _, o := range s.Organisations {
		for _, r := range o.Readers {
			if !slices.Contains(people, r.person) {
				people = append(people, r.person)
			}
		}
	}
	return people
}

// reader finds to whom a mail of the organisation was sent.
func (o *organisation) reader(address string) (reader, bool) {
	for _, r := range o.Readers {
		if r.Address == address {
			return r, true
		}
	}
	return reader{}, false
}
