package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// A load is steady ingest and steady queries on all nodes.
type load struct {
	t      *testing.T
	ledger *ledger
	nodes  []*node
	since  int64 // the first batch that readers look at

	// acked are batches that were acknowledged, by the node that is to be asked
	// for them.
	acked map[*node][]chan *batch

	mu      sync.Mutex     // guards the fields below
	tally   map[string]int // what readers did, and errors that were excused
	slowest map[string]time.Duration
}

// begin starts the load; the function that it returns ends it.
func begin(t *testing.T, l *ledger, nodes []*node, rng *rand.Rand) (_ *load, end func()) {
	visible := visibleWithin
	for _, n := range nodes {
		if slices.Contains(n.env, localDurability) {
			visible = localVisibleWithin
		}
	}
	o := &load{t: t, ledger: l, nodes: nodes, since: l.last() + 1, acked: map[*node][]chan *batch{}, tally: map[string]int{}, slowest: map[string]time.Duration{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, n := range nodes {
		newest, recent := make(chan *batch, 1), make(chan *batch, 1)
		o.acked[n] = []chan *batch{newest, recent}
		for _, run := range []func(){
			func() { o.readWhole(ctx, n) },
			func() { o.readAcked(ctx, n, newest, 0, latest) },
			func() { o.readAcked(ctx, n, recent, visible, nil) },
		} {
			wg.Go(run)
		}
	}
	for _, n := range nodes {
		for _, w := range writers {
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			wg.Go(func() { o.write(ctx, n, w, own) })
		}
	}
	return o, func() {
		cancel()
		wg.Wait()
	}
}

// write sends batches until ctx ends; the last one is sent to its end.
func (o *load) write(ctx context.Context, n *node, w writer, rng *rand.Rand) {
	l := &link{to: n}
	defer l.close()
	for {
		start := time.Now()
		b := w.write(context.Background(), l, o.ledger, rng)
		o.did(w.how, l, start, b.err)
		if b.outcome == acked {
			o.tell(n, b)
			if w.how == "INSERT" { // what a node acknowledged it shows at once
				o.expect(context.WithoutCancel(ctx), l, b, "the node that acknowledged it")
			}
		}
		if await(ctx, writerPause) != nil {
			return
		}
	}
}

// tell hands a batch to those who read on the other nodes, if they have time.
func (o *load) tell(from *node, b *batch) {
	for n, readers := range o.acked {
		if n == from {
			continue
		}
		for _, to := range readers {
			select {
			case to <- b:
			default:
			}
		}
	}
}

// did notes how an operation ended, and fails the test if nothing excuses its
// error.
func (o *load) did(what string, l *link, start time.Time, err error) {
	took := time.Since(start)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slowest[what] = max(o.slowest[what], took)
	if err == nil {
		o.tally[what]++
		return
	}
	c := code(err)
	if c == "" {
		c = "broken"
	}
	o.tally[what+" "+c]++
	if !excused(err, l.killed()) {
		o.t.Errorf("%s %s on %v after %v: %v", time.Now().Format("15:04:05.000"), what, l.to, took.Round(time.Millisecond), err)
	}
}

// visibleWithin is how soon nodes show what another one acknowledged;
// localVisibleWithin, if that commits to its own disk.
const (
	visibleWithin      = time.Second
	localVisibleWithin = 2 * time.Second
)

// localDurability has a node commit to its own disk.
const localDurability = "PHYLLO_DURABILITY=local"

const countSQL = `SELECT (SELECT count(*) FROM events WHERE batch = $1) + (SELECT count(*) FROM keyed WHERE batch = $1)`

// readAcked looks on a node for batches that another one acknowledged some time
// ago: they must be there.
func (o *load) readAcked(ctx context.Context, n *node, from <-chan *batch, after time.Duration, settings map[string]string) {
	l := &link{to: n, settings: settings}
	defer l.close()
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-from:
			if await(ctx, time.Until(b.at.Add(after))) != nil {
				return
			}
			o.expect(ctx, l, b, fmt.Sprintf("another node %v later", after))
		}
	}
}

// expect looks for a batch that must be there.
func (o *load) expect(ctx context.Context, l *link, b *batch, where string) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	rows := 0
	conn, err := l.get(ctx)
	if err == nil {
		err = conn.QueryRow(ctx, countSQL, b.id).Scan(&rows)
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	o.did("read on "+where, l, start, err)
	if err == nil && rows != b.rows {
		o.t.Errorf("%s: %d rows of it on %v (%s, asked at %s)", b, rows, l.to, where, start.Format("15:04:05.000"))
	}
}

const (
	readLimit   = time.Minute            // how long a query may take
	readerPause = 200 * time.Millisecond // between queries that read much
)

const wholeSQL = `SELECT batch, count(*)::int, min(size), max(size)
	FROM (SELECT batch, size FROM events WHERE batch >= $1 UNION ALL SELECT batch, size FROM keyed WHERE batch >= $1) AS r GROUP BY batch`

// readWhole looks at all batches that a node shows: each must be whole.
func (o *load) readWhole(ctx context.Context, n *node) {
	l := &link{to: n}
	defer l.close()
	for await(ctx, readerPause) == nil {
		start := time.Now()
		ids, err := o.whole(ctx, l)
		if errors.Is(err, context.Canceled) {
			return
		}
		o.did("read all", l, start, err)
		o.ledger.saw(ids)
	}
}

// whole returns the batches that a node shows.
func (o *load) whole(ctx context.Context, l *link) (ids []int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	conn, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, wholeSQL, o.since)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var n, least, most int
		if err := rows.Scan(&id, &n, &least, &most); err != nil {
			return nil, err
		}
		if n != least || least != most {
			o.t.Errorf("batch %d: %d rows of it are seen on %v, it has %d to %d", id, n, l.to, least, most)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
