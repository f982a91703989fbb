package server

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/phyllodb/phyllo/ingest/httpapi"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var errNotReady = pgerr.New(pgerr.CannotConnectNow, "the server is starting or stopping")

// startHTTP serves health, metrics and ingest.
func (s *Server) startHTTP(tlsConfig *tls.Config) {
	if s.httpListener == nil {
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.authenticated(promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{})))
	mux.Handle("/api/v1/ingest/", s.authenticated(httpapi.Handler(httpapi.Options{
		Target: loads{s}, MaxBodyBytes: int64(s.config.Limits.RequestMiB) << 20, MaxRowBytes: s.config.messageBytes(), Logger: s.log,
	})))
	// Profiles show what the server is doing; like everything here they are for
	// those who may ask.
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/profile": pprof.Profile, "/debug/pprof/trace": pprof.Trace, "/debug/pprof/symbol": pprof.Symbol,
	} {
		mux.Handle("GET "+path, s.authenticated(h))
	}
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, TLSConfig: tlsConfig}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		var err error
		if tlsConfig != nil {
			err = s.http.ServeTLS(s.httpListener, "", "")
		} else {
			err = s.http.Serve(s.httpListener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("http: %w", err)
		}
	}()
}

// authenticated asks for the configured user by HTTP Basic.
func (s *Server) authenticated(h http.Handler) http.Handler {
	if s.config.User == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		good := subtle.ConstantTimeCompare([]byte(user), []byte(s.config.User)) & subtle.ConstantTimeCompare([]byte(password), []byte(s.config.Password))
		if !ok || good != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="phyllo"`)
			http.Error(w, "user and password are needed", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// readyz is 200 once recovery is done and queries are answered.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if !s.ready.Load() {
		reason := "recovering or stopping"
		if why := s.waiting.Load(); why != nil {
			reason += ": " + *why
		}
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	if err := s.sql.Ping(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}
