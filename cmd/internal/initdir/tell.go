package initdir

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
)

// steps are the last words of init: what a person has to do, in order.
var steps = template.Must(template.New("").Parse(`
What is left to do:

  1. Replace each FILL-IN in {{.Dir}}/vdpd.toml and policy.toml.
  2. Write the two passwords; type each, then Enter and Ctrl-D:
       (umask 077; cat > {{.Dir}}/secrets/imap-password)
       (umask 077; cat > {{.Dir}}/secrets/smtp-password)
{{- if .Made}}
  3. Publish openpgp-key.pub beside your policy.
{{- else}}
  3. Make your OpenPGP key, and publish its public part beside your policy:
       vdpd keys generate {{.Dir}}/secrets/openpgp-key --name {{.Name}} --address {{.Mail}}
{{- end}}
  4. Copy {{.Dir}}/secrets to a safe place off this machine. Without the
     master key nothing that is stored can be read again, and without the OpenPGP
     key no mail that was encrypted to it.
  5. See what is still wrong, until it says that all is well:
       vdpd check --config {{.Dir}}/vdpd.toml
{{- if .System}}
  6. Let staff use vdp: gpasswd -a LOGIN vdpd-staff, for each of them.
  7. Start it:
       systemctl enable --now vdpd
{{- else}}
  6. Start it:
       vdpd run --config {{.Dir}}/vdpd.toml
     Staff reach it with: vdp --socket {{.Dir}}/vdpd.sock list
{{- end}}
`))

// tell says what was written and what comes next.
func (p *plan) tell(out io.Writer, entries []entry) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Wrote into %s:\n\n", p.Dir)
	entries = slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	for _, e := range entries {
		if e.what != "" {
			fmt.Fprintf(&b, "  %-20s  %s\n", e.name, e.what)
		}
	}
	err := steps.Execute(&b, map[string]any{
		"Dir": p.Dir, "System": p.System, "Made": p.fingerprint != "", "Name": p.OrgOr("NAME"), "Mail": cmp.Or(p.Address, "ADDRESS"),
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, b.String())
	return err
}
