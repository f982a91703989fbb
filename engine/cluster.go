package engine

import (
	"context"
	"fmt"
	"sync"
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

	dropped endedSources // logs that were taken over, folded and dropped

	// epoch is held for reading by what acts in the name of our source, for
	// writing while that changes.
	epoch sync.RWMutex

	cancel func()
	over   sync.WaitGroup
}

func newCluster(db *DB, s store.Store) (*cluster, error) {
	shared, ok := s.(store.Shared)
	if !ok {
		return nil, pgerr.New(pgerr.ObjectNotInState, "the store cannot be shared by several nodes")
	}
	c := &cluster{db: db, opt: db.opt.Cluster.withDefaults(), shared: shared}
	c.follower = newFollower(c)
	c.members = newMembers(c)
	c.claims = newClaims(c)
	return c, nil
}

// start runs what goes on in the background, until stop.
func (c *cluster) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for _, run := range []func(context.Context){c.follower.run, c.members.run} {
		c.over.Add(1)
		go func() {
			defer c.over.Done()
			run(ctx)
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

// own returns our source: that of the log to which this node commits.
func (db *DB) own() commitlog.Source { return *db.source.Load() }

func sourceLog(src commitlog.Source) store.LogID {
	return store.LogID{Kind: store.SourceLog, Key: src.String()}
}
