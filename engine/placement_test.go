package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// placed is a change of where a table's rows are put.
func placed(slice time.Duration, partitions int) func(*schema.Table) {
	return func(def *schema.Table) { def.Slice, def.Partitions = slice, partitions }
}

// TestPlacementInTransaction writes rows of one key to several generations of a table in
// one transaction, in all orders of generations: the last one is the one that is there.
func TestPlacementInTransaction(t *testing.T) {
	places := []func(*schema.Table){placed(time.Hour, 4), placed(2*time.Hour, 3), placed(time.Hour/2, 8)}
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		tables := map[datum.OID]map[row]int{}
		for order := range 27 {
			table := createTable(t, db, fmt.Sprint("t", order), true, schema.DuplicateReplace)
			for _, to := range places { // so that each has its number
				if err := alter(t, db, table, to); err != nil {
					t.Fatal(err)
				}
			}
			tx := begin(t, db, engine.TxnOptions{})
			k := row{"k", 5 * hour, 0}
			write := func(v int64) {
				k.v = v
				if _, _, err := tx.Insert(ctx, table, batchOf(k, row{fmt.Sprint("other ", v), 5 * hour, v}), chunk.InsertReplace); err != nil {
					t.Fatal(err)
				}
			}
			want := map[row]int{}
			write(-1)
			want[row{"other -1", 5 * hour, -1}]++
			for i, n := 0, order; i < 3; i, n = i+1, n/3 {
				alterIn(t, tx, table, places[n%3])
				write(int64(i))
				want[row{fmt.Sprint("other ", i), 5 * hour, int64(i)}]++
				mark := tx.Savepoint()
				alterIn(t, tx, table, places[(n+1)%3])
				write(100)
				change(t, tx, table, []row{k}, nil)
				if err := tx.RollbackTo(ctx, mark); err != nil {
					t.Fatal(err)
				}
			}
			want[row{"k", 5 * hour, 2}]++
			tx.Snapshot(ctx)
			got, err := read(tx, table)
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, fmt.Sprint("inside, order ", order), got, want)
			found, at, err := tx.Lookup(ctx, table, keyBatch(k))
			if err != nil || at[0] < 0 {
				t.Fatal(at, err)
			}
			if v := found.Column(2).ValueStr(int(at[0])); v != "2" {
				t.Errorf("order %d: a look-up finds %s", order, v)
			}
			if err := tx.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			tables[table] = want
		}
		for _, step := range []string{"committed", "after a crash", "in chunks", "after VACUUM"} {
			switch step {
			case "after a crash":
				p.crash(t)
				db = p.open(t, quiet)
			case "in chunks":
				checkpoint(t, db)
			case "after VACUUM":
				for table := range tables {
					vacuum(t, db, table, true)
				}
			}
			for table, want := range tables {
				sameRows(t, step, mustRead(t, db, table), want)
			}
		}
		p.close(t)
	})
}

// TestPlacementRetention has a mark in a slice that ends long before that of its row: both
// go at once. What was too old when the retention was changed does not come back.
func TestPlacementRetention(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprint("keyed=", keyed), func(t *testing.T) {
			eachPlace(t, func(t *testing.T, p place) {
				clock := &testClock{}
				opt := quiet
				opt.Now = clock.now
				db := p.open(t, opt)
				table := retentionTable(t, db, keyed)
				set := func(change func(*schema.Table)) {
					t.Helper()
					if err := alter(t, db, table, change); err != nil {
						t.Fatal(err)
					}
				}
				keep := func(d time.Duration) func(*schema.Table) {
					return func(def *schema.Table) { def.Retention = d }
				}
				set(keep(6 * time.Hour))
				set(placed(3*time.Hour, 4))
				start := clock.now().Truncate(3 * time.Hour)
				at := func(d time.Duration) int64 { return start.Add(d).UnixMicro() }
				move := func(d time.Duration) { clock.add(start.Add(d).Sub(clock.now())) }
				a, b := row{"a", at(-150 * time.Minute), 1}, row{"b", at(-10 * time.Minute), 2}
				insert(t, db, table, a, b)
				checkpoint(t, db)
				set(placed(time.Hour, 4))
				tx := begin(t, db, engine.TxnOptions{})
				change(t, tx, table, []row{a}, nil)
				if err := tx.Commit(context.Background()); err != nil {
					t.Fatal(err)
				}
				checkpoint(t, db)
				sameRows(t, "deleted", mustRead(t, db, table), counts(b))
				move(5 * time.Hour) // the slice of the mark ended two hours before that of the row
				sameRows(t, "when the mark is too old", mustRead(t, db, table), counts(b))
				if out := vacuum(t, db, table, false); out.SlicesDropped != 0 {
					t.Errorf("slices of a frame that is not over were dropped: %+v", out)
				}
				sameRows(t, "after VACUUM", mustRead(t, db, table), counts(b))
				c := row{"c", at(4 * time.Hour), 3}
				insert(t, db, table, c)
				move(6*time.Hour + time.Second)
				sameRows(t, "when all of the frame is too old", mustRead(t, db, table), counts(c))
				set(keep(1000 * time.Hour))
				sameRows(t, "with a longer retention", mustRead(t, db, table), counts(c))
				for _, when := range []time.Duration{-time.Minute, -20 * time.Hour} {
					tx = begin(t, db, engine.TxnOptions{})
					_, _, err := tx.Insert(context.Background(), table, batchOf(row{"late", at(when), 1}), chunk.InsertDefault)
					if codeOf(err) != pgerr.CheckViolation {
						t.Errorf("a row where others were dropped: %v", err)
					}
					tx.Rollback()
				}
				late := row{"late", at(0), 4}
				insert(t, db, table, late)
				set(func(def *schema.Table) { def.Retention = 0 })
				p.crash(t)
				db = p.open(t, opt)
				sameRows(t, "after a crash", mustRead(t, db, table), counts(c, late))
				if out := vacuum(t, db, table, false); out.SlicesDropped == 0 {
					t.Errorf("nothing was dropped: %+v", out)
				}
				sameRows(t, "when it was dropped", mustRead(t, db, table), counts(c, late))
				for part, list := range chunksOf(t, db, table) {
					for _, e := range list {
						if e.Time.Max < datum.Micros(at(0)) {
							t.Errorf("partition %x: a chunk of %d rows is left", part, e.Rows)
						}
					}
				}
				p.close(t)
			})
		})
	}
}

// TestPlacementCost counts what is read: of generations that do not overlap in time no
// chunks are merged, and each is pruned by its own slices and buckets.
func TestPlacementCost(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, quiet)
	table := createTable(t, db, "state", true, schema.DuplicateReplace)
	fill := func(from, to int64) {
		var rows []row
		for h := from; h < to; h++ {
			for k := range 40 {
				rows = append(rows, row{fmt.Sprint("k", k), h * hour, h})
			}
		}
		insert(t, db, table, rows...)
		checkpoint(t, db)
	}
	fill(0, 6)
	if err := alter(t, db, table, placed(3*time.Hour, 8)); err != nil {
		t.Fatal(err)
	}
	fill(6, 12)
	scan := func(filter ...chunk.Predicate) (int, chunk.ScanStats) {
		tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
		defer tx.Rollback()
		splits, stats, err := tx.Scan(context.Background(), table, chunk.ScanSpec{Columns: []schema.ColumnID{3}, Filter: filter})
		if err != nil {
			t.Fatal(err)
		}
		return len(splits), stats
	}
	chunks := 4*6 + 8*2
	if n, stats := scan(); n != chunks || stats.PartitionsTotal != 12 || stats.SlicesTotal != int64(chunks) {
		t.Errorf("%d splits, want one for each of %d chunks: %+v", n, chunks, stats)
	}
	one := chunk.Predicate{Column: 1, Op: chunk.OpEQ, Values: []datum.Value{"k7"}}
	if _, stats := scan(one); stats.PartitionsSkipped != 10 {
		t.Errorf("one key: %+v, want one partition of each generation", stats)
	}
	early := chunk.Predicate{Column: 2, Op: chunk.OpLT, Values: []datum.Value{datum.Micros(hour)}}
	if n, stats := scan(early); n != 4 || stats.SlicesSkipped != int64(chunks-4) {
		t.Errorf("the first hour: %d splits, %+v", n, stats)
	}
	late := chunk.Predicate{Column: 2, Op: chunk.OpGE, Values: []datum.Value{datum.Micros(9 * hour)}}
	if n, stats := scan(late); n != 8 || stats.SlicesSkipped != int64(chunks-8) {
		t.Errorf("the last hours: %d splits, %+v", n, stats)
	}
	fill(5, 6) // in a slice of three hours, with three of an hour in each of four regions
	if n, _ := scan(); n >= chunks {
		t.Errorf("%d splits of chunks that overlap", n)
	}
	p.close(t)
}

// TestPlacementRefused has changes that are not supported, and some that change nothing.
func TestPlacementRefused(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, quiet)
	table := createTable(t, db, "events", false, 0)
	generations := func() int {
		tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
		defer tx.Rollback()
		return len(tx.Catalog().Tables[table].Placements)
	}
	for _, c := range []struct {
		name   string
		change func(*schema.Table)
		code   string
		want   int
	}{
		{"as it is", placed(time.Hour, 4), "", 0},
		{"a week", placed(7*24*time.Hour, 4), "", 2},
		{"a month beside a week", placed(30*24*time.Hour, 4), "", 3},
		{"with no common multiple near", placed(61*time.Minute, 4), pgerr.FeatureNotSupported, 3},
		{"no slices", placed(0, 4), pgerr.FeatureNotSupported, 3},
		{"no buckets", placed(time.Hour, 0), pgerr.FeatureNotSupported, 3},
		{"as it was", placed(time.Hour, 4), "", 3},
		{"as it is now", placed(time.Hour, 4), "", 3},
	} {
		if err := alter(t, db, table, c.change); codeOf(err) != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
		if n := generations(); n != c.want {
			t.Errorf("%s: %d generations, want %d", c.name, n, c.want)
		}
	}
	var err error
	for n := 5; err == nil && n < 100; n++ {
		err = alter(t, db, table, placed(time.Hour, n))
	}
	if codeOf(err) != pgerr.ProgramLimitExceeded || generations() != schema.MaxPlacements {
		t.Errorf("%d generations: %v", generations(), err)
	}
	tx := begin(t, db, engine.TxnOptions{})
	if err := errors.Join(tx.Truncate(context.Background(), table), tx.Commit(context.Background())); err != nil {
		t.Fatal(err)
	}
	if n := generations(); n != 0 {
		t.Errorf("%d generations after TRUNCATE", n)
	}
	p.close(t)
}

// TestPlacementOlderSnapshot reads and writes with a snapshot from before.
func TestPlacementOlderSnapshot(t *testing.T) {
	eachTable(t, func(t *testing.T, p place, db *engine.DB, table datum.OID, keyed bool) {
		ctx := context.Background()
		rows := []row{{"a", 1, 1}, {"b", 2, 2}, {"c", 3, 3}}
		insert(t, db, table, rows[0])
		fixed := begin(t, db, engine.TxnOptions{RepeatableRead: true})
		if err := alter(t, db, table, placed(3*time.Hour, 6)); err != nil {
			t.Fatal(err)
		}
		insert(t, db, table, rows[1])
		if _, _, err := fixed.Insert(ctx, table, batchOf(rows[2]), chunk.InsertDefault); err != nil {
			t.Fatal(err)
		}
		fixed.Snapshot(ctx)
		got, err := read(fixed, table)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "inside", got, counts(rows[0], rows[2]))
		if err := fixed.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		sameRows(t, "committed", mustRead(t, db, table), counts(rows...))
		checkpoint(t, db)
		sameRows(t, "in chunks", mustRead(t, db, table), counts(rows...))
		generations := map[int]int{}
		for key, list := range chunksOf(t, db, table) {
			g, _ := schema.SplitPartitionKey(key)
			generations[g] += len(list)
		}
		if !slices.Equal([]int{generations[0], generations[1]}, []int{2, 1}) {
			t.Errorf("chunks by generation: %v", generations)
		}
	})
}

// TestPlacementFormat has catalogue entries and checkpoints that older programs must not
// read, and only those, say so; definitions survive in checkpoints.
func TestPlacementFormat(t *testing.T) {
	defer engine.SetCheckpointChanges(2)()
	ctx := context.Background()
	p := &memPlace{}
	db := p.open(t, quiet)
	newest := func() int { // format of the last entry, or of the checkpoint that it names
		t.Helper()
		logs, err := p.s.List(ctx, store.CatalogueLog)
		if err != nil {
			t.Fatal(err)
		}
		format := 0
		for _, l := range logs {
			head, err := p.s.Head(ctx, l)
			if err != nil {
				t.Fatal(err)
			}
			for e, err := range p.s.Read(ctx, l, head) {
				var entry, checkpoint struct {
					Format int
					Base   uint64
				}
				if err == nil {
					err = json.Unmarshal(e.Data, &entry)
				}
				if err == nil && entry.Base > 0 {
					var data []byte
					if data, err = p.s.Checkpoint(ctx, store.LogID{Kind: l.Kind, Key: fmt.Sprintf("%s@%d", l.Key, entry.Base)}); err == nil {
						err = json.Unmarshal(data, &checkpoint)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				format = max(format, entry.Format, checkpoint.Format)
			}
		}
		return format
	}
	other := createTable(t, db, "other", false, 0)
	table := createTable(t, db, "events", false, 0)
	if f := newest(); f > 2 {
		t.Errorf("format %d of a table with one layout", f)
	}
	insert(t, db, table, row{"a", 1, 1})
	if err := alter(t, db, table, placed(2*time.Hour, 4)); err != nil {
		t.Fatal(err)
	}
	if f := newest(); f != 3 {
		t.Errorf("format %d of a table with two layouts, want 3", f)
	}
	insert(t, db, table, row{"b", 1, 1})
	for i := range int64(6) { // until the entry is folded
		v := i
		if err := alter(t, db, other, func(def *schema.Table) { def.Comment = fmt.Sprint(v) }); err != nil {
			t.Fatal(err)
		}
	}
	if f := newest(); f != 3 {
		t.Errorf("format %d of a checkpoint with such a table, want 3", f)
	}
	p.crash(t)
	db = p.open(t, quiet)
	sameRows(t, "after a crash", mustRead(t, db, table), counts(row{"a", 1, 1}, row{"b", 1, 1}))
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	if def := tx.Catalog().Tables[table]; len(def.Placements) != 2 || def.Generation != 1 {
		t.Errorf("placements %v, generation %d", def.Placements, def.Generation)
	}
	p.close(t)
}

// TestPlacementVacuumEnds has marks that stay, as their rows are of another generation, beside
// chunks that were cut because of their bytes: they are not merged again and again.
func TestPlacementVacuumEnds(t *testing.T) {
	rng := newRand(t)
	p := &memPlace{}
	opt := quiet
	opt.CompactionBytes = 1 << 20
	db := p.open(t, opt)
	table := createTable(t, db, "events", false, 0)
	gone := row{"c gone", 1, 1}
	insert(t, db, table, gone)
	checkpoint(t, db)
	if err := alter(t, db, table, placed(2*time.Hour, 1)); err != nil {
		t.Fatal(err)
	}
	var all []row
	for _, of := range []struct {
		prefix       string
		rows, digits int
	}{{"a", 8000, 32}, {"b", 300, 1600}, {"c", 10, 16}} {
		var rows []row
		for i := range of.rows {
			k := fmt.Sprintf("%s%06d", of.prefix, i)
			for len(k) < of.digits {
				k += fmt.Sprintf("%016x", rng.Uint64())
			}
			rows = append(rows, row{k, 1, rng.Int64()})
		}
		insert(t, db, table, rows...)
		checkpoint(t, db)
		all = append(all, rows...)
	}
	tx := begin(t, db, engine.TxnOptions{})
	change(t, tx, table, []row{gone}, nil)
	if err := tx.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for range 2 {
		out, err := db.Vacuum(ctx, table, true)
		if err != nil {
			t.Fatal(err)
		}
		if out.Compactions > 4 {
			t.Errorf("%d compactions of a few chunks", out.Compactions)
		}
	}
	marked := 0
	for _, list := range chunksOf(t, db, table) {
		for _, e := range list {
			if e.Marked() {
				marked++
			}
		}
	}
	if marked != 1 {
		t.Errorf("%d chunks have marks", marked)
	}
	sameRows(t, "after VACUUM", mustRead(t, db, table), counts(all...))
	p.close(t)
}
