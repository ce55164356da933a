package mime

import "strings"

// Unflow joins the lines that a sender broke softly (RFC 3676): a blank at the
// end of a line says that the paragraph goes on. delSp says that this blank is
// not part of the text. Quoted lines join only with lines of the same depth.
func Unflow(text string, delSp bool) string {
	var (
		out   strings.Builder
		depth int
		soft  bool // the line before ended softly
	)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		body := strings.TrimLeft(line, ">")
		d := len(line) - len(body)
		body = strings.TrimPrefix(body, " ") // space-stuffing
		signature := body == "-- "
		if soft && (d != depth || signature) {
			out.WriteByte('\n')
			soft = false
		}
		if !soft && d > 0 {
			out.WriteString(strings.Repeat(">", d) + " ")
		}
		depth = d
		soft = strings.HasSuffix(body, " ") && !signature
		if soft && delSp {
			body = body[:len(body)-1]
		}
		out.WriteString(body)
		if !soft {
			out.WriteByte('\n')
		}
	}
	return out.String()
}
