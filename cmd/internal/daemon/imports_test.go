package daemon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// TestImports holds the arrows of docs/flow.md: which package may import
// which, each rule with its reason.
func TestImports(t *testing.T) {
	packages := list(t)
	inside := func(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
	only := func(path string, allowed ...string) bool {
		return slices.ContainsFunc(allowed, func(f string) bool { return inside(path, f) })
	}

	for _, rule := range []struct {
		folder  string // the rule holds for it and its sub-packages
		allowed []string
		reason  string
	}{
		{"vdpd/triage", []string{"vdpd/triage"}, "the rules depend on no adapter"},
		{"vdpd/store", []string{"vdpd/store", "vdpd/triage"}, "adapters know only the domain"},
		{"vdpd/mailbox", []string{"vdpd/mailbox", "vdpd/triage"}, "adapters know only the domain"},
		{"vdpd/notify", []string{"vdpd/notify", "vdpd/triage", "vdpd/mailbox/openpgp"}, "adapters know only the domain; OpenPGP is the one leaf that two share"},
		{"vdpd/cmd/internal/config", []string{"vdpd/cmd/internal/config", "vdpd/triage"}, "configuration is data"},
		{"vdpd/cmd/internal/api", []string{"vdpd/cmd/internal/api", "vdpd/triage"}, "the wire knows only the domain"},
		{"vdpd/cmd/internal/cli", []string{"vdpd/cmd/internal/cli", "vdpd/cmd/internal/api", "vdpd/triage"}, "staff reach the daemon through its socket only"},
		{"vdpd/cmd/vdp", []string{"vdpd/cmd/internal/cli"}, "staff reach the daemon through its socket only"},
	} {
		for _, p := range packages {
			if !inside(p.ImportPath, rule.folder) {
				continue
			}
			for _, i := range p.Imports {
				if strings.HasPrefix(i, "vdpd/") && !only(i, rule.allowed...) {
					t.Errorf("%s imports %s: %s", p.ImportPath, i, rule.reason)
				}
			}
		}
	}

	for _, rule := range []struct {
		library string
		allowed []string
		reason  string
	}{
		{"go.etcd.io/bbolt", []string{"vdpd/store"}, "another engine is to be possible"},
		{"github.com/ProtonMail", []string{"vdpd/mailbox/openpgp"}, "one place decides what a valid signature is"},
		{"github.com/emersion/go-imap/v2", []string{"vdpd/mailbox"}, "IMAP ends where a message begins"},
		{"github.com/wneessen/go-mail", []string{"vdpd/notify"}, "one place sends"},
		{"github.com/pelletier/go-toml/v2", []string{"vdpd/cmd/internal/config"}, "one place reads configuration"},
		{"testing", []string{"vdpd/store/storetest"}, "the programs do not carry the test framework"},
	} {
		for _, p := range packages {
			if slices.ContainsFunc(p.Imports, func(i string) bool { return inside(i, rule.library) }) && !only(p.ImportPath, rule.allowed...) {
				t.Errorf("%s imports %s: %s", p.ImportPath, rule.library, rule.reason)
			}
		}
	}

	for _, p := range packages {
		switch {
		case inside(p.ImportPath, "vdpd/triage"):
			for _, i := range p.Imports {
				// log/slog is for types that redact themselves.
				if slices.Contains([]string{"os", "net", "net/http", "log", "io/fs", "crypto/rand", "math/rand", "math/rand/v2"}, i) {
					t.Errorf("%s imports %s: the rules do no I/O and draw no lots", p.ImportPath, i)
				}
			}
		case p.ImportPath == "vdpd/cmd/vdp":
			for _, d := range p.Deps {
				if only(d, "go.etcd.io/bbolt", "github.com/ProtonMail", "github.com/emersion", "github.com/wneessen") {
					t.Errorf("vdp links %s: a member of staff runs it on data that the daemon holds", d)
				}
			}
		}
	}
}

func list(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "vdpd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list names %d packages only", len(all))
	}
	return all
}
