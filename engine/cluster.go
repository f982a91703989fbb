package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// ClusterOptions make a database one of several nodes on a store that they
// share. The zero value of each field is its default.
type ClusterOptions struct {
	// Lease is how long a node that is not heard of counts as alive: whole
	// seconds, at least 2. Default 10 s.
	Lease time.Duration
	// Poll is how often the logs of other nodes are read. Default 100 ms.
	Poll time.Duration
	// Staleness is how old what a statement sees of other nodes may be. Default a
	// second.
	Staleness time.Duration
	// Insist is how long a commit whose outcome is unknown is tried again before
	// its client hears so. Default 10 s.
	Insist time.Duration
	// Journal, if not nil, is where logs lie on this node's own disk: what earlier
	// processes acknowledged there is forwarded to the shared store when the
	// database is opened. The caller closes it, after the database.
	Journal store.Logs
	// CommitToJournal has transactions durable in the journal when they are
	// acknowledged, but those that others must know of at once. Others see them
	// when they were forwarded, after at most Forward or when one asks for the latest.
	CommitToJournal bool
	// Forward is how often what is in the journal is forwarded. Default 500 ms.
	Forward time.Duration
	// Predecessor is the source of an earlier process of this node that has ended
	// for certain: its lease need not run out first.
	Predecessor string
	// Began, if not nil, hears of each source of this node before it is used, to
	// give the last one to the next process as its Predecessor.
	Began func(source string) error
}

func (o ClusterOptions) validate() error {
	switch {
	case o.Lease != 0 && (o.Lease < 2*time.Second || o.Lease%time.Second != 0):
		return fmt.Errorf("engine: Cluster.Lease = %v: must be whole seconds, at least 2", o.Lease)
	case o.Poll < 0 || o.Staleness < 0 || o.Insist < 0 || o.Forward < 0:
		return fmt.Errorf("engine: Cluster: times must not be negative")
	case o.CommitToJournal && o.Journal == nil:
		return fmt.Errorf("engine: Cluster.CommitToJournal without a Journal")
	}
	return nil
}

func (o ClusterOptions) withDefaults() ClusterOptions {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&o.Lease, 10*time.Second)
	set(&o.Poll, 100*time.Millisecond)
	set(&o.Staleness, time.Second)
	set(&o.Insist, 10*time.Second)
	set(&o.Forward, 500*time.Millisecond)
	return o
}

// A cluster is what a node knows of the others, and does for them: it follows
// their source logs (follow.go), keeps its lease (members.go), takes over the
// logs of those that died (takeover.go), claims what only one node may do at a
// time (claims.go), and knows who has commits on its own disk (journals.go).
type cluster struct {
	db     *DB
	opt    ClusterOptions
	shared store.Shared

	follower *follower
	members  *members
	claims   *claims
	journals *journals
	asks     *asks
	journal  *journal // ours, set by Open; nil if commits go to the shared store

	// epoch is held for reading by what acts in the name of our source, for
	// writing while that changes.
	epoch sync.RWMutex
	fresh *commitlog.Source // whose log was begun, to go on with; guarded by epoch
	// taken says that our log was taken over and that the committer has not begun
	// a new one yet.
	taken atomic.Bool

	mu      sync.Mutex                // guards adopted
	adopted map[commitlog.Source]bool // logs of others that are ours to flush

	wake     chan struct{}   // of what takes over
	vouching chan struct{}   // wakes vouch
	running  context.Context // ends what start began; it is no call's
	cancel   func()
	over     sync.WaitGroup
}

func newCluster(db *DB, s store.Store) (*cluster, error) {
	shared, ok := s.(store.Shared)
	if !ok {
		return nil, pgerr.New(pgerr.ObjectNotInState, "the store cannot be shared by several nodes")
	}
	c := &cluster{db: db, opt: db.opt.Cluster.withDefaults(), shared: shared, adopted: map[commitlog.Source]bool{},
		wake: make(chan struct{}, 1), vouching: make(chan struct{}, 1)}
	c.running, c.cancel = context.WithCancel(context.Background())
	c.follower = newFollower(c)
	c.members = newMembers(c)
	c.claims = newClaims(c)
	c.journals = newJournals(c)
	c.asks = newAsks(c)
	return c, nil
}

// start has something go on in the background, until stop.
func (c *cluster) start(runs ...func(context.Context)) {
	for _, run := range runs {
		c.over.Add(1)
		go func() {
			defer c.over.Done()
			run(c.running)
		}()
	}
}

func (c *cluster) stop() {
	c.cancel()
	c.over.Wait()
}

// every calls f at intervals, or sooner when it is woken, until ctx ends.
func every(ctx context.Context, d time.Duration, wake <-chan struct{}, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-tick.C:
		}
		if ctx.Err() != nil {
			return
		}
		f()
	}
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// hold keeps our source as it is until the function that it returns is called.
func (db *DB) hold() (release func()) {
	if db.cluster == nil {
		return func() {}
	}
	db.cluster.epoch.RLock()
	return db.cluster.epoch.RUnlock
}

// begin notes a source before it is used.
func (c *cluster) begin(src commitlog.Source) error {
	if c.opt.Began == nil {
		return nil
	}
	return c.opt.Began(src.String())
}

// newSource makes a source for this node.
func (c *cluster) newSource() commitlog.Source {
	return commitlog.Source{Writer: c.db.opt.Writer, Epoch: newEpoch()}
}

// takenOver notes that another node has our log: what we have of our own rows may
// be in chunks as well by now. The committer begins anew.
func (c *cluster) takenOver() {
	c.taken.Store(true)
	poke(c.db.committer.wake)
}

// journal returns the journal to which transactions commit, nil if they commit to
// the source log.
func (db *DB) journal() *journal {
	if db.cluster == nil {
		return nil
	}
	return db.cluster.journal
}

// own returns our source: that of the log to which this node commits.
func (db *DB) own() commitlog.Source { return *db.source.Load() }

func sourceLog(src commitlog.Source) store.LogID {
	return store.LogID{Kind: store.SourceLog, Key: src.String()}
}
