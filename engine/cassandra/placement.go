package cassandra

import (
	lru "container/list"
	"encoding/binary"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

// partsPerGroup bounds the parts of a blob that lie in one partition: what is
// larger goes on in another, whose bucket has the group's number behind it.
const partsPerGroup = 64

// bucketColumn is the bucket column of a part of a blob.
func bucketColumn(bucket chunk.ID, part int) []byte {
	b := append(make([]byte, 0, len(bucket)+2), bucket[:]...)
	if group := part / partsPerGroup; group > 0 {
		b = binary.AppendUvarint(b, uint64(group))
	}
	return b
}

// partCount is how many parts a blob has.
func partCount(size int64, partBytes int) int {
	return int(max(1, (size+int64(partBytes)-1)/int64(partBytes)))
}

// buckets are those that this writer fills: a partition of Cassandra holds one
// column of the chunks of a bucket. Each bucket has one writer, and is named
// after its first chunk.
type buckets struct {
	mu     sync.Mutex // guards the following
	open   map[bucketKey]*lru.Element
	recent *lru.List // of *bucket; front: written to last
}

type bucketKey struct {
	part  chunk.PartitionID
	slice int64
}

type bucket struct {
	key     bucketKey
	id      chunk.ID
	chunks  int
	columns map[schema.ColumnID]int64 // bytes
}

// maxOpenBuckets bounds the buckets that are remembered; others are closed.
const maxOpenBuckets = 4096

// place chooses the bucket of a chunk, which is counted in it.
func (b *buckets) place(part chunk.PartitionID, e *chunk.Entry, l Limits) chunk.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.open, b.recent = map[bucketKey]*lru.Element{}, lru.New()
	}
	key := bucketKey{part, e.Slice}
	at := b.open[key]
	if at == nil || !at.Value.(*bucket).fits(e, l) {
		if at != nil {
			b.recent.Remove(at)
		}
		at = b.recent.PushFront(&bucket{key: key, id: e.ID, columns: map[schema.ColumnID]int64{}})
		b.open[key] = at
		if b.recent.Len() > maxOpenBuckets {
			delete(b.open, b.recent.Remove(b.recent.Back()).(*bucket).key)
		}
	}
	b.recent.MoveToFront(at)
	into := at.Value.(*bucket)
	into.chunks++
	for _, c := range e.Columns {
		into.columns[c.ID] += c.Size
	}
	return into.id
}

func (b *bucket) fits(e *chunk.Entry, l Limits) bool {
	if b.chunks >= l.Chunks {
		return false
	}
	for _, c := range e.Columns {
		if have := b.columns[c.ID]; have > 0 && c.Size > 0 && have+c.Size > l.ColumnBytes {
			return false
		}
	}
	return true
}

// periodBits is how many bits of milliseconds a period of the chunk index is
// long: about 3 days, so that no partition of it is large.
const periodBits = 28

// periodOf returns the period in which a chunk was made.
func periodOf(id chunk.ID) int64 {
	return int64(binary.BigEndian.Uint64(id[:8]) >> 16 >> periodBits)
}

// periods remembers which periods of partitions are noted in Cassandra.
type periods struct {
	mu    sync.Mutex
	known map[periodKey]bool
}

type periodKey struct {
	part   chunk.PartitionID
	period int64
}

// maxPeriods bounds the periods remembered; one that is forgotten is noted again.
const maxPeriods = 1 << 16

func (p *periods) has(k periodKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[k]
}

func (p *periods) add(k periodKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxPeriods {
		p.known = map[periodKey]bool{}
	}
	p.known[k] = true
}

// An indexed column is what the chunk index knows of a column's blob: enough to
// delete it.
type indexedColumn struct {
	id    schema.ColumnID
	parts int
}

const (
	indexVersion       = 1
	maxIndexedColumns  = 4096
	maxPartsOfOneBlob  = 1 << 20
	indexedColumnBytes = 2 // the least that one takes
)

// appendIndex encodes the columns of a chunk: a version, then for each column
// its ID and number of parts, as uvarints after their count.
func appendIndex(dst []byte, columns []indexedColumn) []byte {
	dst = append(dst, indexVersion)
	dst = binary.AppendUvarint(dst, uint64(len(columns)))
	for _, c := range columns {
		dst = binary.AppendUvarint(dst, uint64(c.id))
		dst = binary.AppendUvarint(dst, uint64(c.parts))
	}
	return dst
}

// decodeIndex reads what appendIndex wrote. Errors wrap chunk.ErrCorrupt.
func decodeIndex(src []byte) ([]indexedColumn, error) {
	bad := func(what string) ([]indexedColumn, error) {
		return nil, corrupt("chunk index: %s", what)
	}
	if len(src) == 0 || src[0] != indexVersion {
		return bad("unknown version")
	}
	src = src[1:]
	next := func(most uint64) (uint64, bool) {
		v, n := binary.Uvarint(src)
		if n <= 0 || v > most {
			return 0, false
		}
		src = src[n:]
		return v, true
	}
	n, ok := next(maxIndexedColumns)
	if !ok || n*indexedColumnBytes > uint64(len(src)) {
		return bad("bad count")
	}
	columns := make([]indexedColumn, 0, n)
	for range n {
		id, ok1 := next(1<<32 - 1)
		parts, ok2 := next(maxPartsOfOneBlob)
		if !ok1 || !ok2 || parts == 0 {
			return bad("bad column")
		}
		columns = append(columns, indexedColumn{schema.ColumnID(id), int(parts)})
	}
	if len(src) > 0 {
		return bad("bytes are left over")
	}
	return columns, nil
}
