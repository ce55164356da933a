// Package daemon is where the packages meet: it makes the mailboxes, the
// store, the sender and the staff socket of a configuration, and runs them.
//
// Start reading at [New], then [Daemon.Take], which is one message's way from
// the mail server to the commit (docs/flow.md). A Daemon runs one goroutine
// for each mailbox, one for the sender, one for the socket with one for each
// of its connections, and one for the watchdog; [Daemon.Run] returns when all
// of them have ended.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"

	"vdpd/cmd/internal/api"
	"vdpd/cmd/internal/config"
	"vdpd/mailbox"
	"vdpd/notify"
	"vdpd/store"
	"vdpd/triage"
	"vdpd/triage/facts"
)

// Options are what a Daemon needs beside its configuration. The zero value is
// right for production but for Log.
type Options struct {
	Log     *slog.Logger                                                      // required
	Now     func() time.Time                                                  // nil: the clock of the machine
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer
	Lookup  mailbox.LookupTXT                                                 // nil: the resolver of the machine
	Notify  func(state string)                                                // nil: nobody; told READY=1 and the like, as sd_notify(3)
	Watch   time.Duration                                                     // how often to say WATCHDOG=1; 0: never
	Version string

	failAt func(point string) error // of the store, in tests
}

// Daemon is the running service. Its fields don't change after New, but for
// what the types themselves guard.
type Daemon struct {
	config  *config.Config
	opt     Options
	log     *slog.Logger
	store   *store.Store
	parts   *parts
	sender  *notify.Sender
	pollers []*mailbox.Poller
	socket  net.Listener
	started time.Time

	// deciding makes one decision at a time: what was read of a case is still
	// true when the change is committed.
	deciding sync.Mutex
	alike    map[string]*facts.Index // of the cases of each policy; guarded by deciding

	fail context.CancelCauseFunc // ends Run with that error; set by Run before any goroutine starts
}

// New opens everything that a configuration names, and creates the store where
// there is none. It connects to no server. The error says what to do; it is a
// [*config.Error] where the configuration is at fault.
func New(cfg *config.Config, opt Options) (*Daemon, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Lookup == nil {
		opt.Lookup = net.DefaultResolver.LookupTXT
	}
	if opt.Notify == nil {
		opt.Notify = func(string) {}
	}
	parts, err := assemble(cfg, opt.Now())
	if err != nil {
		return nil, err
	}
	st, err := openStore(cfg, opt, false)
	if errors.Is(err, store.ErrNoStore) {
		opt.Log.Warn("there is no store, and a new one is made: if there was one before, stop now and find out where it went", "dir", cfg.StateDir)
		st, err = openStore(cfg, opt, true)
	}
	if err != nil {
		return nil, err
	}
	d := &Daemon{config: cfg, opt: opt, log: opt.Log, store: st, parts: parts, started: opt.Now(), fail: func(error) {}, alike: map[string]*facts.Index{}}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return d, nil
}

// prepare makes the loops around an open store.
func (d *Daemon) prepare() error {
	certs, err := d.store.Certs(context.Background())
	if err != nil {
		return fmt.Errorf("the keys of reporters: %w", err)
	}
	for _, k := range certs {
		d.parts.learn(k, d.log)
	}
	for _, p := range d.config.Policies {
		d.alike[p.ID] = &facts.Index{}
	}
	if err := d.eachCase(context.Background(), false, func(c *triage.Case) bool {
		if x := d.alike[c.Policy]; x != nil {
			x.Add(string(c.Ref), c.Sketch)
		}
		return true
	}); err != nil {
		return err
	}
	renderer, err := renderer(d.config, d.parts)
	if err != nil {
		return err
	}
	d.sender = notify.NewSender(d, renderer, transport(d.config, d.opt.Dial), d.log.With("loop", "sender"))
	d.sender.Now = d.opt.Now
	for _, m := range d.config.Mailboxes {
		d.pollers = append(d.pollers, &mailbox.Poller{
			Account: account(d.config, m, d.opt.Dial), Intake: d,
			Log: d.log.With("loop", "mailbox"), Now: d.opt.Now,
		})
	}
	d.socket, err = api.Listen(d.config.Socket.Path, socketMode(d.config.Socket), d.config.Socket.Group)
	return err
}

func socketMode(s config.Socket) fs.FileMode {
	if s.Group == "" {
		return 0o600
	}
	return 0o660
}

func openStore(cfg *config.Config, opt Options, create bool) (*store.Store, error) {
	key, err := cfg.MasterKey.ReadKey()
	if err != nil {
		return nil, err
	}
	return store.Open(cfg.StateDir, store.MasterKey(key), store.Options{Create: create, Now: opt.Now, Log: opt.Log, FailAt: opt.failAt})
}

// Run serves until ctx ends: then no new work begins, the message and the mail
// in hand are finished, and everything is closed. It returns nil after such an
// end, and otherwise what made going on unsafe.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	d.fail = fail

	var all sync.WaitGroup
	start := func(name string, run func(context.Context) error) {
		all.Go(func() {
			if err := run(ctx); err != nil {
				fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	start("sender", d.sender.Run)
	for _, p := range d.pollers {
		start("mailbox "+p.Account.Name, p.Run)
	}
	server := api.NewServer(d, api.Options{Who: d.who, Log: d.log.With("loop", "socket")})
	start("socket", func(ctx context.Context) error { return server.Serve(ctx, d.socket) })
	if d.opt.Watch > 0 {
		start("watchdog", d.watch)
	}

	seq, head, err := d.store.Head(ctx)
	if err != nil {
		fail(err)
	}
	d.log.Info("ready", "version", d.opt.Version, "mailboxes", len(d.pollers), "policies", len(d.config.Policies), "events", seq, "head", head)
	d.opt.Notify("READY=1")

	<-ctx.Done()
	d.opt.Notify("STOPPING=1")
	d.log.Info("stopping")
	all.Wait()
	err = context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	err = errors.Join(err, d.store.Close())
	if err != nil {
		d.log.Error("stopped after a failure", "error", err)
	} else {
		d.log.Info("stopped")
	}
	return err
}

// watch tells systemd that the daemon lives, as long as the store answers. A
// store that hangs is a daemon that loses time on promises, and a restart is
// safe at any moment.
func (d *Daemon) watch(ctx context.Context) error {
	tick := time.NewTicker(d.opt.Watch)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, _, err := d.store.Head(ctx); err == nil {
				d.opt.Notify("WATCHDOG=1")
			} else {
				d.log.Error("the store does not answer", "error", err)
			}
		}
	}
}

// stopIfUnsafe ends the daemon where the store says that it can't be trusted
// any more, and returns err as it is.
func (d *Daemon) stopIfUnsafe(err error) error {
	if errors.Is(err, store.ErrUnsafe) {
		d.fail(err)
	}
	return err
}

// who maps a Unix user to the person in the configuration. Root and the
// account of the service itself are the operator.
func (d *Daemon) who(uid uint32) (triage.Actor, bool) {
	for _, p := range d.config.People {
		if p.UID >= 0 && uint32(p.UID) == uid {
			return triage.Actor{Kind: triage.Staff, ID: p.ID, Method: "peercred"}, true
		}
	}
	if uid == 0 || uid == d.parts.uid {
		return triage.Actor{Kind: triage.Operator, Method: "peercred"}, true
	}
	return triage.Actor{}, false
}

var _ interface {
	mailbox.Intake
	notify.Outbox
	api.Backend
} = (*Daemon)(nil)
