package engine_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// keepHistory sets for how long a table keeps its history.
func keepHistory(t *testing.T, db *engine.DB, table datum.OID, d time.Duration) {
	t.Helper()
	if err := alter(t, db, table, func(def *schema.Table) { def.History = d }); err != nil {
		t.Fatal(err)
	}
}

// readAsOf reads a table as of a row version.
func readAsOf(t testing.TB, db *engine.DB, table datum.OID, version int64) (map[row]int, error) {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	return readSpec(tx, table, chunk.ScanSpec{Columns: []schema.ColumnID{1, 2, 3}, AsOf: version})
}

func position(t testing.TB, db *engine.DB) int64 {
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	return tx.Position()
}

// A past is what a table was at a position.
type past struct {
	position int64
	rows     map[row]int
}

// A chronicle changes a table at random, and knows what it was.
type chronicle struct {
	rng   *rand.Rand
	table datum.OID
	keyed bool
	now   map[row]int
	then  []past
}

func (c *chronicle) key() row {
	return row{fmt.Sprint("k", c.rng.IntN(4)), c.rng.Int64N(6) * hour / 3, 0}
}

// write makes a transaction of several statements.
func (c *chronicle) write(t *testing.T, db *engine.DB, stage bool) {
	t.Helper()
	ctx := context.Background()
	tx := begin(t, db, engine.TxnOptions{})
	now := maps.Clone(c.now)
	for range 1 + c.rng.IntN(4) {
		if c.rng.IntN(5) == 0 {
			alterIn(t, tx, c.table, placed(time.Duration(1+c.rng.IntN(3))*time.Hour, 1+c.rng.IntN(4)))
		}
		have := slices.SortedFunc(maps.Keys(now), func(a, b row) int { return int(a.v - b.v) })
		if len(have) > 0 && c.rng.IntN(2) == 0 { // delete or update some
			var old, updated []row
			if err := tx.BeginChange(ctx, c.table, locking.UpdateRow); err != nil {
				t.Fatal(err)
			}
			for range 1 + c.rng.IntN(3) {
				r := have[c.rng.IntN(len(have))]
				if slices.Contains(old, r) {
					continue
				}
				old = append(old, r)
				if now[r]--; now[r] == 0 {
					delete(now, r)
				}
				if c.rng.IntN(2) == 0 {
					r.v = c.rng.Int64N(1 << 40)
					updated = append(updated, r)
					now[r]++
				}
			}
			if again, err := tx.Delete(ctx, c.table, batchOf(old...)); again || err != nil {
				t.Fatal(again, err)
			}
			if len(updated) > 0 {
				if _, _, err := tx.Insert(ctx, c.table, batchOf(updated...), chunk.InsertReplace); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			var rows []row
			for range 1 + c.rng.IntN(8) {
				r := c.key()
				r.v = c.rng.Int64N(1 << 40)
				if c.keyed {
					maps.DeleteFunc(now, func(o row, _ int) bool { return o.k == r.k && o.ts == r.ts })
				}
				now[r]++
				rows = append(rows, r)
			}
			if _, _, err := tx.Insert(ctx, c.table, batchOf(rows...), chunk.InsertReplace); err != nil {
				t.Fatal(err)
			}
		}
		if stage {
			if err := tx.StageNow(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	c.now = now
	c.then = append(c.then, past{position(t, db), now})
}

// upkeep does what changes where rows lie, and nothing else; it returns the database, which
// another may have taken the place of.
func (c *chronicle) upkeep(t *testing.T, p place, db *engine.DB, opt engine.Options, step string) *engine.DB {
	t.Helper()
	var err error
	switch step {
	case "flush":
		checkpoint(t, db)
	case "vacuum":
		_, err = db.Vacuum(context.Background(), c.table, c.rng.IntN(2) == 0)
	case "crash":
		p.crash(t)
		db = p.open(t, opt)
	case "compact":
		err = db.CompactNow(context.Background())
	default:
		t.Fatalf("no step %q", step)
	}
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// check reads what the table was at every position and just before.
func (c *chronicle) check(t *testing.T, db *engine.DB, when string) {
	t.Helper()
	sameRows(t, when, mustRead(t, db, c.table), c.now)
	for i, p := range c.then {
		got, err := readAsOf(t, db, c.table, p.position)
		if err != nil {
			t.Fatalf("%s: position %d of %d: %v", when, i, len(c.then), err)
		}
		sameRows(t, fmt.Sprintf("%s: position %d of %d", when, i, len(c.then)), got, p.rows)
		if i == 0 {
			continue
		}
		if got, err = readAsOf(t, db, c.table, p.position-1); err != nil {
			t.Fatalf("%s: before position %d of %d: %v", when, i, len(c.then), err)
		}
		sameRows(t, fmt.Sprintf("%s: before position %d of %d", when, i, len(c.then)), got, c.then[i-1].rows)
	}
}

// TestAsOf reads every state that a table has been in, wherever its rows are by then.
func TestAsOf(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		for _, kind := range []struct {
			name  string
			keyed bool
			dup   schema.OnDuplicate
		}{{"events", false, 0}, {"replaced", true, schema.DuplicateReplace}, {"unique", true, schema.DuplicateError}} {
			t.Run(kind.name, func(t *testing.T) {
				db := p.open(t, quiet)
				c := &chronicle{rng: newRand(t), table: createTable(t, db, kind.name, kind.keyed, kind.dup), keyed: kind.keyed, now: map[row]int{}}
				insert(t, db, c.table, row{"k0", 0, -1}) // before there is a history
				c.now[row{"k0", 0, -1}] = 1
				if c.rng.IntN(2) == 0 {
					checkpoint(t, db)
				}
				keepHistory(t, db, c.table, time.Hour)
				c.then = append(c.then, past{position(t, db), c.now})
				steps := []string{}
				for range 40 {
					step := []string{"write", "write", "write", "write", "stage", "flush", "vacuum", "crash", "compact"}[c.rng.IntN(9)]
					steps = append(steps, step)
					if step == "write" || step == "stage" {
						c.write(t, db, step == "stage")
						continue
					}
					db = c.upkeep(t, p, db, quiet, step)
					c.check(t, db, fmt.Sprint(steps))
				}
				c.check(t, db, fmt.Sprint(steps))
				p.close(t)
			})
		}
	})
}

// TestAsOfOverTime reads what can be read while histories are forgotten, get longer and shorter, end
// and begin anew.
func TestAsOfOverTime(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		for _, keyed := range []bool{false, true} {
			t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
				now := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
				opt := quiet
				opt.Now = func() time.Time { return now }
				db := p.open(t, opt)
				c := &chronicle{rng: newRand(t), table: createTable(t, db, fmt.Sprint("keyed_", keyed), keyed, schema.DuplicateReplace), keyed: keyed, now: map[row]int{}}
				keepHistory(t, db, c.table, time.Hour)
				c.then = []past{{position(t, db), c.now}}
				var steps []string
				for range 80 {
					step := []string{"write", "write", "write", "write", "write", "stage", "flush", "flush", "vacuum", "crash", "compact", "wait", "off", "shorter", "longer"}[c.rng.IntN(15)]
					steps = append(steps, step)
					switch step {
					case "write", "stage":
						c.write(t, db, step == "stage")
						now = now.Add(time.Duration(c.rng.IntN(60)) * time.Second)
						continue
					case "flush", "vacuum", "crash", "compact":
						db = c.upkeep(t, p, db, opt, step)
					case "wait":
						now = now.Add(time.Duration(c.rng.IntN(20)) * time.Minute)
					case "off":
						keepHistory(t, db, c.table, 0)
					case "shorter":
						keepHistory(t, db, c.table, time.Duration(10+c.rng.IntN(40))*time.Minute)
					case "longer":
						keepHistory(t, db, c.table, time.Hour)
					}
					c.checkKept(t, db, fmt.Sprint(steps))
				}
				p.close(t)
			})
		}
	})
}

// checkKept is check for what can still be read.
func (c *chronicle) checkKept(t *testing.T, db *engine.DB, when string) {
	t.Helper()
	sameRows(t, when, mustRead(t, db, c.table), c.now)
	for i, p := range c.then[1:] {
		for _, at := range []past{p, {p.position - 1, c.then[i].rows}} {
			got, err := readAsOf(t, db, c.table, at.position)
			if codeOf(err) == pgerr.SnapshotTooOld {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			sameRows(t, fmt.Sprintf("%s: position %d of %d", when, i+1, len(c.then)), got, at.rows)
		}
	}
}

// TestAsOfLimits: what cannot be told is refused, and what is not needed any more goes.
func TestAsOfLimits(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		now := time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC)
		opt := quiet
		opt.Now = func() time.Time { return now }
		db := p.open(t, opt)
		ctx := context.Background()
		table := createTable(t, db, "replaced", true, schema.DuplicateReplace)
		refused := func(when string, version int64, code string) {
			t.Helper()
			if _, err := readAsOf(t, db, table, version); codeOf(err) != code {
				t.Errorf("%s: %v, want SQLSTATE %s", when, err, code)
			}
		}
		a := row{"a", 1, 1}
		insert(t, db, table, a)
		refused("without a history", position(t, db), pgerr.SnapshotTooOld)
		keepHistory(t, db, table, time.Hour)
		first := position(t, db)
		refused("before it began", first-1, pgerr.SnapshotTooOld)
		refused("in the future", now.Add(time.Second).UnixMicro(), pgerr.InvalidParameterValue)
		for i := range int64(4) {
			now = now.Add(10 * time.Minute)
			insert(t, db, table, row{"a", 1, i + 2})
			checkpoint(t, db)
		}
		if got, err := readAsOf(t, db, table, first); err != nil || got[a] != 1 {
			t.Errorf("as of the beginning: %v, %v", got, err)
		}
		chunksOf := func() (all, history int) {
			t.Helper()
			tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
			defer tx.Rollback()
			parts, err := tx.Partitions(ctx, table)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				for e, err := range p.Entries(ctx) {
					if err != nil {
						t.Fatal(err)
					}
					if all++; e.History() {
						history++
					}
				}
			}
			return all, history
		}
		vacuum := func() {
			t.Helper()
			if _, err := db.Vacuum(ctx, table, false); err != nil {
				t.Fatal(err)
			}
		}
		vacuum()
		if _, n := chunksOf(); n == 0 {
			t.Error("there are no chunks of history")
		}
		if got, err := readAsOf(t, db, table, first); err != nil || got[a] != 1 {
			t.Errorf("as of the beginning, after VACUUM: %v, %v", got, err)
		}
		now = now.Add(61 * time.Minute)
		refused("after an hour", first, pgerr.SnapshotTooOld)
		vacuum()
		if all, n := chunksOf(); n != 1 && all != 1 { // that of the vacuum is younger by its own time
			t.Errorf("%d chunks, %d of history", all, n)
		}
		now = now.Add(61 * time.Minute)
		vacuum()
		if all, n := chunksOf(); all != 1 || n != 0 {
			t.Errorf("%d chunks, %d of history when all is forgotten", all, n)
		}
		now = now.Add(-121 * time.Minute) // what is gone is gone
		refused("with the clock set back", first, pgerr.SnapshotTooOld)
		now = now.Add(121 * time.Minute)

		// A longer history begins where the shorter one did, a new one when it is set.
		keepHistory(t, db, table, 24*time.Hour)
		refused("longer ago than was kept", now.Add(-61*time.Minute).UnixMicro(), pgerr.SnapshotTooOld)
		insert(t, db, table, row{"a", 1, 50})
		at := position(t, db)
		insert(t, db, table, row{"a", 1, 51})
		keepHistory(t, db, table, 0)
		refused("of none", at, pgerr.SnapshotTooOld)
		sameRows(t, "none", mustRead(t, db, table), counts(row{"a", 1, 51}))
		keepHistory(t, db, table, time.Hour)
		refused("of one before", at, pgerr.SnapshotTooOld)
		tx := begin(t, db, engine.TxnOptions{})
		if err := tx.Truncate(ctx, table); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		refused("before TRUNCATE", at, pgerr.SnapshotTooOld)
		sameRows(t, "truncated", mustRead(t, db, table), counts())
		p.close(t)
	})
}

// TestClusterAsOf has two nodes change a table in turn, and each read every state of it.
func TestClusterAsOf(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"events": false, "keyed": true} {
		t.Run(name, func(t *testing.T) {
			var ahead atomic.Int64
			opt := quiet
			opt.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			shared := memstore.New(nil)
			nodes := []*node{newNode(t, shared, "a", opt), newNode(t, shared, "b", opt)}
			c := &chronicle{rng: newRand(t), table: createTable(t, nodes[0].db, name, keyed, schema.DuplicateReplace), keyed: keyed, now: map[row]int{}}
			keepHistory(t, nodes[0].db, c.table, time.Hour)
			nodes[1].latest(c.table)
			if _, err := readAsOf(t, nodes[1].db, c.table, position(t, nodes[1].db)); codeOf(err) != pgerr.SnapshotTooOld {
				t.Errorf("while a node might not know of it: %v", err)
			}
			ahead.Store(int64(2 * time.Minute))
			for range 12 {
				n := nodes[c.rng.IntN(2)]
				n.latest(c.table)
				switch c.rng.IntN(5) {
				case 0:
					checkpoint(t, n.db)
				case 1:
					if _, err := n.db.Vacuum(context.Background(), c.table, false); err != nil {
						t.Fatal(err)
					}
				default:
					c.write(t, n.db, c.rng.IntN(3) == 0)
				}
			}
			for _, n := range nodes {
				n.latest(c.table)
				c.check(t, n.db, n.name)
				n.close()
			}
		})
	}
}
