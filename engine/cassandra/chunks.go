package cassandra

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/errgroup"
)

const (
	maxBatchRows   = 64 // of a batch to one partition
	maxPeriodReads = 16 // periods of the chunk index read at a time
	maxIndexReads  = 16 // chunks looked up in the index at a time
)

// PutChunks implements store.Blobs. A retry may put the chunks into other
// buckets; then there are two copies, and Chunks lists the chunk until both
// are deleted.
func (s *Store) PutChunks(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if err := checkKey(part.Key); err != nil {
		return err
	}
	seen := map[chunk.ID]bool{}
	for _, c := range chunks {
		if err := c.Check(); err != nil {
			return fmt.Errorf("cassandra: %w", err)
		}
		if len(c.Blobs) > maxIndexedColumns {
			return fmt.Errorf("cassandra: chunk %v has %d columns, the most is %d", c.Entry.ID, len(c.Blobs), maxIndexedColumns)
		}
		if seen[c.Entry.ID] {
			return fmt.Errorf("cassandra: chunk %v is given twice", c.Entry.ID)
		}
		seen[c.Entry.ID] = true
	}
	locations := make([]chunk.Location, len(chunks))
	for i, c := range chunks {
		locations[i] = chunk.Location{Segment: s.buckets.place(part, &c.Entry, s.opts.Limits), Offset: int64(s.opts.Limits.PartBytes)}
	}
	micros := s.clock.now()
	// The index comes first: what it does not list would never be swept.
	if err := s.index(ctx, part, chunks, locations, micros); err != nil {
		return err
	}
	if err := s.putBlobs(ctx, part, chunks, locations, micros); err != nil {
		return err
	}
	for i, c := range chunks {
		c.Entry.Location = locations[i]
	}
	return nil
}

// index notes chunks in the chunk index.
func (s *Store) index(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed, at []chunk.Location, micros int64) error {
	rows := map[int64][]statement{}
	for i, c := range chunks {
		columns := make([]indexedColumn, len(c.Entry.Columns))
		for j, col := range c.Entry.Columns {
			columns[j] = indexedColumn{col.ID, partCount(col.Size, int(at[i].Offset))}
		}
		period := periodOf(c.Entry.ID)
		rows[period] = append(rows[period], statement{s.text.indexWrite,
			[]any{int64(part.Table), []byte(part.Key), period, c.Entry.ID[:], at[i].Segment[:], appendIndex(nil, columns)}})
	}
	for period, all := range rows {
		key := periodKey{part, period}
		if !s.periods.has(key) {
			if err := s.write(ctx, "chunk_index", 0, s.text.periodWrite, int64(part.Table), []byte(part.Key), period); err != nil {
				return err
			}
			s.periods.add(key)
		}
		for batch := range slices.Chunk(all, maxBatchRows) {
			if err := s.writeTogether(ctx, "chunk_index", micros, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// partition names a partition of the chunks table.
type partition struct {
	bucket string // the bucket column
	column schema.ColumnID
}

// putBlobs writes the blobs: for each partition one request after the other,
// each of parts of at most PartBytes together, bounded in number and bytes.
func (s *Store) putBlobs(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed, at []chunk.Location, micros int64) error {
	var keys []partition
	rows := map[partition][]statement{}
	for i, c := range chunks {
		for j, blob := range c.Blobs {
			column := c.Entry.Columns[j].ID
			for n, data := range partsOf(blob, int(at[i].Offset)) {
				bucket := bucketColumn(at[i].Segment, n)
				key := partition{string(bucket), column}
				if rows[key] == nil {
					keys = append(keys, key)
				}
				rows[key] = append(rows[key], s.partStatement(part, bucket, column, c.Entry.ID, n, data, checksum(data)))
			}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, key := range keys {
		for _, batch := range batches(rows[key], s.opts.Limits.PartBytes) {
			size := batchBytes(batch)
			give, err := s.writes.take(ctx, size)
			if err != nil {
				return errFirst(g.Wait(), err)
			}
			g.Go(func() error {
				defer give()
				err := s.writeTogether(ctx, "chunk_write", micros, batch)
				if err == nil {
					s.metrics.bytesWritten.Add(float64(size))
				}
				return err
			})
		}
	}
	return g.Wait()
}

// dataArg is the place of the data among the arguments of partStatement.
const dataArg = 6

func (s *Store) partStatement(part chunk.PartitionID, bucket []byte, column schema.ColumnID, id chunk.ID, n int, data []byte, crc int64) statement {
	if data == nil {
		data = []byte{} // nil would be null
	}
	return statement{s.text.chunkWrite, []any{int64(part.Table), []byte(part.Key), bucket, int64(column), id[:], n, data, crc}}
}

func batchBytes(batch []statement) (size int64) {
	for _, st := range batch {
		size += int64(len(st.args[dataArg].([]byte)))
	}
	return size
}

// batches packs writes to one partition into requests of at most that many
// bytes, or of one write.
func batches(all []statement, bytes int) (out [][]statement) {
	var size int64
	start := 0
	for i := range all {
		n := batchBytes(all[i : i+1])
		if i > start && (size+n > int64(bytes) || i-start == maxBatchRows) {
			out = append(out, all[start:i])
			start, size = i, 0
		}
		size += n
	}
	return append(out, all[start:])
}

// DeleteChunks implements store.Blobs. An entry without a location, such as the
// sweeper makes of an ID, means all copies of the chunk.
func (s *Store) DeleteChunks(ctx context.Context, part chunk.PartitionID, entries []*chunk.Entry) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if err := checkKey(part.Key); err != nil {
		return err
	}
	copies, err := s.findCopies(ctx, part, entries)
	if err != nil {
		return err
	}
	blobs := map[partition][]statement{}
	micros := s.clock.now()
	for _, c := range copies {
		micros = max(micros, s.clock.after(c.written+repairMicros))
		for _, col := range c.columns {
			for n := 0; n < col.parts; n += partsPerGroup {
				bucket := bucketColumn(c.bucket, n)
				key := partition{string(bucket), col.id}
				blobs[key] = append(blobs[key], statement{s.text.chunkDelete, []any{int64(part.Table), []byte(part.Key), bucket, int64(col.id), c.chunk[:]}})
			}
			s.cache.Forget(blobKey{part, c.bucket, c.chunk, col.id})
		}
	}
	if err := s.deleteAll(ctx, "chunk_delete", micros, blobs); err != nil {
		return err
	}
	// What the index lists is swept again, so its rows go last.
	rows := map[partition][]statement{}
	for _, c := range copies {
		period := periodOf(c.chunk)
		key := partition{bucket: fmt.Sprint(period)}
		rows[key] = append(rows[key], statement{s.text.indexDelete, []any{int64(part.Table), []byte(part.Key), period, c.chunk[:], c.bucket[:]}})
	}
	return s.deleteAll(ctx, "chunk_unindex", micros, rows)
}

// deleteAll does deletions, those of one partition together.
func (s *Store) deleteAll(ctx context.Context, op string, micros int64, all map[partition][]statement) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, statements := range all {
		for batch := range slices.Chunk(statements, maxBatchRows) {
			give, err := s.writes.take(ctx, 0)
			if err != nil {
				return errFirst(g.Wait(), err)
			}
			g.Go(func() error {
				defer give()
				return s.writeTogether(ctx, op, micros, batch)
			})
		}
	}
	return g.Wait()
}

// A chunkCopy is a chunk in a bucket, as the index has it.
type chunkCopy struct {
	chunk, bucket chunk.ID
	columns       []indexedColumn
	written       int64
}

// findCopies looks entries up in the index.
func (s *Store) findCopies(ctx context.Context, part chunk.PartitionID, entries []*chunk.Entry) ([]chunkCopy, error) {
	var mu sync.Mutex
	var out []chunkCopy
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxIndexReads)
	for _, e := range entries {
		g.Go(func() error {
			r := read{op: "chunk_find", text: s.text.indexFind, args: []any{int64(part.Table), []byte(part.Key), periodOf(e.ID), e.ID[:]},
				level: s.levels.read, rows: namePageRows}
			return s.rows(ctx, r, func(scan func(...any) error) (bool, error) {
				var bucket, columns []byte
				c := chunkCopy{chunk: e.ID}
				var written *int64
				if err := scan(&bucket, &columns, &written); err != nil {
					return false, err
				}
				if len(bucket) != len(c.bucket) || written == nil {
					return false, corrupt("chunk index of table %d partition %x: chunk %v: bad row", part.Table, part.Key, e.ID)
				}
				copy(c.bucket[:], bucket)
				c.written = *written
				if e.Location != (chunk.Location{}) && e.Location.Segment != c.bucket {
					return true, nil
				}
				var err error
				if c.columns, err = decodeIndex(columns); err != nil {
					return false, fmt.Errorf("table %d partition %x chunk %v: %w", part.Table, part.Key, e.ID, err)
				}
				mu.Lock()
				out = append(out, c)
				mu.Unlock()
				return true, nil
			})
		})
	}
	return out, g.Wait()
}

// Chunks implements store.Blobs; the IDs come in order.
func (s *Store) Chunks(ctx context.Context, part chunk.PartitionID) ([]chunk.ID, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	if err := checkKey(part.Key); err != nil {
		return nil, err
	}
	var all []int64
	r := read{op: "chunk_periods", text: s.text.periodRead, args: []any{int64(part.Table), []byte(part.Key)}, level: s.levels.read, rows: namePageRows}
	err := s.rows(ctx, r, func(scan func(...any) error) (bool, error) {
		var period int64
		err := scan(&period)
		all = append(all, period)
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var ids []chunk.ID
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxPeriodReads)
	for _, period := range all {
		g.Go(func() error {
			r := read{op: "chunk_list", text: s.text.indexRead, args: []any{int64(part.Table), []byte(part.Key), period}, level: s.levels.read, rows: namePageRows}
			return s.rows(ctx, r, func(scan func(...any) error) (bool, error) {
				var b []byte
				var id chunk.ID
				if err := scan(&b); err != nil {
					return false, err
				}
				if len(b) != len(id) {
					return false, corrupt("chunk index of table %d partition %x: an ID of %d bytes", part.Table, part.Key, len(b))
				}
				copy(id[:], b)
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
				return true, nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(ids, func(a, b chunk.ID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids), nil
}
