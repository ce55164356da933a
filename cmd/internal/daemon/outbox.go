package daemon

import (
	"context"
	"time"

	"vdpd/store"
	"vdpd/triage"
)

// Claim implements [notify.Outbox].
func (d *Daemon) Claim(ctx context.Context, now time.Time, limit int) ([]triage.Letter, time.Time, error) {
	letters, next, err := d.store.Claim(ctx, now, limit)
	return letters, next, d.stopIfUnsafe(err)
}

// Settle implements [notify.Outbox]. A mail that failed for good is settled
// together with the notices that say so, so that no crash can silence it.
func (d *Daemon) Settle(ctx context.Context, outcomes []triage.Outcome) error {
	var plain []triage.Outcome
	for _, o := range outcomes {
		if o.Result != triage.Failed {
			plain = append(plain, o)
			continue
		}
		if err := d.settleFailure(ctx, o); err != nil {
			return d.stopIfUnsafe(err)
		}
	}
	if len(plain) == 0 {
		return nil
	}
	return d.stopIfUnsafe(d.store.Apply(ctx, store.Commit{Settle: plain}))
}

func (d *Daemon) settleFailure(ctx context.Context, o triage.Outcome) error {
	d.deciding.Lock()
	defer d.deciding.Unlock()
	c, err := d.store.Case(ctx, o.Ref)
	if err != nil {
		return err
	}
	var change triage.Change
	if p := d.parts.policies[c.Policy]; p != nil {
		change = p.Failed(d.opt.Now(), &c, o)
	}
	if err := d.store.Apply(ctx, store.Commit{Change: change, Settle: []triage.Outcome{o}}); err != nil {
		return err
	}
	if len(change.Events) == 0 {
		d.log.Error("a mail failed and nobody is left to tell by mail: look at vdp show", "case", o.Ref, "notice", o.Notice)
	}
	d.sender.Kick()
	return nil
}
