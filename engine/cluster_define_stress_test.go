package engine_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestClusterDefinitionStress is TestClusterStress with transactions that change the
// catalogue as well, so that their rows count by its entry only.
func TestClusterDefinitionStress(t *testing.T) {
	s := newStress(t, "a")
	s.tables = []datum.OID{
		createTable(t, s.nodes[0].db, "events", false, 0),
		createTable(t, s.nodes[1].db, "state", true, schema.DuplicateReplace),
	}
	for i := range s.nodes {
		s.start(i, s.writer, s.definer, s.reader)
	}
	s.run()
	s.checkEnd()
}

// definer commits a transaction with rows and a change of the catalogue, which may be of
// a table of its own.
func (s *stress) definer(n *stressNode, db *engine.DB, rng *rand.Rand) {
	u := s.last.Add(1)
	s.settle(n, u, s.define(db, u, rng.IntN(3) == 0))
	time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
}

func (s *stress) define(db *engine.DB, u int64, table bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	oid, err := tx.TakeOIDs(ctx, 5)
	if err != nil {
		return err
	}
	if table {
		if err := tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, fmt.Sprint("t", u), false, 0)}); err != nil {
			return err
		}
		if _, _, err := tx.Insert(ctx, oid, batchOf(rowsOf(u, 0)...), chunk.InsertDefault); err != nil {
			return err
		}
	}
	for i, table := range s.tables {
		if _, _, err := tx.Insert(ctx, table, batchOf(rowsOf(u, i)...), chunk.InsertDefault); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// TestClusterTruncateStress has nodes write to two tables, and empty both, in one
// transaction each: nobody ever sees other transactions in one than in the other.
func TestClusterTruncateStress(t *testing.T) {
	s := newStress(t)
	tables := []datum.OID{createTable(t, s.nodes[0].db, "one", false, 0), createTable(t, s.nodes[1].db, "two", true, schema.DuplicateReplace)}
	write := func(empty bool) func(*stressNode, *engine.DB, *rand.Rand) {
		return func(_ *stressNode, db *engine.DB, rng *rand.Rand) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			if empty {
				time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
			}
			tx, err := db.Begin(ctx, engine.TxnOptions{})
			if err != nil {
				return
			}
			defer tx.Rollback()
			u := s.last.Add(1)
			for _, table := range tables {
				if empty {
					err = tx.Truncate(ctx, table)
				}
				if err == nil {
					_, _, err = tx.Insert(ctx, table, batchOf(row{fmt.Sprint(u), 0, u}, row{fmt.Sprint(u, "b"), 0, u}), chunk.InsertDefault)
				}
				if err != nil {
					return
				}
			}
			if tx.Commit(ctx) == nil {
				s.whole.Add(1)
			}
		}
	}
	look := func(n *stressNode, db *engine.DB, rng *rand.Rand) {
		got, err := readAll(db, rng.IntN(3) == 0, tables)
		if err != nil {
			return
		}
		s.reads.Add(1)
		sets := [2]map[int64]int{{}, {}}
		for i := range got {
			for r, n := range got[i] {
				sets[i][r.v] += n
			}
		}
		if !maps.Equal(sets[0], sets[1]) || slices.ContainsFunc(slices.Collect(maps.Values(sets[0])), func(rows int) bool { return rows != 2 }) {
			t.Errorf("node %s has, by transaction, %v rows in one table and %v in the other", n.name, sets[0], sets[1])
			s.stop.Store(true)
		}
		time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
	}
	for i := range s.nodes {
		s.start(i, write(false), write(false), write(true), look)
	}
	s.run()
	t.Logf("%d transactions, %d reads", s.whole.Load(), s.reads.Load())
	for _, n := range s.nodes {
		n.close()
	}
}
