package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// partition is what is known of a partition's segments. Which chunks are dead
// is not written down: after a restart all chunks of a segment count as live
// again, Chunks lists them, and the engine's sweeper deletes once more those
// that no commit names.
type partition struct {
	id  chunk.PartitionID
	dir string

	setUp sync.Mutex // held while the folder is made or read, once each, and guards:
	made  bool       // the folder is there and durable
	full  bool       // all segments are in segments

	mu       sync.Mutex // guards the following and the dead marks of segments
	segments map[chunk.ID]*segment
	taken    map[chunk.ID]bool // names of segments that are being written or removed
}

func (s *Store) partition(id chunk.PartitionID) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[id]
	if p == nil {
		p = &partition{id: id, dir: s.partitionDir(id), segments: map[chunk.ID]*segment{}, taken: map[chunk.ID]bool{}}
		s.partitions[id] = p
	}
	return p
}

// makeDir makes the partition's folder durable.
func (s *Store) makeDir(p *partition) error {
	p.setUp.Lock()
	defer p.setUp.Unlock()
	if p.made {
		return nil
	}
	if err := s.fs.MkdirAll(p.dir); err != nil {
		return diskError("could not make folder "+p.dir, err)
	}
	table := filepath.Dir(p.dir)
	for _, dir := range []string{table, filepath.Dir(table)} {
		s.metrics.Fsyncs.Add(1)
		if err := s.fs.SyncDir(dir); err != nil {
			return diskError("could not sync folder "+dir, err)
		}
	}
	p.made = true
	return nil
}

// load reads the directories of all segments, which takes place once: after it
// p.segments is the truth (but for read-only stores, which read every time).
func (s *Store) load(p *partition) error {
	p.setUp.Lock()
	defer p.setUp.Unlock()
	if p.full && !s.opts.ReadOnly {
		return nil
	}
	names, err := s.segmentNames(p.dir)
	if err != nil {
		return err
	}
	if s.opts.ReadOnly { // what vanished is not there
		p.mu.Lock()
		clear(p.segments)
		p.mu.Unlock()
	}
	for _, name := range names {
		p.mu.Lock()
		known := p.segments[name] != nil
		p.mu.Unlock()
		if known {
			continue
		}
		if _, err := s.loadSegment(p, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	p.full = true
	return nil
}

func (s *Store) segmentNames(dir string) ([]chunk.ID, error) {
	entries, err := s.fs.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskError("could not list folder "+dir, err)
	}
	var names []chunk.ID
	for _, e := range entries {
		if id, ok := parseSegmentName(e.Name); ok && !e.Dir {
			names = append(names, id)
		}
	}
	return names, nil
}

// loadSegment reads a segment's directory from its file. One that cannot be
// understood is remembered as bad: its blobs may still be good.
func (s *Store) loadSegment(p *partition, name chunk.ID) (*segment, error) {
	path := filepath.Join(p.dir, segmentName(name))
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, diskError("could not open segment "+path, err)
	}
	seg, err := readSegment(f, name)
	err = errors.Join(err, f.Close())
	if err == nil && seg.part != p.id {
		err = fmt.Errorf("%w: it is of table %d partition %x", errBadFrame, seg.part.Table, seg.part.Key)
	}
	if errors.Is(err, errBadFrame) {
		s.opts.Logger.Error("the directory of a segment is corrupt", slog.String("file", path), slog.Any("error", err))
		seg = &segment{name: name, part: p.id, bad: true}
	} else if err != nil {
		return nil, diskError("could not read segment "+path, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if have := p.segments[name]; have != nil {
		return have, nil // another was faster
	}
	p.segments[name] = seg
	return seg, nil
}

// PutChunks implements store.Blobs: one segment file for each call. A retry
// after an error writes the same file again.
func (s *Store) PutChunks(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if s.opts.ReadOnly {
		return errReadOnly
	}
	if len(chunks) == 0 {
		return nil
	}
	for i, c := range chunks {
		if err := c.Check(); err != nil {
			return fmt.Errorf("local: %w", err)
		}
		for _, o := range chunks[:i] {
			if o.Entry.ID == c.Entry.ID {
				return fmt.Errorf("local: chunk %v is given twice", c.Entry.ID)
			}
		}
	}
	p := s.partition(part)
	if err := s.makeDir(p); err != nil {
		return err
	}
	name, err := s.takeName(p, chunks)
	if err != nil {
		return err
	}
	path := filepath.Join(p.dir, segmentName(name))
	var seg *segment
	renamed, err := s.writeAtomic(path, func(w io.Writer) (err error) {
		seg, err = writeSegment(w, name, part, chunks)
		return err
	})
	p.mu.Lock()
	delete(p.taken, name)
	if renamed {
		p.segments[name] = seg // if the name may not be durable too, so that the sweeper finds it
	}
	p.mu.Unlock()
	if err != nil {
		return diskError("could not write segment "+path, err)
	}
	s.metrics.Segments.Add(1)
	for _, c := range chunks {
		c.Entry.Location = chunk.Location{Segment: name, Offset: seg.chunks[c.Entry.ID].offset}
	}
	return nil
}

// takeName chooses the name of a new segment: the ID of the first chunk, unless
// there is a segment of that name with other chunks, which must stay.
func (s *Store) takeName(p *partition, chunks []*chunk.Sealed) (chunk.ID, error) {
	for _, c := range chunks {
		id := c.Entry.ID
		p.mu.Lock()
		have, taken := p.segments[id], p.taken[id]
		if !taken {
			p.taken[id] = true
		}
		p.mu.Unlock()
		if taken {
			continue
		}
		var err error
		if have == nil { // it may be there from before the start
			if have, err = s.loadSegment(p, id); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err == nil && (have == nil || have.holdsJust(chunks)) {
			return id, nil
		}
		p.mu.Lock()
		delete(p.taken, id)
		p.mu.Unlock()
		if err != nil {
			return chunk.ID{}, err
		}
	}
	return chunk.ID{}, fmt.Errorf("local: there are segments of the names of all %d chunks from %v on, with other chunks", len(chunks), chunks[0].Entry.ID)
}

func (g *segment) holdsJust(chunks []*chunk.Sealed) bool {
	if g.bad || len(g.chunks) != len(chunks) {
		return false
	}
	for _, c := range chunks {
		have := g.chunks[c.Entry.ID]
		if have == nil || len(have.columns) != len(c.Blobs) {
			return false
		}
		for i, b := range c.Blobs {
			if have.columns[i].size != int64(len(b)) {
				return false
			}
		}
	}
	return true
}

// Column implements store.Blobs. The blob is shared with other readers.
func (s *Store) Column(ctx context.Context, part chunk.PartitionID, e *chunk.Entry, column int) (data []byte, checked bool, err error) {
	if err := s.enter(context.Background()); err != nil { // the cache answers though ctx is done
		return nil, false, err
	}
	defer s.busy.Done()
	if column < 0 || column >= len(e.Columns) {
		return nil, false, fmt.Errorf("%w: chunk %v has %d columns, number %d was asked for", store.ErrNotFound, e.ID, len(e.Columns), column)
	}
	p := s.partition(part)
	seg, err := s.segmentOf(p, e)
	if err != nil {
		return nil, false, err
	}
	b := blob{store: s, part: p, entry: e, column: column, offset: e.Location.Offset, size: e.Columns[column].Size}
	for _, c := range e.Columns[:column] {
		b.offset += c.Size
	}
	if !seg.bad {
		c := seg.chunks[e.ID]
		b.check = true
		if c.offset != e.Location.Offset || len(c.columns) != len(e.Columns) || c.columns[column].size != b.size {
			return nil, false, b.corrupt("the segment's directory does not agree with the manifest")
		}
		b.crc = c.columns[column].crc
	}
	if b.size == 0 {
		return []byte{}, false, nil // it shares its offset, and so its key, with the next one
	}
	key := blobKey{e.Location.Segment, b.offset}
	if data, checked, ok := s.cache.Peek(key); ok {
		return data, checked, nil
	}
	unread := b // on the heap, where only a blob that is read has to be
	return s.cache.Get(ctx, key, unread.read)
}

// segmentOf returns the segment that holds a chunk, or ErrNotFound.
func (s *Store) segmentOf(p *partition, e *chunk.Entry) (*segment, error) {
	missing := func() error {
		return fmt.Errorf("%w: table %d partition %x chunk %v in segment %v", store.ErrNotFound, p.id.Table, p.id.Key, e.ID, e.Location.Segment)
	}
	p.mu.Lock()
	seg := p.segments[e.Location.Segment]
	p.mu.Unlock()
	if seg == nil {
		var err error
		if seg, err = s.findSegment(p, e.Location.Segment); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if seg == nil {
		return nil, missing()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !seg.bad && (seg.chunks[e.ID] == nil || seg.chunks[e.ID].dead) {
		return nil, missing()
	}
	return seg, nil
}

// findSegment looks for a segment that is not known yet. All directories are
// read at once, after which nothing brings back a segment that is deleted;
// only where that fails, and nothing can be deleted therefore, the one alone.
func (s *Store) findSegment(p *partition, name chunk.ID) (*segment, error) {
	if s.opts.ReadOnly {
		return s.loadSegment(p, name)
	}
	if err := s.load(p); err != nil {
		return s.loadSegment(p, name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.segments[name], nil
}

// blob is a column's blob that is to be read.
type blob struct {
	store        *Store
	part         *partition
	entry        *chunk.Entry
	column       int
	offset, size int64
	crc          uint32
	check        bool // whether crc is known; the blob has one of its own in any case
}

func (b *blob) path() string {
	return filepath.Join(b.part.dir, segmentName(b.entry.Location.Segment))
}

func (b *blob) corrupt(format string, args ...any) error {
	c := b.entry.Columns[b.column]
	return corrupt("segment %s is corrupt: table %d, partition %x, chunk %v, column %d (number %d), %d bytes at offset %d: %s",
		b.path(), b.part.id.Table, b.part.id.Key, b.entry.ID, c.ID, b.column, b.size, b.offset, fmt.Sprintf(format, args...))
}

func (b *blob) read(context.Context) ([]byte, error) {
	f, err := b.store.fs.Open(b.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: segment %s, chunk %v", store.ErrNotFound, b.path(), b.entry.ID)
	}
	if err != nil {
		return nil, diskError("could not open segment "+b.path(), err)
	}
	data, err := b.readFrom(f)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = diskError("could not close segment "+b.path(), cerr)
	}
	if err != nil {
		return nil, err
	}
	b.store.metrics.BytesRead.Add(int64(len(data)))
	return data, nil
}

func (b *blob) readFrom(f vfs.File) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, diskError("could not read segment "+b.path(), err)
	}
	if b.offset < 0 || b.size < 0 || b.offset > size || b.size > size-b.offset {
		return nil, b.corrupt("the file is %d bytes long", size)
	}
	data := make([]byte, b.size)
	err = readFull(f, data, b.offset)
	switch {
	case errors.Is(err, errBadFrame):
		return nil, b.corrupt("%v", err)
	case err != nil:
		return nil, diskError("could not read segment "+b.path(), err)
	case b.check && crc32.Checksum(data, castagnoli) != b.crc:
		return nil, b.corrupt("its checksum is wrong")
	}
	return data, nil
}

// DeleteChunks implements store.Blobs: a segment's file goes with the last of
// its chunks. An entry without a location, such as the sweeper makes of an ID,
// means the chunk wherever it is.
func (s *Store) DeleteChunks(ctx context.Context, part chunk.PartitionID, entries []*chunk.Entry) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if s.opts.ReadOnly {
		return errReadOnly
	}
	p := s.partition(part)
	if err := s.load(p); err != nil {
		return err
	}
	var errs error
	for _, seg := range s.markDead(p, entries) {
		path := filepath.Join(p.dir, segmentName(seg.name))
		err := s.fs.Remove(path)
		gone := err == nil || errors.Is(err, fs.ErrNotExist)
		p.mu.Lock()
		delete(p.taken, seg.name)
		if gone { // else it stays known, so that the next call tries again
			delete(p.segments, seg.name)
		}
		p.mu.Unlock()
		if !gone {
			errs = errors.Join(errs, diskError("could not remove segment "+path, err))
		}
	}
	return errs
}

// markDead marks chunks and returns the segments that are dead as a whole,
// whose names are taken until their files are gone.
func (s *Store) markDead(p *partition, entries []*chunk.Entry) []*segment {
	p.mu.Lock()
	defer p.mu.Unlock()
	touched := map[*segment]bool{}
	mark := func(seg *segment, id chunk.ID) {
		if seg == nil || seg.bad || seg.chunks[id] == nil {
			return
		}
		touched[seg] = true
		c := seg.chunks[id]
		if c.dead {
			return
		}
		c.dead = true
		seg.dead++
		offset := c.offset
		for _, col := range c.columns {
			s.cache.Forget(blobKey{seg.name, offset})
			offset += col.size
		}
	}
	for _, e := range entries {
		if e.Location != (chunk.Location{}) {
			mark(p.segments[e.Location.Segment], e.ID)
			continue
		}
		for _, seg := range p.segments {
			mark(seg, e.ID)
		}
	}
	var dead []*segment
	for seg := range touched {
		if seg.dead == len(seg.chunks) && !p.taken[seg.name] {
			p.taken[seg.name] = true
			dead = append(dead, seg)
		}
	}
	slices.SortFunc(dead, func(a, b *segment) int { return bytes.Compare(a.name[:], b.name[:]) })
	return dead
}

// Chunks implements store.Blobs; the IDs come in order. Chunks of a segment
// whose directory is corrupt are not among them.
func (s *Store) Chunks(ctx context.Context, part chunk.PartitionID) ([]chunk.ID, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	p := s.partition(part)
	if err := s.load(p); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []chunk.ID
	for _, seg := range p.segments {
		for id, c := range seg.chunks {
			if !c.dead {
				ids = append(ids, id)
			}
		}
	}
	slices.SortFunc(ids, func(a, b chunk.ID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids), nil
}

// blobKey names a blob in the cache: segments have names of their own in all the
// store.
type blobKey struct {
	segment chunk.ID
	offset  int64
}
