package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"vdpd/triage"
)

// skeleton is what stays of an event for ever: no personal data. It is hashed
// over its canonical encoding and links to the event before.
type skeleton struct {
	Seq    uint64
	Prev   digest    // hash of the skeleton before; of the store's ID for the first
	Time   time.Time // UTC
	By     triage.Actor
	Case   triage.Ref
	Type   triage.EventType
	Policy string // hash of the policy that the case keeps
	Data   digest // hash of the content
}

// skeletonMark begins the canonical encoding, and so every hash of the chain.
const skeletonMark = "vdpd event 1\n"

// encode returns the canonical encoding: the mark, then big-endian numbers,
// hashes as they are and strings with their length in two bytes.
func (k *skeleton) encode() ([]byte, error) {
	out := []byte(skeletonMark)
	out = binary.BigEndian.AppendUint64(out, k.Seq)
	out = append(out, k.Prev[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(k.Time.Unix()))
	out = binary.BigEndian.AppendUint32(out, uint32(k.Time.Nanosecond()))
	for _, s := range []string{string(k.By.Kind), k.By.ID, k.By.Method, string(k.Case), string(k.Type), k.Policy} {
		if len(s) > math.MaxUint16 {
			return nil, fmt.Errorf("event %d: a field of the skeleton has %d bytes", k.Seq, len(s))
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(s)))
		out = append(out, s...)
	}
	return append(out, k.Data[:]...), nil
}

var errRecord = errors.New("a record is malformed")

// decodeSkeleton is the inverse of encode and takes nothing else.
func decodeSkeleton(b []byte) (skeleton, error) {
	r := reader{b: b}
	var k skeleton
	mark := r.take(len(skeletonMark))
	k.Seq = r.uint64()
	copy(k.Prev[:], r.take(len(k.Prev)))
	sec, nsec := int64(r.uint64()), r.take(4)
	if !r.short && string(mark) == skeletonMark {
		n := binary.BigEndian.Uint32(nsec)
		if n >= 1e9 {
			return skeleton{}, errRecord
		}
		k.Time = time.Unix(sec, int64(n)).UTC()
	}
	k.By.Kind = triage.ActorKind(r.string())
	k.By.ID, k.By.Method = r.string(), r.string()
	k.Case, k.Type, k.Policy = triage.Ref(r.string()), triage.EventType(r.string()), r.string()
	copy(k.Data[:], r.take(len(k.Data)))
	if r.short || len(r.b) > 0 || string(mark) != skeletonMark {
		return skeleton{}, errRecord
	}
	return k, nil
}

// reader takes fields off a record; short is set where there is too little.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || len(r.b) < n {
		r.short = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) string() string {
	n := r.take(2)
	if n == nil {
		return ""
	}
	return string(r.take(int(binary.BigEndian.Uint16(n))))
}

// content is the other part of an event: sealed under the key of the case. The
// salt keeps a hash from telling, after erasure, whether a guess is right.
type content struct {
	Salt [16]byte
	Blob *digest // of the raw mail of a Received event
	JSON []byte
}

func (c *content) encode() []byte {
	out := append([]byte{}, c.Salt[:]...)
	if c.Blob == nil {
		out = append(out, 0)
	} else {
		out = append(append(out, 1), c.Blob[:]...)
	}
	return append(out, c.JSON...)
}

func decodeContent(b []byte) (content, error) {
	r := reader{b: b}
	var c content
	copy(c.Salt[:], r.take(len(c.Salt)))
	switch flag := r.take(1); {
	case r.short:
	case flag[0] == 1:
		if id := r.take(sha256.Size); id != nil {
			c.Blob = (*digest)(append([]byte{}, id...))
		}
	case flag[0] != 0:
		r.short = true
	}
	if r.short {
		return content{}, errRecord
	}
	c.JSON = r.b
	return c, nil
}

// A log record is the sealed skeleton with its length before it, then the
// sealed content.
func joinRecord(skeleton, content []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(skeleton)))
	return append(append(out, skeleton...), content...)
}

func splitRecord(b []byte) (skeleton, content []byte, err error) {
	r := reader{b: b}
	if n := r.take(4); n != nil {
		skeleton = r.take(int(binary.BigEndian.Uint32(n)))
	}
	if r.short {
		return nil, nil, errRecord
	}
	return skeleton, r.b, nil
}

// head is the end of the chain.
type head struct {
	Seq  uint64 `json:"seq"`
	Hash digest `json:"hash"`
}

// chain returns the end of the chain, or its anchor where it is empty.
func (t txn) chain() (head, error) {
	var h head
	found, err := t.get(bucketMeta, []byte(metaHead), &h)
	if err == nil && !found {
		h.Hash = t.s.anchor
	}
	return h, err
}

// append adds one event to the chain. It returns the event as reading it back
// will give it, which is what snapshots must be folded from.
func (t txn) append(h *head, key box, policy string, e triage.Event, blob *digest) (triage.Event, error) {
	c := content{Blob: blob}
	if _, err := io.ReadFull(t.s.opt.Random, c.Salt[:]); err != nil {
		return e, fmt.Errorf("random numbers: %w", err)
	}
	var err error
	if c.JSON, err = json.Marshal(storable(e.Data)); err != nil {
		return e, fmt.Errorf("event of type %s: %w", e.Data.Type(), errEncode)
	}
	if e.Data, err = triage.DecodeData(e.Data.Type(), c.JSON); err != nil {
		return e, err
	}
	plain := c.encode()
	k := skeleton{
		Seq: h.Seq + 1, Prev: h.Hash, Time: e.Time.UTC().Round(0), By: e.By, Case: e.Case, Type: e.Data.Type(),
		Policy: policy, Data: sha256.Sum256(plain),
	}
	e.Seq, e.Time, e.By = k.Seq, k.Time, k.By

	canonical, err := k.encode()
	if err != nil {
		return e, err
	}
	sealedSkeleton, err := t.s.secrets.state.seal(binding("skeleton", "", k.Seq), canonical)
	if err != nil {
		return e, err
	}
	sealedContent, err := key.seal(binding("event", e.Case, k.Seq), plain)
	if err != nil {
		return e, err
	}
	h.Seq, h.Hash = k.Seq, sha256.Sum256(canonical)
	return e, t.Bucket([]byte(bucketLog)).Put(be64(k.Seq), joinRecord(sealedSkeleton, sealedContent))
}

// errEncode stands in for errors of the JSON encoder, whose text may quote.
var errEncode = errors.New("its data cannot be written as JSON")

// storable makes the times of a message fit for JSON, which knows years 0 to
// 9999 and zones of less than a day. A sender's Date obeys no such rule, and
// must not keep a mail from being stored.
func storable(d triage.Data) triage.Data {
	r, ok := d.(triage.Received)
	if !ok {
		return d
	}
	for _, at := range []*time.Time{&r.Message.Date, &r.Message.Source.Arrived} {
		if _, err := at.MarshalJSON(); err == nil {
			continue
		}
		if *at = at.UTC(); at.Year() < 0 || at.Year() > 9999 {
			*at = time.Time{}
		}
	}
	return r
}

// openSkeleton opens the skeleton part of a log record.
func (s *Store) openSkeleton(seq uint64, sealed []byte) (skeleton, digest, error) {
	canonical, err := s.secrets.state.open(binding("skeleton", "", seq), sealed)
	if err != nil {
		return skeleton{}, digest{}, fmt.Errorf("event %d: %w: %w", seq, err, ErrDamaged)
	}
	k, err := decodeSkeleton(canonical)
	if err != nil || k.Seq != seq {
		return skeleton{}, digest{}, fmt.Errorf("event %d: %w: %w", seq, errRecord, ErrDamaged)
	}
	return k, sha256.Sum256(canonical), nil
}

// logged is an event with what the log says of it besides.
type logged struct {
	triage.Event
	policy string  // hash of the policy, from the skeleton
	blob   *digest // of the raw mail of a Received event
}

// openEvent opens a whole log record under the key of its case and checks its
// content against the skeleton.
func (s *Store) openEvent(seq uint64, record []byte, ref triage.Ref, key box) (logged, error) {
	fail := func(err error) (logged, error) {
		return logged{}, fmt.Errorf("event %d of case %s: %w: %w", seq, ref, err, ErrDamaged)
	}
	sealedSkeleton, sealedContent, err := splitRecord(record)
	if err != nil {
		return fail(err)
	}
	k, _, err := s.openSkeleton(seq, sealedSkeleton)
	if err != nil {
		return logged{}, err
	}
	if k.Case != ref {
		return fail(errRecord)
	}
	plain, err := key.open(binding("event", ref, seq), sealedContent)
	if err != nil {
		return fail(err)
	}
	if sha256.Sum256(plain) != k.Data {
		return fail(errors.New("its content is not what the skeleton says"))
	}
	c, err := decodeContent(plain)
	if err != nil {
		return fail(err)
	}
	data, err := triage.DecodeData(k.Type, c.JSON)
	if err != nil {
		return fail(err)
	}
	return logged{triage.Event{Seq: seq, Time: k.Time, Case: ref, By: k.By, Data: data}, k.Policy, c.Blob}, nil
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
