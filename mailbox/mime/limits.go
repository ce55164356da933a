package mime

import "slices"

// Limits bound what one message may use. A limit that is reached cuts and is
// named; it never loses the message.
type Limits struct {
	Parts       int // of the whole tree, decrypted and unpacked parts included
	Depth       int // of nesting; deeper parts stay leaves
	HeaderBytes int // of one header section; later fields are passed over
	HeaderCount int // fields of one header section
}

// The names of the limits, as [Budget.Limits] gives them.
const (
	LimitParts       = "parts"
	LimitDepth       = "depth"
	LimitHeaderBytes = "header bytes"
	LimitHeaderCount = "header count"
)

// Budget is what the parts of one message share: how much of the limits is
// used up, and what was found wrong. One goroutine at a time may use it.
type Budget struct {
	limits Limits
	parts  int
	hits   []string
	faults []string
}

// NewBudget returns a budget for one message.
func NewBudget(l Limits) *Budget { return &Budget{limits: l} }

// Hit records that a limit cut something.
func (b *Budget) Hit(limit string) { b.hits = appendNew(b.hits, limit) }

// Fault records a defect of the message, in fixed words of ours.
func (b *Budget) Fault(what string) { b.faults = appendNew(b.faults, what) }

// Limits names the limits that cut something, in order of first occurrence.
func (b *Budget) Limits() []string { return b.hits }

// Faults names the defects that were found, in order of first occurrence.
func (b *Budget) Faults() []string { return b.faults }

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
