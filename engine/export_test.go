package engine

import "github.com/phyllodb/phyllo/engine/store"

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
