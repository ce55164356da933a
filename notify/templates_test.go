package notify

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestBuiltInTemplates(t *testing.T) {
	templates, err := LoadTemplates(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := templates.Check(); err != nil {
		t.Error(err)
	}
	for name, one := range templates.set {
		for line := range strings.Lines(one.Root.String()) {
			if len(line) > 78 && !strings.Contains(line, "{{") {
				t.Errorf("%s: a line of %d characters: %q", name, len(line), line)
			}
		}
	}
}

func TestOverride(t *testing.T) {
	const mine = `{{define "subject"}}[{{.Ref}}] hello{{end}}{{define "body"}}Mine, {{.Ref}}.{{end}}`
	templates, err := LoadTemplates(fstest.MapFS{"nl/R1.txt": {Data: []byte(mine)}, ".git/config": {}, "en/.swp": {}})
	if err != nil {
		t.Fatal(err)
	}
	if err := templates.Check(); err != nil {
		t.Error(err)
	}
	for lang, want := range map[string]bool{"nl": true, "en": false} {
		_, text, err := templates.render(lang, "R1", "body", samples("R1")[0])
		if err != nil || strings.HasPrefix(text, "Mine, 0000-0000-0000.\n") != want {
			t.Errorf("%s: %q %v", lang, text, err)
		}
	}
}

// TestBadTemplates: what an operator may get wrong, and what they are told.
func TestBadTemplates(t *testing.T) {
	const subject = `{{define "subject"}}[{{.Ref}}]{{end}}`
	tests := map[string]struct{ file, text, load, check string }{
		"name":         {"en/R2.txt", "", "template en/R2.txt: no mail has this name", ""},
		"language":     {"de/R1.txt", "", "template de/R1.txt: no mail has this name", ""},
		"extension":    {"en/R1", "", "template en/R1: no mail has this name", ""},
		"place":        {"R1.txt", "", "template R1.txt: no mail has this name", ""},
		"syntax":       {"en/R1.txt", subject + "\n\n{{if}}", "template: en/R1.txt:3:", ""},
		"no body":      {"en/R1.txt", subject, `template en/R1.txt: define "body" is missing`, ""},
		"no stub":      {"nl/S1.txt", subject + `{{define "full"}}{{end}}{{define "summary"}}{{end}}`, `template nl/S1.txt: define "stub" is missing`, ""},
		"no field":     {"en/R1.txt", subject + "\n{{define \"body\"}}\n{{.Text}}{{end}}", "", "template: en/R1.txt:3:2"},
		"rare branch":  {"en/R1.txt", subject + "\n{{define \"body\"}}{{.Ref}}\n{{if .Wait}}{{.Nix}}{{end}}{{end}}", "", "template: en/R1.txt:3:"},
		"no reference": {"en/R1.txt", subject + `{{define "body"}}Hello{{end}}`, "", "must name the reference"},
		"two lines":    {"en/R1.txt", "{{define \"subject\"}}a\nb{{end}}{{define \"body\"}}{{.Ref}}{{end}}", "", "the subject must be one line"},
		"no subject":   {"en/R1.txt", "{{define \"subject\"}} {{end}}{{define \"body\"}}{{.Ref}}{{end}}", "", "the subject must be one line"},
		"common":       {"nl/common.txt", `{{define "arrival"}}{{end}}`, "", `template: nl/S1.txt`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			templates, err := LoadTemplates(fstest.MapFS{test.file: {Data: []byte(test.text)}})
			want := test.load
			if test.load == "" && err == nil {
				err, want = templates.Check(), test.check
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

func TestFill(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 20))
	want := strings.TrimSpace(strings.Repeat("word ", 15)) + "\n" + strings.TrimSpace(strings.Repeat("word ", 5))
	for in, want := range map[string]string{
		"a\nb\n":                       "a\nb\n",
		long + "\n":                    want + "\n",
		long + "\nnext\n\nother\n":     want + " next\n\nother\n",
		long + "\nhttps://a.example\n": want + "\nhttps://a.example\n",
		"  " + long + "\n| " + long:    "  " + long + "\n| " + long,
		strings.Repeat("x", 100):       strings.Repeat("x", 100),
	} {
		if got := fill(in); got != want {
			t.Errorf("fill(%q) = %q, want %q", in, got, want)
		}
	}
}
