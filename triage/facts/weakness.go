package facts

import (
	"cmp"
	"slices"
	"sync"
)

// Weakness is a guess at the class of what is reported.
type Weakness struct {
	Class string `json:"class"`
	CWE   int    `json:"cwe"`
	Count int    `json:"count"` // how often the mail names it; an explicit CWE counts three times
}

// weaknesses are the classes with the CWE each stands for. Their words are in
// lexicon.txt: sharp ones are terms of the field, plain ones words of daily
// life too, which tell the class only once something else makes the mail a
// report.
var weaknesses = []Weakness{
	{"xss", 79, 0}, {"sql-injection", 89, 0}, {"csrf", 352, 0}, {"ssrf", 918, 0}, {"access-control", 284, 0}, {"code-execution", 94, 0},
	{"xxe", 611, 0}, {"template-injection", 1336, 0}, {"path-traversal", 22, 0}, {"open-redirect", 601, 0}, {"authentication", 287, 0},
	{"session", 613, 0}, {"information-leak", 200, 0}, {"denial-of-service", 400, 0}, {"clickjacking", 1021, 0},
	{"subdomain-takeover", 672, 0}, {"cors", 942, 0}, {"mail-spoofing", 290, 0}, {"tls", 326, 0}, {"security-headers", 693, 0},
	{"header-injection", 113, 0}, {"request-smuggling", 444, 0}, {"deserialization", 502, 0}, {"file-upload", 434, 0},
	{"privilege-escalation", 269, 0}, {"brute-force", 307, 0}, {"user-enumeration", 204, 0}, {"exposed-credentials", 522, 0},
	{"memory-corruption", 119, 0}, {"race-condition", 362, 0}, {"prototype-pollution", 1321, 0}, {"csv-injection", 1236, 0},
	{"business-logic", 840, 0}, {"prompt-injection", 1427, 0}, {"supply-chain", 1357, 0},
}

// payloads returns strings that testers send, by their first byte in both
// cases. Ordinary mail does not hold them.
var payloads = sync.OnceValue(func() *[256][]string {
	var by [256][]string
	for _, p := range []string{
		"<script", "<svg", "<img src=x", "<iframe src", "onerror=", "onload=", "javascript:", "alert(", "prompt(1", "confirm(1", "document.cookie", "document.domain",
		"%3cscript", "%3csvg", "%3cimg", "&lt;script", "\"><", "'><", "{{7*7}}", "${7*7}", "${jndi:", "<%=", "#{7*7}",
		"' or '", "' or 1", "\" or \"", "=-1", "or 1=1", "and 1=1", "'--", "' --", "union select", "union all select", "sleep(5", "sleep(10", "waitfor delay", "pg_sleep", "xp_cmdshell", "information_schema", "extractvalue(",
		"../..", "..%2f", "..\\..", "/etc/passwd", "/etc/shadow", "win.ini", "file:///", "php://", "gopher://", "<!entity", "<!doctype foo", "169.254.169.254",
		"%0d%0a", "%00", "/.git/", "/.git ", "/.env", "/.svn", "/.aws/", "/.ds_store", "/phpinfo", "/actuator", "/server-status", "/wp-json/wp/v2/users", "wp-config", "/xmlrpc.php", "/swagger", "/graphql",
		"burpcollaborator", "firebaseio", "s3.amazonaws", "blob.core.windows", "oastify", "interact.sh", "webhook.site", "evil.com", "bash -i", "/bin/sh", "/bin/bash", "nc -e", "$(id)", ";id;", "|id", "`id`", "uid=0(", "root:x:0", "ysoserial",
		"access-control-allow-origin", "x-forwarded-host", "x-frame-options", "v=spf1", "v=dmarc1", "p=none", "alg\":\"none", "__proto__", "begin rsa private key", "begin private key", "begin openssh private key", "aws_secret", "akia", "sk_live_", "ghp_",
	} {
		by[p[0]] = append(by[p[0]], p)
		if up := p[0] &^ 0x20; 'a' <= p[0] && p[0] <= 'z' {
			by[up] = append(by[up], p)
		}
	}
	return &by
})

// class notes a phrase that names a class of weakness.
func (s *scan) class(i int, sharp bool) {
	s.classes[i]++
	if !sharp {
		return
	}
	s.named = true
	if s.sharp&(1<<i) == 0 {
		s.sharp |= 1 << i
		s.add("weakness")
	}
}

// guess returns the classes named most often.
func (s *scan) guess() []Weakness {
	var list []Weakness
	for i, n := range s.classes {
		if n > 0 {
			list = append(list, Weakness{weaknesses[i].Class, weaknesses[i].CWE, n})
		}
	}
	slices.SortStableFunc(list, func(a, b Weakness) int { return cmp.Compare(b.Count, a.Count) })
	return list[:min(len(list), 3)]
}
