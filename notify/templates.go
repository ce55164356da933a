package notify

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"

	"vdpd/triage"
)

//go:embed templates
var embedded embed.FS

// kinds of mails that there are templates for.
var kinds = []triage.NoticeKind{
	triage.Receipt, triage.Unreadable,
	triage.NewReport, triage.Question, triage.CannotRead, triage.FollowUp, triage.Undelivered, triage.Abuse,
}

// common is the name of the blocks that the mails to staff share.
const common = "common"

// Templates are the texts of all mails: for each language a file for each kind
// of notice, such as en/R1.txt, in the notation of [text/template].
//
// A file for reporters defines the blocks "subject" and "body"; one for staff
// defines "subject", "full", "summary" and "stub", and may use the blocks of
// common.txt of its language.
type Templates struct {
	set map[string]*template.Template // by file name without .txt, such as en/R1
}

// LoadTemplates reads the templates that are built in, each replaced by the
// file of the same name in override where there is one. A nil override
// replaces nothing. An error names the file, and the line where there is one.
func LoadTemplates(override fs.FS) (*Templates, error) {
	if err := onlyKnown(override); err != nil {
		return nil, err
	}
	base, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	t := &Templates{set: map[string]*template.Template{}}
	for _, lang := range languages {
		shared := template.New(lang + "/" + common + ".txt").Option("missingkey=error").Funcs(template.FuncMap{"listed": listed})
		if err := parse(shared, override, base); err != nil {
			return nil, err
		}
		for _, kind := range kinds {
			name := lang + "/" + string(kind)
			one := template.New(name + ".txt").Option("missingkey=error").Funcs(template.FuncMap{"listed": listed})
			if !kind.ToReporter() {
				clone, err := shared.Clone()
				if err != nil {
					return nil, err
				}
				one = clone.New(name + ".txt")
			}
			if err := parse(one, override, base); err != nil {
				return nil, err
			}
			for _, block := range blocks(kind) {
				if one.Lookup(block) == nil {
					return nil, fmt.Errorf("template %s.txt: define %q is missing", name, block)
				}
			}
			t.set[name] = one
		}
	}
	return t, nil
}

// blocks returns what a file of that kind must define.
func blocks(kind triage.NoticeKind) []string {
	if kind.ToReporter() {
		return []string{"subject", "body"}
	}
	return []string{"subject", string(triage.DetailFull), string(triage.DetailSummary), string(triage.DetailStub)}
}

func parse(t *template.Template, override, base fs.FS) error {
	text, err := []byte(nil), fs.ErrNotExist
	if override != nil {
		text, err = fs.ReadFile(override, t.Name())
	}
	if errors.Is(err, fs.ErrNotExist) {
		text, err = fs.ReadFile(base, t.Name())
	}
	if err != nil {
		return fmt.Errorf("template %s: %w", t.Name(), err)
	}
	_, err = t.Parse(strings.ReplaceAll(string(text), "\r\n", "\n"))
	return err // "template: en/R1.txt:7: ..."
}

// onlyKnown refuses a file that would never be used, most likely misspelt.
func onlyKnown(override fs.FS) error {
	if override == nil {
		return nil
	}
	return fs.WalkDir(override, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("templates: %w", err)
		}
		switch hidden := strings.HasPrefix(d.Name(), ".") && path != "."; {
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden, d.IsDir():
			return nil
		}
		lang, file, _ := strings.Cut(path, "/")
		kind := strings.TrimSuffix(file, ".txt")
		known := kind == common || slices.Contains(kinds, triage.NoticeKind(kind))
		if !slices.Contains(languages, lang) || !known || kind == file {
			return fmt.Errorf("template %s: no mail has this name (expected a language and a kind, such as en/R1.txt; kinds are %s and %v)",
				path, common, kinds)
		}
		return nil
	})
}

// render executes two blocks of one file: the subject and a text.
func (t *Templates) render(lang string, kind triage.NoticeKind, block string, view any) (subject, text string, err error) {
	one := t.set[lang+"/"+string(kind)]
	if one == nil {
		return "", "", fmt.Errorf("there is no template %s/%s.txt", lang, kind)
	}
	var b strings.Builder
	if err := one.ExecuteTemplate(&b, "subject", view); err != nil {
		return "", "", err
	}
	subject = strings.TrimSpace(b.String())
	if subject == "" || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "", fmt.Errorf("template %s/%s.txt: the subject must be one line", lang, kind)
	}
	b.Reset()
	if err := one.ExecuteTemplate(&b, block, view); err != nil {
		return "", "", err
	}
	return subject, fill(strings.TrimSpace(b.String()) + "\n"), nil
}

// width is how long the lines of a paragraph may be.
const width = 74

// fill breaks the lines that became too long when facts were put in, and
// flows the rest of their paragraph after them. Lines that begin with a blank
// or a bar, and links, stay as they are.
func fill(text string) string {
	var out, paragraph []string
	flush := func() {
		if slices.ContainsFunc(paragraph, func(l string) bool { return utf8.RuneCountInString(l) > width }) {
			paragraph = flow(strings.Fields(strings.Join(paragraph, " ")))
		}
		out, paragraph = append(out, paragraph...), nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || strings.ContainsAny(line[:1], " |") || strings.Contains(line, "://") {
			flush()
			out = append(out, line)
			continue
		}
		paragraph = append(paragraph, line)
	}
	flush()
	return strings.Join(out, "\n")
}

func flow(words []string) (lines []string) {
	line := ""
	for _, w := range words {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
