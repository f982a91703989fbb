// Package sqlwire serves SQL sessions over the PostgreSQL wire protocol, version
// 3.0 (PostgreSQL documentation, chapter "Frontend/Backend Protocol").
//
// One goroutine owns a connection: it reads messages, runs them in the
// connection's query.Session and writes the answers. Files: server (listening
// and shutting down), startup and packet (the start-up exchange), scram, conn
// (the message loop), lifetime (draining, timeouts, the goodbye), watch (clients that hang up), extended
// (Parse to Sync), client (what a session answers), copy, rows (data rows
// straight from Arrow arrays), errors, metrics.
package sqlwire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query"
	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a Server; the zero value of each field means its default.
type Options struct {
	// Engine opens the sessions. Required.
	Engine *query.Engine
	// TLS is the certificate to offer; nil refuses SSLRequests politely.
	TLS *tls.Config
	// RequireTLS refuses clients that do not ask for TLS.
	RequireTLS bool
	// Users maps user names to SCRAM-SHA-256 credentials. Empty: anybody is
	// let in without a password, which only a loopback listener should do.
	Users map[string]Credentials
	// MaxConnections bounds the connections served at once. Default 200.
	MaxConnections int
	// MaxMessageBytes bounds a message's body (a row of COPY may span
	// messages). Default 64 MiB, at most 1 GiB - 1.
	MaxMessageBytes int
	// StartupTimeout bounds the time until a client is authenticated. Default 60 s.
	StartupTimeout time.Duration
	Logger         *slog.Logger
	// Registerer takes the metrics; nil: they are not published.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() Options {
	if o.MaxConnections == 0 {
		o.MaxConnections = 200
	}
	if o.MaxMessageBytes == 0 {
		o.MaxMessageBytes = 64 << 20
	}
	if o.StartupTimeout == 0 {
		o.StartupTimeout = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// spareConnections is how many connections beyond MaxConnections may be in their
// start-up: they are told why they are refused, and cancel requests get through.
const spareConnections = 64

// A Server serves the connections of its listeners. It is safe for concurrent use.
type Server struct {
	opt     Options
	metrics metrics

	mu     sync.Mutex // guards conns, closed
	conns  map[*conn]struct{}
	closed bool
	wg     sync.WaitGroup // running connections
}

// NewServer returns a server that serves nothing yet.
func NewServer(opt Options) *Server {
	opt = opt.withDefaults()
	return &Server{opt: opt, metrics: newMetrics(opt.Registerer), conns: map[*conn]struct{}{}}
}

// Serve accepts connections until the listener is closed.
func (s *Server) Serve(l net.Listener) {
	var pause time.Duration
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			s.start(nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of file descriptors, most likely: it passes when clients leave.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.opt.Logger.Warn("accept failed", slog.String("error", err.Error()), slog.Duration("retry_in", pause))
		time.Sleep(pause)
	}
}

func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.opt.MaxConnections+spareConnections {
		s.metrics.refused.Inc()
		nc.Close()
		return
	}
	c.full = len(s.conns) >= s.opt.MaxConnections
	s.conns[c] = struct{}{}
	s.metrics.connections.Inc()
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		c.serve()
		s.metrics.connections.Dec()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

var errShutdown = pgerr.New(pgerr.AdminShutdown, "terminating connection due to administrator command")

// Shutdown ends idle connections at once and busy ones when their transaction
// is over, or when ctx is done; it returns when all have ended. The caller
// closes the listeners first.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.drain()
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		for _, c := range conns {
			c.terminate(errShutdown)
		}
		<-done
	}
}
