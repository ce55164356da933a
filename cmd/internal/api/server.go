package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"vdpd/triage"
)

// host is the only Host header that is answered. A page in a web browser that
// reached the socket through some proxy would send another.
const host = "vdpd"

const (
	requestTime = time.Minute     // for the Backend to answer
	stopTime    = 5 * time.Second // for answers in progress when the server stops
)

// Options are what a Server needs beside its Backend. All are required.
type Options struct {
	// Who maps the uid at the other end of a connection to an actor. It
	// reports false for a user that the configuration does not name. It must
	// not map 65534, which stands for every user that the daemon's user
	// namespace does not have (PrivateUsers= of systemd).
	Who func(uid uint32) (triage.Actor, bool)
	Log *slog.Logger
}

// Server serves a Backend.
type Server struct {
	backend Backend
	opt     Options
	mux     *http.ServeMux // read-only after NewServer
}

// NewServer returns a server of b.
func NewServer(b Backend, opt Options) *Server {
	s := &Server{backend: b, opt: opt, mux: http.NewServeMux()}
	s.route("GET /v1/cases", s.cases)
	s.route("GET /v1/cases/{ref}", s.view)
	s.route("GET /v1/cases/{ref}/items/{item}/raw", s.raw)
	s.route("POST /v1/cases/{ref}/actions", s.act)
	s.route("GET /v1/status", s.status)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, failure{"bad_request", "no such path or method"})
	})
	return s
}

// Serve answers on l, which must be a Unix socket, until ctx ends, then gives
// answers in progress a few seconds and closes l. It returns nil after such an
// end, and otherwise what went wrong with l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           http.HandlerFunc(s.guard),
		ConnContext:       s.identify,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      requestTime + time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(l)
	if stop() {
		_ = server.Close()
		return fmt.Errorf("staff socket: %w", err)
	}
	<-stopped
	return nil
}

// guard refuses what no handler is to see: callers that nobody named, and
// requests of a web browser.
func (s *Server) guard(w http.ResponseWriter, r *http.Request) {
	p, _ := r.Context().Value(peerKey{}).(peer)
	switch {
	case r.Host != host || r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "":
		s.opt.Log.Warn("staff socket: request of a web browser refused", "uid", p.uid)
		fail(w, http.StatusForbidden, failure{"bad_request", "requests of web browsers are refused"})
		return
	case !p.known:
		s.opt.Log.Warn("staff socket: unknown user refused", "uid", p.uid)
		fail(w, http.StatusForbidden, failure{"stranger", p.stranger()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	s.mux.ServeHTTP(w, r.WithContext(ctx))
}

// badRequest is an error of a caller that does not speak the protocol.
type badRequest struct{ text string }

func (e badRequest) Error() string { return e.text }

// route registers a handler that returns what to answer, as JSON, or bytes as
// they are.
func (s *Server) route(pattern string, handle func(*http.Request, triage.Actor) (any, error)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		p := r.Context().Value(peerKey{}).(peer)
		answer, err := protect(func() (any, error) { return handle(r, p.actor) })
		log := s.opt.Log.With("uid", p.uid, "actor", p.actor.ID, "request", pattern, "case", loggable(r.PathValue("ref")))
		if bad, ok := errors.AsType[badRequest](err); ok {
			log.Warn("staff request not understood")
			fail(w, http.StatusBadRequest, failure{"bad_request", bad.text})
			return
		}
		if err != nil {
			status, f := classify(err)
			if status == http.StatusInternalServerError {
				log.Error("staff request failed", "error", err)
			} else {
				log.Info("staff request refused", "code", f.Code)
			}
			fail(w, status, f)
			return
		}
		log.Info("staff request")
		if raw, ok := answer.([]byte); ok {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
			_, _ = w.Write(raw)
			return
		}
		reply(w, http.StatusOK, answer)
	})
}

// protect turns a panic into an error without the panic's value, which could
// hold words of a report.
func protect(f func() (any, error)) (answer any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic of type %T\n%s", v, debug.Stack())
		}
	}()
	return f()
}

// loggable returns ref where it is one: a path is text of the caller.
func loggable(ref string) string {
	r, err := triage.ParseRef(ref)
	if err != nil {
		return ""
	}
	return string(r)
}

func (s *Server) cases(r *http.Request, by triage.Actor) (any, error) {
	f := Filter{All: r.FormValue("all") == "true", Limit: MaxCases}
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, badRequest{"limit is not a positive number"}
		}
		f.Limit = min(n, MaxCases)
	}
	list, err := s.backend.Cases(r.Context(), by, f)
	if list.Cases == nil {
		list.Cases = []Summary{}
	}
	if by.Kind != triage.Staff {
		for i := range list.Cases {
			list.Cases[i].From = ""
		}
	}
	return list, err
}

func (s *Server) view(r *http.Request, by triage.Actor) (any, error) {
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	return s.backend.Case(r.Context(), by, ref)
}

func (s *Server) raw(r *http.Request, by triage.Actor) (any, error) {
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	item, err := strconv.Atoi(r.PathValue("item"))
	if err != nil || item < 0 {
		return nil, badRequest{"the number of the mail is not a number"}
	}
	return s.backend.Raw(r.Context(), by, ref, item)
}

func (s *Server) act(r *http.Request, by triage.Actor) (any, error) {
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	var action triage.Action
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err = d.Decode(&action)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, badRequest{"the request is too large"}
	}
	if err != nil || d.Decode(new(any)) != io.EOF {
		return nil, badRequest{"the body is not one action"}
	}
	return s.backend.Act(r.Context(), by, ref, action)
}

func (s *Server) status(r *http.Request, by triage.Actor) (any, error) {
	return s.backend.Status(r.Context(), by)
}

func refOf(r *http.Request) (triage.Ref, error) {
	ref, err := triage.ParseRef(r.PathValue("ref"))
	if err != nil {
		return "", ErrNoCase
	}
	return ref, nil
}

func fail(w http.ResponseWriter, status int, f failure) {
	reply(w, status, map[string]failure{"error": f})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The only error is a caller who has gone.
	_ = json.NewEncoder(w).Encode(v)
}
