package automatic

import (
	"testing"

	"vdpd/mailbox/mime"
	"vdpd/triage"
)

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		fields    string
		mediaType string
		kind      triage.Kind
		reason    string
	}{
		"a person":                  {"Subject: Out of office: automatic reply, undelivered", "", "", ""},
		"auto-replied":              {"Auto-Submitted: Auto-Replied (vacation)", "", triage.KindAutomatic, "auto-submitted: auto-replied"},
		"with a parameter":          {"Auto-Submitted: auto-generated; owner=\"a@b\"", "", triage.KindAutomatic, "auto-submitted: auto-generated"},
		"behind a comment":          {"Auto-Submitted: (x) auto-replied", "", triage.KindAutomatic, "auto-submitted: auto-replied"},
		"another word":              {"Auto-Submitted: <script>", "", triage.KindAutomatic, "auto-submitted: other"},
		"no":                        {"Auto-Submitted: no", "", "", ""},
		"no, with a comment":        {"Auto-Submitted: No (sent by hand)", "", "", ""},
		"passed on":                 {"Auto-Submitted: auto-forwarded", "", "", ""},
		"the second says so":        {"Auto-Submitted: no\nAuto-Submitted: auto-replied", "", triage.KindAutomatic, "auto-submitted: auto-replied"},
		"null path":                 {"Return-Path: <>", "", triage.KindAutomatic, "null return-path"},
		"empty path":                {"Return-Path:", "", triage.KindAutomatic, "null return-path"},
		"a path":                    {"Return-Path: <bounces+x@lists.example>", "", "", ""},
		"X-Autoreply":               {"X-Autoreply: yes", "", triage.KindAutomatic, "x-autoreply"},
		"X-Autoreply: no":           {"X-Autoreply: no", "", "", ""},
		"Precedence: auto_reply":    {"Precedence: auto_reply", "", triage.KindAutomatic, "precedence"},
		"read receipt":              {"Subject: x", "multipart/report", triage.KindAutomatic, "multipart/report: other"},
		"list":                      {"List-Id: <sec.lists.example>", "", triage.KindList, "list-id"},
		"Precedence: bulk":          {"Precedence: Bulk", "", triage.KindList, "precedence: bulk"},
		"Precedence: first-class":   {"Precedence: first-class", "", "", ""},
		"suppress says nothing":     {"X-Auto-Response-Suppress: All", "", "", ""},
		"redirected by an own rule": {"X-MS-Exchange-Inbox-Rules-Loop: a@b.example", "", "", ""},
		"automatic by a list":       {"List-Id: <x>\nAuto-Submitted: auto-generated", "", triage.KindAutomatic, "auto-submitted: auto-generated"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, _ := mime.ReadHeader([]byte(test.fields+"\n\n"), mime.NewBudget(mime.Limits{HeaderBytes: 1000, HeaderCount: 10}))
			if kind, reason := Judge(h, test.mediaType, nil); kind != test.kind || reason != test.reason {
				t.Errorf("got %q (%s), want %q (%s)", kind, reason, test.kind, test.reason)
			}
		})
	}
}
