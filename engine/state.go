package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A state is what queries see at one moment. It is immutable: DB.publish puts
// the next one in its place.
type state struct {
	number   uint64 // rises by one with each state
	catalog  *schema.Catalog
	tables   map[datum.OID]*tableInfo    // by OID
	storages map[datum.OID]*storageState // by storage, which TRUNCATE changes
	head     uint64                      // source position up to which records are in the state
	clock    int64                       // the greatest row version in the state
	// upTo is clock, but below the versions of an entry that is on its way into our log:
	// what others wrote later may be in the state before it.
	upTo int64
	// heads are, in a cluster, how far the source logs of other nodes are in the
	// state.
	heads map[commitlog.Source]uint64
}

// A storageState holds the rows of one table.
type storageState struct {
	info  *tableInfo
	parts []*partState // by rising partition key
	// changed is the greatest row version of a transaction that deleted rows, as far
	// as this process knows of one.
	changed int64
}

// A partState is one partition: its chunks, and above them two deltas.
type partState struct {
	part     *partition
	manifest *commitlog.Manifest
	flushing *delta     // being written to chunks; nil if none
	pending  *delta     // what came since; never nil
	others   []followed // of the logs of other nodes; none is empty
	// journaled is what our journal has and our source log has not; empty without one.
	journaled followed
	covers    []commitlog.Position // of the sources that flushing reaches
	// ahead are, in a cluster, flushes of ours that the manifest has and that lie
	// in the log behind commits of others that it has not.
	ahead []*commitlog.Commit
}

// A partition is what does not change of a partition, and its commit log.
type partition struct {
	id  chunk.PartitionID
	log *commitlog.Log
	// flush is held by what is under way in the log: a flush over its I/O, a
	// checkpoint, or the freeing of it all. It guards the fields below.
	flush     sync.Mutex
	unsettled *frozenFlush // a commit of which nobody knows whether it is in the log
	freed     bool         // the table is gone, and so is the log
	// compacting is held over a compaction, or the removal of old slices. It comes
	// before flush, and guards doubtful: one of which nobody knows whether it is in
	// the log.
	compacting turn
	doubtful   *replacement
	freedMu    sync.Mutex // guards freedIDs
	freedIDs   []chunk.ID // chunks that are gone and that the log still lists as removed
}

// A turn is a mutex that can be waited for as long as a context lasts.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) tryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turn) give() { <-t }

var emptyDelta = &delta{}

// publish replaces the current state by what f makes of it; f must not block
// for long. States that f returns unchanged are not published.
func (db *DB) publish(f func(s *state) *state) *state {
	db.mu.Lock()
	defer db.mu.Unlock()
	old := db.current.Load()
	s := f(old)
	if s == old {
		return old
	}
	s.number, s.upTo = old.number+1, s.clock
	if db.committer != nil {
		// Who stamps later is above what was observed of clock.
		if from := db.committer.stamped.Load(); from > 0 {
			s.upTo = min(s.clock, from-1)
		}
	}
	db.current.Store(s)
	return s
}

// clone returns a copy to change: its maps are its own, what they hold is not.
func (s *state) clone() *state {
	out := *s
	out.storages = maps.Clone(s.storages)
	return &out
}

// storage returns a storage of a state that was cloned, to be changed; own
// remembers which were copied already.
func (s *state) storage(oid datum.OID, own map[datum.OID]bool) *storageState {
	st := s.storages[oid]
	if st == nil || own[oid] {
		return st
	}
	c := *st
	c.parts = slices.Clone(st.parts)
	s.storages[oid], own[oid] = &c, true
	return &c
}

func (st *storageState) find(key string) (int, bool) {
	return slices.BinarySearchFunc(st.parts, key, func(p *partState, k string) int { return strings.Compare(p.part.id.Key, k) })
}

// part returns a partition by its key, or nil.
func (st *storageState) part(key string) *partState {
	if at, ok := st.find(key); ok {
		return st.parts[at]
	}
	return nil
}

// put sets a partition of a storage that is the caller's own.
func (st *storageState) put(p *partState) {
	at, ok := st.find(p.part.id.Key)
	if ok {
		st.parts[at] = p
	} else {
		st.parts = slices.Insert(st.parts, at, p)
	}
}

// updatePart publishes a change of one partition; f gets a copy that it may
// change. Nothing happens if the storage is gone.
func (db *DB) updatePart(id chunk.PartitionID, f func(s *state, p *partState)) {
	db.publish(func(s *state) *state {
		st := s.storages[id.Table]
		if st == nil || st.part(id.Key) == nil {
			return s
		}
		s = s.clone()
		st = s.storage(id.Table, map[datum.OID]bool{})
		p := *st.part(id.Key)
		f(s, &p)
		st.put(&p)
		return s
	})
}

// withCatalog returns the state under another catalogue: storages of tables that
// are gone go, new ones come. It returns the storages that went. Rows in memory are
// still those of the old definitions (relayout).
func (s *state) withCatalog(db *DB, c *schema.Catalog) (*state, []*storageState, error) {
	out := s.clone()
	out.catalog = c
	out.tables = make(map[datum.OID]*tableInfo, len(c.Tables))
	live := map[datum.OID]bool{}
	for oid, def := range c.Tables {
		info := s.tables[oid]
		if info == nil || info.def != def {
			var err error
			if info, err = db.newTableInfo(def); err != nil {
				return nil, nil, err
			}
		}
		out.tables[oid] = info
		live[def.Storage] = true
		st := storageState{info: info}
		if old := s.storages[def.Storage]; old != nil {
			st.parts, st.changed = old.parts, old.changed
		}
		out.storages[def.Storage] = &st
	}
	var gone []*storageState
	for oid, st := range out.storages {
		if !live[oid] {
			gone = append(gone, st)
			delete(out.storages, oid)
		}
	}
	return out, gone, nil
}

// rows counts the rows of a partition, superseded versions included.
func (p *partState) rows() int64 {
	n := p.manifest.Rows()
	for _, d := range p.deltas() {
		n += d.rows()
	}
	return n
}

// unflushed returns the lowest position of our source log that is not in the
// partition's manifest, 0 if there is none.
func (p *partState) unflushed() uint64 {
	first := uint64(0)
	for _, d := range []*delta{p.flushing, p.pending} {
		if d != nil && d.first > 0 && (first == 0 || d.first < first) {
			first = d.first
		}
	}
	return first
}

// replayed says whether rows of earlier source logs are not in chunks yet.
func (p *partState) replayed() bool {
	return p.pending.replayed || p.flushing != nil && p.flushing.replayed
}
