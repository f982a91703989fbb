package engine_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// The scenarios of the matrix of faults. A new way to write gets one here: a name and
// steps, each with what it does and what it makes of a world. Steps go on after failures.

var ctx0 = context.Background()

// A step is one transaction, or a piece of upkeep.
type step struct {
	name string
	do   func(m *machine) error
	// becomes changes a world as do does, and tells whether it could be done there; nil
	// for what nobody can see.
	becomes func(w world) bool
}

// A scenario is what a fault may come between.
type scenario struct {
	name  string
	steps []step
}

// steps of rows are a second apart, in one slice or two.
func some(n int, width int, slice, v int64) []row {
	out := make([]row, n)
	for i := range out {
		out[i] = row{fmt.Sprintf("k%0*d", width, i), slice*hour + int64(i)*1e6, v + int64(i)}
	}
	return out
}

var scenarios = []scenario{
	{"INSERT and COPY", []step{
		create("events", false, 0),
		insertStep("events", some(20, 3, 0, 0)...),
		insertStep("events", some(1, 3, 5, 100)...),
		insertStep("events", some(2000, 150, 1, 1000)...), // COPY of more than stays in memory: staged
		rollbackStep("events", some(2000, 150, 2, 5000)...),
		flush(),
		insertStep("events", some(5, 3, 3, 9000)...),
		restart(),
		insertStep("events", some(5, 3, 4, 9500)...),
	}},
	{"upserts", []step{
		create("state", true, schema.DuplicateReplace),
		insertStep("state", some(30, 3, 0, 0)...),
		flush(),
		insertStep("state", some(20, 3, 0, 100)...),
		flush(),
		insertStep("state", some(10, 3, 0, 200)...),
		vacuumStep("state", false),
		restart(),
		insertStep("state", some(10, 3, 1, 300)...),
	}},
	{"UPDATE and DELETE", []step{
		create("moved", false, 0),
		create("unique", true, schema.DuplicateError),
		insertStep("moved", some(40, 3, 0, 0)...),
		insertStep("unique", some(40, 3, 0, 0)...),
		flush(),
		insertStep("moved", some(10, 3, 1, 100)...),
		changeStep("moved", some(10, 3, 0, 0), raised(some(10, 3, 0, 0))),
		changeStep("unique", some(15, 3, 0, 0)[5:], raised(some(15, 3, 0, 0)[5:])),
		changeStep("moved", some(10, 3, 1, 100)[3:], nil),
		flush(),
		changeStep("moved", raised(some(10, 3, 0, 0)), nil),
		restart(),
		changeStep("unique", some(40, 3, 0, 0)[20:], nil),
		vacuumStep("moved", true),
		vacuumStep("unique", false),
	}},
	{"ALTER TABLE", []step{
		create("events", false, 0),
		insertStep("events", some(20, 3, 0, 0)...),
		flush(),
		insertStep("events", some(5, 3, 1, 50)...),
		alterStep("events", addExtra("7"), func(c *content) bool { had := c.extra; c.extra = true; return !had }),
		flush(),
		alterStep("events", func(def *schema.Table) { def.Name = "renamed" }, nil),
		alterStep("renamed", func(def *schema.Table) { def.Columns = slices.Clone(def.Columns); def.Columns[2].NotNull = true }, nil),
		vacuumStep("renamed", true),
		restart(),
	}},
	{"DROP and TRUNCATE", []step{
		create("events", false, 0),
		create("gone", false, 0),
		insertStep("events", some(20, 3, 0, 0)...),
		insertStep("gone", some(20, 3, 0, 0)...),
		flush(),
		insertStep("gone", some(5, 3, 1, 50)...),
		refillStep("events", some(15, 3, 0, 1000)...),
		dropStep("gone"),
		upkeep("free", func(m *machine) error { m.db.Reclaim(); return m.db.Checkpoint(ctx0) }),
		insertStep("events", some(5, 3, 1, 2000)...),
		refillStep("events"),
		passStep(2 * time.Minute), // after which nobody reads what was dropped
		upkeep("free", func(m *machine) error { m.db.Reclaim(); return m.db.Checkpoint(ctx0) }),
		restart(),
	}},
	{"compaction and VACUUM", []step{
		create("events", false, 0),
		insertStep("events", some(30, 3, 0, 0)...),
		flush(),
		insertStep("events", append(some(30, 3, 0, 100), some(30, 3, 1, 100)...)...),
		flush(),
		insertStep("events", some(30, 3, 0, 200)...),
		flush(),
		upkeep("compact", func(m *machine) error { return m.db.CompactNow(ctx0) }),
		upkeep("free", func(m *machine) error { m.db.Reclaim(); return nil }),
		insertStep("events", some(10, 3, 2, 300)...),
		vacuumStep("events", false),
		restart(),
		vacuumStep("events", true),
	}},
	{"retention", []step{
		create("kept", false, 0),
		alterStep("kept", func(def *schema.Table) { def.Retention = 2 * time.Hour }, func(c *content) bool { c.keeps = true; return true }),
		insertStep("kept", append(some(10, 3, 0, 0), some(10, 3, 3, 100)...)...),
		flush(),
		insertStep("kept", some(5, 3, 1, 200)...),
		passStep(4*time.Hour + 2*time.Minute),
		vacuumStep("kept", false),
		upkeep("free", func(m *machine) error { m.db.Reclaim(); return m.db.Checkpoint(ctx0) }),
		insertStep("kept", some(5, 3, 4, 300)...),
		restart(),
	}},
	{"history", []step{
		create("events", false, 0),
		alterStep("events", func(def *schema.Table) { def.History, def.HistoryFrom = time.Hour, schema.FromCommit }, func(*content) bool { return true }),
		insertStep("events", some(20, 3, 0, 0)...),
		flush(),
		changeStep("events", some(8, 3, 0, 0), raised(some(8, 3, 0, 0))),
		flush(),
		changeStep("events", raised(some(4, 3, 0, 0)), nil),
		vacuumStep("events", true),
		passStep(2 * time.Hour), // what is older need not be kept
		vacuumStep("events", true),
		upkeep("free", func(m *machine) error { m.db.Reclaim(); return m.db.Checkpoint(ctx0) }),
		insertStep("events", some(5, 3, 1, 100)...),
		restart(),
	}},
	{"checkpoints and log files", logSteps()},
}

// logSteps fill log files, so that new ones are begun and old ones go, and look at all of it.
func logSteps() []step {
	out := []step{create("events", false, 0), create("other", true, schema.DuplicateReplace)}
	for i := range int64(6) {
		out = append(out, insertStep("events", some(30, 60, i, i*100)...))
		if i%2 == 1 {
			out = append(out, insertStep("other", some(3, 3, 0, i*10)...), flush())
		}
	}
	for i := range int64(6) { // more than one file, read again after the restart
		out = append(out, insertStep("events", some(30, 90, i, 1000+i*100)...))
	}
	return append(out,
		upkeep("inspect", func(m *machine) error {
			if s, ok := m.s.(*local.Store); ok {
				if _, err := s.Files(ctx0); err != nil {
					return err
				}
			}
			return m.bed.verify(m.s, func(error) {})
		}),
		restart(),
		insertStep("other", some(3, 3, 0, 500)...),
		flush(),
		restart(),
	)
}

// moment is a clock that only a test moves.
type moment struct{ micros atomic.Int64 }

func (c *moment) now() time.Time { return time.UnixMicro(c.micros.Load()) }

// upkeep is a step that nobody can see.
func upkeep(name string, do func(m *machine) error) step { return step{name: name, do: do} }

func flush() step {
	return upkeep("flush", func(m *machine) error { return m.db.Checkpoint(ctx0) })
}

func restart() step { return upkeep("restart", (*machine).restart) }

// in runs a transaction.
func (m *machine) in(do func(tx *engine.Txn) error) error {
	tx, err := m.db.Begin(ctx0, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx0); err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit(ctx0)
}

// named returns a table by its name.
func named(tx *engine.Txn, name string) (*schema.Table, error) {
	for _, def := range tx.Catalog().Tables {
		if def.Name == name && def.Namespace == schema.PublicOID {
			return def, nil
		}
	}
	return nil, pgerr.New(pgerr.UndefinedTable, "there is no table %s", name)
}

func create(name string, keyed bool, dup schema.OnDuplicate) step {
	return step{"CREATE " + name, func(m *machine) error {
		return m.in(func(tx *engine.Txn) error {
			oid, err := tx.TakeOIDs(ctx0, 5)
			if err != nil {
				return err
			}
			return tx.Apply(ctx0, schema.Change{PutTable: eventsTable(oid, name, keyed, dup)})
		})
	}, func(w world) bool {
		if _, ok := w[name]; ok {
			return false
		}
		w[name] = content{rows: map[row]int{}}
		return true
	}}
}

// of makes a step's change of one table.
func of(table string, change func(c *content) bool) func(world) bool {
	return func(w world) bool {
		c, ok := w[table]
		if !ok || !change(&c) {
			return false
		}
		w[table] = c
		return true
	}
}

// insertStep adds rows; in a table whose name says so those of the same key are replaced.
func insertStep(table string, rows ...row) step {
	replaces := table == "state" || table == "other"
	return step{fmt.Sprintf("INSERT %d rows into %s", len(rows), table), func(m *machine) error {
		return m.in(func(tx *engine.Txn) error { return insertInto(tx, table, rows) })
	}, of(table, func(c *content) bool {
		if replaces {
			for old := range c.rows {
				if slices.ContainsFunc(rows, func(r row) bool { return r.k == old.k && r.ts == old.ts }) {
					delete(c.rows, old)
				}
			}
		}
		for _, r := range rows {
			c.rows[r]++
		}
		return true
	})}
}

func insertInto(tx *engine.Txn, table string, rows []row) error {
	def, err := named(tx, table)
	if err != nil || len(rows) == 0 {
		return err
	}
	_, _, err = tx.Insert(ctx0, def.OID, batchOf(rows...), chunk.InsertDefault)
	return err
}

// rollbackStep writes rows and takes them back.
func rollbackStep(table string, rows ...row) step {
	return upkeep("ROLLBACK of INSERT into "+table, func(m *machine) error {
		tx, err := m.db.Begin(ctx0, engine.TxnOptions{})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := tx.Snapshot(ctx0); err != nil {
			return err
		}
		return insertInto(tx, table, rows)
	})
}

func raised(rows []row) []row {
	out := slices.Clone(rows)
	for i := range out {
		out[i].v += 1_000_000
	}
	return out
}

// changeStep is UPDATE of rows that are as old, or DELETE if there is no updated.
func changeStep(table string, old, updated []row) step {
	return step{fmt.Sprintf("change %d rows of %s to %d", len(old), table, len(updated)), func(m *machine) error {
		return m.in(func(tx *engine.Txn) error {
			def, err := named(tx, table)
			if err != nil {
				return err
			}
			if err := tx.BeginChange(ctx0, def.OID, locking.UpdateRow); err != nil {
				return err
			}
			have, err := read(tx, def.OID) // as statements do before they delete
			if err != nil {
				return err
			}
			for _, r := range old {
				if have[r] == 0 {
					return fmt.Errorf("%v is not there", r)
				}
			}
			if again, err := tx.Delete(ctx0, def.OID, batchOf(old...)); again || err != nil {
				return fmt.Errorf("again %v: %w", again, err)
			}
			if len(updated) == 0 {
				return nil
			}
			_, _, err = tx.Insert(ctx0, def.OID, batchOf(updated...), chunk.InsertReplace)
			return err
		})
	}, of(table, func(c *content) bool {
		for _, r := range old {
			if c.rows[r] == 0 {
				return false
			}
			if c.rows[r]--; c.rows[r] == 0 {
				delete(c.rows, r)
			}
		}
		for _, r := range updated {
			c.rows[r]++
		}
		return true
	})}
}

// alterStep changes a definition; becomes is nil for a new name, "renamed".
func alterStep(table string, change func(def *schema.Table), becomes func(c *content) bool) step {
	changed := of(table, becomes)
	if becomes == nil {
		changed = func(w world) bool {
			c, ok := w[table]
			delete(w, table)
			w["renamed"] = c
			return ok
		}
	}
	return step{"ALTER " + table, func(m *machine) error {
		return m.in(func(tx *engine.Txn) error {
			have, err := named(tx, table)
			if err != nil {
				return err
			}
			def := *have
			def.Columns = slices.Clone(def.Columns)
			change(&def)
			return tx.Apply(ctx0, schema.Change{PutTable: &def})
		})
	}, changed}
}

func refillStep(table string, rows ...row) step {
	return step{fmt.Sprintf("TRUNCATE %s and INSERT %d rows", table, len(rows)), func(m *machine) error {
		return m.in(func(tx *engine.Txn) error {
			def, err := named(tx, table)
			if err == nil {
				err = tx.Truncate(ctx0, def.OID)
			}
			if err != nil {
				return err
			}
			return insertInto(tx, table, rows)
		})
	}, of(table, func(c *content) bool { c.rows = counts(rows...); return true })}
}

func dropStep(table string) step {
	return step{"DROP " + table, func(m *machine) error {
		return m.in(func(tx *engine.Txn) error {
			def, err := named(tx, table)
			if err != nil {
				return err
			}
			return tx.Apply(ctx0, schema.Change{DropTable: def.OID})
		})
	}, func(w world) bool { _, ok := w[table]; delete(w, table); return ok }}
}

func vacuumStep(table string, full bool) step {
	return upkeep("VACUUM "+table, func(m *machine) error {
		var oid datum.OID
		err := m.in(func(tx *engine.Txn) error {
			def, err := named(tx, table)
			if err == nil {
				oid = def.OID
			}
			return err
		})
		if err == nil {
			_, err = m.db.Vacuum(ctx0, oid, full)
		}
		return err
	})
}

// passStep lets time pass: what is older than two hours then is gone from tables that say so.
func passStep(d time.Duration) step {
	return step{"time passes", func(m *machine) error { m.clock.micros.Add(d.Microseconds()); return nil }, func(w world) bool {
		for _, c := range w {
			for r := range c.rows {
				if end := (r.ts/hour + 1) * hour; c.keeps && end-1 < (d-2*time.Hour).Microseconds() {
					delete(c.rows, r)
				}
			}
		}
		return true
	}}
}
