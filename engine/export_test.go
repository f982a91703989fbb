package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
)

// SourceLog is the log that the node appends to.
func (db *DB) SourceLog() store.LogID { return sourceLog(db.own()) }

// Buffered returns the bytes of rows that are not in chunks.
func (db *DB) Buffered() int64 { return db.buffered.Load() + db.followed.Load() }

// Waiting returns how many transactions wait for a lock.
func (db *DB) Waiting() int { return db.locks.Waiting() }

// Queued returns how many transactions wait for the committer.
func (db *DB) Queued() int {
	db.committer.mu.Lock()
	defer db.committer.mu.Unlock()
	return len(db.committer.queue)
}

// Poke makes the flusher do a round.
func (db *DB) Poke() { db.flusher.poke() }

// Reclaim frees what nobody needs any more.
func (db *DB) Reclaim() { db.reclaim() }

// SetCheckpointChanges sets after how many changes the catalogue is folded, until
// the function that it returns is called.
func SetCheckpointChanges(n uint64) (reset func()) {
	old := checkpointChanges
	checkpointChanges = n
	return func() { checkpointChanges = old }
}

// SetSealRows sets how many rows chunks have at most that are not merges, until the function
// that it returns is called.
func SetSealRows(n int) (reset func()) {
	old := sealRows
	sealRows = n
	return func() { sealRows = old }
}

// Describe returns what tells what a transaction's snapshot has of some tables, and
// from where.
func (t *Txn) Describe(tables ...datum.OID) func() string {
	s := t.snap // Rollback takes it away
	return func() string { return s.describe(t.db, tables) }
}

func (s *state) describe(db *DB, tables []datum.OID) string {
	var b strings.Builder
	fmt.Fprintf(&b, "node %s: state %d, catalogue %d, head %d of %v, others %v\n", db.opt.Writer, s.number, s.catalog.Seq, s.head, db.own(), s.heads)
	for _, table := range tables {
		def := s.catalog.Tables[table]
		if def == nil {
			continue
		}
		for _, p := range s.storages[def.Storage].parts {
			fmt.Fprintf(&b, "  %s/%x: %v; folded %v; %d ahead", def.Name, p.part.id.Key, p.manifest, p.manifest.Sources(), len(p.ahead))
			if p.flushing != nil {
				fmt.Fprintf(&b, "; flushing %d rows from %d, covers %v", p.flushing.rows(), p.flushing.first, p.covers)
			}
			if !p.pending.empty() {
				fmt.Fprintf(&b, "; pending %d rows from %d", p.pending.rows(), p.pending.first)
			}
			for _, f := range append(slices.Clone(p.others), p.journaled) {
				if steps := slices.Collect(f.steps.all()); len(steps) > 0 {
					fmt.Fprintf(&b, "; %d rows of %v, %d to %d", f.delta.rows(), f.source, steps[0].pos, steps[len(steps)-1].pos)
				}
			}
			for e, err := range p.manifest.Chunks(context.Background()) {
				if err != nil {
					fmt.Fprintf(&b, "; %v", err)
					break
				}
				fmt.Fprintf(&b, "; chunk %v of %d rows, slice %d", e.ID, e.Rows, e.Slice)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// EagerCompaction has the background merge whatever overlaps, for good.
func EagerCompaction() { usual = limits{lowest: 2, others: 2} }

// CompactNow does what the background does in its rounds, once.
func (db *DB) CompactNow(ctx context.Context) error { return db.compactor.once(ctx) }

// Garbage counts the removed chunks of a table that its commit logs list.
func (db *DB) Garbage(table datum.OID) (n int) {
	s := db.current.Load()
	for _, p := range s.storages[s.catalog.Tables[table].Storage].parts {
		for range p.manifest.Garbage() {
			n++
		}
	}
	return n
}

// StageNow puts the rows of a transaction into chunks, as a large one does.
func (t *Txn) StageNow(ctx context.Context) error { return t.stage(ctx) }
