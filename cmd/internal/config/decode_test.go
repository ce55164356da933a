package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestPositions(t *testing.T) {
	doc := `top = 1
[a.b]
c = { d = 1, e = [2,
  3] }
[[list]]
x = 1
[[list]]
x.y = 2
[list.sub]
z = [{ w = 1 },
     { w = 2 }]
[[list.deep]]
v = 1
`
	got := positions([]byte(doc))
	for path, line := range map[string]int{
		"top": 1, "a": 2, "a.b": 2, "a.b.c.d": 3, "a.b.c.e.0": 3, "a.b.c.e.1": 4,
		"list": 5, "list.0": 5, "list.0.x": 6, "list.1": 7, "list.1.x.y": 8,
		"list.1.sub": 9, "list.1.sub.z.0.w": 10, "list.1.sub.z.1.w": 11, "list.1.deep.0.v": 13,
	} {
		if got[path] != line {
			t.Errorf("%s: line %d, want %d", path, got[path], line)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := keysOf(reflect.TypeFor[Mailbox]())
	for word, want := range map[string]string{
		"pol": "poll", "Host": "host", "usre": "user", "passwd": "password", "policy_file": "",
		"reportfolder": "report_folder", "authserv-id": "authserv_id", "zzz": "", "prot": "port",
	} {
		if got := nearest(word, keys); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// TestTags proves that what the tags say can be kept: a form that exists, a
// default that is allowed, an example that is taken.
func TestTags(t *testing.T) {
	for _, root := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[PolicyFile]()} {
		walk(root, "", func(path string, field reflect.StructField) {
			tag := field.Tag
			if form := tag.Get("is"); form != "" && forms[form] == nil {
				t.Errorf("%s: no form %q", path, form)
			}
			f := &file{name: "x.toml", bad: map[string]bool{}, root: root}
			if tag.Get("default") != "" {
				f.absent(path, reflect.New(field.Type).Elem(), tag)
			}
			example := tag.Get("required")
			if field.Type.Kind() == reflect.String && tag.Get("is") != "file" && example != "" {
				f.value(path, example, reflect.New(field.Type).Elem(), tag)
			}
			if len(f.problems) > 0 {
				t.Errorf("the tag of %s contradicts itself: %v", path, f.problems)
			}
		})
	}
}

// walk calls fn for each key that a file may have.
func walk(t reflect.Type, path string, fn func(string, reflect.StructField)) {
	for i := range t.NumField() {
		field := t.Field(i)
		key := field.Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		fn(join(path, key), field)
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if isTable(inner) {
			walk(inner, join(path, key), fn)
		}
	}
}

// FuzzDecode: whatever a file holds, it is decoded or has problems, and no
// problem is without words.
func FuzzDecode(f *testing.F) {
	seeds, err := filepath.Glob("../../../testdata/config/*/*.toml")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range seeds {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, dst := range []any{&Config{}, &PolicyFile{}} {
			in := &file{name: "x.toml"}
			ok := in.decode(doc, dst)
			if !ok && len(in.problems) == 0 {
				t.Error("refused without a reason")
			}
			if slices.ContainsFunc(in.problems, func(p Problem) bool { return strings.TrimSpace(p.Text) == "" }) {
				t.Error("a problem without words")
			}
			if policy, isPolicy := dst.(*PolicyFile); ok && isPolicy {
				policy.into(in, &Policy{})
			}
		}
	})
}
