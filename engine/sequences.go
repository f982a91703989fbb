package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Sequences are beside all transactions. Each has a log of its own in the store, whose last
// entry says which of its values are reserved; a node reserves a range of values by a
// conditional append, and hands them out from memory. What it has not handed out when it
// crashes is never handed out. docs/design/sequences.md has the reasons.

const (
	// sequenceRange is how many values are reserved at first where there is one node: what
	// a crash loses. PostgreSQL's SEQ_LOG_VALS.
	sequenceRange = 32
	// maxSequenceRange bounds what a node reserves beyond what it is asked for.
	maxSequenceRange = 1 << 16
	// sequenceLife is how long a node of a cluster hands out the values of a range, and so
	// how long setval waits for those that other nodes have reserved.
	sequenceLife = time.Second
	// sequenceTrim is after how many appends the entries before the last are forgotten.
	sequenceTrim = 64
)

// sequenceFormat is the version of entries.
const sequenceFormat = 1

// A sequenceEntry is an entry of a sequence's log, as JSON: all values up to Last are
// reserved or, if not Called, those before it.
type sequenceEntry struct {
	Format int
	Last   int64
	Called bool
	At     int64 // when it was made, in seconds since 1970, for the sweeper
}

// sequences are those that this node has handed out values of. It is safe for concurrent use.
type sequences struct {
	db *DB

	mu   sync.Mutex
	open map[string]*generator // by schema.Sequence.Storage
}

// A generator is what a node knows of the log of a sequence, and the range that it has.
// Who has the turn may use it.
type generator struct {
	turn turn
	db   *DB
	log  store.LogID

	known bool   // head is the log's last entry, as far as we know
	head  uint64 // 0: there is none
	ours  bool   // the entry at head is ours, so that values after last are free if it stays the last
	last  int64  // handed out by us last, or as the entry at head says
	// called is false if last was not handed out yet.
	called bool

	left      uint64 // values of our range that are left, those after last
	increment int64  // by which they follow each other
	size      uint64 // of the range
	began     time.Time
}

func newSequences(db *DB) *sequences { return &sequences{db: db, open: map[string]*generator{}} }

func sequenceLog(storage string) store.LogID {
	return store.LogID{Kind: store.SequenceLog, Key: storage}
}

func (s *sequences) get(storage string) *generator {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.open[storage]
	if q == nil {
		s.forget()
		q = &generator{turn: newTurn(), db: s.db, log: sequenceLog(storage)}
		s.open[storage] = q
	}
	return q
}

// forget drops what is known of sequences that are gone, when they have become many. Where
// it forgets too much, values are lost and none is handed out twice: the log sees to that.
func (s *sequences) forget() {
	const many = 64
	defs := s.db.current.Load().catalog.Sequences
	if len(s.open) < many+2*len(defs) {
		return
	}
	used := storages(defs)
	maps.DeleteFunc(s.open, func(storage string, _ *generator) bool { return !used[storage] })
}

func storages(defs map[datum.OID]*schema.Sequence) map[string]bool {
	used := map[string]bool{}
	for _, def := range defs {
		used[def.Storage] = true
	}
	return used
}

// NextValues takes up to n values of a sequence, at least one: the first, and how many,
// each the definition's Increment after the one before it. They are taken for good. It
// fails with 2200H if there is none left.
func (db *DB) NextValues(ctx context.Context, def *schema.Sequence, n int) (first int64, count int, err error) {
	if db.closed.Load() {
		return 0, 0, errClosed
	}
	q := db.sequences.get(def.Storage)
	if err := q.turn.take(ctx); err != nil {
		return 0, 0, err
	}
	defer q.turn.give()
	if q.left == 0 || q.increment != def.Increment || q.expired() || q.outside(def) {
		if err := q.reserve(ctx, def, uint64(n)); err != nil {
			return 0, 0, err
		}
	}
	first = q.next()
	take := min(uint64(n), q.left)
	q.last, q.called, q.left = first+int64(take-1)*q.increment, true, q.left-take
	return first, int(take), nil
}

// next is the first value that is left of the range.
func (q *generator) next() int64 {
	if q.called {
		return q.last + q.increment
	}
	return q.last
}

// outside says whether what is left of the range goes beyond a definition's limits.
func (q *generator) outside(def *schema.Sequence) bool {
	next, free, err := after(def, q.last, q.called)
	return err != nil || next != q.next() || free < q.left
}

// expired says whether another node may have set the sequence since.
func (q *generator) expired() bool { return q.db.cluster != nil && time.Since(q.began) >= sequenceLife }

// SetValue sets a sequence: its next value is value, or if called the one after it. No node
// hands out values that were reserved before when it returns.
func (db *DB) SetValue(ctx context.Context, def *schema.Sequence, value int64, called bool) error {
	if db.closed.Load() {
		return errClosed
	}
	q := db.sequences.get(def.Storage)
	if err := q.set(ctx, def, value, called); err != nil {
		return err
	}
	if db.cluster == nil {
		return nil
	}
	select {
	case <-time.After(sequenceLife):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (q *generator) set(ctx context.Context, def *schema.Sequence, value int64, called bool) error {
	if err := q.turn.take(ctx); err != nil {
		return err
	}
	defer q.turn.give()
	q.left = 0
	return q.extend(ctx, def, func() (sequenceEntry, error) {
		q.last, q.called = value, called
		return sequenceEntry{Last: value, Called: called}, nil
	})
}

// LastValue returns the value that was handed out last or, if not called, that comes
// next. Where there are several nodes, values that others have reserved count as handed out.
func (db *DB) LastValue(ctx context.Context, def *schema.Sequence) (value int64, called bool, err error) {
	q := db.sequences.get(def.Storage)
	if err := q.turn.take(ctx); err != nil {
		return 0, false, err
	}
	defer q.turn.give()
	if q.known && db.cluster != nil {
		head, err := db.store.Head(ctx, q.log)
		if err != nil {
			return 0, false, err
		}
		q.known = head == q.head
	}
	if !q.known {
		if err := q.load(ctx, def); err != nil {
			return 0, false, err
		}
	}
	return q.last, q.called, nil
}

// after returns the value that comes after last, and how many there are from it on to the
// sequence's limit.
func after(def *schema.Sequence, last int64, called bool) (next int64, free uint64, err error) {
	up := def.Increment > 0
	step := uint64(def.Increment)
	if !up {
		step = -step
	}
	limit := def.Max
	if !up {
		limit = def.Min
	}
	left := func(from int64) (uint64, bool) { // distance to the limit
		if up {
			return uint64(limit) - uint64(from), from <= limit
		}
		return uint64(from) - uint64(limit), from >= limit
	}
	next = last
	room, inside := left(last)
	if called {
		if inside = inside && room >= step; inside {
			next, room = last+def.Increment, room-step
		}
	}
	if !inside {
		if !def.Cycle {
			word := "maximum"
			if !up {
				word = "minimum"
			}
			return 0, 0, pgerr.New(pgerr.SequenceLimitExceeded, "nextval: reached %s value of sequence \"%s\" (%d)", word, def.Name, limit)
		}
		if next = def.Min; !up {
			next = def.Max
		}
		room, _ = left(next)
	}
	if room/step+1 == 0 {
		return next, room / step, nil // one less than there are, which is more than anybody takes
	}
	return next, room/step + 1, nil
}

// reserve takes a range of at least n values from the log, or of what is left.
func (q *generator) reserve(ctx context.Context, def *schema.Sequence, n uint64) error {
	begin := time.Now()
	size := max(n, q.rangeSize(def, begin))
	q.left = 0
	var first int64
	err := q.extend(ctx, def, func() (sequenceEntry, error) {
		next, free, err := after(def, q.last, q.called)
		if err != nil {
			return sequenceEntry{}, err
		}
		first, size = next, min(size, free)
		return sequenceEntry{Last: next + int64(size-1)*def.Increment, Called: true}, nil
	})
	if err != nil {
		return err
	}
	q.last, q.called, q.left, q.increment, q.size, q.began = first, false, size, def.Increment, size, begin
	return nil
}

// rangeSize is how many values to reserve: twice as many as last time if those were used
// up fast, half as many if they were not.
func (q *generator) rangeSize(def *schema.Sequence, now time.Time) uint64 {
	least := uint64(sequenceRange)
	if q.db.cluster != nil {
		least = 1
	}
	least = max(least, uint64(def.Cache))
	size := q.size / 2
	if q.left == 0 && now.Sub(q.began) < sequenceLife {
		size = q.size * 2
	}
	return max(least, min(size, maxSequenceRange))
}

// extend appends the entry that next makes of last and called, as often as others are faster.
func (q *generator) extend(ctx context.Context, def *schema.Sequence, next func() (sequenceEntry, error)) error {
	for range maxTries {
		if !q.known {
			if err := q.load(ctx, def); err != nil {
				return err
			}
		}
		entry, err := next()
		if err != nil {
			return err
		}
		entry.Format, entry.At = sequenceFormat, q.db.opt.Now().Unix()
		data, err := json.Marshal(entry)
		if err != nil {
			return err
		}
		if err = q.db.store.Append(ctx, q.log, q.head+1, data); err == nil {
			q.head, q.ours = q.head+1, true
			if q.head%sequenceTrim == 0 {
				_ = q.db.store.Trim(ctx, q.log, q.head) // what stays goes next time
			}
			return nil
		}
		// If it is unknown whether the entry is there, the log tells: its values are then lost.
		q.known = false
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("sequence %q: %w", def.Name, err)
		}
	}
	return busySequence(def)
}

// load reads the last entry of the log.
func (q *generator) load(ctx context.Context, def *schema.Sequence) error {
	head, entry, err := lastEntry(ctx, q.db.store, def)
	if err != nil {
		return err
	}
	q.known, q.head, q.ours, q.left = true, head, false, 0
	q.last, q.called = entry.Last, entry.Called
	return nil
}

// lastEntry reads the entry at the head of a sequence's log; if there is none head is 0
// and the entry what the definition says.
func lastEntry(ctx context.Context, s store.Store, def *schema.Sequence) (uint64, sequenceEntry, error) {
	for range maxTries {
		head, last, err := headEntry(ctx, s, sequenceLog(def.Storage))
		switch {
		case errors.Is(err, store.ErrTrimmed):
			continue // by another node, since
		case err != nil:
			return 0, last, fmt.Errorf("sequence %q: %w", def.Name, err)
		case head == 0:
			last = sequenceEntry{Last: def.Last, Called: def.Called}
		}
		return head, last, nil
	}
	return 0, sequenceEntry{}, busySequence(def)
}

func busySequence(def *schema.Sequence) error {
	return pgerr.New(pgerr.ObjectInUse, "other nodes take values of sequence %q all the time", def.Name).WithHint("Try again.")
}

func headEntry(ctx context.Context, s store.Store, log store.LogID) (head uint64, last sequenceEntry, err error) {
	if head, err = s.Head(ctx, log); err != nil || head == 0 {
		return head, last, err
	}
	for e, err := range s.Read(ctx, log, head) {
		if err != nil {
			return 0, last, err
		}
		head, last = e.Seq, sequenceEntry{}
		if err := json.Unmarshal(e.Data, &last); err != nil {
			return 0, last, fmt.Errorf("%w: sequence entry %d: %v", chunk.ErrCorrupt, e.Seq, err)
		}
		if last.Format > sequenceFormat {
			return 0, last, chunk.NewerFormat("sequence: entry %d of format %d, of which this program reads up to %d", e.Seq, last.Format, sequenceFormat)
		}
	}
	return head, last, nil
}

// giveBack returns what this node has reserved and not handed out, so that a clean
// restart leaves no gap. What another has reserved since comes after it and stays.
func (s *sequences) giveBack(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.open {
		if q.turn.take(ctx) != nil {
			return
		}
		if q.known && q.ours && q.left > 0 {
			entry := sequenceEntry{Format: sequenceFormat, Last: q.last, Called: q.called, At: s.db.opt.Now().Unix()}
			data, err := json.Marshal(entry)
			if err == nil {
				err = s.db.store.Append(ctx, q.log, q.head+1, data)
			}
			if err != nil && !errors.Is(err, store.ErrConflict) {
				s.db.opt.Logger.Warn("values of a sequence that were reserved are lost", slog.String("error", err.Error()))
			}
			q.known, q.left = false, 0
		}
		q.turn.give()
	}
}

// sweepSequences drops the logs of sequences that no definition names and that have been
// quiet for as long as the transaction that made them may take.
func (db *DB) sweepSequences(ctx context.Context) {
	logs, err := db.store.List(ctx, store.SequenceLog)
	if err != nil {
		db.opt.Logger.Warn("logs of dropped sequences could not be looked for", slog.String("error", err.Error()))
		return
	}
	used := storages(db.current.Load().catalog.Sequences)
	before := db.opt.Now().Add(-sweepAge).Unix()
	for _, log := range logs {
		if used[log.Key] {
			continue
		}
		head, last, err := headEntry(ctx, db.store, log)
		if err == nil && head > 0 && last.At < before {
			err = db.store.Drop(ctx, log)
		}
		if err != nil && !errors.Is(err, store.ErrTrimmed) {
			db.opt.Logger.Warn("the log of a dropped sequence could not be dropped", slog.String("error", err.Error()))
		}
	}
}

// sequencesOf is the catalogue's sequences as a copy of the database is to have them, with
// logs of their own: they go on after all that was reserved here.
func sequencesOf(ctx context.Context, s store.Store, c *schema.Catalog) (*schema.Catalog, error) {
	out := *c
	out.Sequences = maps.Clone(c.Sequences)
	for oid, def := range c.Sequences {
		_, last, err := lastEntry(ctx, s, def)
		if err != nil {
			return nil, err
		}
		next := *def
		next.Last, next.Called = last.Last, last.Called
		out.Sequences[oid] = &next
	}
	return &out, nil
}
