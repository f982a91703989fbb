package cassandra

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/engine/blobcache"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Store is a node's way to a keyspace of a cluster. It is safe for concurrent use.
type Store struct {
	opts    Options
	dc      string
	levels  levels
	session *gocql.Session
	text    *statements
	metrics *metrics
	clock   clock
	cache   *blobcache.Cache[blobKey]
	reads   *limiter // of blob parts
	writes  *limiter // of parts of blobs, entries and checkpoints

	mu     sync.Mutex // guards the following
	closed bool
	busy   sync.WaitGroup // calls under way; Add under mu and not closed
	logs   map[store.LogID]*log

	buckets buckets
	periods periods
}

var _ store.Shared = (*Store)(nil)

// Open connects to a cluster and checks that the keyspace has the tables that
// this program works with. Errors say what is wrong (errors.go) and whether it
// may work later (Retryable); after it the store finds servers again by itself.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	l, err := opts.levels()
	if err != nil {
		return nil, err
	}
	contact, dc, _, err := opts.locate(ctx)
	if err != nil {
		return nil, err
	}
	defer contact.Close()
	if err := checkSchema(ctx, contact, opts); err != nil {
		return nil, err
	}
	session, err := opts.connect(ctx, dc)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: opts, dc: dc, levels: l, session: session, text: newStatements(opts.Keyspace),
		cache:  blobcache.New[blobKey](opts.CacheBytes),
		reads:  newLimiter(opts.InFlightRequests, opts.InFlightBytes),
		writes: newLimiter(opts.InFlightRequests, opts.InFlightBytes),
		logs:   map[store.LogID]*log{}}
	if s.metrics, err = newMetrics(opts.Registerer, s.cache.Counters()); err != nil {
		session.Close()
		return nil, fmt.Errorf("cassandra: metrics: %w", err)
	}
	opts.Logger.Info("connected to Cassandra", slog.String("keyspace", opts.Keyspace), slog.String("data_centre", dc), slog.Int("nodes", len(session.GetHosts())))
	return s, nil
}

// DataCentre returns the data centre that the store works with.
func (s *Store) DataCentre() string { return s.dc }

// Close waits for the calls under way, refuses later ones and disconnects.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.busy.Wait()
	s.session.Close()
	s.metrics.unregister()
	return nil
}

// enter begins a call; each is ended by s.busy.Done.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.busy.Add(1)
	return nil
}

// readLevel returns the level of a read that need not see what is being written.
func (s *Store) readLevel(ctx context.Context) (gocql.Consistency, error) {
	name := store.ReadConsistency(ctx)
	if name == "" {
		return s.levels.read, nil
	}
	level, err := parseLevel(name)
	if err != nil {
		return 0, pgerr.New(pgerr.InvalidParameterValue, "%v", err)
	}
	return level, nil
}

// maxKeyBytes bounds the keys of logs and partitions; Cassandra's own bound on a
// partition's key is 64 KiB.
const maxKeyBytes = 60 << 10

func checkKey(key string) error {
	if len(key) > maxKeyBytes {
		return pgerr.New(pgerr.ProgramLimitExceeded, "a key of %d bytes is too long for Cassandra: the most is %d", len(key), maxKeyBytes)
	}
	return nil
}
