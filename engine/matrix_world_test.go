package engine_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A world is what the tables of a database hold, by their names.
type world map[string]content

// content is what a table holds: rows, and perhaps a column extra that is 7 in all of them.
// One that keeps its rows for two hours says so.
type content struct {
	extra, keeps bool
	rows         map[row]int
}

func (w world) clone() world {
	out := world{}
	for name, c := range w {
		out[name] = content{c.extra, c.keeps, maps.Clone(c.rows)}
	}
	return out
}

func (w world) equal(o world) bool {
	return maps.EqualFunc(w, o, func(a, b content) bool { return a.extra == b.extra && a.keeps == b.keeps && maps.Equal(a.rows, b.rows) })
}

// differs says in what w is not what it should be.
func (w world) differs(want world) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, ok := w[name]
		if !ok {
			return fmt.Sprintf("table %s is not there", name)
		}
		if got.extra != want[name].extra {
			return fmt.Sprintf("table %s: it has column extra: %v", name, got.extra)
		}
		if got.keeps != want[name].keeps {
			return fmt.Sprintf("table %s: it has a retention: %v", name, got.keeps)
		}
		for r, n := range want[name].rows {
			if got.rows[r] != n {
				return fmt.Sprintf("table %s: %v is there %d times, should be %d times", name, short(r), got.rows[r], n)
			}
		}
		for r, n := range got.rows {
			if want[name].rows[r] == 0 {
				return fmt.Sprintf("table %s: %v is there %d times, should not be", name, short(r), n)
			}
		}
	}
	for name := range w {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("table %s is there", name)
		}
	}
	return "nothing"
}

func short(r row) row {
	if len(r.k) > 12 {
		r.k = "…" + r.k[len(r.k)-8:]
	}
	return r
}

// look reads all tables in one snapshot.
func look(db *engine.DB) (world, error) {
	tx, err := db.Begin(ctx0, engine.TxnOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx0); err != nil {
		return nil, err
	}
	out := world{}
	for oid, def := range tx.Catalog().Tables {
		if def.Namespace != schema.PublicOID {
			continue
		}
		c := content{extra: len(def.Columns) > 3, keeps: def.Retention > 0}
		if c.rows, err = read(tx, oid); err != nil {
			return nil, err
		}
		if c.extra {
			sevens, err := read(tx, oid, chunk.Predicate{Column: 4, Op: chunk.OpEQ, Values: []datum.Value{int64(7)}})
			if err != nil {
				return nil, err
			}
			if !maps.Equal(sevens, c.rows) {
				return nil, fmt.Errorf("table %s: %d rows, %d of them with 7 in the new column", def.Name, len(c.rows), len(sevens))
			}
		}
		out[def.Name] = c
	}
	return out, nil
}

// worlds are those that there may be: more than one after something of which it is not
// known what became of it.
type worlds []world

func (ws worlds) add(w world) worlds {
	if slices.ContainsFunc(ws, w.equal) {
		return ws
	}
	return append(ws, w)
}

// after returns the worlds that a change makes of these; some of them it may rule out.
func (ws worlds) after(becomes func(world) bool) (out worlds) {
	for _, w := range ws {
		if next := w.clone(); becomes(next) {
			out = out.add(next)
		}
	}
	return out
}

func (ws worlds) union(o worlds) worlds {
	out := slices.Clone(ws)
	for _, w := range o {
		out = out.add(w)
	}
	return out
}

// check says what is wrong if w is none of these.
func (ws worlds) check(w world) error {
	if slices.ContainsFunc(ws, w.equal) {
		return nil
	}
	if len(ws) == 0 {
		return fmt.Errorf("nothing that could be was acknowledged")
	}
	return fmt.Errorf("%s (as the first of %d worlds that there may be)", w.differs(ws[0]), len(ws))
}
