package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A catalogueEntry is one record of the catalogue log, as JSON.
type catalogueEntry struct {
	Format  int             // catalogueFormat
	ID      [16]byte        // of the transaction
	Changes []schema.Change // none: the entry decides that no transaction has this number
}

// catalogueFormat is the version of entries and checkpoints that this code
// writes, and the newest that it reads.
const catalogueFormat = 1

// catalogueCheckpoint is what the log's checkpoint holds, as JSON.
type catalogueCheckpoint struct {
	Format  int
	Catalog *schema.Catalog
	// Retained is the lowest entry that was kept, for records of source logs
	// that refer to it.
	Retained uint64
}

// checkpointChanges is after how many entries the catalogue is folded.
const checkpointChanges = 256

// A catalogueLog is the catalogue log of the database. Its writer is the
// committer, or recovery before it: but for need, forget and undecided it is not
// safe for concurrent use.
type catalogueLog struct {
	store   store.Store
	log     store.LogID
	catalog *schema.Catalog // as of the last entry
	folded  uint64          // sequence number of the checkpoint
	// open says that recovery has read all source logs, so that needs are
	// complete: before that no entry may be trimmed.
	open bool
	// shared says that other nodes append to the log.
	shared bool

	// writing is held, in a cluster, by who reads or appends entries.
	writing sync.Mutex

	mu    sync.Mutex          // guards the fields below
	ids   map[uint64][16]byte // of the retained entries
	last  uint64              // sequence number of the last entry
	needs map[sourcePosition]uint64
	// followed is up to which entry the needs of other nodes' records are known.
	followed uint64
}

// A sourcePosition names a record of a source log.
type sourcePosition struct {
	source commitlog.Source
	seq    uint64
}

var errCatalogueChanged = pgerr.New(pgerr.SerializationFailure, "the catalogue was changed by another transaction").
	WithHint("Try again.")

// errCatalogueUnknown says that nobody knows whether an entry was appended.
var errCatalogueUnknown = errors.New("engine: outcome of a change of the catalogue is unknown")

func newTxnID() (id [16]byte) {
	rand.Read(id[:])
	return id
}

// openCatalogue folds the catalogue log.
func openCatalogue(ctx context.Context, st store.Store, database string) (*catalogueLog, error) {
	c := &catalogueLog{store: st, log: store.LogID{Kind: store.CatalogueLog, Key: database},
		catalog: schema.NewCatalog(database), ids: map[uint64][16]byte{}, needs: map[sourcePosition]uint64{}, followed: math.MaxUint64}
	from := uint64(1)
	data, err := st.Checkpoint(ctx, c.log)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		var cp catalogueCheckpoint
		if err := decodeCatalogue(data, &cp, &cp.Format, "checkpoint"); err != nil {
			return nil, err
		}
		if cp.Catalog == nil {
			return nil, fmt.Errorf("%w: catalogue checkpoint without a catalogue", chunk.ErrCorrupt)
		}
		c.catalog, c.folded, from = cp.Catalog, cp.Catalog.Seq, max(cp.Retained, 1)
	}
	for e, err := range st.Read(ctx, c.log, from) {
		if err != nil {
			return nil, err
		}
		if err := c.fold(e); err != nil {
			return nil, err
		}
	}
	c.last = c.catalog.Seq
	return c, nil
}

func decodeCatalogue(data []byte, into any, format *int, what string) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: catalogue %s: %v", chunk.ErrCorrupt, what, err)
	}
	if *format > catalogueFormat {
		return pgerr.New(pgerr.ObjectNotInState, "the catalogue's %s is of format %d, and this program knows %d", what, *format, catalogueFormat).
			WithHint("Run the version of phyllo that wrote this folder, or a newer one.")
	}
	return nil
}

func (c *catalogueLog) fold(e store.Entry) error {
	var entry catalogueEntry
	if err := decodeCatalogue(e.Data, &entry, &entry.Format, fmt.Sprintf("entry %d", e.Seq)); err != nil {
		return err
	}
	c.mu.Lock()
	c.ids[e.Seq] = entry.ID
	c.mu.Unlock()
	if e.Seq <= c.folded {
		return nil
	}
	next, err := c.catalog.Apply(e.Seq, entry.Changes...)
	if err != nil {
		return fmt.Errorf("%w: catalogue entry %d: %v", chunk.ErrCorrupt, e.Seq, err)
	}
	c.catalog = next
	return nil
}

// append writes entry seq and returns the catalogue with it. An error wraps
// errCatalogueUnknown if the entry may have been written.
func (c *catalogueLog) append(ctx context.Context, seq uint64, entry catalogueEntry) (*schema.Catalog, error) {
	entry.Format = catalogueFormat
	if seq <= c.catalog.Seq && c.committed(seq, entry.ID) {
		return c.catalog, nil // it came late
	}
	if seq != c.catalog.Seq+1 {
		return nil, errCatalogueChanged
	}
	next, err := c.catalog.Apply(seq, entry.Changes...)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(entry)
	if err != nil {
		return nil, err
	}
	if err := c.store.Append(ctx, c.log, seq, data); err != nil {
		if err := c.settle(ctx, seq, data, err); err != nil {
			return nil, err
		}
	}
	c.catalog = next
	c.mu.Lock()
	c.ids[seq], c.last = entry.ID, seq
	c.mu.Unlock()
	if c.open && seq-c.folded >= checkpointChanges {
		// A failure shows again at the next one; nothing depends on it.
		_ = c.checkpoint(ctx)
	}
	return next, nil
}

// settle finds out what became of entry seq after its append failed. In a cluster
// it is unknown until the place is filled, for the append may yet be done.
func (c *catalogueLog) settle(ctx context.Context, seq uint64, data []byte, failure error) error {
	if c.shared && !errors.Is(failure, store.ErrConflict) {
		return fmt.Errorf("%w: %w", errCatalogueUnknown, failure)
	}
	head, err := c.store.Head(ctx, c.log)
	if err != nil {
		return fmt.Errorf("%w: %w", errCatalogueUnknown, errors.Join(failure, err))
	}
	if head < seq {
		return failure
	}
	for e, err := range c.store.Read(ctx, c.log, seq) {
		if err != nil {
			return fmt.Errorf("%w: %w", errCatalogueUnknown, errors.Join(failure, err))
		}
		if e.Seq == seq && bytes.Equal(e.Data, data) {
			return nil
		}
		if c.shared {
			return errCatalogueChanged
		}
		break
	}
	return fmt.Errorf("%w: another process writes to the catalogue: %w", errCatalogueUnknown, failure)
}

// checkpoint writes the folded catalogue and trims the entries that nobody
// needs any more.
func (c *catalogueLog) checkpoint(ctx context.Context) error {
	if c.folded == c.catalog.Seq {
		return nil
	}
	c.mu.Lock()
	retained := min(c.catalog.Seq, c.followed) + 1
	for _, seq := range c.needs {
		retained = min(retained, seq)
	}
	c.mu.Unlock()
	data, err := json.Marshal(catalogueCheckpoint{Format: catalogueFormat, Catalog: c.catalog, Retained: retained})
	if err != nil {
		return err
	}
	if err := c.store.PutCheckpoint(ctx, c.log, data); err != nil {
		return err
	}
	c.folded = c.catalog.Seq
	c.mu.Lock()
	for seq := range c.ids {
		if seq < retained {
			delete(c.ids, seq)
		}
	}
	c.mu.Unlock()
	return c.store.Trim(ctx, c.log, retained)
}

// need notes that a record counts only if entry seq is its transaction's; the
// entry is kept until forget.
func (c *catalogueLog) need(record sourcePosition, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.needs[record] = seq
}

// undecided returns the first record of a source whose entry is not there yet;
// ok is false if there is none. Whether it counts may be seen at a restart only.
func (c *catalogueLog) undecided(src commitlog.Source) (seq uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, entry := range c.needs {
		if p.source == src && entry > c.last && (!ok || p.seq < seq) {
			seq, ok = p.seq, true
		}
	}
	return seq, ok
}

// drop forgets the need of a record that did not get into its log.
func (c *catalogueLog) drop(record sourcePosition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.needs, record)
}

// forget says that a source's records below a position are not read again.
func (c *catalogueLog) forget(src commitlog.Source, below uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.needs {
		if p.source == src && p.seq < below {
			delete(c.needs, p)
		}
	}
}

// decided says whether the entry seq is the transaction's; known is false if
// there is no such entry yet.
func (c *catalogueLog) decided(seq uint64, id [16]byte) (committed, known bool) {
	if seq > c.catalog.Seq {
		return false, false
	}
	return c.committed(seq, id), true
}

// committed says whether the entry seq, which there is, is the transaction's.
func (c *catalogueLog) committed(seq uint64, id [16]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[seq] == id
}

// reached notes that all records that refer to entries up to seq are known.
func (c *catalogueLog) reached(seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followed = seq
}

// follow reads what other nodes appended and returns the catalogue with it; nil
// while a definition of this node is on its way.
func (c *catalogueLog) follow(ctx context.Context) (*schema.Catalog, error) {
	if !c.writing.TryLock() {
		return nil, nil
	}
	defer c.writing.Unlock()
	err := c.advance(ctx)
	return c.catalog, err
}

// advance folds the entries after the last one that is known.
func (c *catalogueLog) advance(ctx context.Context) error {
	for e, err := range c.store.Read(ctx, c.log, c.catalog.Seq+1) {
		if errors.Is(err, store.ErrTrimmed) {
			return c.reopen(ctx)
		}
		if err == nil {
			err = c.fold(e)
		}
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = c.catalog.Seq
	return nil
}

// reopen goes on from a checkpoint that others wrote.
func (c *catalogueLog) reopen(ctx context.Context) error {
	next, err := openCatalogue(ctx, c.store, c.log.Key)
	if err != nil {
		return err
	}
	c.catalog, c.folded = next.catalog, next.folded
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids, c.last = next.ids, next.last
	return nil
}

// fill decides that no transaction has the entry after the last one.
func (c *catalogueLog) fill(ctx context.Context, seq uint64) error {
	if !c.writing.TryLock() {
		return nil // it is being filled
	}
	defer c.writing.Unlock()
	if seq != c.catalog.Seq+1 {
		return nil
	}
	_, err := c.append(ctx, seq, catalogueEntry{ID: newTxnID()})
	if pgerr.Code(err) == pgerr.SerializationFailure {
		return nil
	}
	return err
}
