package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/errgroup"
)

// How a backup becomes a store. A mark says that the store is being restored, and of what:
// no server takes it for a store as long as it is there, and who restores the same backup
// again goes on. Chunks come partition by partition, some at a time, and each commit of
// some is one of a source that there never was. The catalogue comes last, then the mark goes.
// Chunks keep their IDs, so that the next backup of the new store has to copy none of them.

// A Restoring is what Restore restores.
type Restoring struct {
	Document *backup.Document
	// Chunk returns the object of a chunk, whose hash is what the document says. It is
	// called by several goroutines.
	Chunk func(ctx context.Context, c backup.Chunk) ([]byte, error)
	// Done is told of each chunk that is in the store, of one at a time; nil: nobody is.
	Done func(c backup.Chunk)
}

const (
	restoreParts  = 4        // partitions that are restored at a time
	restoreAhead  = 4        // chunks of each that are fetched at a time
	restoreBytes  = 16 << 20 // of these, that are put away together, unless one is larger
	restoreChunks = 64       // at most
)

// restoredSchema is the schema version of all that is restored: no table has a lower one.
const restoredSchema = 1

// Restore fills a store that is empty, or in which an earlier try to restore the same
// backup ended early. Anything else is refused (55000).
func Restore(ctx context.Context, s store.Store, r Restoring) error {
	d := r.Document
	if err := beginRestore(ctx, s, d); err != nil {
		return err
	}
	if done := r.Done; done != nil {
		var mu sync.Mutex // held while it is told
		r.Done = func(c backup.Chunk) {
			mu.Lock()
			defer mu.Unlock()
			done(c)
		}
	}
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(restoreParts)
	for i := range d.Parts {
		work.Go(func() error { return restorePart(working, s, r, &d.Parts[i]) })
	}
	if err := work.Wait(); err != nil {
		return err
	}
	if err := restoreCatalogue(ctx, s, d.Catalog); err != nil {
		return err
	}
	return s.DeleteCheckpoint(ctx, restoreMark)
}

// restoreMark names the checkpoint that is the mark. No database has an empty name.
var restoreMark = store.LogID{Kind: store.CatalogueLog, Key: "@restore"}

// beginRestore sets the mark.
func beginRestore(ctx context.Context, s store.Store, d *backup.Document) error {
	mark := d.Header.Name
	have, err := s.Checkpoint(ctx, restoreMark)
	switch {
	case err == nil && string(have) == mark:
		return nil
	case err == nil:
		return pgerr.New(pgerr.ObjectNotInState, "the restore of backup %s into this store was interrupted", have).
			WithHint("Restore that one again, which goes on, or take an empty store.")
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	for _, kind := range []store.LogKind{store.CatalogueLog, store.CommitLog, store.SourceLog, store.SequenceLog} {
		logs, err := s.List(ctx, kind)
		if err != nil {
			return err
		}
		if len(logs) > 0 {
			return pgerr.New(pgerr.ObjectNotInState, "the store to restore into is not empty").
				WithHint("A backup is restored into a folder that is empty or does not exist, or into a keyspace that phyllo migrate has just made.")
		}
	}
	return s.PutCheckpoint(ctx, restoreMark, []byte(mark))
}

// refuseRestoring fails if a store is being restored.
func refuseRestoring(ctx context.Context, s store.Store) error {
	name, err := s.Checkpoint(ctx, restoreMark)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return pgerr.New(pgerr.ObjectNotInState, "backup %s is being restored into this store, or was, and not all of it is here", name).
		WithHint("Run phyllo restore again: it goes on where it stopped.")
}

// restorePart brings a partition's chunks that are not there yet.
func restorePart(ctx context.Context, s store.Store, r Restoring, p *backup.Part) error {
	done := false
	log, err := commitlog.Open(ctx, s, p.ID, commitlog.Options{Live: func(commitlog.Source) bool { return !done }})
	if err != nil {
		return err
	}
	there := map[chunk.ID]bool{}
	for e, err := range log.Manifest().Chunks(ctx) {
		if err != nil {
			return err
		}
		there[e.ID] = true
	}
	b := partRestore{store: s, restoring: r, part: p, log: log, source: commitlog.Source{Writer: "restore", Epoch: newEpoch()}}
	size := int64(0)
	for _, c := range p.Chunks {
		if there[c.ID] {
			r.done(c)
			continue
		}
		if len(b.next) > 0 && (size+c.Size > restoreBytes || len(b.next) == restoreChunks) {
			if err := b.put(ctx); err != nil {
				return err
			}
			size = 0
		}
		b.next = append(b.next, c)
		size += c.Size
	}
	if err := b.put(ctx); err != nil {
		return err
	}
	done = true // the checkpoint forgets the sources
	return log.Checkpoint(ctx)
}

func (r *Restoring) done(c backup.Chunk) {
	if r.Done != nil {
		r.Done(c)
	}
}

// A partRestore brings the chunks of one partition.
type partRestore struct {
	store     store.Store
	restoring Restoring
	part      *backup.Part
	log       *commitlog.Log
	source    commitlog.Source
	position  uint64 // of the last commit
	next      []backup.Chunk
}

// put brings the next chunks and commits them.
func (b *partRestore) put(ctx context.Context) error {
	if len(b.next) == 0 {
		return nil
	}
	sealed := make([]*chunk.Sealed, len(b.next))
	fetch, fetching := errgroup.WithContext(ctx)
	fetch.SetLimit(restoreAhead)
	for i, c := range b.next {
		fetch.Go(func() (err error) {
			sealed[i], err = b.chunk(fetching, c)
			return err
		})
	}
	if err := fetch.Wait(); err != nil {
		return err
	}
	if err := b.store.PutChunks(ctx, b.part.ID, sealed); err != nil {
		return err
	}
	c := &commitlog.Commit{Kind: commitlog.Flush, By: b.source, Schema: restoredSchema,
		Sources: []commitlog.Interval{{Source: b.source, From: b.position, To: b.position + 1}}}
	for _, s := range sealed {
		e := s.Entry // by itself, without the blobs
		c.Adds = append(c.Adds, &e)
	}
	if _, err := b.log.Commit(ctx, c); err != nil {
		return err
	}
	b.position++
	for _, c := range b.next {
		b.restoring.done(c)
	}
	b.next = b.next[:0]
	return nil
}

// chunk fetches a chunk.
func (b *partRestore) chunk(ctx context.Context, c backup.Chunk) (*chunk.Sealed, error) {
	data, err := b.restoring.Chunk(ctx, c)
	if err != nil {
		return nil, err
	}
	part, sealed, err := backup.DecodeObject(data)
	if err != nil {
		return nil, fmt.Errorf("chunk %v: %w", c.ID, err)
	}
	if part != b.part.ID || sealed.Entry.ID != c.ID || sealed.Entry.Rows != c.Rows {
		return nil, fmt.Errorf("%w: the object of chunk %v is of another one: %v of table %d", chunk.ErrCorrupt, c.ID, sealed.Entry.ID, part.Table)
	}
	sealed.Entry.Schema = restoredSchema
	return sealed, nil
}

// restoredEntryBytes is how large an entry of a catalogue that is restored becomes, as a
// rule: logs bound their entries.
const restoredEntryBytes = 1 << 20

// restoreCatalogue makes a catalogue anew, in as many entries as it takes. Objects keep
// their OIDs. An earlier try may have written some of the entries.
func restoreCatalogue(ctx context.Context, s store.Store, want *schema.Catalog) error {
	c, err := openCatalogue(ctx, s, want.Database)
	if err != nil {
		return err
	}
	changes := catalogueChanges(want)
	for seq := uint64(1); len(changes) > 0; seq++ {
		n, size := 0, 0
		for n < len(changes) && (n == 0 || size < restoredEntryBytes) {
			text, err := json.Marshal(changes[n])
			if err != nil {
				return err
			}
			size += len(text)
			n++
		}
		if seq > c.catalog.Seq {
			if _, err := c.append(ctx, seq, catalogueEntry{ID: newTxnID(), Changes: changes[:n]}); err != nil {
				return err
			}
		}
		changes = changes[n:]
	}
	return nil
}

// catalogueChanges are what makes a catalogue of that of a new database.
func catalogueChanges(want *schema.Catalog) []schema.Change {
	fresh := schema.NewCatalog(want.Database)
	var out []schema.Change
	for _, name := range slices.Sorted(maps.Keys(want.Roles)) {
		out = append(out, schema.Change{PutRole: want.Roles[name]})
	}
	for _, d := range byOID(want.Databases, func(d *schema.Database) datum.OID { return d.OID }) {
		out = append(out, schema.Change{PutDatabase: d})
	}
	for _, n := range byOID(want.Namespaces, func(n *schema.Namespace) datum.OID { return n.OID }) {
		if have := fresh.Namespaces[n.OID]; have == nil || *have != *n {
			out = append(out, schema.Change{PutNamespace: n})
		}
	}
	for _, n := range byOID(fresh.Namespaces, func(n *schema.Namespace) datum.OID { return n.OID }) {
		if want.Namespaces[n.OID] == nil {
			out = append(out, schema.Change{DropNamespace: n.OID})
		}
	}
	for _, t := range byOID(want.Tables, func(t *schema.Table) datum.OID { return t.OID }) {
		out = append(out, schema.Change{PutTable: t})
	}
	for _, v := range byOID(want.Views, func(v *schema.View) datum.OID { return v.OID }) {
		out = append(out, schema.Change{PutView: v})
	}
	for _, s := range byOID(want.Sequences, func(s *schema.Sequence) datum.OID { return s.OID }) {
		out = append(out, schema.Change{PutSequence: s})
	}
	for _, t := range byOID(want.Types, func(t *schema.Type) datum.OID { return t.OID }) {
		out = append(out, schema.Change{PutType: t})
	}
	if n := int(want.NextOID) - int(fresh.NextOID); n > 0 {
		out = append(out, schema.Change{TakeOIDs: n})
	}
	return out
}

func byOID[T any](m map[datum.OID]*T, oid func(*T) datum.OID) []*T {
	return slices.SortedFunc(maps.Values(m), func(a, b *T) int { return cmp.Compare(oid(a), oid(b)) })
}
