package catalog

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
)

// A filler adds the rows that depend on the Env.
type filler func(ctx context.Context, s *Set, env *Env, w *writer) error

// Rows returns the rows of a relation.
func (s *Set) Rows(ctx context.Context, r *Relation, env *Env) ([]Row, error) {
	w := &writer{rel: r}
	if r.fill != nil {
		if err := r.fill(ctx, s, env, w); err != nil {
			return nil, err
		}
	}
	if r.fixed == nil {
		return w.rows, nil
	}
	fixed := r.fixed()
	if len(w.rows) == 0 {
		return fixed, nil
	}
	return append(append(make([]Row, 0, len(fixed)+len(w.rows)), fixed...), w.rows...), nil
}

// A Reader reads the relations for one session's statements. It is safe for
// concurrent use if the functions of Env are.
type Reader struct {
	Set *Set
	// Env is what rows are made from. The catalogue, user, database and time are
	// the statement's and are filled in.
	Env Env
}

// batchRows is how many rows one batch has at most.
const batchRows = 1024

// Relation returns the rows of a relation with the given columns as batches of at
// least one row, which the caller releases.
func (r *Reader) Relation(ctx context.Context, c *function.Context, namespace, name string, columns []int) ([]arrow.RecordBatch, error) {
	env := r.Env
	env.Catalog = c.Catalog
	rel, ok := r.Set.Lookup(namespace, name)
	if !ok {
		rel = sequenceNamed(&env, namespace, name)
	}
	if rel == nil {
		return nil, pgerr.New(pgerr.UndefinedTable, "relation \"%s.%s\" does not exist", namespace, name)
	}
	if c.Session != nil {
		env.User, env.Database = c.Session.User(), c.Session.Database()
	}
	if c.Env != nil {
		env.Now = c.Env.Now
	}
	rows, err := r.Set.Rows(ctx, rel, &env)
	if err != nil {
		return nil, err
	}
	var batches []arrow.RecordBatch
	for len(rows) > 0 {
		if err := ctx.Err(); err != nil {
			for _, b := range batches {
				b.Release()
			}
			return nil, err
		}
		n := min(len(rows), batchRows)
		batches = append(batches, makeBatch(c, rel, rows[:n], columns))
		rows = rows[n:]
	}
	return batches, nil
}

func makeBatch(c *function.Context, rel *Relation, rows []Row, columns []int) arrow.RecordBatch {
	fields := make([]arrow.Field, len(columns))
	cols := make([]arrow.Array, len(columns))
	for i, col := range columns {
		t := rel.Columns[col].Type
		fields[i] = datum.Field(rel.Columns[col].Name, t)
		b := array.NewBuilder(c.Mem, t.Arrow())
		b.Reserve(len(rows))
		for _, row := range rows {
			datum.Append(b, t, row[col])
		}
		cols[i] = b.NewArray()
		b.Release()
	}
	batch := array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, int64(len(rows)))
	for _, a := range cols {
		a.Release()
	}
	return batch
}
