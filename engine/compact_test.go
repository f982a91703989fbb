package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

func vacuum(t testing.TB, db *engine.DB, table datum.OID, full bool) chunk.VacuumInfo {
	t.Helper()
	out, err := db.Vacuum(context.Background(), table, full)
	if err != nil {
		t.Fatalf("vacuum: %v", err)
	}
	return out
}

// chunksOf returns the chunks of a table by partition.
func chunksOf(t testing.TB, db *engine.DB, table datum.OID) map[string][]*chunk.Entry {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	parts, err := tx.Partitions(context.Background(), table)
	if err != nil {
		t.Fatalf("partitions: %v", err)
	}
	out := map[string][]*chunk.Entry{}
	for _, p := range parts {
		if p.Entries == nil {
			continue
		}
		for e, err := range p.Entries(context.Background()) {
			if err != nil {
				t.Fatalf("chunks: %v", err)
			}
			out[p.ID.Key] = append(out[p.ID.Key], e)
		}
	}
	return out
}

// checkCompacted checks that the chunks of each slice do not overlap and that no
// neighbours fit in one.
func checkCompacted(t testing.TB, db *engine.DB, table datum.OID, keyed bool) {
	t.Helper()
	for part, list := range chunksOf(t, db, table) {
		for i, e := range list {
			if i == 0 || list[i-1].Slice != e.Slice {
				continue
			}
			before := list[i-1]
			if string(e.KeyMin) < string(before.KeyMax) || keyed && string(e.KeyMin) == string(before.KeyMax) {
				t.Errorf("partition %x slice %d: chunks overlap", part, e.Slice)
			}
			if before.Rows+e.Rows <= chunk.MaxRows {
				t.Errorf("partition %x slice %d: chunks of %d and %d rows lie beside each other", part, e.Slice, before.Rows, e.Rows)
			}
		}
	}
}

// TestVacuum merges what many flushes wrote.
func TestVacuum(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			eachPlace(t, func(t *testing.T, p place) {
				db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
				table := createTable(t, db, "events", keyed, schema.DuplicateReplace)
				rng := newRand(t)
				want := map[row]int{}
				newest := map[row]int64{}
				for i := range 12 {
					rows := randomRows(rng, 300, keyed)
					if i%4 == 1 { // a transaction that is staged
						for j := range int64(15_000) {
							rows = append(rows, row{"many", j * 1000, int64(i)})
						}
					}
					insert(t, db, table, rows...)
					for _, r := range rows {
						want[r]++
						newest[row{k: r.k, ts: r.ts}] = r.v
					}
					checkpoint(t, db)
				}
				if keyed {
					clear(want)
					for k, v := range newest {
						want[row{k.k, k.ts, v}] = 1
					}
				}
				old := begin(t, db, engine.TxnOptions{ReadOnly: true, RepeatableRead: true})
				out := vacuum(t, db, table, false)
				t.Logf("%+v", out)
				if out.ChunksAfter >= out.ChunksBefore || out.Compactions == 0 {
					t.Errorf("nothing was merged: %+v", out)
				}
				checkCompacted(t, db, table, keyed)
				sameRows(t, "after vacuum", mustRead(t, db, table), want)
				got, err := read(old, table)
				if err != nil {
					t.Fatalf("a snapshot of before: %v", err)
				}
				sameRows(t, "a snapshot of before", got, want)
				old.Rollback()
				if again := vacuum(t, db, table, false); again.Compactions != 0 {
					t.Errorf("a second vacuum merged: %+v", again)
				}
				insert(t, db, table, row{"late", 5, 5})
				want[row{"late", 5, 5}]++
				vacuum(t, db, table, true)
				checkCompacted(t, db, table, keyed)
				p.close(t)
				db = p.open(t, quiet)
				sameRows(t, "reopened", mustRead(t, db, table), want)
				p.crash(t)
				db = p.open(t, quiet)
				sameRows(t, "after a crash", mustRead(t, db, table), want)
				p.close(t)
			})
		})
	}
}

// randomRows makes rows of a day; with few different keys if keyed, each once.
func randomRows(rng *rand.Rand, n int, keyed bool) []row {
	out := make([]row, 0, n)
	seen := map[row]bool{}
	for range n {
		r := row{fmt.Sprintf("k%d", rng.IntN(5)), rng.Int64N(24 * hour), rng.Int64N(1000)}
		if keyed {
			r.ts = r.ts / (hour / 4) * (hour / 4)
			if seen[row{k: r.k, ts: r.ts}] {
				continue
			}
			seen[row{k: r.k, ts: r.ts}] = true
		}
		out = append(out, r)
	}
	return out
}

// TestSpaceComesBack compacts and looks what is left in the store: nothing but the chunks
// that are live, once no transaction needs the others, also after a restart.
func TestSpaceComesBack(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		table := createTable(t, db, "events", false, 0)
		rng := newRand(t)
		for range 10 {
			insert(t, db, table, randomRows(rng, 200, false)...)
			checkpoint(t, db)
		}
		live := func() (n int) {
			for _, list := range chunksOf(t, db, table) {
				n += len(list)
			}
			return n
		}
		before := blobs(t, storeOf(p), table)
		reader := begin(t, db, engine.TxnOptions{ReadOnly: true})
		out := vacuum(t, db, table, false)
		if n := blobs(t, storeOf(p), table); n <= before || out.ChunksAfter >= before {
			t.Errorf("%d chunks are there, and were %d before: a transaction reads those; %+v", n, before, out)
		}
		reader.Rollback()
		vacuum(t, db, table, false)
		if n := blobs(t, storeOf(p), table); n != live() || n >= before {
			t.Errorf("%d chunks are in the store, %d are live, %d were before", n, live(), before)
		}
		if n := db.Garbage(table); n != 0 {
			t.Errorf("%d removed chunks are still listed", n)
		}
		insert(t, db, table, randomRows(rng, 200, false)...)
		vacuum(t, db, table, true)
		p.crash(t)
		db = p.open(t, quiet)
		if n := blobs(t, storeOf(p), table); n != live() {
			t.Errorf("after a restart %d chunks are in the store, %d are live", n, live())
		}
		p.close(t)
	})
}

// TestFilesGo has flushes write chunks of slices of which some are merged later and some
// are not: VACUUM leaves no file of which half is deleted, VACUUM FULL none of which
// anything is.
func TestFilesGo(t *testing.T) {
	p := &diskPlace{rng: newRand(t)}
	db := p.open(t, quiet)
	table := createTable(t, db, "events", false, 0)
	want := map[row]int{}
	for i := range int64(8) {
		var rows []row
		for j := range int64(200) {
			rows = append(rows, row{"a", j, i}, row{"a", (i + 1) * hour, j}) // one slice of all, one of its own
		}
		insert(t, db, table, rows...)
		for _, r := range rows {
			want[r]++
		}
		checkpoint(t, db)
	}
	deleted := func(what string) (n int) {
		for bucket := range 4 {
			uses, err := p.s.PartlyDeleted(context.Background(), chunk.PartitionID{Table: table, Key: string([]byte{0, byte(bucket)})})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range uses {
				t.Logf("%s: a file with %d bytes of chunks and %d deleted", what, u.Live, u.Dead)
				if u.Dead >= u.Live {
					t.Errorf("%s: it should have gone", what)
				}
				n++
			}
		}
		return n
	}
	vacuum(t, db, table, false)
	deleted("vacuum")
	insert(t, db, table, row{"a", 1, -1})
	want[row{"a", 1, -1}]++
	vacuum(t, db, table, true)
	if n := deleted("vacuum full"); n > 0 {
		t.Errorf("%d files are deleted in part", n)
	}
	sameRows(t, "at last", mustRead(t, db, table), want)
	p.crash(t)
	db = p.open(t, quiet)
	sameRows(t, "after a crash", mustRead(t, db, table), want)
	p.close(t)
}
