package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/clock"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"golang.org/x/sync/semaphore"
)

// errClosed is what calls on a closed DB return.
var errClosed = fmt.Errorf("engine: closed: %w", fs.ErrClosed)

// ErrBusy is what Admit returns while write buffers are full: try again later.
var ErrBusy = pgerr.New(pgerr.ConfigLimitExceeded, "write buffers are full").
	WithHint("Send again in a moment, or raise memory.buffers_mib.")

// maxSealers bounds how many seals encode at a time, and with it their memory.
const maxSealers = 2

// A DB keeps one database in a store. It is safe for concurrent use.
type DB struct {
	store     store.Store
	opt       Options
	mem       memory.Allocator // Go's heap: what is in buffers is shared and freed by the collector
	ids       *chunk.IDs
	clock     *clock.Clock
	locks     *lock.Manager
	metrics   *metrics
	snapshots snapshots
	// statistics are what the planner has asked for.
	statistics statistics
	sealers    *semaphore.Weighted
	// stageBytes is how large a transaction's rows may grow before they are
	// staged, sealBytes a partition's before they are flushed.
	stageBytes, sealBytes int64
	replayBytes           int64 // recovery's: how much it buffers before it flushes

	mu        sync.Mutex // held to replace current
	current   atomic.Pointer[state]
	catalogue *catalogueLog // the committer's, after Open
	committer *committer
	flusher   *flusher
	compactor *compactor
	sequences *sequences
	cluster   *cluster                         // nil unless the store is shared
	source    atomic.Pointer[commitlog.Source] // whose log we append to; see own
	buffered  atomic.Int64                     // bytes of rows of this node that are not in chunks
	followed  atomic.Int64                     // bytes of such rows of other nodes
	sealing   atomic.Int32                     // seals that are being made

	pages  *commitlog.PageCache // of the manifests of all partitions
	partMu sync.Mutex           // guards parts
	parts  map[chunk.PartitionID]*partState

	ended  endedSources
	closed atomic.Bool
}

// Open opens the database in a store, and makes it if the store is empty. What
// an earlier process acknowledged is there when it returns.
func Open(ctx context.Context, s store.Store, opt Options) (*DB, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	opt = opt.withDefaults()
	db := &DB{store: s, opt: opt, mem: memory.DefaultAllocator, ids: chunk.NewIDs(opt.Now), clock: clock.New(opt.Now),
		locks: lock.New(lock.Options{}), sealers: semaphore.NewWeighted(maxSealers),
		stageBytes: min(16<<20, opt.BufferBytes/4), sealBytes: min(64<<20, opt.BufferBytes/4), replayBytes: opt.BufferBytes / 2,
		pages: commitlog.NewPageCache(opt.ManifestBytes), parts: map[chunk.PartitionID]*partState{}}
	db.snapshots.txns, db.snapshots.shared = map[*Txn]uint64{}, opt.Cluster != nil
	db.source.Store(&commitlog.Source{Writer: opt.Writer, Epoch: newEpoch()})
	if opt.Cluster != nil {
		var err error
		if db.cluster, err = newCluster(db, s); err != nil {
			return nil, err
		}
		src := db.cluster.newSource()
		db.source.Store(&src)
	}
	db.sequences = newSequences(db)
	db.metrics = newMetrics(db)
	db.committer = newCommitter(db)
	db.flusher = newFlusher(db)
	db.compactor = newCompactor(db)
	if err := db.recover(ctx); err != nil {
		if db.cluster != nil {
			db.cluster.stop()
			db.cluster.members.leave(ctx)
		}
		db.metrics.unregister()
		return nil, fmt.Errorf("recovery: %w", err)
	}
	go db.committer.run()
	db.flusher.start()
	db.compactor.start()
	if db.cluster != nil {
		db.cluster.start(db.cluster.follower.run, db.cluster.inherit, db.cluster.vouch, db.cluster.acceptLeft)
	}
	if j := db.journal(); j != nil {
		go j.run()
		db.cluster.start(j.tick, db.cluster.asks.answer)
	}
	return db, nil
}

// Close flushes what is in the buffers and ends. Transactions still open fail.
// What cannot be flushed stays in the source log.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	ctx := context.Background()
	db.compactor.stop()
	if db.cluster != nil { // whose store may be out of reach
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, closeWait)
		defer cancel()
		db.cluster.claims.close()
		err := db.cluster.emptyJournal(ctx)
		db.committer.close() // before others hear that this node has nothing of its own
		if err == nil {
			err = db.cluster.retireJournal(ctx)
		}
		if err != nil {
			db.opt.Logger.Warn("not all commits reached the cluster; the journal in the data folder has the rest, for the next start", slog.String("error", err.Error()))
		}
	} else {
		db.committer.close()
	}
	db.sequences.giveBack(ctx)
	db.flusher.stop()
	err := db.Checkpoint(ctx)
	if err == nil {
		err = db.retire(ctx)
	}
	if db.cluster != nil {
		db.cluster.stop()
		db.cluster.members.leave(ctx)
	}
	db.metrics.unregister()
	if err != nil {
		db.opt.Logger.Warn("not everything was flushed; the source log has the rest", slog.String("error", err.Error()))
	}
	return nil
}

// closeWait bounds how long a node of a cluster flushes before it ends.
const closeWait = 30 * time.Second

// Checkpoint writes every buffer to chunks and folds the logs.
func (db *DB) Checkpoint(ctx context.Context) error {
	var errs []error
	if !db.closed.Load() { // else that was done
		if err := db.forwardNow(); err != nil {
			errs = append(errs, err)
		}
	}
	s := db.current.Load()
	for _, st := range s.storages {
		for _, p := range st.parts {
			if err := db.flush(ctx, p.part.id); err != nil {
				errs = append(errs, err)
				continue
			}
			if err := db.foldLog(ctx, p.part); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return db.trim(ctx)
}

// foldLog writes a checkpoint of a partition's commit log. Its chunks are then in
// the store, and what has them in memory goes.
func (db *DB) foldLog(ctx context.Context, part *partition) error {
	part.flush.Lock()
	defer part.flush.Unlock()
	if part.freed {
		return nil
	}
	if err := part.log.Checkpoint(ctx); err != nil {
		return err
	}
	if db.cluster == nil && part.unsettled == nil { // else a round, or the next flush, sees it
		db.updatePart(part.id, func(_ *state, p *partState) { p.manifest = part.log.Manifest() })
	}
	return nil
}

// TableSize returns the bytes of a table's chunks in the store, and about those of its
// manifests.
func (db *DB) TableSize(table datum.OID) int64 {
	s := db.current.Load()
	def := s.catalog.Tables[table]
	if def == nil || s.storages[def.Storage] == nil {
		return 0
	}
	n := int64(0)
	for _, p := range s.storages[def.Storage].parts {
		n += p.manifest.Bytes() + int64(p.manifest.Len())*entrySize(len(s.storages[def.Storage].info.layout.Columns))
	}
	return n
}

// entrySize is about what a manifest has of a chunk, in bytes: 400 for ten columns.
func entrySize(columns int) int64 { return 100 + 30*int64(columns) }

// Admit says whether more rows are welcome: ErrBusy while buffers are full.
func (db *DB) Admit() error {
	if db.buffered.Load() < db.opt.BufferBytes*3/4 {
		return nil
	}
	db.flusher.poke()
	return ErrBusy
}

// admit waits until there is room for more rows. What a transaction itself
// holds is staged first, so that waiting is only for flushes, which end.
func (db *DB) admit(ctx context.Context, t *Txn) error {
	for {
		buffered := db.buffered.Load()
		if buffered < db.opt.BufferBytes {
			return nil
		}
		if t.work.bytes > 0 {
			if err := t.stage(ctx); err != nil {
				return err
			}
			continue
		}
		more, err := db.flusher.wait(ctx)
		if err != nil {
			return err
		}
		if !more || db.buffered.Load() >= buffered {
			return nil // what fills the buffers is other transactions': they stage theirs
		}
	}
}

// newPartState returns the state of a partition that ensurePartition opened, nil
// if it did not.
func (db *DB) newPartState(id chunk.PartitionID) *partState {
	db.partMu.Lock()
	defer db.partMu.Unlock()
	return db.parts[id]
}

// ensurePartition opens a partition's commit log, if need be, and returns its
// state as it was then, without rows in buffers.
func (db *DB) ensurePartition(ctx context.Context, id chunk.PartitionID) (*partState, error) {
	if p := db.newPartState(id); p != nil {
		return p, nil
	}
	log, err := commitlog.Open(ctx, db.store, id, db.logOptions())
	if err != nil {
		return nil, err
	}
	db.partMu.Lock()
	defer db.partMu.Unlock()
	if p := db.parts[id]; p != nil {
		return p, nil // another was faster
	}
	p := &partState{part: &partition{id: id, log: log, compacting: newTurn()}, manifest: log.Manifest(), pending: emptyDelta}
	db.parts[id] = p
	return p, nil
}

// minPageLifetime is longer than a state goes on with the manifest of a partition
// whose commit log another node has checkpointed (idleAge).
const minPageLifetime = 10 * time.Minute

func (db *DB) logOptions() commitlog.Options {
	return commitlog.Options{Live: db.live, Now: db.opt.Now, Logger: db.opt.Logger,
		Pages: db.pages, PageLifetime: max(db.opt.SnapshotLifetime, minPageLifetime)}
}

func (db *DB) deleteChunks(id chunk.PartitionID, entries []*chunk.Entry) {
	if len(entries) == 0 {
		return
	}
	if err := db.store.DeleteChunks(context.Background(), id, entries); err != nil {
		db.opt.Logger.Warn("chunks that nobody needs could not be deleted", slog.String("error", err.Error()))
	}
}
