package mailboxtest

import (
	"cmp"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Message is one message of a folder.
type Message struct {
	UID     uint32
	Flags   []string // sorted
	Arrived time.Time
	Raw     []byte
}

// Client is another user of a mailbox. It belongs to one goroutine.
type Client struct{ c *imapclient.Client }

// NewClient logs in on a connection, with TLS or without, to any server. It
// closes the connection when that fails.
func NewClient(conn net.Conn, user, password string) (*Client, error) {
	c := imapclient.New(conn, nil)
	if err := c.Login(user, password).Wait(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return &Client{c: c}, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.c.Close() }

// Messages lists a folder in the order of UIDs, without marking anything.
func (c *Client) Messages(folder string) ([]Message, error) {
	if _, err := c.c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		return nil, err
	}
	raw := &imap.FetchItemBodySection{Peek: true}
	got, err := c.c.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{raw}}).Collect()
	if err != nil {
		return nil, err
	}
	var all []Message
	for _, m := range got {
		var flags []string
		for _, f := range m.Flags {
			flags = append(flags, string(f))
		}
		slices.Sort(flags)
		all = append(all, Message{UID: uint32(m.UID), Flags: flags, Arrived: m.InternalDate, Raw: m.FindBodySection(raw)})
	}
	slices.SortFunc(all, func(a, b Message) int { return cmp.Compare(a.UID, b.UID) })
	return all, nil
}

// Append delivers a message into a folder, unread, and returns its UID where
// the server tells (UIDPLUS).
func (c *Client) Append(folder string, raw []byte, arrived time.Time) (uint32, error) {
	cmd := c.c.Append(folder, int64(len(raw)), &imap.AppendOptions{Time: arrived})
	if _, err := cmd.Write(raw); err != nil {
		return 0, err
	}
	if err := cmd.Close(); err != nil {
		return 0, err
	}
	data, err := cmd.Wait()
	if err != nil {
		return 0, err
	}
	return uint32(data.UID), nil
}

// Create makes a folder.
func (c *Client) Create(folder string) error { return c.c.Create(folder, nil).Wait() }

// Delete removes a folder with everything in it.
func (c *Client) Delete(folder string) error { return c.c.Delete(folder).Wait() }

// Subscribed reports whether the user is subscribed to a folder.
func (c *Client) Subscribed(folder string) (bool, error) {
	found, err := c.c.List("", folder, &imap.ListOptions{SelectSubscribed: true}).Collect()
	return len(found) > 0, err
}

// Move moves one message, as a person does; the server must have MOVE.
func (c *Client) Move(folder string, uid uint32, dest string) error {
	if _, err := c.c.Select(folder, nil).Wait(); err != nil {
		return err
	}
	_, err := c.c.Move(imap.UIDSetNum(imap.UID(uid)), dest).Wait()
	return err
}

// Remove deletes one message for good; the server must have UIDPLUS.
func (c *Client) Remove(folder string, uid uint32) error {
	if err := c.Flag(folder, uid, string(imap.FlagDeleted)); err != nil {
		return err
	}
	return c.c.UIDExpunge(imap.UIDSetNum(imap.UID(uid))).Close()
}

// Flag adds a flag to one message.
func (c *Client) Flag(folder string, uid uint32, flag string) error {
	if _, err := c.c.Select(folder, nil).Wait(); err != nil {
		return err
	}
	return c.c.Store(imap.UIDSetNum(imap.UID(uid)), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.Flag(flag)}}, nil).Close()
}
