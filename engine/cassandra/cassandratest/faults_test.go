package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/prometheus/client_golang/prometheus"
)

var commits = store.LogID{Kind: store.CommitLog, Key: "16384/\x00\x07"}

// TestAppendsUnderFaults has 2, 4 and 8 nodes append to one log while answers
// and requests of conditional appends are lost, come late, or connections
// break. Each acknowledged entry must be in the log once, all nodes must see
// one order, and what was not acknowledged must be there at most once.
func TestAppendsUnderFaults(t *testing.T) {
	for _, percent := range []int{0, 30} {
		for _, writers := range []int{2, 4, 8} {
			t.Run(fmt.Sprintf("faults=%d%%/writers=%d", percent, writers), func(t *testing.T) {
				seed := storetest.Seeds()[len(storetest.Seeds())-1]
				t.Logf("seed %d (-storetest.seed)", seed)
				appendUnderFaults(t, seed, percent, writers)
			})
		}
	}
}

// faultTimeout is a client's patience: requests that are late come after it.
const faultTimeout = 400 * time.Millisecond

func appendUnderFaults(t *testing.T, seed uint64, percent, writers int) {
	each := 25
	if testing.Short() && writers > 2 {
		each = 16
	}
	opts := emptyKeyspace(t)
	p := newProxy(t, opts.Hosts[0], 3*faultTimeout/2, randomFaults(seed, percent))
	opts.Dial, opts.RequestTimeout, opts.ConnectTimeout = p.dial, faultTimeout, 5*time.Second
	opts.Limits = cassandra.Limits{LogEntries: 7, LogBytes: 3000, InlineBytes: 200, PartBytes: 128}
	reg := prometheus.NewRegistry()
	logs := make([]*writer, writers)
	for i := range logs {
		if opts.Registerer = nil; i == 0 {
			opts.Registerer = reg
		}
		logs[i] = &writer{t: t, node: i, s: open(t, opts), rng: rand.New(rand.NewPCG(seed, uint64(i)))}
		defer logs[i].s.Close()
	}
	start := time.Now()
	var wg sync.WaitGroup
	for _, w := range logs {
		wg.Go(func() { w.run(each) })
	}
	wg.Wait()
	took := time.Since(start)
	if t.Failed() {
		return
	}
	clean := emptyHanded(t, opts)
	defer clean.Close()
	final, err := storetest.Collect(t.Context(), clean, commits, 1)
	if err != nil {
		t.Fatal(err)
	}
	check(t, final, logs)
	acked := 0
	for _, w := range logs {
		acked += len(w.acked)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Logf("%d writers: %d acknowledged, %d entries, %v: %.0f appends/s; conditional writes: %v",
		writers, acked, len(final), took.Round(time.Millisecond), float64(acked)/took.Seconds(), p.counts)
	if percent > 0 {
		for _, f := range []fault{loseAnswer, loseAsk, late, cut} {
			if p.counts[f] == 0 {
				t.Errorf("seed %d: no append suffered %v", seed, f)
			}
		}
		if doubts := counter(t, reg, "phyllo_cassandra_append_doubts_total"); doubts == 0 {
			t.Error("no append of the first writer was in doubt")
		}
	}
}

// emptyHanded opens a store that remembers nothing and meets no faults.
func emptyHanded(t *testing.T, opts cassandra.Options) *cassandra.Store {
	opts.Dial, opts.RequestTimeout, opts.Registerer = nil, 0, nil
	return open(t, opts)
}

func counter(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// writer is one node that appends to a log and follows it.
type writer struct {
	t    *testing.T
	node int
	s    *cassandra.Store
	rng  *rand.Rand

	saw     []string // the log as it was read, from entry 1
	acked   []string
	unknown []string
}

func (w *writer) run(each int) {
	for n := 0; n < each && !w.t.Failed(); n++ {
		data := fmt.Sprintf("%d-%d-%0*d", w.node, n, w.rng.IntN(600), 0) // some are large
		for !w.t.Failed() {
			err := w.s.Append(w.t.Context(), commits, uint64(len(w.saw)+1), []byte(data))
			if err == nil {
				w.acked = append(w.acked, data)
				break
			}
			if pgerr.Code(err) == pgerr.OutcomeUnknown {
				w.unknown = append(w.unknown, data)
				break
			}
			if !errors.Is(err, store.ErrConflict) && !cassandra.Retryable(err) {
				w.t.Errorf("writer %d: append: %v", w.node, err)
				return
			}
			w.follow()
		}
		w.follow()
	}
}

// follow reads on, through faults that are not of the log.
func (w *writer) follow() {
	for e, err := range w.s.Read(w.t.Context(), commits, uint64(len(w.saw)+1)) {
		if err != nil {
			if !cassandra.Retryable(err) {
				w.t.Errorf("writer %d: read: %v", w.node, err)
			}
			return
		}
		if e.Seq != uint64(len(w.saw)+1) {
			w.t.Errorf("writer %d: entry %d after %d", w.node, e.Seq, len(w.saw))
			return
		}
		w.saw = append(w.saw, string(e.Data))
	}
}

func check(t *testing.T, final []string, writers []*writer) {
	t.Helper()
	count := map[string]int{}
	for _, data := range final {
		if count[data]++; count[data] > 1 {
			t.Errorf("%q is in the log twice", data)
		}
	}
	known := 0
	for _, w := range writers {
		if !slices.Equal(w.saw, final[:len(w.saw)]) {
			t.Errorf("writer %d saw another order", w.node)
		}
		for _, data := range w.acked {
			if count[data] != 1 {
				t.Errorf("%q was acknowledged and is in the log %d times", data, count[data])
			}
		}
		known += len(w.acked) + len(w.unknown)
	}
	if len(final) > known {
		t.Errorf("%d entries, %d were acknowledged or in doubt", len(final), known)
	}
}

// TestOutcomeStaysUnknown has every request of an append lost: the error must
// say that the outcome is unknown, and the log must go on afterwards.
func TestOutcomeStaysUnknown(t *testing.T) {
	opts := emptyKeyspace(t)
	var what atomic.Int32
	p := newProxy(t, opts.Hosts[0], time.Millisecond, func() fault { return fault(what.Load()) })
	opts.Dial, opts.RequestTimeout, opts.AppendTimeout = p.dial, faultTimeout, 2*time.Second
	s := open(t, opts)
	defer s.Close()
	if err := s.Append(t.Context(), commits, 1, []byte("one")); err != nil {
		t.Fatal(err)
	}
	what.Store(int32(loseAsk))
	err := s.Append(t.Context(), commits, 2, []byte("lost"))
	if pgerr.Code(err) != pgerr.OutcomeUnknown || errors.Is(err, store.ErrConflict) {
		t.Fatalf("append of which nothing is heard: %v (%s)", err, pgerr.Code(err))
	}
	what.Store(int32(loseAnswer))
	ctx, cancel := context.WithTimeout(t.Context(), faultTimeout/2)
	defer cancel()
	if err := s.Append(ctx, commits, 2, []byte("two")); pgerr.Code(err) != pgerr.OutcomeUnknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("append with a deadline: %v", err)
	}
	what.Store(int32(pass))
	if err := s.Append(t.Context(), commits, 2, []byte("another")); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("append after one that was done in silence: %v, want ErrConflict", err)
	}
	if got, err := storetest.Collect(t.Context(), s, commits, 1); err != nil || !slices.Equal(got, []string{"one", "two"}) {
		t.Fatalf("log: %q, %v", got, err)
	}
}

// TestRecoversConnections breaks all connections, for a while also for new
// ones: calls fail with an error that says that they may work later, and do.
func TestRecoversConnections(t *testing.T) {
	opts := emptyKeyspace(t)
	p := newProxy(t, opts.Hosts[0], 0, func() fault { return pass })
	opts.Dial = p.dial
	s := open(t, opts)
	defer s.Close()
	if err := s.Append(t.Context(), commits, 1, []byte("one")); err != nil {
		t.Fatal(err)
	}
	p.cutAll(true)
	for failures := 0; failures < 3; {
		_, err := s.Head(t.Context(), commits)
		if err == nil {
			continue // on its way when the connection broke
		}
		if !cassandra.Retryable(err) {
			t.Fatalf("head without a server: %v (%s)", err, pgerr.Code(err))
		}
		failures++
	}
	p.up()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		head, err := s.Head(ctx, commits)
		if err == nil && head == 1 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("no connection after 30 s: %v", err)
		}
	}
	if err := s.Append(t.Context(), commits, 2, []byte("two")); err != nil {
		t.Fatal(err)
	}
}
