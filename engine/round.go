package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/errgroup"
)

// Findings are what a round has read.
type findings struct {
	manifests map[chunk.PartitionID]*commitlog.Manifest
	catalog   *schema.Catalog
	there     map[commitlog.Source]bool // source logs
	sources   []*sourceReading
	stopped   bool // at a record that the catalogue read before does not suffice for

	fresh bool         // the state has nothing but chunks yet
	kept  atomic.Int64 // bytes of rows of nodes that are alive that the state will have more
	freed func() int64 // bytes of rows of others that the state will have no more
	// forwarded is up to where our journal is in logs that are gone.
	forwarded uint64
}

type sourceReading struct {
	source  commitlog.Source
	from    uint64 // everything up to it is known
	entries []sourceEntry
	sealed  bool
	over    bool // the next entry is not for this round
}

type sourceEntry struct {
	seq     uint64
	records []*ingest.Record // those that count
	version int64            // the greatest of its records; versions rise in a log
	// journal, if not empty, is what was forwarded with the entry, up to position.
	journal  string
	position uint64
}

func (r *sourceReading) head() uint64 {
	if n := len(r.entries); n > 0 {
		return r.entries[n-1].seq
	}
	return r.from
}

// readSources reads what is new in the source logs of others.
func (f *follower) readSources(ctx context.Context, s *state, r *findings, own commitlog.Source, heads map[commitlog.Source]uint64) (again bool, err error) {
	if r.there, err = f.logs(ctx); err != nil {
		return false, err
	}
	if !r.there[own] {
		return false, errTaken // our log was there since before we were
	}
	if f.vanished(r, heads) {
		return true, nil
	}
	for src := range r.there {
		_, known := heads[src]
		if src == own || f.floors[src] == gone || known && f.sealed[src] {
			continue
		}
		r.sources = append(r.sources, &sourceReading{source: src, from: max(heads[src], f.floors[src])})
	}
	r.freed = sync.OnceValue(func() int64 { return r.frees(f.c.db, s) })
	if again, err = f.readEach(ctx, s, r, r.sources, math.MaxInt64); again || err != nil {
		return again, err
	}
	if again, err = f.readCauses(ctx, s, r); again || err != nil || !f.full {
		return again, err
	}
	return f.dropped(ctx, r)
}

// readCauses reads on until the state is one that there was, or may have been, at a
// moment: with a transaction it has all that its node knew of when it committed. The
// logs were not read at the same moment, so the first reading may have a transaction
// and not the one of another node that it builds on. That one was in its log by then,
// and has the lesser row version, as it is with Lamport's clocks (1978). So all logs
// are read again, for what is not newer than the newest that was read first, until
// there is no more of that: soon, for nodes that follow others are past that version.
// One that does not is not waited for.
func (f *follower) readCauses(ctx context.Context, s *state, r *findings) (again bool, err error) {
	newest, with := int64(0), 0
	for _, sr := range r.sources {
		for _, e := range sr.entries {
			newest = max(newest, e.version)
		}
		if len(sr.entries) > 0 {
			with++
		}
	}
	if with == 0 {
		return false, nil
	}
	there, err := f.logs(ctx)
	if err != nil {
		return false, err
	}
	for src := range there {
		if !r.there[src] {
			return true, nil // of a node that was not there when it was looked who is
		}
	}
	for tries := range maxTries {
		before := r.entries()
		var rest []*sourceReading
		for _, sr := range r.sources {
			alone := tries == 0 && with == 1 && len(sr.entries) > 0 // what it builds on is of others, or before it
			if !sr.sealed && !sr.over && !alone {
				rest = append(rest, sr)
			}
		}
		if again, err = f.readEach(ctx, s, r, rest, newest); again || err != nil || r.entries() == before {
			return again, err
		}
	}
	return false, nil
}

// awaitOwn waits until a commit of ours that is on its way is in the state, for what was
// read of others may build on it. One that is not decided for long is looked for in our
// log, from then on in each round at once: others know of it only if it is there.
func (f *follower) awaitOwn(ctx context.Context, own commitlog.Source, r *findings) error {
	flying := f.c.db.committer.flying.Load
	seq := flying()
	if seq == 0 || r.entries() == 0 {
		return nil
	}
	for late := time.Now().Add(ownWait); flying() == seq && seq != f.waited && time.Now().Before(late); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(ownPoll):
		}
	}
	if flying() != seq {
		return nil
	}
	f.waited = seq
	head, err := f.c.db.store.Head(ctx, sourceLog(own))
	if err == nil && head >= seq && flying() == seq {
		err = errCommitting
	}
	return err
}

const (
	ownWait = time.Second
	ownPoll = time.Millisecond
)

// entries counts those that were read.
func (r *findings) entries() (n int) {
	for _, sr := range r.sources {
		n += len(sr.entries)
	}
	return n
}

// readEach reads on in source logs, up to a row version.
func (f *follower) readEach(ctx context.Context, s *state, r *findings, sources []*sourceReading, upTo int64) (again bool, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxReaders)
	var mu sync.Mutex
	floors := map[commitlog.Source]uint64{}
	for _, sr := range sources {
		g.Go(func() error {
			floor, stopped, err := f.readSource(gctx, s, r, sr, upTo)
			mu.Lock()
			defer mu.Unlock()
			if floor > 0 {
				floors[sr.source] = floor
			}
			r.stopped = r.stopped || stopped
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	for src, floor := range floors {
		f.floors[src] = max(f.floors[src], floor)
		f.full, again = true, true
	}
	return again, nil
}

func (f *follower) logs(ctx context.Context) (map[commitlog.Source]bool, error) {
	there := map[commitlog.Source]bool{}
	err := eachSourceLog(ctx, f.c.db.store, func(_ store.LogID, src commitlog.Source) error {
		there[src] = true
		return nil
	})
	return there, err
}

// vanished looks for sources whose logs are gone, which is when all that was in
// them is in chunks: unless it was read, and is in the state, the commit logs have to
// be read again to know of it.
func (f *follower) vanished(r *findings, heads map[commitlog.Source]uint64) (again bool) {
	lost := func(src commitlog.Source) {
		if r.there[src] || f.floors[src] == gone {
			return
		}
		if !f.sealed[src] || r.fresh { // what was read before is not kept
			f.full, again = true, true
		}
		f.floors[src] = gone
		delete(f.sealed, src)
	}
	for src := range heads {
		lost(src)
	}
	for src := range f.floors { // what scout saw
		lost(src)
	}
	for _, m := range r.manifests {
		for _, s := range m.Sources() {
			lost(s.Source)
		}
	}
	return again
}

// dropped looks, in a full round, for logs that were dropped while they were
// read: without our lease nobody waits for us.
func (f *follower) dropped(ctx context.Context, r *findings) (again bool, err error) {
	there, err := f.logs(ctx)
	if err != nil {
		return false, err
	}
	for src := range r.there {
		if !there[src] && f.floors[src] != gone {
			f.floors[src], again = gone, true
			delete(f.sealed, src)
		}
	}
	return again, nil
}

// readSource reads the new entries of one source log, up to a row version. It returns a
// floor if some of them are gone, since they are in chunks. It fails with errBehind if
// there is more than memory is for; what the dead left is no more than their own was.
func (f *follower) readSource(ctx context.Context, s *state, r *findings, sr *sourceReading, upTo int64) (floor uint64, stopped bool, err error) {
	db := f.c.db
	log := sourceLog(sr.source)
	alive, room := f.c.members.has(sr.source), db.opt.BufferBytes
	if r.fresh {
		alive = alive && sr.source != db.own() // which died, or is not there yet
	} else {
		room -= db.followed.Load()
	}
	for e, err := range db.store.Read(ctx, log, sr.head()+1) {
		if errors.Is(err, store.ErrTrimmed) {
			first, err := db.store.First(ctx, log)
			return first - 1, false, err
		}
		if err != nil {
			return 0, false, err
		}
		read, err := ingest.DecodeEntry(db.mem, e.Data)
		if err != nil {
			return 0, false, fmt.Errorf("source log %s: entry %d: %w", sr.source, e.Seq, err)
		}
		entry := sourceEntry{seq: e.Seq, journal: read.Journal, position: read.Position, version: read.Version()}
		if entry.version > upTo {
			sr.over = true
			return 0, false, nil
		}
		for _, rec := range read.Records {
			counts, known, err := f.counts(ctx, sr.source, e.Seq, rec, r.catalog)
			if err != nil {
				return 0, false, err
			}
			if !known {
				sr.over = true
				return 0, true, nil
			}
			if counts {
				entry.records = append(entry.records, rec)
				n := r.remains(s, sr.source, e.Seq, rec)
				if alive && n > 0 && r.kept.Add(n) > room && r.kept.Load() > room+r.freed() {
					return 0, false, errBehind
				}
			}
		}
		sr.entries = append(sr.entries, entry)
		if entry.journal != "" {
			f.c.journals.saw(entry.journal, entry.position)
		}
		if read.SealedBy != "" {
			sr.sealed = true
			break
		}
	}
	return 0, false, nil
}

// remains returns the bytes of a record's rows that are not in chunks, as far as is
// known. What is left of the record takes no memory.
func (r *findings) remains(s *state, src commitlog.Source, seq uint64, rec *ingest.Record) int64 {
	n := int64(0)
	for i := range rec.Parts {
		p := &rec.Parts[i]
		if p.Rows == nil {
			continue
		}
		m := r.manifests[p.Partition]
		if m == nil {
			if st := s.storages[p.Partition.Table]; st != nil {
				if part := st.part(p.Partition.Key); part != nil {
					m = part.manifest
				}
			}
		}
		if m != nil && !unfolded(m, src, seq) {
			p.Rows.Release()
			p.Rows = nil
			continue
		}
		for _, col := range p.Rows.Columns() {
			n += int64(col.Data().SizeInBytes())
		}
	}
	return n
}

// frees returns the bytes of rows of others in a state that are in chunks, or of tables
// that are gone, by what the round has read. They stay until it is published, so that
// it would wait for ever for their memory. It is asked for only if memory is short.
func (r *findings) frees(db *DB, s *state) (n int64) {
	if r.fresh {
		return 0 // nothing of the state counts
	}
	live := storagesOf(r.catalog)
	for oid, st := range s.storages {
		for _, old := range st.parts {
			p := *old
			if !live[oid] {
				for _, f := range p.others {
					n += f.bytes()
				}
				continue
			}
			m := r.manifests[p.part.id]
			if m == nil || m.Seq() < p.manifest.Seq() {
				continue
			}
			p.manifest = m
			freed, err := p.cutFollowed(db.mem, st.info)
			if err != nil {
				continue // publish says so
			}
			n += freed
		}
	}
	return n
}

// counts says whether a record's transaction committed, as far as that is known
// under a catalogue.
func (f *follower) counts(ctx context.Context, src commitlog.Source, seq uint64, rec *ingest.Record, catalog *schema.Catalog) (counts, known bool, err error) {
	cat := f.c.db.catalogue
	if rec.Condition != nil && rec.Condition.Seq > catalog.Seq { // so is its Schema, which is what it makes
		if f.c.adopts(src) { // nobody else will decide it
			return false, false, cat.fill(ctx, rec.Condition.Seq)
		}
		return false, false, nil
	}
	if rec.Schema > catalog.Seq {
		return false, false, nil
	}
	if rec.Condition == nil {
		return true, true, nil
	}
	counts = cat.committed(rec.Condition.Seq, rec.ID)
	if counts {
		cat.need(sourcePosition{src, seq}, rec.Condition.Seq)
	}
	return counts, true, nil
}
