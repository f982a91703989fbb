package clustertest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What became of a batch, as its writer was told.
type outcome int

const (
	pending outcome = iota
	acked
	unknown // it may be there, now or later
	failed  // it is not there, ever
)

func (o outcome) String() string {
	return [...]string{"pending", "acknowledged", "unknown", "failed"}[o]
}

// A batch is what a writer sent in one transaction.
type batch struct {
	id      int64
	rows    int // in all tables
	how     string
	on      int    // the node's number
	node    string // its name then
	outcome outcome
	err     error // what the writer was told
	at      time.Time
	seen    bool // by a reader: it cannot go any more
}

func (b *batch) String() string {
	return fmt.Sprintf("batch %d (%s on %s, %d rows, %v at %s: %v)", b.id, b.how, b.node, b.rows, b.outcome, b.at.Format("15:04:05.000"), b.err)
}

// A ledger notes what was sent and what became of it. It is safe for concurrent
// use.
type ledger struct {
	mu      sync.Mutex // guards the fields below and the batches
	next    int64
	batches map[int64]*batch
	counts  [4]int      // by outcome, of all batches there ever were
	byNode  map[int]int // how many batches each node acknowledged
}

func newLedger() *ledger { return &ledger{batches: map[int64]*batch{}, byNode: map[int]int{}} }

func (l *ledger) begin(how string, on *node, rows int) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	b := &batch{id: l.next, rows: rows, how: how, on: on.number, node: on.String()}
	l.batches[b.id] = b
	return b
}

func (l *ledger) end(b *batch, o outcome, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.outcome, b.err, b.at = o, err, time.Now()
	l.counts[o]++
	if o == acked {
		l.byNode[b.on]++
	}
}

// acks returns how many batches each node has acknowledged, by its number.
func (l *ledger) acks() map[int]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.byNode)
}

// count returns how many batches ended so.
func (l *ledger) count() [4]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// last is the ID of the last batch that was begun.
func (l *ledger) last() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

func (l *ledger) saw(ids []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if b := l.batches[id]; b != nil {
			b.seen = true
		}
	}
}

// forget begins anew, with empty tables, and returns up to which ID batches were
// forgotten.
func (l *ledger) forget() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.batches)
	return l.next
}

// retryable are the SQLSTATEs that a client may hear while a cluster is in trouble:
// each says that the same may work later.
var retryable = []string{
	"40001", // another node took over
	"40003", // the outcome is unknown
	"53200", // other nodes have more rows than this one has memory for
	"57P03", // the cluster does not answer
	"58030", // neither did a server of it
	"08006",
}

func code(err error) string {
	var pe *pgconn.PgError
	var he *httpError
	switch {
	case errors.As(err, &pe):
		return pe.Code
	case errors.As(err, &he):
		return he.Code
	}
	return ""
}

// judge says what an error of a transaction means, one that broke off after its
// commit was sent or before.
func judge(err error, sent bool) outcome {
	switch c := code(err); {
	case err == nil:
		return acked
	case c == "40003", c == "" && sent:
		return unknown
	}
	return failed
}

// excused says whether an error is one that a client may see while a fault
// lasts: a retryable one, or that of a connection to a process that was killed.
func excused(err error, killed bool) bool {
	if c := code(err); c != "" {
		return slices.Contains(retryable, c)
	}
	return killed
}
