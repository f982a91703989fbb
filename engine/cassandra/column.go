package cassandra

import (
	"context"
	"errors"
	"fmt"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/errgroup"
)

// blobKey names a blob in the cache.
type blobKey struct {
	part   chunk.PartitionID
	bucket chunk.ID
	chunk  chunk.ID
	column schema.ColumnID
}

// Column implements store.Blobs. Those who ask for a blob at once share one
// read of it, and the bytes.
func (s *Store) Column(ctx context.Context, part chunk.PartitionID, e *chunk.Entry, column int) (data []byte, checked bool, err error) {
	if err := s.enter(context.Background()); err != nil { // the cache answers though ctx is done
		return nil, false, err
	}
	defer s.busy.Done()
	if column < 0 || column >= len(e.Columns) {
		return nil, false, fmt.Errorf("%w: chunk %v has %d columns, number %d was asked for", store.ErrNotFound, e.ID, len(e.Columns), column)
	}
	b := blob{store: s, part: part, chunk: e.ID, bucket: e.Location.Segment, partBytes: e.Location.Offset,
		column: e.Columns[column].ID, number: column, size: e.Columns[column].Size}
	if e.Location == (chunk.Location{}) {
		return nil, false, fmt.Errorf("%w: %s has no location", store.ErrNotFound, b.name())
	}
	if b.partBytes < 1 || b.partBytes > maxPartBytes || b.size < 0 || b.size > maxPayloadBytes {
		return nil, false, corrupt("%s: %d bytes in parts of %d", b.name(), b.size, b.partBytes)
	}
	key := blobKey{part, b.bucket, b.chunk, b.column}
	if data, checked, ok := s.cache.Peek(key); ok {
		return data, checked, nil
	}
	unread := b // on the heap, where only a blob that is read has to be
	return s.cache.Get(ctx, key, unread.read)
}

// blob is a column's blob that is to be read.
type blob struct {
	store         *Store
	part          chunk.PartitionID
	chunk, bucket chunk.ID
	column        schema.ColumnID
	number        int // of the column in the chunk
	size          int64
	partBytes     int64
}

// name names the blob in errors and logs.
func (b *blob) name() string {
	return fmt.Sprintf("table %d, partition %x, chunk %v, column %d (number %d) in bucket %v", b.part.Table, b.part.Key, b.chunk, b.column, b.number, b.bucket)
}

func (b *blob) read(ctx context.Context) ([]byte, error) {
	count := partCount(b.size, int(b.partBytes))
	if count == 1 {
		return b.readPart(ctx, 0)
	}
	data := make([]byte, b.size)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.store.opts.InFlightRequests)
	for n := range count {
		g.Go(func() error {
			part, err := b.readPart(ctx, n)
			if err == nil {
				copy(data[int64(n)*b.partBytes:], part)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return data, nil
}

// readPart reads a part of the blob. One that was found damaged is repaired if
// a replica has it good.
func (b *blob) readPart(ctx context.Context, n int) ([]byte, error) {
	size := min(b.size-int64(n)*b.partBytes, b.partBytes)
	give, err := b.store.reads.take(ctx, size)
	if err != nil {
		return nil, err
	}
	defer give()
	bucket := bucketColumn(b.bucket, n)
	data, err := b.store.readPart(ctx, partKey{
		text: b.store.text.chunkRead,
		args: []any{int64(b.part.Table), []byte(b.part.Key), bucket, int64(b.column), b.chunk[:], n},
		size: int(size),
		what: fmt.Sprintf("%s, part %d", b.name(), n),
		write: func(ctx context.Context, micros int64, data []byte, crc int64) error {
			st := b.store.partStatement(b.part, bucket, b.column, b.chunk, n, data, crc)
			return b.store.write(ctx, "chunk_repair", micros, st.text, st.args...)
		},
	})
	if errors.Is(err, errMissing) {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, err
}
