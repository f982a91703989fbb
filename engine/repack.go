package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/reading"
)

// A filer is a store that puts several chunks in a file: what a flush writes to several
// slices lies in one. Such a file goes with its last chunk.
type filer interface {
	PartlyDeleted(ctx context.Context, part chunk.PartitionID) ([]store.FileUse, error)
}

// worthRepacking says whether the chunks that are left in a file are copied, so that it can
// go: if at least half of it is deleted, or with all if anything is.
func worthRepacking(u store.FileUse, all bool) bool {
	return u.Dead > 0 && (all || u.Dead >= u.Live)
}

// repack copies chunks out of files of which much is deleted, as they are, to files of their
// own, by one commit for some megabytes. The caller holds part.compacting.
func (db *DB) repack(ctx context.Context, part *partition, all bool) error {
	files, ok := db.store.(filer)
	if !ok || db.cluster != nil {
		return nil
	}
	uses, err := files.PartlyDeleted(ctx, part.id)
	if err != nil {
		return err
	}
	wanted := map[chunk.ID]bool{}
	for _, u := range uses {
		if worthRepacking(u, all) {
			for _, id := range u.Chunks {
				wanted[id] = true
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	in, m, err := db.compactable(ctx, part)
	if err != nil {
		return err
	}
	var inputs []*chunk.Entry
	size := int64(0)
	for e, err := range m.Chunks(ctx) {
		if err != nil {
			return in.unread(err)
		}
		if !wanted[e.ID] {
			continue
		}
		inputs = append(inputs, e)
		if size += entryBytes(e); size >= maxSegmentBytes/4 {
			if err := db.copyChunks(ctx, part, in, m.Seq(), inputs); err != nil {
				return err
			}
			inputs, size = nil, 0
		}
	}
	if len(inputs) == 0 {
		return nil
	}
	return db.copyChunks(ctx, part, in, m.Seq(), inputs)
}

// copyChunks puts chunks in the place of equal ones.
func (db *DB) copyChunks(ctx context.Context, part *partition, in *tableInfo, seq uint64, inputs []*chunk.Entry) (err error) {
	r := db.compactor.begin(part.id, inputs[0].Slice, "repacking")
	defer func() { r.end(err) }()
	r.began(inputs)
	ctx = reading.With(ctx, reading.Options{Once: true})
	c := &commitlog.Commit{ID: commitlog.NewCommitID(), Kind: commitlog.Compaction, By: db.own(), Schema: in.def.Version}
	var copies []*chunk.Sealed
	size := int64(0)
	for _, e := range inputs {
		s := &chunk.Sealed{Entry: *e}
		s.Entry.ID, s.Entry.Location = db.ids.Next(), chunk.Location{}
		fetch := db.fetch(part.id, in, e)
		for i := range e.Columns {
			blob, _, err := fetch(ctx, i)
			if err != nil {
				return err
			}
			s.Blobs = append(s.Blobs, blob)
			size += int64(len(blob))
		}
		copies = append(copies, s)
		c.Removes = append(c.Removes, e.ID)
	}
	r.read(size)
	err = db.store.PutChunks(ctx, part.id, copies)
	for _, s := range copies {
		e := s.Entry
		c.Adds = append(c.Adds, &e)
	}
	if err == nil {
		r.wrote(copies, size)
		err = db.replace(ctx, part, &replacement{commit: c, removed: slices.Clone(inputs), seen: seq})
	}
	if err != nil && !errors.Is(err, commitlog.ErrUnknown) {
		db.deleteChunks(part.id, c.Adds)
	}
	return err
}
