// Package demo is the command "vdpd demo": the main job, shown on one machine
// without any preparation. It runs an IMAP server, an SMTP server and the very
// [daemon.Daemon] that "vdpd run" runs, on a configuration written for the
// occasion; plays two researchers; and tells what happened from what the staff
// socket says and what the SMTP server really got.
//
// Start reading at [Run]. Everything that it starts has ended when Run returns.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"vdpd/cmd/internal/api"
	"vdpd/cmd/internal/daemon"
	"vdpd/mailbox/mailboxtest"
	"vdpd/notify/notifytest"
)

// Options say how the demo is shown.
type Options struct {
	Once    bool // end when the story is told
	JSON    bool // print the counts as JSON in the last line
	Verbose bool // the daemon's log too, to the second writer
	Version string
}

// Counts are what the demo came to, counted at the SMTP server's end.
type Counts struct {
	Cases            int `json:"cases"`
	Receipts         int `json:"receipts"`          // to researchers, with a good signature
	Notices          int `json:"notices"`           // to staff
	EncryptedNotices int `json:"encrypted_notices"` // opened with the key of the person they went to, and signed
	Undelivered      int `json:"undelivered"`       // still in the outbox, or failed
}

// patience is how long one report may take on its way. It takes well under a
// second; the demo fails rather than hangs.
const patience = time.Minute

// Run shows the demo on w, and the daemon's log on logs if asked for. It
// returns when ctx ends or, with Options.Once, when the story is told.
func Run(ctx context.Context, w, logs io.Writer, opt Options) (err error) {
	dir, err := os.MkdirTemp("", "vdpd-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	s, err := newScene(dir, time.Now())
	if err != nil {
		return err
	}
	imap, err := imapServer(s)
	if err != nil {
		return err
	}
	defer imap.Close()
	smtp, err := notifytest.Start(notifytest.Options{})
	if err != nil {
		return err
	}
	defer smtp.Close()
	s.IMAP, s.SMTP = port(imap.Addr()), port(smtp.Addr().String())

	cfg, err := s.write()
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if opt.Verbose {
		log = slog.New(slog.NewTextHandler(logs, nil))
	}
	d, err := daemon.New(cfg, daemon.Options{Log: log, Version: opt.Version})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { ended <- d.Run(running) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()

	client := api.Dial(cfg.Socket.Path)
	defer client.Close()
	t := &teller{w: w, scene: s, imap: imap, smtp: smtp, client: client}
	if err := t.tell(ctx); err != nil {
		return err
	}
	if !opt.Once {
		t.invite(cfg.Socket.Path)
		<-ctx.Done()
		fmt.Fprintln(w, "\nGoodbye. Nothing is left behind.")
	}
	if opt.JSON {
		return json.NewEncoder(w).Encode(t.counts)
	}
	return nil
}

func imapServer(s *scene) (*mailboxtest.Server, error) {
	server, err := mailboxtest.NewServer(mailboxtest.Options{})
	if err != nil {
		return nil, err
	}
	for _, o := range s.Organisations {
		if err := server.AddUser(o.Address, mailPassword, "Reports"); err != nil {
			server.Close()
			return nil, err
		}
	}
	return server, nil
}

func port(addr string) int {
	_, p, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(p)
	return n
}
