package engine_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/forced"
	"github.com/phyllodb/phyllo/internal/schema"
)

var configs = flag.Int("configs", 0, "under how many configurations a metamorphic history runs; 0: few")

// A variant is a configuration that no answer may depend on.
type variant struct {
	local      bool // the embedded store, not the one in memory
	partitions int
	slice      time.Duration
	chunkRows  int // 0: as many as a chunk can have
	batchRows  int // of one insert
	buffer     int64
	flush      int // one in so many actions is followed by it; 0: none
	restart    int
	merge      int
	place      int          // one in so many actions is followed by a change of slices and partitions
	scheme     codec.Scheme // taken wherever it can be; Halves: what is best
	seed       uint64       // of when there is upkeep
}

func (v variant) String() string {
	where := "memory"
	if v.local {
		where = "local"
	}
	return fmt.Sprintf("%s, %d partitions, slices of %v, chunks of %d, batches of %d, %d KiB of buffers, flush 1/%d, restart 1/%d, merge 1/%d, place 1/%d, scheme %v, seed %d",
		where, v.partitions, v.slice, v.chunkRows, v.batchRows, v.buffer>>10, v.flush, v.restart, v.merge, v.place, v.scheme, v.seed)
}

// schemes are those that can be forced: others are how bitmaps and constants are written.
var schemes = []codec.Scheme{codec.FOR, codec.Delta, codec.Linear, codec.RLE, codec.Dictionary, codec.ALP, codec.Plain, codec.LZ4, codec.Zstd, codec.Decimal,
	codec.Differences, codec.ALPRD, codec.Sparse, codec.Entropy, codec.ALPUlp, codec.Template, codec.FSST, codec.Front, codec.Ranked}

// randomVariant returns a variant; the schemes come in turn.
func randomVariant(rng *rand.Rand, i int) variant {
	pick := func(list ...int) int { return list[rng.IntN(len(list))] }
	v := variant{local: rng.IntN(3) > 0, partitions: pick(1, 2, 4, 16), slice: time.Duration(pick(1, 6, 24, 2400)) * time.Hour,
		chunkRows: pick(0, 0, 3, 100, 1024, 1500), batchRows: pick(5, 170, 1000, 1<<20, 1<<20), buffer: int64(pick(1, 1, 64)) << 20,
		flush: pick(0, 1, 3, 10), restart: pick(0, 5, 20), merge: pick(0, 3, 10), place: pick(0, 3, 10), seed: rng.Uint64()}
	if i%4 > 0 {
		v.scheme = schemes[(i-i/4)%len(schemes)]
		v.flush, v.merge, v.place, v.chunkRows = pick(3, 5, 10), pick(5, 10), 0, pick(0, 0, 1500)
		v.partitions, v.slice = pick(1, 2), 2400*time.Hour // enough values in one chunk
	}
	return v
}

// TestMetamorphic runs one random history under many configurations: whether chunks are
// large or small, few or many partitions, whether that changes, when rows are flushed and merged, how they are
// encoded and when the store is opened again, the answers are those of a plain reference.
func TestMetamorphic(t *testing.T) {
	rng := newRand(t)
	h := newAnnals(rng)
	n := *configs
	if n == 0 {
		n = 8
	}
	if testing.Short() {
		n = 2
	}
	taken := map[codec.Scheme]int64{}
	first := rng.IntN(1 << 10)
	for i := range n {
		v := randomVariant(rng, first+i)
		taken[v.scheme] += h.run(t, v)
		if t.Failed() {
			t.Fatalf("variant %d: %v", i, v)
		}
	}
	t.Logf("%d actions, %d rows at the end, %d configurations, schemes taken by force: %v", len(h.acts), h.rowsAtEnd(), n, taken)
	forcible := 0
	for s, times := range taken {
		if s != codec.Halves && times > 0 {
			forcible++
		}
	}
	if 3*forcible < 2*(len(taken)-1) {
		t.Errorf("%d of %d schemes were taken by force", forcible, len(taken)-1)
	}
}

// run does a history under a configuration and compares the answers with the reference.
func (h *annals) run(t *testing.T, v variant) (taken int64) {
	t.Helper()
	reset := forced.Set(uint8(v.scheme))
	defer engine.SetSealRows(v.chunkRows)()
	defer func() { taken = reset() }()
	rng := rand.New(rand.NewPCG(v.seed, 3))
	var p place = &memPlace{}
	if v.local {
		p = &diskPlace{rng: rng}
	}
	opt := engine.Options{SealAge: time.Hour, BufferBytes: v.buffer, CompactionPaused: true, SnapshotLifetime: time.Minute}
	db := p.open(t, opt)
	tables := make([]datum.OID, len(pastTables))
	for i := range tables {
		tables[i] = createPast(t, db, i, v)
	}
	now := func(every int) bool { return every > 0 && rng.IntN(every) == 0 }
	for i, a := range h.acts {
		if err := a.do(db, tables, v.batchRows); err != nil {
			t.Errorf("action %d, %v: %v", i, a, err)
			return 0
		}
		if now(v.flush) {
			checkpoint(t, db)
		}
		if now(v.merge) {
			vacuum(t, db, tables[rng.IntN(len(tables))], rng.IntN(2) == 0)
		}
		if now(v.place) {
			place := randomVariant(rng, 0)
			if err := alter(t, db, tables[rng.IntN(len(tables))], placed(place.slice, place.partitions)); err != nil {
				t.Fatal(err)
			}
		}
		if now(v.restart) {
			p.crash(t)
			db = p.open(t, opt)
		}
		if a.checks {
			h.check(t, db, tables, i)
		}
		if t.Failed() {
			return 0
		}
	}
	for _, table := range tables {
		vacuum(t, db, table, true)
	}
	h.check(t, db, tables, len(h.acts)-1)
	p.close(t)
	return 0
}

// check compares answers after an action with the reference.
func (h *annals) check(t *testing.T, db *engine.DB, tables []datum.OID, i int) {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	for n, table := range tables {
		want := h.after[i][n]
		for q, query := range append([]pastQuery{{}}, h.queries[i]...) {
			got, err := readPast(tx, table, want, query)
			if err != nil {
				t.Errorf("after action %d, %v: table %s, query %d: %v", i, h.acts[i], pastTables[n].name, q, err)
				return
			}
			expected := map[pastRow]int{}
			for r, k := range want.rows {
				if query.passes(r, want) {
					expected[r] += k
				}
			}
			if !maps.Equal(got, expected) {
				t.Errorf("after action %d, %v: table %s, query %v: %s", i, h.acts[i], pastTables[n].name, query, pastDiff(got, expected))
				return
			}
		}
	}
}

func pastDiff(got, want map[pastRow]int) string {
	var diff []string
	for r, n := range want {
		if got[r] != n {
			diff = append(diff, fmt.Sprintf("%+v: %d times, want %d", r, got[r], n))
		}
	}
	for r, n := range got {
		if want[r] == 0 {
			diff = append(diff, fmt.Sprintf("%+v: %d times, want 0", r, n))
		}
	}
	slices.Sort(diff)
	return fmt.Sprintf("%d rows, want %d: %v", len(got), len(want), diff[:min(5, len(diff))])
}

// createPast makes a table of the history.
func createPast(t *testing.T, db *engine.DB, i int, v variant) (oid datum.OID) {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{})
	defer tx.Rollback()
	oid, err := tx.TakeOIDs(ctx0, 5)
	if err != nil {
		t.Fatal(err)
	}
	def := eventsTable(oid, pastTables[i].name, pastTables[i].keyed, pastTables[i].dup)
	def.Partitions, def.Slice = v.partitions, v.slice
	def.Columns = append(def.Columns, pastColumns[3:6]...)
	if err := tx.Apply(ctx0, schema.Change{PutTable: def}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx0); err != nil {
		t.Fatal(err)
	}
	return oid
}
