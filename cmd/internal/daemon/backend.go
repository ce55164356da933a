package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"vdpd/cmd/internal/api"
	"vdpd/store"
	"vdpd/triage"
	"vdpd/triage/calendar"
)

// Cases implements [api.Backend]. Staff see the cases of their policies; an
// operator sees that there are cases, and nothing of what is in them.
func (d *Daemon) Cases(ctx context.Context, by triage.Actor, f api.Filter) (api.List, error) {
	var list api.List
	now := d.opt.Now()
	err := d.eachCase(ctx, f.All, func(c *triage.Case) bool {
		p := d.parts.policies[c.Policy]
		if by.Kind != triage.Operator && (p == nil || p.MayRead(by) != nil) {
			return true
		}
		if len(list.Cases) == f.Limit {
			list.More = true
			return false
		}
		list.Cases = append(list.Cases, api.Summarise(c, d.calendar(c), now))
		return true
	})
	return list, err
}

// eachCase calls f with each case, newest first, until it returns false.
func (d *Daemon) eachCase(ctx context.Context, filed bool, f func(*triage.Case) bool) error {
	const page = 200
	filter := store.Filter{Filed: filed, Limit: page}
	for {
		cases, err := d.store.Cases(ctx, filter)
		if err != nil {
			return d.stopIfUnsafe(err)
		}
		for i := range cases {
			if !f(&cases[i]) {
				return nil
			}
		}
		if len(cases) < page {
			return nil
		}
		filter.After = cases[len(cases)-1].Ref
	}
}

// calendar returns the calendar of a case's policy, or one without holidays
// where the configuration has dropped the policy.
func (d *Daemon) calendar(c *triage.Case) calendar.Calendar {
	if p := d.parts.policies[c.Policy]; p != nil {
		return p.Calendar
	}
	return d.config.Policies[0].Calendar
}

// readable returns a case that the actor may read.
func (d *Daemon) readable(ctx context.Context, by triage.Actor, ref triage.Ref) (triage.Case, *triage.Policy, error) {
	c, err := d.store.Case(ctx, ref)
	if errors.Is(err, store.ErrNoCase) {
		return c, nil, api.ErrNoCase
	}
	if err != nil {
		return c, nil, d.stopIfUnsafe(err)
	}
	p := d.parts.policies[c.Policy]
	if p == nil {
		return c, nil, triage.ErrDenied
	}
	return c, p, p.MayRead(by)
}

// Case implements [api.Backend].
func (d *Daemon) Case(ctx context.Context, by triage.Actor, ref triage.Ref) (api.View, error) {
	c, p, err := d.readable(ctx, by, ref)
	if err != nil {
		return api.View{}, err
	}
	v := api.View{Summary: api.Summarise(&c, p.Calendar, d.opt.Now()), Case: c}
	for i := max(0, len(c.Items)-api.MaxMessages); i < len(c.Items); i++ {
		m, err := d.store.Message(ctx, ref, i)
		if err != nil {
			return api.View{}, d.stopIfUnsafe(err)
		}
		v.Messages = append(v.Messages, m)
	}
	return v, nil
}

// Raw implements [api.Backend].
func (d *Daemon) Raw(ctx context.Context, by triage.Actor, ref triage.Ref, item int) ([]byte, error) {
	c, _, err := d.readable(ctx, by, ref)
	if err != nil {
		return nil, err
	}
	if item >= len(c.Items) {
		return nil, fmt.Errorf("%w: it has %d mails", api.ErrNoCase, len(c.Items))
	}
	b, err := d.store.Raw(ctx, ref, item)
	return b, d.stopIfUnsafe(err)
}

// Act implements [api.Backend].
func (d *Daemon) Act(ctx context.Context, by triage.Actor, ref triage.Ref, a triage.Action) (api.Result, error) {
	d.deciding.Lock()
	defer d.deciding.Unlock()
	c, p, err := d.readable(ctx, by, ref)
	if err != nil {
		return api.Result{}, err
	}
	change, err := p.Act(d.opt.Now(), by, &c, a)
	if err != nil {
		return api.Result{}, err
	}
	if len(change.Events) > 0 {
		if err := d.store.Apply(ctx, store.Commit{Change: change}); err != nil {
			return api.Result{}, d.stopIfUnsafe(err)
		}
		d.log.Info("action", "case", ref, "verb", a.Verb, "by", by.ID)
		d.sender.Kick()
	}
	if c, err = d.store.Case(ctx, ref); err != nil {
		return api.Result{}, d.stopIfUnsafe(err)
	}
	return api.Result{Changed: len(change.Events) > 0, Summary: api.Summarise(&c, p.Calendar, d.opt.Now())}, nil
}

// Status implements [api.Backend].
func (d *Daemon) Status(ctx context.Context, by triage.Actor) (api.Status, error) {
	s := api.Status{Version: d.opt.Version, Started: d.started.UTC(), You: api.You{Kind: by.Kind, ID: by.ID, Roles: []string{}}}
	for _, p := range d.config.Policies {
		for _, role := range p.Roles(by.ID) {
			if !slices.Contains(s.You.Roles, role) {
				s.You.Roles = append(s.You.Roles, role)
			}
		}
	}
	for i, p := range d.pollers {
		h := p.Health()
		box := api.Mailbox{
			Name: p.Account.Name, Policy: d.config.Mailboxes[i].Policy.ID, Connected: h.Err == nil && !h.LastRound.IsZero(), Heard: h.LastRound,
		}
		if h.Err != nil {
			box.Problem = h.Err.Error()
		}
		box.LeftAlone = d.parts.boxes[p.Account.Name].leftAlone.Load()
		s.Mailboxes = append(s.Mailboxes, box)
	}
	now := d.opt.Now()
	err := d.eachCase(ctx, false, func(c *triage.Case) bool {
		line := api.Summarise(c, d.calendar(c), now)
		s.Open++
		s.Held += line.Held
		s.Pending += line.Pending
		s.Failed += line.Undelivered
		if line.Promised && now.After(line.Due) {
			s.Late++
		}
		return true
	})
	return s, err
}
