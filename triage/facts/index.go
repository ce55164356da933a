package facts

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

// Match is a sketch of the index that is like the one asked about.
type Match struct {
	Ref      string
	Likeness Likeness
	Reasons  []string
}

// Bounds of one search.
const (
	maxMatches  = 20
	maxPostings = 256 // sketches looked at for one property, the newest
)

// Index finds the sketches that are like a new one without comparing it with
// all. It lives in memory, holds sketches of one key, and is used by one
// goroutine at a time. The zero value is empty and ready.
type Index struct {
	sketches map[string]Sketch
	postings map[uint64][]string // by property, the oldest first
}

// Add puts a sketch into the index. One that is there under the same
// reference is replaced.
func (x *Index) Add(ref string, s Sketch) {
	if x.sketches == nil {
		x.sketches, x.postings = map[string]Sketch{}, map[uint64][]string{}
	}
	x.Remove(ref)
	x.sketches[ref] = s
	for _, p := range s.properties() {
		x.postings[p] = append(x.postings[p], ref)
	}
}

// Remove takes a sketch out of the index, if it is there.
func (x *Index) Remove(ref string) {
	s, ok := x.sketches[ref]
	if !ok {
		return
	}
	delete(x.sketches, ref)
	for _, p := range s.properties() {
		x.postings[p] = slices.DeleteFunc(x.postings[p], func(r string) bool { return r == ref })
		if len(x.postings[p]) == 0 {
			delete(x.postings, p)
		}
	}
}

// Near returns at most 20 sketches that are like s, the likeliest first, and
// by reference where they are equally likely. Where very many share one
// property with s, the newest of them are looked at.
func (x *Index) Near(s Sketch) []Match {
	found := map[string]bool{}
	for _, p := range s.properties() {
		list := x.postings[p]
		for _, ref := range list[max(0, len(list)-maxPostings):] {
			found[ref] = true
		}
	}
	var matches []Match
	for ref := range maps.Keys(found) {
		if l, reasons := Compare(s, x.sketches[ref]); l != Different {
			matches = append(matches, Match{ref, l, reasons})
		}
	}
	slices.SortFunc(matches, func(a, b Match) int {
		return cmp.Or(cmp.Compare(b.Likeness.rank(), a.Likeness.rank()), cmp.Compare(len(b.Reasons), len(a.Reasons)), cmp.Compare(a.Ref, b.Ref))
	})
	return matches[:min(len(matches), maxMatches)]
}

// properties are the values of which two like sketches share at least one:
// the keys, pairs of MinHashes, and quarters of the SimHash.
func (s Sketch) properties() []uint64 {
	list := s.keys() // below 2^48
	for i := 0; i+4 <= len(s.Min); i += 4 {
		list = append(list, 1<<62|uint64(i)<<32|uint64(binary.BigEndian.Uint32(s.Min[i:])))
	}
	if len(s.Min) > 0 {
		for i := range uint64(4) {
			list = append(list, 1<<61|i<<16|s.Sim>>(16*i)&0xffff)
		}
	}
	return slices.Compact(list)
}
