package facts

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// Key makes sketches. Without it a sketch tells nothing of the mail: not even
// a guess at an address or a text can be tested. Only sketches of one key can
// be compared, so it is kept for as long as they are.
type Key [16]byte

// Sketch is the fingerprint of one report, at most 600 bytes as JSON. Its
// fields mean something to Compare and Index only.
type Sketch struct {
	Keys []byte `json:"keys,omitempty"` // sorted, keyBytes each; see keyKind
	Sim  uint64 `json:"sim,omitempty"`  // SimHash of the shingles; 0 for a text too short to tell
	Min  []byte `json:"min,omitempty"`  // MinHash of the shingles, two bytes each
}

const (
	keyBytes   = 6  // of which three bits are the kind
	keysEach   = 6  // keys of a kind
	minHashes  = 32 // so that a likeness is off by less than 0.1, mostly
	minShingle = 8  // fewer shingles than this tell nothing
	shingle    = 5  // words
)

// keyKind is what a key is made of.
type keyKind uint64

const (
	keyFile  keyKind = iota // SHA-256 of an attachment
	keyID                   // CVE or GHSA
	keyParam                // host, path, parameter and class
	keySpot                 // host, path and class
	keyPlace                // host and a path of several steps
	keyPage                 // host and a path of one step, such as /login, which many reports begin at
	keyRoute                // path and class, where the mail names no host
	keyHost                 // host and class
)

// hostWide are classes that a host has as a whole, at no path of it.
var hostWide = []string{"mail-spoofing", "subdomain-takeover", "tls", "security-headers", "clickjacking", "cors", "request-smuggling"}

// reference are sites that reports refer to and seldom are about.
var reference = strings.Fields("owasp.org mitre.org nist.gov github.com portswigger.net hackerone.com bugcrowd.com youtube.com youtu.be imgur.com google.com w3.org ietf.org wikipedia.org mozilla.org cvedetails.com first.org dropbox.com gyazo.com")

func isReference(host string) bool {
	return slices.ContainsFunc(reference, func(r string) bool { return strings.HasSuffix("."+host, "."+r) })
}

// NewSketch makes the sketch of a mail from its facts.
func NewSketch(key Key, in Input, f Facts) Sketch {
	h := newHasher(key)
	h.places(f)
	for _, id := range slices.Concat(f.CVE, f.GHSA) {
		h.key(keyID, id)
	}
	for _, a := range in.Attachments[:min(len(in.Attachments), maxFiles)] {
		if a.SHA256 != "" {
			h.key(keyFile, strings.ToLower(a.SHA256))
		}
	}
	var s Sketch
	slices.Sort(h.keys)
	for _, k := range slices.Compact(h.keys) {
		s.Keys = append(s.Keys, binary.BigEndian.AppendUint64(nil, k)[8-keyBytes:]...)
	}
	s.Sim, s.Min = h.text(in.Text[:min(len(in.Text), MaxText)])
	return s
}

// hasher makes the hashes of one sketch.
type hasher struct {
	k0, k1 uint64
	keys   []uint64
	count  [8]int
}

func newHasher(key Key) *hasher {
	return &hasher{k0: binary.LittleEndian.Uint64(key[:8]), k1: binary.LittleEndian.Uint64(key[8:])}
}

func (h *hasher) key(kind keyKind, parts ...string) {
	if h.count[kind]++; h.count[kind] > keysEach {
		return
	}
	sum := sipHash(h.k0, h.k1+uint64(kind), []byte(strings.Join(parts, "\x00")))
	h.keys = append(h.keys, uint64(kind)<<45|sum>>19)
}

// places makes the keys of hosts and paths.
func (h *hasher) places(f Facts) {
	classes := f.Weakness[:min(len(f.Weakness), 2)]
	for _, u := range f.URLs {
		a := splitURL(u.Text)
		if u.Scope == ScopeUnknown && isReference(a.host) {
			continue
		}
		host, path := strings.TrimPrefix(a.host, "www."), normalPath(a.path)
		if a.host == "" {
			for _, w := range classes {
				h.key(keyRoute, path, w.Class)
			}
			continue
		}
		switch {
		case strings.Contains(path, "/"):
			h.key(keyPlace, host, path)
		case path != "":
			h.key(keyPage, host, path)
		}
		for _, w := range classes {
			if path == "" {
				continue
			}
			h.key(keySpot, host, path, w.Class)
			h.key(keyRoute, path, w.Class)
			for pair := range strings.SplitSeq(a.query, "&") {
				if name, _, _ := strings.Cut(pair, "="); name != "" {
					h.key(keyParam, host, path, strings.ToLower(name), w.Class)
				}
			}
		}
	}
	for _, host := range f.Hosts {
		if host.Scope == ScopeUnknown && isReference(host.Name) {
			continue
		}
		name := strings.TrimPrefix(host.Name, "www.")
		for _, w := range classes {
			if slices.Contains(hostWide, w.Class) {
				h.key(keySpot, name, "", w.Class)
			}
			h.key(keyHost, name, w.Class)
		}
	}
}

// normalPath makes equal the paths of one page for different records.
func normalPath(path string) string {
	segments := strings.Split(strings.Trim(strings.ToLower(path), "/"), "/")
	for i, seg := range segments {
		digits, hex := 0, 0
		for j := range len(seg) {
			if '0' <= seg[j] && seg[j] <= '9' {
				digits++
			}
			if strings.IndexByte("0123456789abcdef-", seg[j]) >= 0 {
				hex++
			}
		}
		if digits > 0 && (digits == len(seg) || hex == len(seg) && len(seg) >= 8) {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// text makes the SimHash and the MinHash of a text, of runs of five words.
func (h *hasher) text(text string) (sim uint64, mins []byte) {
	var window [shingle * 8]byte
	var weights [64]int
	var low [minHashes]uint64
	for i := range low {
		low[i] = ^uint64(0)
	}
	words := 0
	var buf []byte
	eachWord(text, &buf, func(word []byte, _, _ int) {
		copy(window[:], window[8:])
		binary.LittleEndian.PutUint64(window[len(window)-8:], sipHash(h.k0, h.k1, word))
		if words++; words < shingle {
			return
		}
		sum := sipHash(h.k0, ^h.k1, window[:])
		for bit := range weights {
			weights[bit] += int(sum>>bit&1)*2 - 1
		}
		for i := range low {
			// Multiplying by an odd number and folding permutes the hashes.
			v := (sum ^ uint64(i)*0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93
			low[i] = min(low[i], v^v>>32)
		}
	})
	if words < minShingle+shingle-1 {
		return 0, nil
	}
	for bit, w := range weights {
		if w > 0 {
			sim |= 1 << bit
		}
	}
	for _, v := range low {
		mins = binary.BigEndian.AppendUint16(mins, uint16(v*0x9e3779b97f4a7c15>>48))
	}
	return sim, mins
}

// Likeness says how likely it is that two reports are about the same thing.
type Likeness string

// The grades of likeness.
const (
	Strong    Likeness = "STRONG"
	Medium    Likeness = "MEDIUM"
	Weak      Likeness = "WEAK"
	Different Likeness = "" // nothing tells that they are alike
)

func (l Likeness) rank() int {
	return slices.Index([]Likeness{Different, Weak, Medium, Strong}, l)
}

// likenessOf gives what an equal key of each kind means.
var likenessOf = [...]struct {
	likeness Likeness
	reason   string
}{
	keyFile:  {Strong, "same attachment"},
	keyID:    {Medium, "same CVE or GHSA identifier"},
	keyParam: {Strong, "same host, path, parameter and class"},
	keySpot:  {Strong, "same host, path and class"},
	keyPlace: {Medium, "same host and path"},
	keyPage:  {Weak, "same host and page"},
	keyRoute: {Medium, "same path and class"},
	keyHost:  {Weak, "same host and class"},
}

// Compare grades the likeness of two sketches of one key. It is symmetric.
// The reasons are constant texts and have no words of either sender.
func Compare(a, b Sketch) (Likeness, []string) {
	best := Different
	var reasons []string
	note := func(l Likeness, reason string) {
		if l.rank() > best.rank() {
			best = l
		}
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	theirs := b.keys()
	for _, k := range a.keys() {
		if _, ok := slices.BinarySearch(theirs, k); ok {
			note(likenessOf[k>>45].likeness, likenessOf[k>>45].reason)
		}
	}
	// An identifier names the flaw, a place where it is: both name the case.
	if slices.Contains(reasons, likenessOf[keyID].reason) && len(reasons) > 1 {
		best = Strong
	}
	if len(a.Min) == 2*minHashes && len(b.Min) == 2*minHashes {
		same := 0
		for i := 0; i < len(a.Min); i += 2 {
			if a.Min[i] == b.Min[i] && a.Min[i+1] == b.Min[i+1] {
				same++
			}
		}
		switch apart := bits.OnesCount64(a.Sim ^ b.Sim); {
		case same >= minHashes*3/4 || apart <= 3:
			note(Strong, "almost the same text")
		case same >= minHashes*3/8 || apart <= 8 && same >= minHashes/4:
			note(Medium, "similar text")
		case same >= minHashes/5:
			note(Weak, "some text in common")
		}
	}
	return best, reasons
}

// keys returns the keys of a sketch. A sketch read from elsewhere may hold
// anything, so kinds that do not exist are left out.
func (s Sketch) keys() []uint64 {
	var list []uint64
	for b := range slices.Chunk(s.Keys, keyBytes) {
		if len(b) == keyBytes && int(b[0]>>5) < len(likenessOf) {
			list = append(list, uint64(b[0])<<40|uint64(b[1])<<32|uint64(binary.BigEndian.Uint32(b[2:])))
		}
	}
	return list
}

// sipHash is SipHash-2-4 (Aumasson and Bernstein, 2012), a keyed hash that is
// fast on short input.
func sipHash(k0, k1 uint64, p []byte) uint64 {
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	round := func() {
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	last := uint64(len(p)) << 56
	for ; len(p) >= 8; p = p[8:] {
		m := binary.LittleEndian.Uint64(p)
		v3 ^= m
		round()
		round()
		v0 ^= m
	}
	for i, b := range p {
		last |= uint64(b) << (8 * i)
	}
	v3 ^= last
	round()
	round()
	v0 ^= last
	v2 ^= 0xff
	for range 4 {
		round()
	}
	return v0 ^ v1 ^ v2 ^ v3
}
