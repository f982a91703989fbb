package cassandratest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/prometheus/client_golang/prometheus"
)

var part = chunk.PartitionID{Table: 16384, Key: "\x00\x07"}

func noise(seed uint64, n int) string {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

func put(t *testing.T, s *cassandra.Store, chunks ...*chunk.Sealed) {
	t.Helper()
	if err := s.PutChunks(t.Context(), part, chunks); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, s *cassandra.Store, e *chunk.Entry, column int, want string) {
	t.Helper()
	if b, _, err := s.Column(t.Context(), part, e, column); err != nil || string(b) != want {
		t.Fatalf("column %d of chunk %v: %d bytes, %v; want %d", column, e.ID, len(b), err, len(want))
	}
}

func (s *server) exec(t *testing.T, text string, args ...any) {
	t.Helper()
	if err := s.session.Query(strings.ReplaceAll(text, "KS.", s.keyspace+"."), args...).Exec(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// int returns a number; counts go over few rows at a time, for the server holds
// them in its heap.
func (s *server) int(t *testing.T, text string, args ...any) (n int64) {
	t.Helper()
	if err := s.session.Query(strings.ReplaceAll(text, "KS.", s.keyspace+"."), args...).PageSize(16).Scan(&n); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

// TestDamagedBlobs damages parts in Cassandra: what is asked for is named in
// the error, and everything else can be read.
func TestDamagedBlobs(t *testing.T) {
	const where = ` WHERE table_id = 16384 AND partition = 0x0007 AND bucket = ? AND column_id = ? AND chunk_id = ? AND part = ?`
	for _, test := range []struct {
		name, text string
		part       int
		want       error
	}{
		{"overwritten", `UPDATE KS.chunks SET data = 0x646f6e65` + where, 0, chunk.ErrCorrupt},
		{"one byte", "", 2, chunk.ErrCorrupt},
		{"no checksum", `UPDATE KS.chunks SET crc = null` + where, 1, chunk.ErrCorrupt},
		{"a part is missing", `DELETE FROM KS.chunks` + where, 1, store.ErrNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := emptyKeyspace(t)
			opts.Limits.PartBytes = 1000
			s := open(t, opts)
			defer s.Close()
			c := storetest.Sealed(storetest.ChunkID(1), noise(1, 2500), noise(2, 2500))
			d := storetest.Sealed(storetest.ChunkID(2), noise(3, 2500))
			put(t, s, c, d)
			key := []any{c.Entry.Location.Segment[:], 2, c.Entry.ID[:], test.part}
			if test.text == "" {
				b := []byte(noise(2, 2500)[1000*test.part:])
				b[len(b)/2] ^= 1
				onServer(t).exec(t, `UPDATE KS.chunks SET data = ?`+where, append([]any{b}, key...)...)
			} else {
				onServer(t).exec(t, test.text, key...)
			}
			for range 2 {
				_, _, err := s.Column(t.Context(), part, &c.Entry, 1)
				if !errors.Is(err, test.want) {
					t.Fatalf("damaged column: %v, want %v", err, test.want)
				}
				for _, name := range []string{"table 16384", "partition 0007", "chunk " + c.Entry.ID.String(), "column 2", fmt.Sprintf("part %d", test.part)} {
					if !strings.Contains(err.Error(), name) {
						t.Errorf("the error does not name %q: %v", name, err)
					}
				}
			}
			if test.want == chunk.ErrCorrupt {
				if _, _, err := s.Column(t.Context(), part, &c.Entry, 1); pgerr.Code(err) != pgerr.DataCorrupted {
					t.Errorf("code %s of: %v", pgerr.Code(err), err)
				}
			}
			has(t, s, &c.Entry, 0, noise(1, 2500))
			has(t, s, &d.Entry, 0, noise(3, 2500))
		})
	}
}

// TestRepairsBlob has the answer of one replica come damaged, or also that of
// the quorum: who is asked next has it good, which is returned and written again
// over the bad one.
func TestRepairsBlob(t *testing.T) {
	for _, bad := range []int32{1, 2} {
		t.Run(fmt.Sprint("bad=", bad), func(t *testing.T) { repairsBlob(t, bad) })
	}
}

func repairsBlob(t *testing.T, bad int32) {
	opts := emptyKeyspace(t)
	opts.Limits.PartBytes = 1000
	reg := prometheus.NewRegistry()
	opts.Registerer = reg
	p := newProxy(t, opts.Hosts[0], 0, func() fault { return pass })
	var reads atomic.Int32
	p.spoil = func(text string, _ uint16) bool {
		return strings.Contains(text, ".chunks WHERE") && strings.HasPrefix(text, "SELECT data") && reads.Add(1) <= bad
	}
	opts.Dial, opts.SpeculativeDelay = p.dial, -1
	s := open(t, opts)
	defer s.Close()
	c := storetest.Sealed(storetest.ChunkID(1), noise(1, 900))
	put(t, s, c)
	written := func() int64 {
		return onServer(t).int(t, `SELECT writetime(data) FROM KS.chunks WHERE table_id = 16384 AND partition = 0x0007 AND bucket = ? AND column_id = 1 AND chunk_id = ? AND part = 0`,
			c.Entry.Location.Segment[:], c.Entry.ID[:])
	}
	before := written()
	has(t, s, &c.Entry, 0, noise(1, 900))
	if after := written(); after != before+1 {
		t.Errorf("the part was written at %d, before at %d: want one more", after, before)
	}
	if n := counter(t, reg, "phyllo_cassandra_repaired_parts_total"); n != 1 {
		t.Errorf("%v parts were repaired, want 1", n)
	}
	if n := reads.Load(); n != bad+1 {
		t.Errorf("%d reads, want %d", n, bad+1)
	}
	// A deletion takes what was repaired, and the chunk can be put back.
	if err := s.DeleteChunks(t.Context(), part, []*chunk.Entry{&c.Entry}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Column(t.Context(), part, &c.Entry, 0); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("column of a deleted chunk: %v", err)
	}
	put(t, s, c)
	has(t, s, &c.Entry, 0, noise(1, 900))
}

// TestChunkBuckets checks that no partition of the chunks table grows beyond
// its limits, and that deleting frees all that was written.
func TestChunkBuckets(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.Limits = cassandra.Limits{Chunks: 8, ColumnBytes: 20_000, PartBytes: 100}
	s := open(t, opts)
	defer s.Close()
	srv := onServer(t)
	var all []*chunk.Sealed
	for i := range 40 {
		c := storetest.Sealed(storetest.ChunkID(i), noise(uint64(i), 50), noise(uint64(i), 5000*(i%3)), noise(uint64(i), 1))
		if i == 17 {
			c = storetest.Sealed(storetest.ChunkID(i), noise(17, 50), noise(17, 30_000), "") // more parts than a partition takes
		}
		c.Entry.Slice = int64(i % 2)
		all = append(all, c)
		if i%5 == 4 {
			put(t, s, all[i-4:]...)
		}
	}
	for i, c := range all {
		for j, b := range c.Blobs {
			has(t, s, &c.Entry, j, string(b))
		}
		if i%2 != int(c.Entry.Slice) {
			t.Fatal("slices are mixed up")
		}
	}
	chunks, bytesIn, slices := map[string]map[string]bool{}, map[string]int{}, map[string]int{}
	scanner := srv.session.Query(`SELECT bucket, column_id, chunk_id, data FROM ` + srv.keyspace + `.chunks`).Iter().Scanner()
	for scanner.Next() {
		var bucket, id, data []byte
		var column int64
		if err := scanner.Scan(&bucket, &column, &id, &data); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%x/%d", bucket, column)
		if chunks[key] == nil {
			chunks[key] = map[string]bool{}
		}
		chunks[key][string(id)] = true
		bytesIn[key] += len(data)
		for _, c := range all {
			if string(c.Entry.ID[:]) == string(id) {
				if slice, ok := slices[string(bucket)]; ok && slice != int(c.Entry.Slice) {
					t.Errorf("bucket %x holds two slices", bucket)
				}
				slices[string(bucket)] = int(c.Entry.Slice)
			}
		}
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	for key := range chunks {
		if len(chunks[key]) > 8 || bytesIn[key] > 20_000 {
			t.Errorf("partition %s has %d chunks, %d bytes", key, len(chunks[key]), bytesIn[key])
		}
	}
	var entries []*chunk.Entry
	for i, c := range all {
		entries = append(entries, &c.Entry)
		if i%2 == 1 {
			entries[i] = &chunk.Entry{ID: c.Entry.ID} // as the sweeper does
		}
	}
	if err := s.DeleteChunks(t.Context(), part, entries); err != nil {
		t.Fatal(err)
	}
	if n := srv.int(t, `SELECT count(*) FROM KS.chunks`); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	if n := srv.int(t, `SELECT count(*) FROM KS.chunk_index`); n != 0 {
		t.Errorf("%d rows of the index are left", n)
	}
}

// TestChunksOfManyPeriods lists chunks that were made years apart.
func TestChunksOfManyPeriods(t *testing.T) {
	opts := emptyKeyspace(t)
	s := open(t, opts)
	defer s.Close()
	var want []chunk.ID
	for i := range 30 {
		id := chunk.ID{byte(i / 2), byte(i), 3: byte(i), 15: 1}
		want = append(want, id)
		put(t, s, storetest.Sealed(id, "x"))
	}
	for range 2 {
		got, err := s.Chunks(t.Context(), part)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("chunks: %v, %v; want %v", got, err, want)
		}
		put(t, s, storetest.Sealed(want[3], "x")) // again: listed once
	}
}

// TestReadConsistency asks for levels by the context, as a session does.
func TestReadConsistency(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.CacheBytes = -1
	s := open(t, opts)
	defer s.Close()
	c := storetest.Sealed(storetest.ChunkID(1), "blob")
	put(t, s, c)
	if err := s.Append(t.Context(), commits, 1, []byte("entry")); err != nil {
		t.Fatal(err)
	}
	for _, level := range []string{"LOCAL_ONE", "ONE", "ALL", "QUORUM", "LOCAL_QUORUM"} {
		ctx := reading.With(t.Context(), reading.Options{Consistency: level})
		if b, _, err := s.Column(ctx, part, &c.Entry, 0); err != nil || !bytes.Equal(b, []byte("blob")) {
			t.Errorf("%s: column: %q, %v", level, b, err)
		}
		if got, err := storetest.Collect(ctx, s, commits, 1); err != nil || len(got) != 1 {
			t.Errorf("%s: log: %q, %v", level, got, err)
		}
	}
	ctx := reading.With(t.Context(), reading.Options{Consistency: "TWO"}) // there is one
	if _, _, err := s.Column(ctx, part, &c.Entry, 0); !cassandra.Retryable(err) || !strings.Contains(fmt.Sprint(err), "not enough replicas") {
		t.Errorf("TWO of one replica: %v", err)
	}
	ctx = reading.With(t.Context(), reading.Options{Consistency: "SOME"})
	if _, _, err := s.Column(ctx, part, &c.Entry, 0); pgerr.Code(err) != pgerr.InvalidParameterValue {
		t.Errorf("an unknown level: %v (%s)", err, pgerr.Code(err))
	}
}

// TestHedgedReads has every read be too slow at once: where there is no second
// server the first one's answer counts.
func TestHedgedReads(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.SpeculativeDelay = 1
	opts.CacheBytes = -1
	reg := prometheus.NewRegistry()
	opts.Registerer = reg
	s := open(t, opts)
	defer s.Close()
	c := storetest.Sealed(storetest.ChunkID(1), noise(1, 2<<20))
	put(t, s, c)
	for range 20 {
		has(t, s, &c.Entry, 0, noise(1, 2<<20))
	}
	if n := counter(t, reg, "phyllo_cassandra_hedged_reads_total"); n == 0 {
		t.Error("no read was hedged")
	}
}

// TestSharedReads has many ask for one blob at once: it is read once.
func TestSharedReads(t *testing.T) {
	opts := emptyKeyspace(t)
	reg := prometheus.NewRegistry()
	opts.Registerer = reg
	s := open(t, opts)
	defer s.Close()
	c := storetest.Sealed(storetest.ChunkID(1), noise(1, 300<<10))
	put(t, s, c)
	before := counter(t, reg, "phyllo_cassandra_blob_bytes_read_total")
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if b, _, err := s.Column(t.Context(), part, &c.Entry, 0); err != nil || len(b) != 300<<10 {
				t.Errorf("column: %d bytes, %v", len(b), err)
			}
		})
	}
	wg.Wait()
	if n := counter(t, reg, "phyllo_cassandra_blob_bytes_read_total") - before; n != 300<<10 {
		t.Errorf("%v bytes were read, want %d", n, 300<<10)
	}
	hits, misses := counter(t, reg, "phyllo_blob_cache_hits_total"), counter(t, reg, "phyllo_blob_cache_misses_total")
	if hits != 31 || misses != 1 {
		t.Errorf("%v hits, %v misses; want 31, 1", hits, misses)
	}
}
