package cassandra

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/engine/store"
)

// endSeq is the sequence number of the row that ends a closed bucket: whoever
// reads on from the last entry finds it, and with it that the bucket is closed.
const endSeq = math.MaxInt64

// errDropped reports a log that was dropped, under the name that it had.
var errDropped = errors.New("cassandra: log was dropped")

// log is what this node remembers of a log: hints, each of which may be old.
// What is known of one bucket never becomes wrong, only of too little.
type log struct {
	id   store.LogID
	turn chan struct{} // held by who appends, trims or drops

	mu    sync.Mutex // guards the following
	name  gocql.UUID // of its rows; the zero one if it is not known
	tail  tail
	known bool   // tail is something
	marks []mark // closed buckets, ascending
	first int64  // buckets before it are trimmed altogether
}

// tail is the last bucket as it was seen last. Without exists it is the bucket
// that the next entry opens.
type tail struct {
	bucket int64
	base   int64 // the sequence number of its first entry
	head   int64 // of its last; base-1 if there is none
	bytes  int64 // of its entries
	exists bool
}

// mark says with which sequence number a bucket begins.
type mark struct{ bucket, base int64 }

// maxMarks bounds the buckets remembered of a log.
const maxMarks = 64

// bucketState is what the static columns of a bucket say. Of a bucket that
// does not exist only the number is set.
type bucketState struct {
	bucket                     int64
	exists, closed, dropped    bool
	head, base, bytes, trimmed int64
	closedAt                   int64 // when it was closed, on Cassandra's clock
}

// spent tells whether the bucket has no entry left and takes no more.
func (b *bucketState) spent() bool { return b.exists && b.closed && b.trimmed == b.head+1 }

func (s *Store) log(id store.LogID) *log {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[id]
	if l == nil {
		l = &log{id: id, turn: make(chan struct{}, 1)}
		s.logs[id] = l
	}
	return l
}

// take waits for the log's turn.
func (l *log) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *log) give() { <-l.turn }

func (l *log) String() string { return fmt.Sprintf("log %d %q", l.id.Kind, l.id.Key) }

// forget drops what is remembered of a name: the log was dropped.
func (l *log) forget(name gocql.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name == name {
		l.name, l.tail, l.known, l.marks, l.first = gocql.UUID{}, tail{}, false, nil, 0
	}
}

// see remembers the tail of a name unless a later one is known.
func (l *log) see(name gocql.UUID, t tail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name != name || l.known && (t.bucket < l.tail.bucket || t.bucket == l.tail.bucket && t.head < l.tail.head) {
		return
	}
	if l.known && t.bucket == l.tail.bucket && t.head == l.tail.head {
		t.exists = t.exists || l.tail.exists
	}
	l.tail, l.known = t, true
}

// seen returns the last entry of a bucket that is known to be there, 0 if none is.
func (l *log) seen(name gocql.UUID, bucket int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known && l.name == name && l.tail.exists && l.tail.bucket == bucket {
		return l.tail.head
	}
	return 0
}

// mark remembers where a bucket begins.
func (l *log) mark(name gocql.UUID, m mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name != name {
		return
	}
	at, found := slices.BinarySearchFunc(l.marks, m, func(a, b mark) int { return int(a.bucket - b.bucket) })
	if found {
		return
	}
	l.marks = slices.Insert(l.marks, at, m)
	if len(l.marks) > maxMarks {
		l.marks = slices.Delete(l.marks, 0, 1)
	}
}

// state reads the static columns of a bucket.
func (s *Store) state(ctx context.Context, name gocql.UUID, bucket int64, level gocql.Consistency) (bucketState, error) {
	b := bucketState{bucket: bucket}
	var head, base, bytes, trimmed, closedAt *int64
	var closed, dropped *bool
	var n gocql.UUID
	found, err := s.row(ctx, read{op: "log_state", text: s.text.logState, args: []any{name, bucket}, level: level},
		&n, &bucket, &head, &base, &bytes, &trimmed, &closed, &dropped, &closedAt)
	if err != nil || !found || head == nil {
		return b, err
	}
	if base == nil || bytes == nil || trimmed == nil || closed == nil || *closed && closedAt == nil {
		return b, corrupt("bucket %d of log %v: columns are missing", bucket, name)
	}
	b.exists, b.closed, b.dropped = true, *closed, dropped != nil && *dropped
	b.head, b.base, b.bytes, b.trimmed = *head, *base, *bytes, *trimmed
	if closedAt != nil {
		b.closedAt = *closedAt
	}
	return b, nil
}

// findTail finds the last bucket, beginning with what is remembered. At a
// serial level what is being appended is decided first. It fails with
// errDropped if the log has been dropped.
func (s *Store) findTail(ctx context.Context, l *log, name gocql.UUID, level gocql.Consistency) (tail, error) {
	l.mu.Lock()
	last, known := l.tail, l.known && l.name == name
	l.mu.Unlock()
	if !known {
		last = tail{}
	}
	from := last.bucket
	b, err := s.state(ctx, name, from, level)
	if err != nil {
		return tail{}, err
	}
	if known && !last.exists && !b.exists {
		return last, nil
	}
	if !known && b.closed && !b.dropped {
		if b, err = s.hinted(ctx, name, b, level); err != nil {
			return tail{}, err
		}
	}
	if !b.exists && from > 0 { // the one before it is closed
		before, err := s.state(ctx, name, from-1, level)
		if err != nil {
			return tail{}, err
		}
		if !before.closed {
			return tail{}, corrupt("%v: bucket %d is missing or open, %d was seen", l, from-1, from)
		}
		b = before
	}
	if b.closed && !b.dropped {
		if b, err = s.gallop(ctx, l, name, b, level); err != nil {
			return tail{}, err
		}
	}
	t := tail{bucket: b.bucket, base: b.base, head: b.head, bytes: b.bytes, exists: b.exists}
	switch {
	case b.dropped:
		return tail{}, errDropped
	case !b.exists: // the first
		t = tail{base: 1}
	case b.closed:
		t = tail{bucket: b.bucket + 1, base: b.head + 1, head: b.head}
	}
	l.see(name, t)
	return t, nil
}

// hinted returns the state of the bucket that a hint names, or b.
func (s *Store) hinted(ctx context.Context, name gocql.UUID, b bucketState, level gocql.Consistency) (bucketState, error) {
	var bucket int64
	found, err := s.row(ctx, read{op: "log_hint", text: s.text.hintRead, args: []any{name}, level: gocql.LocalOne}, &bucket)
	if err != nil || !found || bucket <= b.bucket {
		return b, err
	}
	h, err := s.state(ctx, name, bucket, level)
	if err != nil || !h.exists {
		return b, err
	}
	return h, nil
}

// gallop goes on from a closed bucket to the last one, in steps that double
// until they are too long: buckets follow each other without a hole.
func (s *Store) gallop(ctx context.Context, l *log, name gocql.UUID, b bucketState, level gocql.Consistency) (bucketState, error) {
	missing := int64(math.MaxInt64) // no bucket from here on
	for step := int64(1); b.closed && !b.dropped && b.bucket+1 < missing; step *= 2 {
		l.mark(name, mark{b.bucket, b.base})
		at := b.bucket + step
		if at >= missing {
			at = b.bucket + (missing-b.bucket)/2
		}
		next, err := s.state(ctx, name, at, level)
		if err != nil {
			return b, err
		}
		if next.exists {
			b = next
		} else {
			missing = at
			step = 1
		}
	}
	return b, nil
}

// locate returns the bucket that holds an entry, or will if it is the next one:
// the last bucket that begins at or before seq.
func (s *Store) locate(ctx context.Context, l *log, name gocql.UUID, seq int64, level gocql.Consistency) (int64, error) {
	l.mu.Lock()
	t, known := l.tail, l.known && l.name == name
	lo, hi := mark{0, 1}, t.bucket
	for _, m := range l.marks {
		if m.base <= seq {
			lo = m
		} else {
			hi = min(hi, m.bucket)
		}
	}
	l.mu.Unlock()
	if !known {
		var err error
		if t, err = s.findTail(ctx, l, name, level); err != nil {
			return 0, err
		}
		hi = t.bucket
	}
	if seq >= t.base {
		return t.bucket, nil
	}
	for lo.bucket+1 < hi {
		mid := lo.bucket + (hi-lo.bucket)/2
		b, err := s.state(ctx, name, mid, level)
		if err != nil {
			return 0, err
		}
		if !b.exists {
			return 0, corrupt("%v: bucket %d is missing", l, mid)
		}
		l.mark(name, mark{b.bucket, b.base})
		if b.base <= seq {
			lo = mark{b.bucket, b.base}
		} else {
			hi = mid
		}
	}
	return lo.bucket, nil
}

// Head implements store.Logs.
func (s *Store) Head(ctx context.Context, id store.LogID) (uint64, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.busy.Done()
	t, found, err := s.tailOf(ctx, s.log(id), s.levels.serial)
	if err != nil || !found {
		return 0, err
	}
	return uint64(t.head), nil
}

// tailOf finds a log by name and its tail, false if there is none.
func (s *Store) tailOf(ctx context.Context, l *log, level gocql.Consistency) (t tail, found bool, err error) {
	err = s.named(ctx, l, func(name gocql.UUID) error {
		found = true
		t, err = s.findTail(ctx, l, name, level)
		return err
	}, func() { found = false })
	return t, found, err
}
