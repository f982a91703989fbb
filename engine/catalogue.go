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
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A catalogueEntry is one record of the catalogue log, as JSON.
type catalogueEntry struct {
	Format  int             // the least of which a reader must know
	ID      [16]byte        // of the transaction
	Changes []schema.Change // none: the entry decides that no transaction has this number
	// Base is the entry whose checkpoint readers begin with, 0 for none, or for the
	// one without a number of format 1.
	Base uint64 `json:",omitempty"`
}

// Versions of entries and checkpoints.
const (
	formatChanges = 1
	formatBase    = 2 // there is a Base, or it is a checkpoint
	formatPlaced  = 3 // a table has Placements
	formatObjects = 4 // there is a sequence, or a table has NullsRefused or what is checked or computed for each row
	formatTypes   = 5 // a user has defined a type
	formatRows    = 6 // a type is composite, or a table has a column of such a type
	// catalogueFormat is the newest that this code reads.
	catalogueFormat = formatRows
)

// formatOf returns the version of what has a change. A node that does not know of what a
// table asks of each row must not write any.
func formatOf(format int, c *schema.Change) int {
	switch t := c.PutTable; {
	case c.PutType != nil && c.PutType.OID.Class() == datum.CompositeClass, t != nil && t.HasRows():
		return max(format, formatRows)
	case c.PutType != nil, c.DropType != 0, t != nil && t.UsesTypes():
		return max(format, formatTypes)
	case c.PutSequence != nil, c.DropSequence != 0, t != nil && (t.ByRow() || len(t.NullsRefused)+len(t.Indexes)+len(t.ForeignKeys) > 0):
		return max(format, formatObjects)
	case t != nil && len(t.Placements) > 0:
		return max(format, formatPlaced)
	}
	return format
}

// catalogueCheckpoint is what a checkpoint of the log holds, as JSON. It is written
// under a name of its own, which is given one content only; the next entry says
// that readers begin with it; then the entries that it covers and the checkpoint
// before it are removed. So of several nodes that write checkpoints, however late,
// none takes away what another relies on.
type catalogueCheckpoint struct {
	Format  int
	Catalog *schema.Catalog
	// Retained is the lowest entry that was kept, for records of source logs
	// that refer to it.
	Retained uint64
}

// checkpointChanges is after how many entries the catalogue is folded.
var checkpointChanges uint64 = 256 // lowered by tests

// A catalogueLog is the catalogue log of the database. Its writer is the
// committer, or recovery before it: but for need, forget and undecided it is not
// safe for concurrent use.
type catalogueLog struct {
	store   store.Store
	log     store.LogID
	catalog *schema.Catalog // as of the last entry
	base    uint64          // the checkpoint that the last entry names
	written *catalogueBase  // a later one, for the next entry to name; nil if there is none
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

// catalogueBase is a checkpoint that this process has written.
type catalogueBase struct{ seq, retained uint64 }

// A sourcePosition names a record of a source log.
type sourcePosition struct {
	source commitlog.Source
	seq    uint64
}

var errCatalogueChanged = pgerr.New(pgerr.SerializationFailure, "the catalogue was changed by another transaction").
	WithHint("Try again.")

// errCatalogueUnknown says that nobody knows whether an entry was appended.
var errCatalogueUnknown = errors.New("engine: outcome of a change of the catalogue is unknown")

// errCatalogueForgotten is for an entry whose place is filled, and which others have
// folded into a checkpoint before its outcome could be seen. The next round finds what
// became of the objects. Rows of the transaction do not count any more: the entry is
// kept as long as a record is in its log that counts by it, so that ours does not, or
// our log is gone and we begin anew.
var errCatalogueForgotten = outcomeUnknown(errors.New("other nodes have changed the catalogue often since"))

func newTxnID() (id [16]byte) {
	rand.Read(id[:])
	return id
}

// openCatalogue folds the catalogue log. Others may replace its checkpoint
// meanwhile; then it begins again.
func openCatalogue(ctx context.Context, st store.Store, database string) (*catalogueLog, error) {
	for last, tries := uint64(0), 0; ; {
		c := &catalogueLog{store: st, log: store.LogID{Kind: store.CatalogueLog, Key: database},
			catalog: schema.NewCatalog(database), ids: map[uint64][16]byte{}, needs: map[sourcePosition]uint64{}, followed: math.MaxUint64}
		err := c.load(ctx)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, store.ErrTrimmed) && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if c.base != last {
			last, tries = c.base, 0
		}
		if tries++; tries == maxTries {
			return nil, fmt.Errorf("%w: catalogue checkpoint %d or entries after it are missing: %w", chunk.ErrCorrupt, last, err)
		}
	}
}

// load reads the log from its checkpoint on.
func (c *catalogueLog) load(ctx context.Context) error {
	head, err := c.store.Head(ctx, c.log)
	if err != nil {
		return err
	}
	if c.base, err = c.lastBase(ctx, head); err != nil {
		return err
	}
	from, err := c.store.First(ctx, c.log) // entries from before the checkpoint are kept for their IDs
	if err != nil {
		return err
	}
	data, err := c.store.Checkpoint(ctx, c.checkpointID(c.base))
	switch {
	case c.base == 0 && errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	default:
		var cp catalogueCheckpoint
		if err := decodeCatalogue(data, &cp, &cp.Format, "checkpoint"); err != nil {
			return err
		}
		if cp.Catalog == nil {
			return fmt.Errorf("%w: catalogue checkpoint without a catalogue", chunk.ErrCorrupt)
		}
		if c.catalog, err = cp.Catalog.Apply(cp.Catalog.Seq); err != nil { // a decoded one remembers nothing
			return err
		}
		from = max(from, cp.Retained)
	}
	if from > c.catalog.Seq+1 {
		return fmt.Errorf("%w: the catalogue is folded up to %d, the first entry is %d", store.ErrTrimmed, c.catalog.Seq, from)
	}
	folded := c.catalog.Seq
	for e, err := range c.store.Read(ctx, c.log, max(from, 1)) {
		if err != nil {
			return err
		}
		if err := c.fold(e, folded); err != nil {
			return err
		}
	}
	c.last = c.catalog.Seq
	return nil
}

// lastBase returns the checkpoint that the entry at the head names.
func (c *catalogueLog) lastBase(ctx context.Context, head uint64) (uint64, error) {
	if head == 0 {
		return 0, nil
	}
	for e, err := range c.store.Read(ctx, c.log, head) {
		if errors.Is(err, store.ErrTrimmed) {
			break
		}
		if err != nil {
			return 0, err
		}
		var entry catalogueEntry
		if err := decodeCatalogue(e.Data, &entry, &entry.Format, fmt.Sprintf("entry %d", e.Seq)); err != nil {
			return 0, err
		}
		return entry.Base, nil
	}
	return 0, nil // format 1 trims the last one too
}

// checkpointID names the checkpoint at an entry.
func (c *catalogueLog) checkpointID(base uint64) store.LogID {
	if base == 0 {
		return c.log
	}
	return store.LogID{Kind: c.log.Kind, Key: fmt.Sprintf("%s@%d", c.log.Key, base)}
}

func decodeCatalogue(data []byte, into any, format *int, what string) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: catalogue %s: %v", chunk.ErrCorrupt, what, err)
	}
	if *format > catalogueFormat {
		return chunk.NewerFormat("catalogue: %s of format %d, of which this program reads up to %d", what, *format, catalogueFormat)
	}
	return nil
}

// fold takes in an entry; of those that are folded already it takes the ID.
func (c *catalogueLog) fold(e store.Entry, folded uint64) error {
	var entry catalogueEntry
	if err := decodeCatalogue(e.Data, &entry, &entry.Format, fmt.Sprintf("entry %d", e.Seq)); err != nil {
		return err
	}
	c.mu.Lock()
	c.ids[e.Seq] = entry.ID
	c.mu.Unlock()
	if e.Seq <= folded {
		return nil
	}
	next, err := c.catalog.Apply(e.Seq, entry.Changes...)
	if err != nil {
		return fmt.Errorf("%w: catalogue entry %d: %v", chunk.ErrCorrupt, e.Seq, err)
	}
	c.catalog, c.base = next, entry.Base
	return nil
}

// append writes entry seq and returns the catalogue with it. An error wraps
// errCatalogueUnknown if the entry may have been written.
func (c *catalogueLog) append(ctx context.Context, seq uint64, entry catalogueEntry) (*schema.Catalog, error) {
	if seq <= c.catalog.Seq && c.committed(seq, entry.ID) {
		return c.catalog, nil // it came late
	}
	if seq != c.catalog.Seq+1 {
		return nil, errCatalogueChanged
	}
	entry.Format, entry.Base = formatChanges, c.base
	if c.written != nil {
		entry.Base = c.written.seq
	}
	if entry.Base > 0 {
		entry.Format = formatBase
	}
	for i := range entry.Changes {
		entry.Format = formatOf(entry.Format, &entry.Changes[i])
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
	// A failure of what follows shows again at the next one; nothing depends on it.
	if c.written != nil {
		_ = c.use(ctx)
	}
	if c.open && seq-c.base >= checkpointChanges {
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
		if c.shared && errors.Is(err, store.ErrTrimmed) {
			return errCatalogueForgotten
		}
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

// checkpoint writes the folded catalogue, for the next entry to name.
func (c *catalogueLog) checkpoint(ctx context.Context) error {
	if c.shared {
		if err := c.forgetTrimmed(ctx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	retained := min(c.catalog.Seq, c.followed) + 1
	for _, seq := range c.needs {
		retained = min(retained, seq)
	}
	c.mu.Unlock()
	format := formatBase
	for _, t := range c.catalog.Tables {
		format = formatOf(format, &schema.Change{PutTable: t})
	}
	for _, s := range c.catalog.Sequences {
		format = formatOf(format, &schema.Change{PutSequence: s})
	}
	for _, t := range c.catalog.Types {
		format = formatOf(format, &schema.Change{PutType: t})
	}
	data, err := json.Marshal(catalogueCheckpoint{Format: format, Catalog: c.catalog, Retained: retained})
	if err != nil {
		return err
	}
	if err := c.store.PutCheckpoint(ctx, c.checkpointID(c.catalog.Seq), data); err != nil {
		return err
	}
	c.written = &catalogueBase{seq: c.catalog.Seq, retained: retained}
	return nil
}

// use removes what the checkpoint that the last entry is the first to name takes
// the place of.
func (c *catalogueLog) use(ctx context.Context) error {
	before, now := c.base, *c.written
	c.base, c.written = now.seq, nil
	c.mu.Lock()
	for seq := range c.ids {
		if seq < now.retained {
			delete(c.ids, seq)
		}
	}
	c.mu.Unlock()
	if err := c.store.Trim(ctx, c.log, now.retained); err != nil {
		return err
	}
	return c.store.DeleteCheckpoint(ctx, c.checkpointID(before))
}

// forgetTrimmed forgets the needs of records of other nodes that are trimmed.
func (c *catalogueLog) forgetTrimmed(ctx context.Context) error {
	c.mu.Lock()
	below := map[commitlog.Source]uint64{}
	for p := range c.needs {
		below[p.source] = math.MaxUint64
	}
	c.mu.Unlock()
	err := eachSourceLog(ctx, c.store, func(log store.LogID, src commitlog.Source) error {
		if below[src] == 0 {
			return nil
		}
		first, err := c.store.First(ctx, log)
		below[src] = first
		return err
	})
	if err != nil {
		return err
	}
	for src, seq := range below {
		c.forget(src, seq)
	}
	return nil
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

// follow reads what other nodes appended and returns the catalogue with it. While a
// definition of this node is on its way that is the one the caller has, as long as the
// log has no entry after it; then it fails with errDefining, for others may have gone
// on from there.
func (c *catalogueLog) follow(ctx context.Context, have *schema.Catalog) (*schema.Catalog, error) {
	if !c.writing.TryLock() {
		head, err := c.store.Head(ctx, c.log)
		if err == nil && head > have.Seq {
			err = errDefining
		}
		return have, err
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
			err = c.fold(e, 0)
		}
		if err != nil {
			return err
		}
	}
	if c.written != nil && c.base >= c.written.seq { // another node was faster
		if c.base > c.written.seq {
			_ = c.store.DeleteCheckpoint(ctx, c.checkpointID(c.written.seq)) // what stays is garbage of a few kB
		}
		c.written = nil
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
	c.catalog, c.base, c.written = next.catalog, next.base, nil
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
