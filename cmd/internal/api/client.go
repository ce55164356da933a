package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"vdpd/triage"
)

// Client asks the daemon. Its methods are those of [Backend] without the
// actor, who is the user that runs the process; they return the same errors,
// and those of this package for what went wrong on the way.
type Client struct {
	http http.Client
}

// Dial returns a client of the daemon at path. It connects when it is used.
func Dial(path string) *Client {
	var dialer net.Dialer
	return &Client{http.Client{
		Timeout: 2 * time.Minute,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", path)
			},
		},
	}}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Cases lists cases; a Limit of 0 means [MaxCases].
func (c *Client) Cases(ctx context.Context, f Filter) (list List, err error) {
	query := url.Values{"all": {strconv.FormatBool(f.All)}}
	if f.Limit > 0 {
		query.Set("limit", strconv.Itoa(f.Limit))
	}
	err = c.call(ctx, http.MethodGet, "/v1/cases?"+query.Encode(), nil, &list)
	return list, err
}

// Case returns all of a case.
func (c *Client) Case(ctx context.Context, ref triage.Ref) (view View, err error) {
	err = c.call(ctx, http.MethodGet, casePath(ref), nil, &view)
	return view, err
}

// Raw returns a mail of a case as it arrived; item is its index in the case's
// Items.
func (c *Client) Raw(ctx context.Context, ref triage.Ref, item int) ([]byte, error) {
	return c.do(ctx, http.MethodGet, fmt.Sprintf("%s/items/%d/raw", casePath(ref), item), nil, MaxRaw)
}

// Act does something with a case.
func (c *Client) Act(ctx context.Context, ref triage.Ref, a triage.Action) (result Result, err error) {
	err = c.call(ctx, http.MethodPost, casePath(ref)+"/actions", a, &result)
	return result, err
}

// Status says how the daemon is.
func (c *Client) Status(ctx context.Context) (status Status, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/status", nil, &status)
	return status, err
}

func casePath(ref triage.Ref) string { return "/v1/cases/" + url.PathEscape(string(ref)) }

func (c *Client) call(ctx context.Context, method, path string, question, answer any) error {
	var body []byte
	if question != nil {
		var err error
		if body, err = json.Marshal(question); err != nil {
			return err
		}
	}
	b, err := c.do(ctx, method, path, body, maxAnswer)
	if err != nil {
		return err
	}
	if json.Unmarshal(b, answer) != nil {
		return fmt.Errorf("%w: is the daemon of another version than this program?", ErrProtocol)
	}
	return nil
}

// do returns the body of a good answer. No error of it holds text of a report:
// those of the transport know addresses and system calls only.
func (c *Client) do(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreached(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the daemon's answer broke off: %w", err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrProtocol, limit)
	case resp.StatusCode == http.StatusOK:
		return b, nil
	}
	var wire struct{ Error failure }
	if json.Unmarshal(b, &wire) != nil || wire.Error.Code == "" {
		return nil, fmt.Errorf("%w: HTTP status %d", ErrProtocol, resp.StatusCode)
	}
	return nil, wire.Error.err()
}

// unreached says why a request got no answer.
func unreached(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return ErrNoAccess
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // its URL is of no use to people
	}
	return fmt.Errorf("asking the daemon: %w", err)
}
