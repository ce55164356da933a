package facts

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Verdict says whether something is in the scope of the policy.
type Verdict string

// The verdicts.
const (
	ScopeIn      Verdict = "in"
	ScopeOut     Verdict = "out"
	ScopeUnknown Verdict = "unknown" // no pattern speaks of it
)

// Scope is the scope of the policy as patterns: a host ("identity.example",
// which covers www.identity.example too), all hosts below one
// ("*.identity.example"), an address or network ("192.0.2.0/24"), or the words
// of a product ("Workforce Login"). "*" alone says nothing of a single host.
// Where patterns disagree the narrower one counts, and of two equal ones Out.
type Scope struct {
	In, Out []string
}

// URL is an address that the mail names. Text is normalised: defanged forms
// restored, scheme and host in lower case, credentials, default port and
// trailing punctuation dropped, and a fragment too unless it is a route. It
// has no scheme where the mail gave none, and is a path alone ("/search?q=")
// where no host stood before it.
type URL struct {
	Text  string  `json:"text"`
	Scope Verdict `json:"scope"`
	Line  int     `json:"line"`
}

// Host is a host name, or an IP address in its shortest form.
type Host struct {
	Name  string  `json:"name"`
	Scope Verdict `json:"scope"`
	Line  int     `json:"line"`
}

// Product is a product word of the scope, as the policy writes it.
type Product struct {
	Name  string  `json:"name"`
	Scope Verdict `json:"scope"`
	Line  int     `json:"line"`
}

// scope is a Scope made ready.
type scope struct {
	hosts    map[string]Verdict // "identity.example", "*.identity.example"
	nets     []netip.Prefix
	verdicts []Verdict // of nets
	products *lexicon
	names    []Product
}

func compileScope(in Scope) scope {
	sc := scope{hosts: map[string]Verdict{}, products: newLexicon()}
	take := func(patterns []string, v Verdict) {
		for _, p := range patterns {
			host := strings.ToLower(strings.TrimSpace(p))
			if prefix, err := netip.ParsePrefix(host); err == nil {
				sc.nets, sc.verdicts = append(sc.nets, prefix), append(sc.verdicts, v)
				continue
			}
			if u := splitURL(host); u.scheme != "" {
				host = u.host
			} else {
				host, _, _ = strings.Cut(host, "/")
			}
			ip, err := netip.ParseAddr(host)
			switch {
			case host == "" || host == "*":
			case err == nil:
				sc.nets, sc.verdicts = append(sc.nets, netip.PrefixFrom(ip, ip.BitLen())), append(sc.verdicts, v)
			case strings.Contains(host, ".") && !strings.Contains(host, " "):
				sc.hosts[host] = v
			default:
				sc.products.add(meaning{"product", len(sc.names)}, p)
				sc.names = append(sc.names, Product{Name: p, Scope: v})
			}
		}
	}
	take(in.In, ScopeIn)
	take(in.Out, ScopeOut) // last, so that it wins over an equal pattern
	return sc
}

func (sc scope) verdict(host string) Verdict {
	if ip, err := netip.ParseAddr(host); err == nil {
		best, v := -1, ScopeUnknown
		for i, n := range sc.nets {
			if n.Contains(ip.Unmap()) && n.Bits() >= best {
				best, v = n.Bits(), sc.verdicts[i]
			}
		}
		return v
	}
	if v, ok := sc.hosts[host]; ok {
		return v
	}
	if v, ok := sc.hosts[strings.TrimPrefix(host, "www.")]; ok {
		return v
	}
	for dot := strings.IndexByte(host, '.'); dot >= 0; dot = strings.IndexByte(host, '.') {
		host = host[dot+1:]
		if v, ok := sc.hosts["*."+host]; ok {
			return v
		}
	}
	return ScopeUnknown
}

// address is a URL in its pieces. All but scheme and host are as written.
type address struct {
	scheme, host, port, path, query, fragment string
}

// splitURL takes a URL apart. Unlike net/url it accepts what people paste:
// broken escapes, spaces cut off, payloads.
func splitURL(text string) address {
	var a address
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		a.scheme, text = strings.ToLower(scheme), rest
	}
	text, a.fragment, _ = strings.Cut(text, "#")
	text, a.query, _ = strings.Cut(text, "?")
	if i := strings.IndexByte(text, '/'); i >= 0 {
		text, a.path = text[:i], text[i:]
	}
	text = text[strings.LastIndexByte(text, '@')+1:]
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		text, a.port = text[:i], text[i+1:]
	}
	a.host = strings.ToLower(strings.Trim(text, "[]."))
	if ip, err := netip.ParseAddr(a.host); err == nil {
		a.host = shortest(ip)
	}
	return a
}

// shortest writes an IP address in its one shortest form, without a zone.
func shortest(ip netip.Addr) string { return ip.Unmap().WithZone("").String() }

// String returns the normalised form.
func (a address) String() string {
	var b strings.Builder
	if a.scheme != "" {
		b.WriteString(a.scheme + "://")
	}
	if strings.Contains(a.host, ":") {
		b.WriteString("[" + a.host + "]")
	} else {
		b.WriteString(a.host)
	}
	if a.port != "" && a.scheme+a.port != "http80" && a.scheme+a.port != "https443" {
		b.WriteString(":" + a.port)
	}
	b.WriteString(a.path)
	if a.query != "" {
		b.WriteString("?" + a.query)
	}
	if strings.HasPrefix(a.fragment, "/") || strings.HasPrefix(a.fragment, "!") {
		b.WriteString("#" + a.fragment)
	}
	text := b.String()
	if len(text) > maxURL {
		text = strings.ToValidUTF8(text[:maxURL], "")
	}
	return text
}

var defanged = strings.NewReplacer("hxxp", "http", "hXXp", "http", "HXXP", "http", "[.]", ".", "(.)", ".", "{.}", ".",
	"[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://", "[/]", "/")

// refang restores addresses that were made unclickable.
func refang(line string) string {
	if !strings.ContainsAny(line, "[({") && !strings.Contains(line, "xxp") && !strings.Contains(line, "XXP") {
		return line
	}
	return defanged.Replace(line)
}

// tokenByte reports whether b can be inside a token: a run that may be a host,
// a path, a place in code or a verb of HTTP.
func tokenByte(b byte) bool {
	return b > ' ' && b != 0x7f && strings.IndexByte("<>\"'`()[]{}|,;\\*^!", b) < 0
}

// tokens looks at a line token by token.
func (s *scan) tokens(line string) {
	for i := 0; i < len(line); {
		if !tokenByte(line[i]) {
			i++
			continue
		}
		end := i + 1
		for end < len(line) && tokenByte(line[end]) {
			end++
		}
		if k := strings.Index(line[i:end], "://"); k >= 0 {
			end = max(i+k+3, urlEnd(line, i+k+3))
			s.url(line[i : i+k][schemeStart(line[i:i+k]):] + line[i+k:end])
		} else if i == 0 || line[i] != '/' || line[i-1] != '<' { // an end tag of HTML
			s.token(line[i:end])
		}
		i = end
	}
}

// schemeStart returns where the letters at the end of text begin.
func schemeStart(text string) int {
	i := len(text)
	for i > max(0, len(text)-6) && ('a' <= text[i-1]|0x20 && text[i-1]|0x20 <= 'z') {
		i--
	}
	return i
}

// urlEnd returns where the URL ends whose authority begins at from, without
// punctuation that belongs to the sentence.
func urlEnd(line string, from int) int {
	end, depth := from, 0
	for ; end < len(line); end++ {
		b := line[end]
		if b <= ' ' || b == 0x7f || strings.IndexByte("<>\"'`{}|\\^", b) >= 0 {
			break
		}
		if b == '(' {
			depth++
		} else if b == ')' {
			if depth--; depth < 0 {
				break
			}
		}
	}
	for end > from && strings.IndexByte(".,;:!?*_]", line[end-1]) >= 0 {
		if line[end-1] == ']' && line[from] == '[' && end-from <= len("[0000:0000:0000:0000:0000:0000:0000:0000]") {
			break // an IPv6 address
		}
		end--
	}
	return end
}

// url notes an address with a scheme.
func (s *scan) url(text string) {
	if s.prev == "curl" || s.prev == "wget" {
		s.add("command")
	}
	s.prev = ""
	a := splitURL(text[:min(len(text), 4*maxURL)])
	if !slices.Contains([]string{"http", "https", "ws", "wss", "ftp"}, a.scheme) || !plausibleHost(a.host) {
		return
	}
	s.address(a)
}

// address notes a URL and its host.
func (s *scan) address(a address) {
	v := ScopeUnknown
	if a.host != "" {
		v = s.host(a.host)
	}
	if a.scheme == "" && (a.path == "" || a.path == "/") && a.query == "" {
		return // a host alone
	}
	if v == ScopeIn && (len(a.path) > 1 || a.query != "") {
		s.add("in-scope-target")
	}
	u := URL{a.String(), v, s.line}
	s.f.URLs = keep(s, s.f.URLs, u, "urls", func(o URL) bool { return o.Text == u.Text })
}

func (s *scan) host(name string) Verdict {
	v := s.scope.verdict(name)
	if v == ScopeIn {
		s.add("in-scope")
	}
	h := Host{name, v, s.line}
	s.f.Hosts = keep(s, s.f.Hosts, h, "hosts", func(o Host) bool { return o.Name == name })
	return v
}

// plausibleHost reports whether name can be a host at all.
func plausibleHost(name string) bool {
	if name == "" || len(name) > 253 || !utf8.ValidString(name) {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
		for _, r := range label {
			if r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return false
			}
		}
	}
	return true
}

// bareTLDs are endings that make a word with dots a host where no scheme
// stands before it. File endings such as .sh and .py are left out on purpose;
// a host in scope needs none of this.
var bareTLDs = strings.Fields("com net org edu gov int info biz eu nl de be fr uk es it at ch lu ie dk se no fi pl cz pt us ca au nz jp cn br za io ai dev app cloud online site tech shop xyz co me tv example test invalid localhost local internal onion amsterdam frl")

// bare reports whether a token without a scheme is a host.
func (s *scan) bare(host string) bool {
	dot := strings.LastIndexByte(host, '.')
	if dot <= 0 || !plausibleHost(strings.ToLower(host)) {
		return false
	}
	lower := strings.ToLower(host)
	if s.scope.verdict(lower) != ScopeUnknown || strings.HasPrefix(lower, "www.") {
		return true
	}
	tld := host[dot+1:]
	// "gedaan.De sleutel" lacks a blank; a host is written in one case.
	return slices.Contains(bareTLDs, lower[dot+1:]) && (tld == lower[dot+1:] || host == strings.ToUpper(host))
}

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"}

// token notes what a run of characters without a scheme is.
func (s *scan) token(tok string) {
	prev := s.prev
	if s.prev = tok; len(tok) > maxURL {
		return
	}
	if s.left--; s.left < 0 {
		s.file = ""
	}
	switch trimmed := strings.TrimRight(tok, ".:?!&"); {
	case tok[0] == '-' && (prev == "curl" || prev == "wget"):
		s.add("command")
	case strings.HasPrefix(tok, "HTTP/1.") || tok == "HTTP/2" || tok == "HTTP/3":
		s.add("http")
	case tok[0] == '/':
		s.barePath(strings.TrimRight(tok, ".:"), prev)
	case s.code(trimmed, prev):
	case strings.Contains(tok, "@"): // a mail address
	case strings.EqualFold(prev, "host:"):
		if a := splitURL(trimmed); plausibleHost(a.host) {
			a.path, s.path = s.path, ""
			s.address(a)
		}
	default:
		if ip, err := netip.ParseAddr(trimmed); err == nil && len(trimmed) > 6 {
			s.host(shortest(ip))
			return
		}
		a := splitURL(trimmed)
		if ip, err := netip.ParseAddr(a.host); (err == nil && ip.Is4()) || s.bare(trimmed[:min(len(a.host), len(trimmed))]) {
			s.address(a)
		}
	}
}

// barePath notes a path without a host: /search?q=
func (s *scan) barePath(tok, prev string) {
	if slices.Contains(methods, prev) {
		s.add("endpoint")
		s.path = tok
	}
	if len(tok) < 3 || (tok[1] != '.' && tok[1] != '_' && !('a' <= tok[1]|0x20 && tok[1]|0x20 <= 'z')) {
		return
	}
	if !s.code(tok, prev) {
		s.slight(signPath)
		s.address(splitURL(tok))
	}
}
