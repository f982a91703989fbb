package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A View is a database as the logs of its store tell it: for tools that look at
// what a server may be using, and change nothing. It is not modified after
// OpenView and safe for concurrent use.
type View struct {
	Catalog *schema.Catalog
	// Tables are all tables, by schema and name.
	Tables []*TableView
	// Sources are the source logs that the store has, by name.
	Sources []SourceView
	// Orphans are the partitions of tables that are gone or were truncated, which
	// the server has not freed yet.
	Orphans []chunk.PartitionID

	store store.Store
}

// A TableView is a table with the partitions that have ever had a row.
type TableView struct {
	Namespace  string
	Table      *schema.Table
	Partitions []*PartitionView // by rising key
}

// A PartitionView is one partition.
type PartitionView struct {
	ID chunk.PartitionID
	// Manifest is what the commit log says, Chunks are the live ones by slice, least
	// key and ID; empty after an error and with ViewOptions.WithoutChunks.
	Manifest *commitlog.Manifest
	Chunks   []*chunk.Entry
	// WaitingRows are in source logs and not in chunks yet, by source.
	WaitingRows map[commitlog.Source]int64
	Err         error // why the commit log could not be read
}

// A SourceView is a source log.
type SourceView struct {
	Source      commitlog.Source
	First, Head uint64 // first retained and last entry; First = Head + 1 if there is none
	SealedBy    string // who ended it; empty while it can grow
	WaitingRows int64  // in it and not in chunks yet
	Err         error  // why it could not be read to its end
}

// Rows returns how many rows are in chunks and how many wait in source logs.
// Versions that newer rows replace are counted.
func (t *TableView) Rows() (inChunks, waiting int64) {
	for _, p := range t.Partitions {
		inChunks += p.Manifest.Rows()
		waiting += p.Waiting()
	}
	return inChunks, waiting
}

// Waiting returns how many rows wait in source logs.
func (p *PartitionView) Waiting() int64 {
	n := int64(0)
	for _, rows := range p.WaitingRows {
		n += rows
	}
	return n
}

// find returns the place of the partition with a key.
func (t *TableView) find(key string) (int, bool) {
	return slices.BinarySearchFunc(t.Partitions, key, func(p *PartitionView, k string) int { return strings.Compare(p.ID.Key, k) })
}

// Partition returns the partition with a key, or nil.
func (t *TableView) Partition(key string) *PartitionView {
	if at, ok := t.find(key); ok {
		return t.Partitions[at]
	}
	return nil
}

// add adds a partition that is not there yet.
func (t *TableView) add(id chunk.PartitionID) *PartitionView {
	p := &PartitionView{ID: id, Manifest: &commitlog.Manifest{}, WaitingRows: map[commitlog.Source]int64{}}
	at, _ := t.find(id.Key)
	t.Partitions = slices.Insert(t.Partitions, at, p)
	return p
}

// ViewOptions say what of a store a View shows.
type ViewOptions struct {
	Database string // empty: the only one that the store has
	// WithoutChunks leaves PartitionView.Chunks empty: who walks through them by
	// Manifest.Chunks needs the memory of a few at a time.
	WithoutChunks bool
}

// OpenView reads the logs of a database. Damage of the catalogue is an error; that of
// anything else is the partition's or the source's. The store should show logs that do
// not move, as a local.Store that is open for reading only does; where they do, each part
// is as it was when it was read. Logs, blobs and checkpoints may vanish meanwhile, which
// looks like damage: who knows of a writer opens again.
func OpenView(ctx context.Context, s store.Store, opt ViewOptions) (*View, error) {
	database := opt.Database
	if database == "" {
		var err error
		if database, err = onlyDatabase(ctx, s); err != nil {
			return nil, err
		}
	}
	c, err := openCatalogue(ctx, s, database)
	if err != nil {
		return nil, err
	}
	v := &View{Catalog: c.catalog, store: s}
	storages := map[datum.OID]*TableView{}
	for _, def := range c.catalog.Tables {
		t := &TableView{Table: def, Namespace: "?"}
		if ns := c.catalog.Namespaces[def.Namespace]; ns != nil {
			t.Namespace = ns.Name
			if ns.Database != 0 {
				t.Namespace = c.catalog.Databases[ns.Database].Name + "." + ns.Name
			}
		}
		v.Tables = append(v.Tables, t)
		storages[def.Storage] = t
	}
	slices.SortFunc(v.Tables, func(a, b *TableView) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Table.Name, b.Table.Name), cmp.Compare(a.Table.OID, b.Table.OID))
	})
	if err := v.openPartitions(ctx, storages, opt); err != nil {
		return nil, err
	}
	return v, v.readSources(ctx, c, storages)
}

// onlyDatabase returns the name of the store's database, the default if nothing
// was made in it yet.
func onlyDatabase(ctx context.Context, s store.Store) (string, error) {
	logs, err := s.List(ctx, store.CatalogueLog)
	if err != nil {
		return "", err
	}
	switch len(logs) {
	case 0:
		return Options{}.withDefaults().Database, nil
	case 1:
		return logs[0].Key, nil
	}
	var names []string
	for _, l := range logs {
		names = append(names, l.Key)
	}
	return "", pgerr.New(pgerr.ObjectNotInState, "the store has %d databases: %s", len(names), strings.Join(names, ", "))
}

func (v *View) openPartitions(ctx context.Context, storages map[datum.OID]*TableView, opt ViewOptions) error {
	pages := commitlog.NewPageCache(0) // each is read once
	return eachCommitLog(ctx, v.store, func(id chunk.PartitionID) error {
		t := storages[id.Table]
		if t == nil {
			v.Orphans = append(v.Orphans, id)
			return nil
		}
		log, err := commitlog.Open(ctx, v.store, id, commitlog.Options{Pages: pages})
		p := t.add(id)
		if err == nil && !opt.WithoutChunks { // pages may be replaced while somebody looks at the view
			p.Chunks, err = entries(log.Manifest().Chunks(ctx))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			p.Chunks, p.Err = nil, err
		} else {
			p.Manifest = log.Manifest()
		}
		return nil
	})
}

// readSources counts what the source logs hold that no partition has folded in.
func (v *View) readSources(ctx context.Context, c *catalogueLog, storages map[datum.OID]*TableView) error {
	return eachSourceLog(ctx, v.store, func(log store.LogID, src commitlog.Source) error {
		s := SourceView{Source: src}
		var err error
		if s.First, err = v.store.First(ctx, log); err != nil {
			return err
		}
		if s.Head, err = v.store.Head(ctx, log); err != nil {
			return err
		}
		s.Err = readSource(ctx, v.store, memory.DefaultAllocator, log, func(seq uint64, records []*ingest.Record, sealedBy string) error {
			s.SealedBy = sealedBy
			for _, r := range records {
				s.WaitingRows += waiting(c, storages, src, seq, r)
				r.Release()
			}
			return nil
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v.Sources = append(v.Sources, s)
		return nil
	})
}

// waiting counts a record's rows that are not in chunks, in their partitions and
// in all.
func waiting(c *catalogueLog, storages map[datum.OID]*TableView, src commitlog.Source, seq uint64, r *ingest.Record) (total int64) {
	if r.Condition != nil {
		if committed, _ := c.decided(r.Condition.Seq, r.ID); !committed {
			return 0
		}
	}
	for i := range r.Parts {
		part := &r.Parts[i]
		t := storages[part.Partition.Table]
		if t == nil {
			continue
		}
		p := t.Partition(part.Partition.Key)
		if p == nil { // it has no commit yet
			p = t.add(part.Partition)
		}
		if p.Err == nil && unfolded(p.Manifest, src, seq) {
			n := int64(partRows(part))
			p.WaitingRows[src] += n
			total += n
		}
	}
	return total
}

// Fetch returns what reads the blobs of a chunk. A chunk or a column that is not
// there gives an error wrapping store.ErrNotFound, bad bytes one wrapping
// chunk.ErrCorrupt.
func (v *View) Fetch(id chunk.PartitionID, e *chunk.Entry) chunk.Fetch {
	return func(ctx context.Context, column int) ([]byte, bool, error) {
		return v.store.Column(ctx, id, e, column)
	}
}

// Damaged returns what of partitions and sources could not be read.
func (v *View) Damaged() []error {
	var out []error
	for _, t := range v.Tables {
		for _, p := range t.Partitions {
			if p.Err != nil {
				out = append(out, fmt.Errorf("table %s.%s: %w", t.Namespace, t.Table.Name, p.Err))
			}
		}
	}
	for _, s := range v.Sources {
		if s.Err != nil {
			out = append(out, fmt.Errorf("source log %s: %w", s.Source, s.Err))
		}
	}
	return out
}
