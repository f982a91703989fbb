package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/vfs"
	"github.com/phyllodb/phyllo/query"
	"github.com/phyllodb/phyllo/sqlwire"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// drainTimeout is how long a stopping server waits for transactions to end.
const drainTimeout = 20 * time.Second

// A Server is a running phyllo server.
type Server struct {
	config   Config
	log      *slog.Logger
	store    store.Store
	identity *identity    // of a node of a cluster
	journal  *local.Store // its log on this machine; nil if there is none
	db       *engine.DB
	sql      *query.Engine
	wire     *sqlwire.Server
	http     *http.Server
	metrics  *prometheus.Registry

	pgListener   net.Listener
	httpListener net.Listener
	ready        atomic.Bool
	waiting      atomic.Pointer[string] // for the cluster, and why
	wg           sync.WaitGroup
	failed       chan error // of a listener
}

// Run serves until ctx ends, then drains and stops.
func Run(ctx context.Context, c Config, log *slog.Logger) error {
	s, err := Start(ctx, c, log)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-s.failed:
	}
	stop, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	return errors.Join(err, s.Stop(stop))
}

// Start opens the store, recovers and serves. Listeners are bound first, so that
// a port in use is told before anything is changed.
func Start(ctx context.Context, c Config, log *slog.Logger) (_ *Server, err error) {
	s := &Server{config: c, log: log, metrics: prometheus.NewRegistry(), failed: make(chan error, 1)}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer func() {
		if err != nil {
			s.abandon()
		}
	}()
	if err := s.listen(); err != nil {
		return nil, err
	}
	tlsConfig, err := c.tls()
	if err != nil {
		return nil, err
	}
	// Health is answered while recovery runs; readiness comes after it.
	s.startHTTP(tlsConfig)
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.startSQL(tlsConfig); err != nil {
		return nil, err
	}
	s.ready.Store(true)
	log.Debug("kernels", slog.String("codec", codec.KernelsName()))
	log.Info("ready", slog.String("data", c.Data), slog.String("pg", s.PGAddr()), slog.String("http", s.HTTPAddr()))
	return s, nil
}

func (s *Server) listen() error {
	var err error
	if s.config.PG != "" {
		if s.pgListener, err = net.Listen("tcp", s.config.PG); err != nil {
			return fmt.Errorf("pg = %s: %w", s.config.PG, err)
		}
	}
	if s.config.HTTP != "" {
		if s.httpListener, err = net.Listen("tcp", s.config.HTTP); err != nil {
			return fmt.Errorf("http = %s: %w", s.config.HTTP, err)
		}
	}
	return nil
}

func (c Config) tls() (*tls.Config, error) {
	if c.TLS.Cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert, tls.key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// open opens the store and the two engines.
func (s *Server) open(ctx context.Context) error {
	opt := engine.Options{
		Writer: "local", BufferBytes: int64(s.config.Memory.BuffersMiB) << 20, SealAge: s.config.Seal.Age,
		ManifestBytes: int64(s.config.Memory.ManifestMiB) << 20, CompactionBytes: int64(s.config.Memory.CompactionMiB) << 20,
		CompactionRate: int64(s.config.Compaction.RateMiB) << 20, CompactionPaused: s.config.Compaction.Paused,
		Logger: s.log, Registerer: s.metrics, Router: router,
	}
	if opt.CompactionRate == 0 {
		opt.CompactionRate = -1
	}
	var err error
	if s.config.Clustered() {
		if s.identity, err = openIdentity(s.config.Data, s.config.Node); err != nil {
			return err
		}
		opt.Writer = s.config.Node
		opt.Cluster = &engine.ClusterOptions{Predecessor: s.identity.previous, Began: s.identity.began}
		if err := s.openJournal(opt.Cluster); err != nil {
			return err
		}
		err = s.openCluster(ctx, opt)
	} else {
		err = s.openLocal(ctx, opt)
	}
	if err != nil {
		return err
	}
	s.sql = query.NewEngine(query.Options{
		Storage: storage{s.db}, MaxRowBytes: s.config.messageBytes(), MemoryBytes: int64(s.config.Memory.QueriesMiB) << 20, TempBytes: int64(s.config.Limits.TempMiB) << 20, Logger: s.log, Node: opt.Writer,
		Settings: map[string]string{"TimeZone": s.config.TimeZone, "max_connections": fmt.Sprint(s.config.MaxConnections)},
	})
	if err := s.sql.DropTemporaries(ctx); err != nil {
		s.log.Warn("temporary tables of earlier sessions could not be dropped", slog.Any("error", err))
	}
	return nil
}

func (s *Server) openLocal(ctx context.Context, opt engine.Options) error {
	st, err := local.Open(local.Options{FS: vfs.OS{}, Dir: s.config.Data, CacheBytes: int64(s.config.Memory.CacheMiB) << 20, Logger: s.log})
	if err != nil {
		return err
	}
	s.store = st
	s.metrics.MustRegister(st.Cache().Collectors()...)
	s.db, err = engine.Open(ctx, st, opt)
	return err
}

// openCluster opens the store in Cassandra. While no server answers it tries
// again: nodes may start before the cluster does.
func (s *Server) openCluster(ctx context.Context, opt engine.Options) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.tryCluster(ctx, opt)
		if err == nil || !cassandra.Retryable(err) {
			return err
		}
		text := err.Error()
		s.waiting.Store(&text)
		s.log.Warn("the cluster cannot be used yet", slog.String("error", text), slog.Duration("next_try_in", pause))
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

func (s *Server) tryCluster(ctx context.Context, opt engine.Options) error {
	shared, err := cassandra.Open(ctx, s.config.CassandraOptions(s.log, s.metrics))
	if err != nil {
		return err
	}
	s.sayConcerns(ctx, shared)
	if s.db, err = engine.Open(ctx, shared, opt); err != nil {
		return errors.Join(err, shared.Close())
	}
	s.store = shared
	return nil
}

// openJournal opens the journal on this machine's disk, if commits go to it, or if
// it is there from when they did.
func (s *Server) openJournal(opt *engine.ClusterOptions) error {
	opt.CommitToJournal = s.config.Durability == "local"
	dir := s.identity.wal()
	if _, err := os.Stat(dir); !opt.CommitToJournal && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	j, err := local.Open(local.Options{FS: vfs.OS{}, Dir: dir, CacheBytes: -1, Logger: s.log})
	if err != nil {
		return err
	}
	s.journal, opt.Journal = j, j
	return nil
}

const (
	firstPause   = time.Second
	longestPause = 15 * time.Second
)

func (s *Server) startSQL(tlsConfig *tls.Config) error {
	if s.pgListener == nil {
		return nil
	}
	opt := sqlwire.Options{Engine: s.sql, TLS: tlsConfig, MaxConnections: s.config.MaxConnections,
		MaxMessageBytes: s.config.messageBytes(), Logger: s.log, Registerer: s.metrics}
	if s.config.User != "" {
		cred, err := sqlwire.NewCredentials(s.config.Password)
		if err != nil {
			return err
		}
		opt.Users = map[string]sqlwire.Credentials{s.config.User: cred}
		host, _, _ := net.SplitHostPort(s.config.PG)
		opt.RequireTLS = !loopback(host)
	}
	s.wire = sqlwire.NewServer(opt)
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.wire.Serve(s.pgListener)
	}()
	return nil
}

// PGAddr and HTTPAddr are the addresses that are listened on, empty if none.
func (s *Server) PGAddr() string   { return addr(s.pgListener) }
func (s *Server) HTTPAddr() string { return addr(s.httpListener) }

func addr(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// Stop drains: no new work is taken, what runs may end until ctx is done, and
// all that was acknowledged is on disk.
func (s *Server) Stop(ctx context.Context) error {
	s.ready.Store(false)
	if s.pgListener != nil {
		s.pgListener.Close()
	}
	if s.wire != nil {
		s.wire.Shutdown(ctx)
	}
	var errs []error
	if s.http != nil {
		if err := s.http.Shutdown(ctx); err != nil {
			errs = append(errs, s.http.Close())
		}
	}
	s.wg.Wait()
	errs = append(errs, s.closeStorage())
	return errors.Join(errs...)
}

func (s *Server) closeStorage() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	if s.identity != nil {
		errs = append(errs, s.identity.close())
	}
	return errors.Join(errs...)
}

// abandon undoes a start that failed.
func (s *Server) abandon() {
	if s.http != nil {
		s.http.Close()
	}
	for _, l := range []net.Listener{s.pgListener, s.httpListener} {
		if l != nil {
			l.Close()
		}
	}
	s.wg.Wait()
	s.closeStorage()
}
