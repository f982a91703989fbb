package cassandra

import (
	"context"
	"errors"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// A hedge is a read that is sent to a second server if the first is slow: the
// first answer counts. (The driver's own speculative execution takes the first
// error as well, also that there is no second server.)
type hedge struct {
	mu    sync.Mutex // guards asked
	asked map[string]bool
}

type hedgeKey struct{}

// admit tells whether a server may be asked: none is asked twice.
func (h *hedge) admit(host *gocql.HostInfo) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := host.HostID()
	if h.asked[id] {
		return false
	}
	h.asked[id] = true
	return true
}

// hostPolicy chooses servers: those near that have the partition, then others
// near, then others; for a hedge none that was asked already.
type hostPolicy struct{ gocql.HostSelectionPolicy }

func newHostPolicy(dc string) hostPolicy {
	return hostPolicy{gocql.TokenAwareHostPolicy(gocql.DCAwareRoundRobinPolicy(dc), gocql.ShuffleReplicas())}
}

// AddHosts passes on what the driver asks for by a type assertion.
func (p hostPolicy) AddHosts(hosts []*gocql.HostInfo) {
	if bulk, ok := p.HostSelectionPolicy.(interface{ AddHosts([]*gocql.HostInfo) }); ok {
		bulk.AddHosts(hosts)
		return
	}
	for _, host := range hosts {
		p.AddHost(host)
	}
}

// Pick implements gocql.HostSelectionPolicy.
func (p hostPolicy) Pick(q gocql.ExecutableStatement) gocql.NextHost {
	next := p.HostSelectionPolicy.Pick(q)
	statement, ok := q.(interface{ Context() context.Context })
	if !ok {
		return next
	}
	h, ok := statement.Context().Value(hedgeKey{}).(*hedge)
	if !ok {
		return next
	}
	return func() gocql.SelectedHost {
		for host := next(); host != nil; host = next() {
			if h.admit(host.Info()) {
				return host
			}
		}
		return nil
	}
}

// hedged reads the first row into dest; gocql.ErrNotFound if there is none.
func (s *Store) hedged(ctx context.Context, r read, dest []any) error {
	h := &hedge{asked: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, hedgeKey{}, h))
	defer cancel() // ends the slower one
	answers := make(chan *gocql.Iter)
	done := make(chan struct{})
	defer close(done)
	ask := func() {
		iter := s.prepareRead(r).IterContext(ctx)
		select {
		case answers <- iter:
		case <-done:
			iter.Close()
		}
	}
	go ask()
	asked := 1
	timer := time.NewTimer(s.opts.SpeculativeDelay)
	defer timer.Stop()
	var failure error
	for {
		select {
		case <-timer.C:
			go ask()
			asked++
			s.metrics.hedges.Inc()
		case iter := <-answers:
			if iter.NumRows() > 0 {
				iter.Scan(dest...)
				return iter.Close()
			}
			err := iter.Close()
			if err == nil {
				return gocql.ErrNotFound
			}
			if failure == nil || errors.Is(failure, gocql.ErrNoConnections) {
				failure = err
			}
			if asked--; asked == 0 {
				return failure
			}
		}
	}
}
