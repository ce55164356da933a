package daemon

import (
	"context"
	"errors"
	"fmt"

	"vdpd/mailbox"
	"vdpd/store"
	"vdpd/triage"
)

// poisonous is how often the process may die over one message before the
// message is no longer read.
const poisonous = 2

// Position implements [mailbox.Intake].
func (d *Daemon) Position(ctx context.Context, box, folder string) (triage.Position, error) {
	return d.store.Position(ctx, box, folder)
}

// Taken implements [mailbox.Intake].
func (d *Daemon) Taken(ctx context.Context, box, folder string, uidValidity uint32, uids []uint32) ([]uint32, error) {
	return d.store.Taken(ctx, box, folder, uidValidity, uids)
}

// Take is one message's way: read, look up, decide, commit. It implements
// [mailbox.Intake].
func (d *Daemon) Take(ctx context.Context, f mailbox.Fetched) (move bool, err error) {
	box, ok := d.parts.boxes[f.Source.Mailbox]
	if !ok {
		return false, fmt.Errorf("mailbox %q is not in the configuration", f.Source.Mailbox)
	}
	begun, err := d.store.Attempt(f.Source)
	if err != nil {
		return false, d.stopIfUnsafe(err)
	}
	poison := begun >= poisonous
	if poison {
		d.log.Error("a message ended the process twice, and is kept unread", "mailbox", f.Source.Mailbox, "uid", f.Source.UID)
	}
	m := d.read(ctx, box, f, poison)
	d.deciding.Lock()
	defer d.deciding.Unlock()
	now := d.opt.Now()
	known, err := d.store.Known(ctx, box.policy.ID, m)
	if err != nil {
		return false, d.stopIfUnsafe(err)
	}
	known.Poison = poison || f.Raw == nil
	known.Near = d.alike[box.policy.ID].Near(m.Sketch)
	change := box.policy.Intake(now, m, known)

	commit := store.Commit{Change: change, Source: &f.Source, Move: box.policy.Moves(change.Disposition)}
	if len(change.Events) > 0 {
		commit.Raw = f.Raw
	}
	switch err := d.store.Apply(ctx, commit); {
	case errors.Is(err, store.ErrTaken):
		// The server went back to a UIDVALIDITY that we know.
		move, err := d.store.Taken(ctx, f.Source.Mailbox, f.Source.Folder, f.Source.UIDValidity, []uint32{f.Source.UID})
		return len(move) > 0, err
	case err != nil:
		return false, d.stopIfUnsafe(err)
	}

	for _, e := range change.Events {
		switch data := e.Data.(type) {
		case triage.KeyPinned:
			d.parts.learn(data.Key, d.log)
		case triage.Opened:
			d.alike[data.Policy].Add(string(e.Case), data.Sketch)
		}
	}
	d.log.Info("message", "mailbox", f.Source.Mailbox, "uid_validity", f.Source.UIDValidity, "uid", f.Source.UID,
		"bytes", f.Size, "disposition", change.Disposition, "case", change.Case,
		"encrypted", m.OpenPGP.Encrypted, "decrypted", m.OpenPGP.Decrypted, "signature", m.OpenPGP.Signature,
		"faults", len(m.Faults), "limits", len(m.Limits))
	switch change.Disposition {
	case triage.NotOurs:
		box.leftAlone.Add(1)
	case triage.AsLoop:
		d.log.Warn("our own mail came back: look for an alias or a rule that sends it here", "case", change.Case)
	}
	d.sender.Kick()
	return commit.Move, nil
}

// read makes the message of what was fetched. What is poison is not looked at.
func (d *Daemon) read(ctx context.Context, box *box, f mailbox.Fetched, poison bool) *triage.Message {
	var m *triage.Message
	if poison || f.Raw == nil {
		m = &triage.Message{Kind: triage.KindReport, OpenPGP: triage.OpenPGP{Encrypted: "no", Signature: triage.SigNone}}
	} else {
		m = mailbox.Read(f.Raw, d.options(box))
		if box.dkim {
			m.Auth.Checked, m.Auth.DKIM = true, mailbox.DKIM(ctx, f.Raw, d.opt.Lookup)
		}
	}
	switch {
	case poison:
		m.Faults = append(m.Faults, "reading this message ended the program twice; it is kept unread")
	case f.Raw == nil:
		m.Faults = append(m.Faults, "the mail server could not deliver this message; it is still there")
	case f.Truncated:
		m.Limits = append(m.Limits, "bytes")
	}
	m.Source, m.Size = f.Source, f.Size
	box.policy.Hints(m)
	return m
}

func (d *Daemon) options(b *box) mailbox.Options {
	o := b.read
	o.Now = d.opt.Now()
	o.IsOurs = d.store.IsOurs
	return o
}
