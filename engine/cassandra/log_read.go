package cassandra

import (
	"context"
	"errors"
	"fmt"
	"iter"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// gapTries is how often a bucket is read again because entries are missing in
// what came, before they are corrupt.
const gapTries = 4

// Read implements store.Logs. Who reads on from the last entry costs one
// request if there is nothing new.
func (s *Store) Read(ctx context.Context, id store.LogID, seq uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := s.enter(ctx); err != nil {
			yield(store.Entry{}, err)
			return
		}
		defer s.busy.Done()
		if seq >= endSeq {
			return // no log is so long
		}
		r := &reading{s: s, log: s.log(id), next: max(int64(seq), 1), yield: yield}
		if err := r.run(ctx); err != nil && !r.stopped {
			yield(store.Entry{}, err)
		}
	}
}

// reading is one Read.
type reading struct {
	s     *Store
	log   *log
	next  int64 // the sequence number to come
	yield func(store.Entry, error) bool

	stopped bool // by who takes the entries
}

func (r *reading) run(ctx context.Context) error {
	if err := checkKind(r.log.id); err != nil {
		return err
	}
	level, err := r.s.readLevel(ctx)
	if err != nil {
		return err
	}
	return r.s.named(ctx, r.log, func(name gocql.UUID) error {
		bucket, err := r.s.locate(ctx, r.log, name, r.next, level)
		for more := true; more && err == nil; bucket++ {
			more, err = r.bucket(ctx, name, bucket, level)
		}
		return err
	}, nil)
}

// bucket reads the rest of one bucket, and tells whether there may be more in
// the next one.
func (r *reading) bucket(ctx context.Context, name gocql.UUID, bucket int64, level gocql.Consistency) (more bool, err error) {
	head := r.log.seen(name, bucket)
	for tries := 1; ; tries++ {
		var p page
		p, err = r.rows(ctx, name, bucket, level)
		head = max(head, p.head)
		switch {
		case r.stopped:
			return false, nil
		case err == nil && p.seen && p.trimmed > r.next && r.next <= p.head:
			return false, r.belowFirst(ctx, name, p)
		case err != nil && !errors.Is(err, chunk.ErrCorrupt):
			return false, err
		case err == nil && p.dropped:
			return false, errDropped
		case err == nil && r.next > head:
			if p.seen {
				r.remember(name, bucket, p)
			}
			return p.closed, nil
		}
		// Entries are missing, or one is damaged. Replicas at the serial level
		// agree on what there is.
		r.s.metrics.gaps.Inc()
		if err == nil {
			err = corrupt("%v: entry %d is missing, the last one is %d", r.log, r.next, head)
		}
		if tries == gapTries {
			return false, err
		}
		level = r.s.levels.serial
		if err := pause(ctx, tries); err != nil {
			return false, err
		}
	}
}

// belowFirst is the answer for entries that are gone: trimmed, or with a log
// that was dropped, of which only the last bucket tells.
func (r *reading) belowFirst(ctx context.Context, name gocql.UUID, p page) error {
	if _, err := r.s.findTail(ctx, r.log, name, r.s.levels.serial); err != nil {
		return err
	}
	return fmt.Errorf("%w: read from %d, the first is %d", store.ErrTrimmed, r.next, p.trimmed)
}

// remember notes what was seen of the tail.
func (r *reading) remember(name gocql.UUID, bucket int64, p page) {
	t := tail{bucket: bucket, base: p.base, head: p.head, bytes: p.bytes, exists: true}
	if p.closed {
		r.log.mark(name, mark{bucket, p.base})
		t = tail{bucket: bucket + 1, base: p.head + 1, head: p.head}
	}
	r.log.see(name, t)
}

// page is what the rows of a bucket said last of the bucket itself.
type page struct {
	seen                       bool
	head, base, bytes, trimmed int64
	closed, dropped            bool
}

// rows yields the entries of a bucket from r.next on, as long as none is missing.
func (r *reading) rows(ctx context.Context, name gocql.UUID, bucket int64, level gocql.Consistency) (p page, err error) {
	q := read{op: "log_read", text: r.s.text.logRead, args: []any{name, bucket, r.next}, level: level, rows: logPageRows}
	err = r.s.rows(ctx, q, func(scan func(...any) error) (bool, error) {
		var seq int64
		var id *gocql.UUID
		var size, crc *int64
		var parts *int
		var head, base, bytes, trimmed *int64
		var closed, dropped *bool
		var e payload
		if err := scan(&seq, &id, &e.inline, &size, &crc, &parts, &head, &base, &bytes, &trimmed, &closed, &dropped); err != nil {
			return false, err
		}
		if head == nil || base == nil || bytes == nil || trimmed == nil || closed == nil {
			return false, corrupt("%v: bucket %d: columns are missing", r.log, bucket)
		}
		first := !p.seen
		p = page{seen: true, head: *head, base: *base, bytes: *bytes, trimmed: *trimmed, closed: *closed, dropped: dropped != nil && *dropped}
		if p.dropped || seq == endSeq || seq != r.next || first && p.trimmed > r.next {
			return false, nil
		}
		if id == nil || size == nil || crc == nil || parts == nil {
			return false, corrupt("%v: entry %d: columns are missing", r.log, seq)
		}
		e.id, e.size, e.crc, e.parts = *id, *size, *crc, *parts
		data, err := r.s.payloadBytes(ctx, &e, func(int) (gocql.UUID, int64) { return name, bucket }, fmt.Sprintf("%v, entry %d", r.log, seq))
		if err != nil {
			return false, asCorrupt(err)
		}
		r.next++
		if !r.yield(store.Entry{Seq: uint64(seq), Data: data}, nil) {
			r.stopped = true
			return false, nil
		}
		return true, nil
	})
	return p, err
}
