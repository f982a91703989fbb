package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// A Damage is something in the folder that is not what was written there, or
// that the disk does not give back. It wraps chunk.ErrCorrupt or the disk's
// error, and says in words what its fields say.
type Damage struct {
	File   string // below the store's folder; empty if it is not in one file
	Offset int64  // of the damaged part in its file, -1 if that is not known
	// Partition is that of a segment, as far as it is known.
	Partition chunk.PartitionID
	// Chunk and Column are of a blob in a segment: its chunk and its number in it.
	// Column is -1 for damage of anything else.
	Chunk  chunk.ID
	Column int
	// Log and Entry are of an entry of a log.
	Log   store.LogID
	Entry uint64
	// Reason is what is wrong, without where; Err says both.
	Reason string
	Err    error
}

func (d *Damage) Error() string { return d.Err.Error() }

// Unwrap returns Err.
func (d *Damage) Unwrap() error { return d.Err }

// Verify reads everything that the store holds and checks every checksum. It
// calls report with a *Damage for each blob, log entry or file that is damaged;
// the error it returns is one that kept it from looking. Files that vanish
// meanwhile are passed over.
func (s *Store) Verify(ctx context.Context, report func(error)) error {
	return s.VerifyWith(ctx, func(d *Damage) { report(d) }, func(int64) {})
}

// VerifyWith is Verify, and also calls progress with the numbers of bytes that
// were checked since the last call. They add up to about the LiveBytes of Files.
func (s *Store) VerifyWith(ctx context.Context, report func(*Damage), progress func(sizeBytes int64)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	for _, err := range s.damage {
		report(&Damage{Offset: -1, Column: -1, Reason: err.Error(), Err: err})
	}
	for _, kind := range []store.LogKind{store.SourceLog, store.CommitLog, store.CatalogueLog, store.SequenceLog} {
		q := s.commit
		if kind == store.SourceLog {
			q = s.source
		}
		for _, id := range q.list(kind) {
			if err := s.verifyLog(ctx, q, id, report, progress); err != nil {
				return err
			}
		}
	}
	err := s.segmentFiles(ctx, func(p *partition, id chunk.ID) error {
		return s.verifySegment(ctx, p, id, report, progress)
	})
	if err != nil {
		return err
	}
	return s.verifyCheckpoints(ctx, report, progress)
}

// verifyLog reads the entries of a log one by one, so that a bad one does not
// hide those after it.
func (s *Store) verifyLog(ctx context.Context, q *sequence, id store.LogID, report func(*Damage), progress func(int64)) error {
	q.mu.Lock()
	l := q.logs[id]
	var first, head uint64
	if l != nil {
		first, head = l.first, l.head
	}
	q.mu.Unlock()
	if l == nil {
		return nil
	}
	for seq := first; seq <= head; seq++ {
		locs, f, err := q.findRun(l, seq, seq)
		if errors.Is(err, store.ErrTrimmed) { // meanwhile, by its owner
			continue
		}
		if err != nil {
			return err
		}
		q.release(f)
		at := locs[0]
		switch _, err := q.readRun(ctx, l, seq, seq); {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrTrimmed):
		case err != nil:
			report(&Damage{File: s.relative(f.path), Offset: at.offset, Column: -1, Log: id, Entry: seq, Reason: err.Error(), Err: err})
		}
		progress(int64(at.size))
	}
	return nil
}

// verifySegment checks a segment's directory and each of its blobs.
func (s *Store) verifySegment(ctx context.Context, p *partition, name chunk.ID, report func(*Damage), progress func(int64)) error {
	path := filepath.Join(p.dir, segmentName(name))
	f, err := s.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	damaged := func(d Damage, where string, err error) {
		d.File, d.Reason, d.Err = s.relative(path), err.Error(), diskError("could not read segment "+path, err)
		if errors.Is(err, errBadFrame) {
			d.Reason = strings.TrimPrefix(d.Reason, errBadFrame.Error()+": ")
			d.Err = corrupt("segment %s is corrupt: %s%s", path, where, d.Reason)
		}
		report(&d)
	}
	if err != nil {
		damaged(Damage{Partition: p.id, Offset: -1, Column: -1}, "", err)
		return nil
	}
	seg, err := readSegment(f, name)
	if err == nil && s.partitionDir(seg.part) != p.dir {
		err = fmt.Errorf("%w: it is of table %d partition %x", errBadFrame, seg.part.Table, seg.part.Key)
	}
	if err != nil {
		damaged(Damage{Partition: p.id, Offset: -1, Column: -1}, "", err)
		return f.Close()
	}
	rest := seg.bytes
	for _, id := range seg.ids() {
		offset := seg.chunks[id].offset
		for i, col := range seg.chunks[id].columns {
			if err := ctx.Err(); err != nil {
				return errors.Join(err, f.Close())
			}
			b := make([]byte, col.size)
			err := readFull(f, b, offset)
			if err == nil && crc32.Checksum(b, castagnoli) != col.crc {
				err = fmt.Errorf("%w: its checksum is wrong", errBadFrame)
			}
			if err != nil {
				where := fmt.Sprintf("table %d, partition %x, chunk %v, column number %d at offset %d: ", seg.part.Table, seg.part.Key, id, i, offset)
				damaged(Damage{Partition: seg.part, Chunk: id, Column: i, Offset: offset}, where, err)
			}
			offset += col.size
			rest -= col.size
			progress(col.size)
		}
	}
	progress(rest)
	return f.Close()
}

// ids returns the chunks of a segment in the order of their blobs.
func (g *segment) ids() []chunk.ID {
	ids := make([]chunk.ID, 0, len(g.chunks))
	for id := range g.chunks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b chunk.ID) int {
		if d := g.chunks[a].offset - g.chunks[b].offset; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return bytes.Compare(a[:], b[:])
	})
	return ids
}

func (s *Store) verifyCheckpoints(ctx context.Context, report func(*Damage), progress func(int64)) error {
	names, err := s.list(s.path(checkpointName))
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, checkpointSuffix) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		path := s.path(checkpointName, name)
		log, data, err := s.readCheckpoint(path)
		size := int64(checkpointBytes + len(log.Key) + len(data))
		if err == nil && s.checkpointPath(log) != path {
			err = corrupt("checkpoint %s is of log %d %x", path, log.Kind, log.Key)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			report(&Damage{File: s.relative(path), Offset: -1, Column: -1, Reason: err.Error(), Err: err})
		}
		progress(size)
	}
	return ctx.Err()
}
