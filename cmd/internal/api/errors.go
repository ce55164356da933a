package api

import (
	"errors"
	"net/http"

	"vdpd/triage"
)

// ErrNoCase is returned where no case has that reference, or the case has no
// such mail.
var ErrNoCase = errors.New("there is no such case")

// Errors of a Client beside those of [Backend].
var (
	ErrNotRunning = errors.New("the daemon does not answer")               // nobody listens at the socket
	ErrNoAccess   = errors.New("no permission to use the daemon's socket") // its mode or its directory's
	ErrStranger   = errors.New("not known to the daemon")                  // the caller's uid is not in the configuration
	ErrInternal   = errors.New("the daemon failed; its log says why")
	ErrProtocol   = errors.New("unexpected answer")
)

// failure is an error on the wire.
type failure struct {
	Code    string `json:"code"` // no_case, denied, refused, stranger, bad_request or internal
	Message string `json:"message"`
}

// classify gives the HTTP status of an error and what the caller may know of it.
func classify(err error) (int, failure) {
	switch refusal, refused := errors.AsType[*triage.Refusal](err); {
	case errors.Is(err, ErrNoCase):
		return http.StatusNotFound, failure{"no_case", err.Error()}
	case errors.Is(err, triage.ErrDenied):
		return http.StatusForbidden, failure{"denied", err.Error()}
	case refused:
		return http.StatusConflict, failure{"refused", refusal.Reason}
	}
	return http.StatusInternalServerError, failure{"internal", ErrInternal.Error()}
}

// reported is an error that the daemon reported, in its words.
type reported struct {
	class error
	text  string
}

func (r *reported) Error() string { return r.text }
func (r *reported) Unwrap() error { return r.class }

// err is the inverse of classify.
func (f failure) err() error {
	switch f.Code {
	case "no_case":
		return &reported{ErrNoCase, f.Message}
	case "denied":
		return &reported{triage.ErrDenied, f.Message}
	case "stranger":
		return &reported{ErrStranger, f.Message}
	case "refused":
		return &triage.Refusal{Reason: f.Message}
	case "internal":
		return ErrInternal
	}
	return &reported{ErrProtocol, "the daemon did not understand the request: " + f.Message}
}
