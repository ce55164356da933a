package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// blank marks, in the files that init writes, what a person has to fill in.
const blank = "FILL-IN"

// file is one file while it is read.
type file struct {
	name        string         // as it is shown
	credentials string         // $CREDENTIALS_DIRECTORY
	lines       map[string]int // by path
	problems    []Problem
	bad         map[string]bool // paths that have a problem
	root        reflect.Type    // of what the whole file is read into
}

// problem notes that something is wrong at path. One problem a path is enough:
// the first is the cause of the others.
func (f *file) problem(path, text, hint string) {
	if f.bad[path] {
		return
	}
	f.bad[path] = true
	p := f.at(path)
	p.Text, p.Hint = text, hint
	if l := label(path); l != "" {
		p.Text = l + ": " + text
	}
	f.problems = append(f.problems, p)
}

// at returns the place of path, or of what it would stand in.
func (f *file) at(path string) Problem {
	for {
		if line, ok := f.lines[path]; ok || path == "" {
			return Problem{File: f.name, Line: line}
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
}

// given reports whether the file has something at path.
func (f *file) given(path string) bool { return f.lines[path] > 0 }

// label is a path for people, who count lines and not list elements.
func label(path string) string {
	keys := strings.Split(path, ".")
	return strings.Join(slices.DeleteFunc(keys, func(k string) bool { _, err := strconv.Atoi(k); return err == nil }), ".")
}

// decode reads a document into dst, a pointer to a struct with tags. It
// reports false where the document is no TOML, so that nothing can be said
// about its content.
func (f *file) decode(doc []byte, dst any) bool {
	var tree map[string]any
	if err := toml.Unmarshal(doc, &tree); err != nil {
		p := Problem{File: f.name, Text: strings.TrimPrefix(err.Error(), "toml: ")}
		if de, ok := errors.AsType[*toml.DecodeError](err); ok {
			p.Line, _ = de.Position()
		}
		f.problems = append(f.problems, p)
		return false
	}
	f.lines, f.bad, f.root = positions(doc), map[string]bool{}, reflect.TypeOf(dst).Elem()
	f.table("", tree, reflect.ValueOf(dst).Elem())
	return true
}

// table fills a struct from a table.
func (f *file) table(path string, in map[string]any, dst reflect.Value) {
	known := keysOf(dst.Type())
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if !slices.Contains(known, key) {
			f.unknown(path, key, in, dst.Type())
		}
	}
	for i := range dst.NumField() {
		field := dst.Type().Field(i)
		key := field.Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		value, ok := in[key]
		example, required := field.Tag.Lookup("required")
		switch at := join(path, key); {
		case ok:
			f.value(at, value, dst.Field(i), field.Tag)
		case field.Tag.Get("default") != "":
			f.absent(at, dst.Field(i), field.Tag)
		case required && in == nil:
			f.problem(at, "is missing", missing(key, example, field.Type.Kind(), label(path)))
		case required:
			f.problem(at, "is missing", missing(key, example, field.Type.Kind(), ""))
		case isTable(field.Type):
			f.table(at, nil, dst.Field(i)) // for its defaults, and what it requires
		}
	}
	if s, ok := dst.Addr().Interface().(*Secret); ok {
		s.label, s.dir, s.where = label(path), f.credentials, f.at(path)
		if len(in) == 0 {
			f.problem(path, "names no source", `write { credential = "NAME" } or { file = "PATH" }`)
		}
	}
}

// absent gives a field its default.
func (f *file) absent(path string, dst reflect.Value, tag reflect.StructTag) {
	var value any = tag.Get("default")
	switch dst.Type() {
	case reflect.TypeFor[int]():
		value, _ = strconv.ParseInt(tag.Get("default"), 10, 64)
	case reflect.TypeFor[[]string]():
		value = []any{value}
	}
	f.value(path, value, dst, tag)
}

// value stores one value where it fits.
func (f *file) value(path string, in any, dst reflect.Value, tag reflect.StructTag) {
	if s, ok := in.(string); ok && strings.Contains(s, blank) {
		hint := "replace " + blank
		if example := tag.Get("required"); example != "" {
			hint += " by something such as: " + example
		}
		f.problem(path, "is still to be filled in", hint)
		return
	}
	if parse, ok := parsers[dst.Type()]; ok {
		f.parsed(path, in, dst, tag, parse)
		return
	}
	switch v := in.(type) {
	case string:
		if dst.Kind() == reflect.String {
			f.text(path, v, dst, tag)
			return
		}
	case bool:
		if dst.Kind() == reflect.Bool {
			dst.SetBool(v)
			return
		}
	case int64:
		if dst.Kind() == reflect.Int {
			dst.SetInt(v)
			f.within(path, strconv.FormatInt(v, 10), v, tag, func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n })
			return
		}
	case map[string]any:
		if dst.Kind() == reflect.Struct {
			f.table(path, v, dst)
			return
		}
	case []any:
		if dst.Kind() == reflect.Slice {
			f.list(path, v, dst, tag)
			return
		}
	}
	f.mismatch(path, in, dst)
}

func (f *file) list(path string, in []any, dst reflect.Value, tag reflect.StructTag) {
	if _, required := tag.Lookup("required"); required && len(in) == 0 {
		f.problem(path, "is empty", "at least one is needed")
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(in), len(in)))
	for i, v := range in {
		f.value(join(path, strconv.Itoa(i)), v, dst.Index(i), tag)
	}
}

func (f *file) text(path, in string, dst reflect.Value, tag reflect.StructTag) {
	if !f.oneOf(path, in, tag) {
		return
	}
	if name := tag.Get("is"); name != "" {
		out, err := forms[name](filepath.Dir(f.name), in)
		if err != nil {
			f.problem(path, err.text, err.hint)
			return
		}
		in = out
	}
	dst.SetString(in)
}

func (f *file) oneOf(path, in string, tag reflect.StructTag) bool {
	words := strings.Fields(tag.Get("oneof"))
	if len(words) == 0 || slices.Contains(words, in) {
		return true
	}
	f.problem(path, fmt.Sprintf("%q is not known here", in), meant(in, words))
	return false
}

// parsed stores a value of a type that is written as text with a unit.
func (f *file) parsed(path string, in any, dst reflect.Value, tag reflect.StructTag, parse parser) {
	s, ok := in.(string)
	if d, isDate := in.(toml.LocalDate); isDate {
		s, ok = d.String(), true
	}
	units := strings.Fields(tag.Get("units"))
	if !ok {
		_, _, err := parse("", units)
		f.problem(path, "must be "+wanted(dst.Type())+", not "+found(in), err.hint)
		return
	}
	if !f.oneOf(path, s, tag) {
		return
	}
	v, n, err := parse(s, units)
	if err != nil {
		f.problem(path, err.text, err.hint)
		return
	}
	dst.Set(reflect.ValueOf(v))
	f.within(path, s, n, tag, func(s string) int64 { _, n, _ := parse(s, nil); return n })
}

// within checks the limits of a number that was written as text.
func (f *file) within(path, text string, n int64, tag reflect.StructTag, number func(string) int64) {
	low, high := tag.Get("min"), tag.Get("max")
	if low != "" && n < number(low) || high != "" && n > number(high) {
		f.problem(path, text+" is out of bounds", fmt.Sprintf("from %s to %s is allowed", low, high))
	}
}

// mismatch says which type is wanted. It never shows the value: it may be a
// secret that somebody wrote into the file.
func (f *file) mismatch(path string, in any, dst reflect.Value) {
	if dst.Type() == reflect.TypeFor[Secret]() {
		f.problem(path, "a secret must not stand in this file",
			`put it into a file of mode 0600 and write { file = "PATH" }, or { credential = "NAME" }`)
		return
	}
	f.problem(path, "must be "+wanted(dst.Type())+", not "+found(in), "")
}

// readFile reads the whole file.
func (f *file) readFile() ([]byte, bool) {
	doc, err := os.ReadFile(f.name)
	if err == nil {
		return doc, true
	}
	hint := "the account that runs vdpd must be able to read it"
	if errors.Is(err, fs.ErrNotExist) {
		hint = "vdpd init DIR writes a configuration to begin with"
	}
	f.problems = append(f.problems, Problem{File: f.name, Text: "cannot be read: " + reason(err), Hint: hint})
	return nil, false
}
