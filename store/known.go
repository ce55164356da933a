package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vdpd/triage"
)

// Bounds of one look at the store, whatever a message brings.
const (
	maxTokens   = 100 // recipients, and message identifiers, that are looked at
	maxSameID   = 8   // cases that one Message-ID leads to
	maxOthers   = 10  // Known.Others
	maxLookedAt = 32  // cases of one address that are opened to find the open ones
)

// How far back automatic mails are counted.
const (
	receiptsOf = 24 * time.Hour   // to one address
	burstOf    = 10 * time.Minute // to anybody
)

func isErased(err error) bool { return errors.Is(err, ErrErased) }
func isNoCase(err error) bool { return errors.Is(err, ErrNoCase) }

// hit is a case that something in a message points to.
type hit struct {
	entry
	via triage.Via
}

// Known answers what [triage.Policy.Intake] needs to know about a message that
// came in under a policy. It looks at the cases of that policy alone. Fresh is
// random and not in use; Poison is left to the caller, who knows from
// [Store.Attempt].
//
// A message points to a case, in this order, by the token of a reply address
// among its recipients; by the Message-ID of a mail of ours in In-Reply-To,
// References, a bounce, or as the token of a recipient; by the Message-ID of a
// mail that the case received; as a copy of such a mail; by a reference in its
// subject; and, an automatic one, by its sender. The third and the fifth count
// only where the sender is the reporter of that case. Domains of message
// identifiers are ignored: the tokens are not to be guessed.
//
// Automatic mails count when they enter the outbox or are let go, not when a
// server took them: a burst of reports is decided long before the first of its
// receipts has left.
func (s *Store) Known(ctx context.Context, policy string, m *triage.Message) (triage.Known, error) {
	var k triage.Known
	if err := ctx.Err(); err != nil {
		return k, err
	}
	sender, now := validText(m.Sender().Reveal()), s.opt.Now()
	lookup := s.secrets.lookup
	var hits []hit
	var pins, others []entry
	err := s.view(func(t txn) error {
		var err error
		if k.Same, err = t.same(policy, m); err != nil {
			return err
		}
		if hits, err = t.hits(policy, m, k.Same == ""); err != nil {
			return err
		}
		k.Burst = t.count(lookup(byBurst, policy), now.Add(-burstOf))
		k.Tripped = t.count(lookup(byAlarm, policy), now.Add(-burstOf)) > 0
		if sender == "" {
			return nil
		}
		k.Receipts = t.count(lookup(byReceipt, policy, sender), now.Add(-receiptsOf))
		if pins, err = t.pick(maxSameID, lookup(byPin, policy, sender)); err != nil {
			return err
		}
		others, err = t.pick(maxLookedAt, lookup(byAddress, policy, sender))
		return err
	})
	if err != nil {
		return triage.Known{}, err
	}
	if err := errors.Join(
		s.twin(ctx, &k), s.pin(&k, pins), s.thread(ctx, &k, hits, policy, sender), s.sender(ctx, &k, others, m),
	); err != nil {
		return triage.Known{}, err
	}
	k.Fresh, err = s.fresh()
	return k, err
}

// twin fetches the case that has the message already, if that is in question.
func (s *Store) twin(ctx context.Context, k *triage.Known) error {
	if k.Same == "" {
		return nil
	}
	c, err := s.Case(ctx, k.Same)
	if isErased(err) {
		return nil
	}
	if err == nil && (c.State == triage.StateQuestion || c.State == triage.StateLeft) {
		k.Twin = &c
	}
	return err
}

// pin fetches the key that was pinned last.
func (s *Store) pin(k *triage.Known, pins []entry) (err error) {
	for _, e := range pins {
		if k.Pinned, err = s.pinned(e); !isErased(err) {
			return err
		}
	}
	return nil
}

// sender looks at the cases of the sender, the newest first.
func (s *Store) sender(ctx context.Context, k *triage.Known, cases []entry, m *triage.Message) error {
	k.Prior = len(cases) > 0
	for _, e := range cases {
		c, err := s.Case(ctx, e.Ref)
		if isErased(err) || err == nil && shelved(c.State) {
			continue
		} else if err != nil {
			return err
		}
		if len(k.Others) == 0 && k.Thread.Ref == "" && m.Kind == triage.KindAutomatic {
			k.Thread, k.Via = c, triage.ViaSender
		}
		if k.Others = append(k.Others, c.Ref); len(k.Others) == maxOthers {
			break
		}
	}
	return nil
}

// thread takes the first of the hits that counts.
func (s *Store) thread(ctx context.Context, k *triage.Known, hits []hit, policy, sender string) error {
	for _, h := range hits {
		c, err := s.Case(ctx, h.Ref)
		if isErased(err) || isNoCase(err) || err == nil && c.Policy != policy {
			continue
		} else if err != nil {
			return err
		}
		if h.via == triage.ViaThread || h.via == triage.ViaSubject {
			if sender == "" || sender != c.Reporter.Address.Reveal() {
				continue
			}
		}
		k.Thread, k.Via = c, h.via
		// The token of a reply address names a party, not a mail; what the
		// message answers may name that.
		for _, n := range hits {
			if n.Ref == h.Ref && n.via == triage.ViaSent {
				k.Notice = n.Notice
				break
			}
		}
		return nil
	}
	return nil
}

func (t txn) same(policy string, m *triage.Message) (triage.Ref, error) {
	if m.Content == "" {
		return "", nil
	}
	var e entry
	_, err := t.get(bucketIndex, t.s.secrets.lookup(byContent, policy, m.Content), &e)
	return e.Ref, err
}

// hits looks up everything in a message that may name a case, the strongest
// evidence first. With copies, mails that are the same but for their content
// count too.
func (t txn) hits(policy string, m *triage.Message, copies bool) ([]hit, error) {
	k := &t.s.secrets
	var hits []hit
	one := func(via triage.Via, key []byte) error {
		var e entry
		found, err := t.get(bucketIndex, key, &e)
		if found && err == nil {
			hits = append(hits, hit{e, via})
		}
		return err
	}
	several := func(via triage.Via, prefix []byte) error {
		found, err := t.pick(maxSameID, prefix)
		for _, e := range found {
			hits = append(hits, hit{e, via})
		}
		return err
	}
	tags, ids := recipientTokens(m), messageIDs(m)
	for _, tag := range tags {
		if err := one(triage.ViaToken, k.lookup(byReply, tag)); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if token := asToken(localPart(id)); token != "" {
			if err := one(triage.ViaSent, k.lookup(bySent, token)); err != nil {
				return nil, err
			}
		}
	}
	for _, tag := range tags {
		if err := one(triage.ViaSent, k.lookup(bySent, tag)); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if err := several(triage.ViaThread, k.lookup(byMessageID, policy, validText(id))); err != nil {
			return nil, err
		}
	}
	if copies && m.MessageID != "" {
		if err := several(triage.ViaCopy, k.lookup(byOrigin, origin(policy, m)...)); err != nil {
			return nil, err
		}
	}
	for _, ref := range triage.RefsIn(m.Subject.Reveal()) {
		hits = append(hits, hit{entry{Ref: ref}, triage.ViaSubject})
	}
	return hits, nil
}

// recipientTokens returns what stands after the last + of each recipient's
// local part and may be a token.
func recipientTokens(m *triage.Message) []string {
	var tokens []string
	for _, a := range m.To[:min(len(m.To), maxTokens)] {
		local := localPart(a.Address.Reveal())
		if i := strings.LastIndexByte(local, '+'); i >= 0 {
			if token := asToken(local[i+1:]); token != "" && !slices.Contains(tokens, token) {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

// messageIDs returns the mails that a message refers to, the nearest first.
func messageIDs(m *triage.Message) []string {
	var ids []string
	add := func(id string) {
		if id != "" && len(ids) < maxTokens && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, b := range m.Bounces {
		add(b.OriginalMessageID)
	}
	add(m.InReplyTo)
	for _, id := range slices.Backward(m.References) {
		add(id)
	}
	return ids
}

// localPart is what stands before the last @; the whole where there is none.
func localPart(s string) string {
	s = strings.Trim(s, "<> \t")
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i]
	}
	return s
}

// fresh draws a reference that no case has or had.
func (s *Store) fresh() (triage.Ref, error) {
	for range 8 {
		var random [7]byte
		if _, err := io.ReadFull(s.opt.Random, random[:]); err != nil {
			return "", fmt.Errorf("random numbers: %w", err)
		}
		ref := triage.NewRef(random)
		if _, err := s.sealedCase(ref); isNoCase(err) {
			return ref, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", errors.New("the source of random numbers repeats itself")
}

// IsOurs reports whether a Message-ID is that of a mail of ours: an inbound
// mail that has it came back in a loop.
func (s *Store) IsOurs(messageID string) bool {
	token := asToken(localPart(messageID))
	ours := false
	if token != "" {
		_ = s.view(func(t txn) error {
			ours = t.has(bucketIndex, s.secrets.lookup(bySent, token))
			return nil
		})
	}
	return ours
}
