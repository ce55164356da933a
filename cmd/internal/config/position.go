package config

import (
	"bytes"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// positions returns the line on which each key, table and list element of a
// document stands, by its path, such as "mailbox.0.junk.1". The document must
// have been decoded without error before.
func positions(doc []byte) map[string]int {
	w := walker{doc: doc, line: map[string]int{}, count: map[string]int{}}
	w.parser.Reset(doc)
	table := ""
	for w.parser.NextExpression() {
		switch e := w.parser.Expression(); e.Kind {
		case unstable.Table:
			table = w.key("", e.Key())
		case unstable.ArrayTable:
			table = w.element(e.Key())
		case unstable.KeyValue:
			w.keyValue(table, e)
		}
	}
	return w.line
}

type walker struct {
	parser unstable.Parser
	doc    []byte
	line   map[string]int
	count  map[string]int // elements so far of each list of tables
}

// key notes a dotted key below a table and returns its path. A part that names
// a list of tables means its last element.
func (w *walker) key(path string, parts unstable.Iterator) string {
	for parts.Next() {
		path = w.note(join(path, string(parts.Node().Data)), parts.Node())
		if n := w.count[path]; n > 0 {
			path = join(path, strconv.Itoa(n-1))
		}
	}
	return path
}

// element notes the next element of a list of tables and returns its path.
func (w *walker) element(parts unstable.Iterator) string {
	path := ""
	for parts.Next() {
		path = join(path, string(parts.Node().Data))
		n := w.count[path]
		if parts.IsLast() {
			n++
			w.count[path] = n
		}
		w.note(path, parts.Node())
		if n > 0 {
			path = w.note(join(path, strconv.Itoa(n-1)), parts.Node())
		}
	}
	return path
}

func (w *walker) keyValue(table string, n *unstable.Node) {
	w.value(w.key(table, n.Key()), n.Value())
}

func (w *walker) value(path string, n *unstable.Node) {
	for i, children := 0, n.Children(); children.Next(); i++ {
		switch c := children.Node(); {
		case n.Kind == unstable.InlineTable:
			w.keyValue(path, c)
		case n.Kind == unstable.Array:
			w.value(w.note(join(path, strconv.Itoa(i)), c), c)
		}
	}
}

// note remembers the first place of a path; a node without a place of its own
// has that of what it stands in.
func (w *walker) note(path string, n *unstable.Node) string {
	if _, ok := w.line[path]; !ok && n.Raw.Length > 0 {
		w.line[path] = 1 + bytes.Count(w.doc[:n.Raw.Offset], []byte("\n"))
	}
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
