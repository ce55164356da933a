package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// keysOf returns the keys that a table may have, in their order.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("toml"); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// unknown reports a key that does not exist, and the one that was probably
// meant, here or elsewhere in the file. One that was meant is not missing.
func (f *file) unknown(path, key string, in map[string]any, t reflect.Type) {
	names := keysOf(t)
	hint := "known here: " + strings.Join(names, ", ")
	if n := nearest(key, names); n != "" {
		hint = fmt.Sprintf("did you mean %q?", n)
		if _, ok := in[n]; !ok {
			f.bad[join(path, n)] = true
		}
	} else if home := homeOf(key, f.root, "", false); home != "" {
		hint = "it belongs " + home
	}
	f.bad[join(path, key)] = true
	p := f.at(join(path, key))
	p.Text, p.Hint = fmt.Sprintf("unknown key %q %s", key, heading(path, t)), hint
	f.problems = append(f.problems, p)
}

// heading says in which table of the file a path is.
func heading(path string, t reflect.Type) string {
	last := path[strings.LastIndexByte(path, '.')+1:]
	_, err := strconv.Atoi(last)
	switch {
	case path == "":
		return "at the top of the file"
	case t == reflect.TypeFor[Secret]():
		return "in " + label(path)
	case err == nil:
		return "in [[" + label(path) + "]]"
	}
	return "in [" + label(path) + "]"
}

// homeOf says in which table a key is at home, or "" where there is none.
func homeOf(key string, t reflect.Type, path string, list bool) string {
	if slices.Contains(keysOf(t), key) {
		switch {
		case path == "":
			return "at the top of the file, before the first [table]"
		case list:
			return "in [[" + path + "]]"
		}
		return "in [" + path + "]"
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, inner := field.Tag.Get("toml"), field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if name == "" || name == "-" || !isTable(inner) {
			continue
		}
		if home := homeOf(key, inner, join(path, name), field.Type.Kind() == reflect.Slice); home != "" {
			return home
		}
	}
	return ""
}

// isTable reports whether a type is a table of its own in a file.
func isTable(t reflect.Type) bool {
	_, parsed := parsers[t]
	return t.Kind() == reflect.Struct && !parsed && t != reflect.TypeFor[Secret]()
}

// missing says what to add for a key that is required. inTable is the table,
// where even that is absent.
func missing(key, example string, kind reflect.Kind, inTable string) string {
	if strings.HasPrefix(example, "[[") {
		return "add " + example + " and its lines"
	}
	if kind == reflect.String {
		example = strconv.Quote(example)
	}
	hint := "add a line such as: " + key + " = " + example
	if inTable != "" {
		return "below [" + inTable + "], " + hint
	}
	return hint
}

// wanted names a type as people write it.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		if isTable(t.Elem()) {
			return "a list of tables [[...]]"
		}
		return "a list [...]"
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a date such as 2026-01-31"
	case isTable(t):
		return "a table [...]"
	}
	return `text in quotes "..."`
}

// found names what stands in the file instead.
func found(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case int64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case toml.LocalDate, toml.LocalTime, toml.LocalDateTime, time.Time:
		return "a date or time"
	}
	return "this"
}
