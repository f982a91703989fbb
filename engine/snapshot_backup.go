package engine

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/semaphore"
)

// How a backup reads a snapshot. A state has the catalogue, the manifests of all
// partitions, and what is in no chunk yet: all of each transaction, or nothing. Chunks
// are named, so that who makes the backup asks for those that it lacks (BackupChunks);
// rows that are in no chunk yet are made chunks of here, which are in no store and no log.
// As for any reader, chunks that are removed meanwhile stay for the snapshots' lifetime;
// who is slower hears 72000, and begins anew with those that it still lacks.

// Backup writes, in the format of package backup, what a backup of the transaction's
// snapshot consists of. What out is told comes in pieces; it may be slow.
func (t *Txn) Backup(ctx context.Context, out io.Writer) error {
	if t.done.Load() {
		return errTxnDone
	}
	s := t.snap
	w := backup.NewWriter(out)
	if err := w.Header(&backup.Header{Database: s.catalog.Database, Taken: t.asOf.UTC(), Positions: t.db.positions(s)}); err != nil {
		return err
	}
	catalog, err := sequencesOf(ctx, t.db.store, backupCatalog(s))
	if err != nil {
		return err
	}
	if err := w.Catalog(catalog); err != nil {
		return err
	}
	for _, oid := range slices.Sorted(maps.Keys(s.storages)) {
		st := s.storages[oid]
		for _, p := range st.parts {
			if err := backupPart(ctx, w, st.info, p); err != nil {
				return err
			}
		}
	}
	for _, oid := range slices.Sorted(maps.Keys(s.storages)) {
		st := s.storages[oid]
		for _, p := range st.parts {
			if err := t.db.backupRows(ctx, w, st.info.of(p.part.id.Key), p); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// backupCatalog is the catalogue of a state, in which tables know what their manifests do, from
// when on their history is whole, and nothing of what nodes are about to do.
func backupCatalog(s *state) *schema.Catalog {
	out := *s.catalog
	out.Tables = maps.Clone(s.catalog.Tables)
	for oid, def := range out.Tables {
		next := *def
		next.NullsRefused = nil
		if st := s.storages[def.Storage]; def.History > 0 && st != nil {
			for _, p := range st.parts {
				next.HistoryFrom = max(next.HistoryFrom, int64(p.manifest.HistoryFrom()))
			}
		}
		out.Tables[oid] = &next
	}
	return &out
}

// positions are how far the source logs are in a state.
func (db *DB) positions(s *state) map[string]uint64 {
	out := map[string]uint64{db.own().String(): s.head}
	for src, head := range s.heads {
		if head != gone {
			out[src.String()] = head
		}
	}
	return out
}

// backupPart names the chunks of a partition.
func backupPart(ctx context.Context, w *backup.Writer, in *tableInfo, p *partState) error {
	for e, err := range p.manifest.Chunks(ctx) {
		if err != nil {
			return in.unread(err)
		}
		if err := w.Ref(p.part.id, e); err != nil {
			return err
		}
	}
	for _, d := range p.deltas() {
		for _, e := range d.staged {
			if err := w.Ref(p.part.id, e); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// backupRows writes the rows of a partition that are in no chunk yet, as chunks.
func (db *DB) backupRows(ctx context.Context, w *backup.Writer, in *tableInfo, p *partState) error {
	for _, d := range p.deltas() {
		for _, s := range d.slices {
			sealed, err := db.sealSlice(ctx, in, s)
			if err != nil {
				return err
			}
			for _, c := range sealed {
				if err := w.Object(p.part.id, &c.Entry); err != nil {
					return err
				}
				for _, b := range c.Blobs {
					if err := w.Blob(b); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// sealSlice makes chunks of the rows of one slice. It returns them all, so that a reader
// who is slow does not keep flushes waiting.
func (db *DB) sealSlice(ctx context.Context, in *tableInfo, s deltaSlice) (out []*chunk.Sealed, err error) {
	if err := db.sealers.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer db.sealers.Release(1)
	o := ingest.SealOptions{Schema: in.def.Version, IDs: db.ids, Mem: db.mem, Effort: codec.Quick}
	for sealed, err := range ingest.Seal(in.layout, s.rows, o) {
		if err != nil {
			return nil, err
		}
		out = append(out, sealed...)
	}
	return out, nil
}

// BackupChunks writes the objects of chunks of the snapshot, which are named in the
// format of package backup, in their order.
func (t *Txn) BackupChunks(ctx context.Context, names []byte, out io.Writer) error {
	if t.done.Load() {
		return errTxnDone
	}
	refs, err := backup.DecodeNames(names)
	if err != nil {
		return pgerr.New(pgerr.InvalidParameterValue, "%v", err)
	}
	chunks := make([]backupChunk, len(refs))
	for i, r := range refs {
		if chunks[i], err = t.backupChunk(ctx, r); err != nil {
			return err
		}
	}
	w := backup.NewWriter(out)
	ahead := t.db.readAhead(ctx, chunks)
	defer ahead.stop()
	for _, c := range chunks {
		if err := w.Object(c.part, c.entry); err != nil {
			return err
		}
		for range c.entry.Columns {
			if err := ahead.next(ctx, w.Blob); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// A backupChunk is a chunk that is asked for.
type backupChunk struct {
	in    *tableInfo
	part  chunk.PartitionID
	entry *chunk.Entry
}

// backupChunk finds a chunk in the snapshot.
func (t *Txn) backupChunk(ctx context.Context, r backup.Ref) (backupChunk, error) {
	unknown := pgerr.New(pgerr.UndefinedObject, "the snapshot has no chunk %v in table %d, partition %x", r.ID, r.Part.Table, r.Part.Key)
	st := t.snap.storages[r.Part.Table]
	if st == nil || st.part(r.Part.Key) == nil {
		return backupChunk{}, unknown
	}
	p := st.part(r.Part.Key)
	e, err := p.manifest.Chunk(ctx, r.ID)
	if err != nil {
		return backupChunk{}, st.info.unread(err)
	}
	if e == nil {
		for _, d := range p.deltas() {
			if at := slices.IndexFunc(d.staged, func(e *chunk.Entry) bool { return e.ID == r.ID }); at >= 0 {
				e = d.staged[at]
			}
		}
	}
	if e == nil {
		return backupChunk{}, unknown
	}
	return backupChunk{st.info, r.Part, e}, nil
}

const (
	backupAheadBlobs = 16       // blobs that are read ahead of what is written
	backupAheadBytes = 16 << 20 // of these, together; a larger one is alone
)

// A readAhead reads blobs side by side and hands them out one after the other.
type readAhead struct {
	cancel context.CancelFunc
	queue  chan *aheadBlob
	room   *semaphore.Weighted
	work   sync.WaitGroup
}

type aheadBlob struct {
	weight int64
	data   []byte
	err    error
	read   chan struct{} // closed when it is read
}

// readAhead begins to read all blobs of chunks; stop ends it.
func (db *DB) readAhead(ctx context.Context, chunks []backupChunk) *readAhead {
	ctx, cancel := context.WithCancel(ctx)
	a := &readAhead{cancel: cancel, queue: make(chan *aheadBlob, backupAheadBlobs), room: semaphore.NewWeighted(backupAheadBytes)}
	a.work.Go(func() {
		defer close(a.queue)
		for _, c := range chunks {
			fetch := db.fetch(c.part, c.in, c.entry)
			for column := range c.entry.Columns {
				b := &aheadBlob{weight: min(c.entry.Columns[column].Size, backupAheadBytes), read: make(chan struct{})}
				if a.room.Acquire(ctx, b.weight) != nil {
					return
				}
				a.work.Go(func() {
					defer close(b.read)
					b.data, b.err = checkedBlob(ctx, c, column, fetch)
				})
				select {
				case a.queue <- b:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	return a
}

// checkedBlob reads a blob whose checksum holds: what is damaged is not backed up.
func checkedBlob(ctx context.Context, c backupChunk, column int, fetch chunk.Fetch) ([]byte, error) {
	data, checked, err := fetch(ctx, column)
	if err != nil || checked || len(data) == 0 {
		return data, err
	}
	if int64(len(data)) != c.entry.Columns[column].Size || !chunk.ChecksumHolds(data) {
		return nil, c.in.corrupt(c.part, c.entry, fmt.Errorf("%w: column %d: its checksum is wrong", chunk.ErrCorrupt, c.entry.Columns[column].ID))
	}
	return data, nil
}

// next waits for the next blob and hands it to f.
func (a *readAhead) next(ctx context.Context, f func([]byte) error) error {
	b := <-a.queue
	if b == nil { // the readers end before the last blob only with ctx
		return context.Cause(ctx)
	}
	<-b.read
	err := b.err
	if err == nil {
		err = f(b.data)
	}
	a.room.Release(b.weight)
	return err
}

// stop ends what is being read.
func (a *readAhead) stop() {
	a.cancel()
	a.work.Wait()
}
