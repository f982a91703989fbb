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
	// LocalLog says that this node's source logs are not in the shared store: other
	// nodes see its rows when they have been flushed, and cannot take them over.
	LocalLog bool
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
	case o.Poll < 0 || o.Staleness < 0 || o.Insist < 0:
		return fmt.Errorf("engine: Cluster: times must not be negative")
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
	return o
}

// A cluster is what a node knows of the others, and does for them: it follows
// their source logs (follow.go), keeps its lease (members.go), takes over the
// logs of those that died (takeover.go), and claims what only one node may do at
// a time (claims.go).
type cluster struct {
	db     *DB
	opt    ClusterOptions
	shared store.Shared

	follower *follower
	members  *members
	claims   *claims

	// epoch is held for reading by what acts in the name of our source, for
	// writing while that changes.
	epoch sync.RWMutex
	fresh *commitlog.Source // whose log was begun, to go on with; guarded by epoch
	// taken says that our log was taken over and that the committer has not begun
	// a new one yet.
	taken atomic.Bool

	mu      sync.Mutex                // guards adopted
	adopted map[commitlog.Source]bool // logs of others that are ours to flush

	wake    chan struct{}   // of what takes over
	running context.Context // ends what start began; it is no call's
	cancel  func()
	over    sync.WaitGroup
}

func newCluster(db *DB, s store.Store) (*cluster, error) {
	shared, ok := s.(store.Shared)
	if !ok {
		return nil, pgerr.New(pgerr.ObjectNotInState, "the store cannot be shared by several nodes")
	}
	c := &cluster{db: db, opt: db.opt.Cluster.withDefaults(), shared: shared, adopted: map[commitlog.Source]bool{}, wake: make(chan struct{}, 1)}
	c.running, c.cancel = context.WithCancel(context.Background())
	c.follower = newFollower(c)
	c.members = newMembers(c)
	c.claims = newClaims(c)
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

// newSource makes a source for this node. If its log is to be where others cannot
// see it, ClusterOptions.LocalLog, the epoch is odd.
func (c *cluster) newSource() commitlog.Source {
	src := commitlog.Source{Writer: c.db.opt.Writer, Epoch: newEpoch() &^ 1}
	if c.opt.LocalLog {
		src.Epoch |= 1
	}
	return src
}

// elsewhere says whether a source's log may be on another node's disk: that it is
// not there then means nothing.
func elsewhere(src commitlog.Source) bool { return src.Epoch&1 != 0 }

// takenOver notes that another node has our log: what we have of our own rows may
// be in chunks as well by now. The committer begins anew.
func (c *cluster) takenOver() {
	c.taken.Store(true)
	poke(c.db.committer.wake)
}

// own returns our source: that of the log to which this node commits.
func (db *DB) own() commitlog.Source { return *db.source.Load() }

func sourceLog(src commitlog.Source) store.LogID {
	return store.LogID{Kind: store.SourceLog, Key: src.String()}
}
