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

// An answer is what one server said to a read of one row.
type answer struct {
	iter *gocql.Iter // nil: no row
	err  error       // why there is no answer; nil with no row: the server has none
}

func (a *answer) failed() bool { return a.iter == nil && a.err != nil }

func (a *answer) close() {
	if a.iter != nil {
		_ = a.iter.Close() // nobody wants it
	}
}

func (s *Store) ask(ctx context.Context, r read) answer {
	iter := s.prepareRead(r).IterContext(ctx)
	if iter.NumRows() > 0 {
		return answer{iter: iter}
	}
	return answer{err: iter.Close()}
}

// hedged reads the first row into dest; gocql.ErrNotFound if there is none.
func (s *Store) hedged(ctx context.Context, r read, dest []any) error {
	h := &hedge{asked: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, hedgeKey{}, h))
	defer cancel() // ends the slower one
	first, stopFirst := context.WithCancel(ctx)
	defer stopFirst()
	answers := make(chan answer)
	done := make(chan struct{})
	defer close(done)
	timer := time.AfterFunc(s.opts.SpeculativeDelay, func() {
		s.metrics.hedges.Inc()
		a := s.ask(ctx, r)
		if !a.failed() {
			stopFirst()
		}
		select {
		case answers <- a:
		case <-done:
			a.close()
		}
	})
	a := s.ask(first, r)
	if second := !timer.Stop(); second && a.failed() {
		if b := <-answers; !b.failed() || errors.Is(a.err, gocql.ErrNoConnections) || first.Err() != nil && ctx.Err() == nil {
			a = b
		}
	}
	switch {
	case a.failed():
		return a.err
	case a.iter == nil:
		return gocql.ErrNotFound
	}
	a.iter.Scan(dest...)
	return a.iter.Close()
}
