package query

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// rowRules apply what a table asks of rows that go in. The zero value asks nothing.
type rowRules struct {
	rules  *plan.Rules
	table  *schema.Table
	schema string       // the table's, for errors
	fields []plan.Field // live columns
	eval   *expr.Context
}

func (s *Session) rowRules(rules *plan.Rules, t *schema.Table, fields []plan.Field, eval *expr.Context) rowRules {
	return rowRules{rules: rules, table: t, schema: s.schemaName(t), fields: fields, eval: eval}
}

// schemaName is the name of a table's schema.
func (s *Session) schemaName(t *schema.Table) string {
	if n := s.txn.Catalog().Namespaces[t.Namespace]; n != nil {
		return n.Name
	}
	return ""
}

// complete returns rows with their generated columns computed, which the caller releases.
func (r *rowRules) complete(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	if r.rules == nil || r.rules.Generated == nil {
		batch.Retain()
		return batch, nil
	}
	exprs := slices.Clone(r.rules.Generated)
	for i, f := range r.fields {
		if exprs[i] == nil {
			exprs[i] = &expr.Column{Index: i, Name: f.Name, T: f.Type}
		}
	}
	return project(r.eval, exprs, r.fields, batch)
}

// check fails if a row makes a CHECK constraint false. The error is that of the first such
// row, and of the first constraint by name. A row in which a column must not be NULL and is
// comes first: the storage refuses it.
func (r *rowRules) check(batch arrow.RecordBatch) error {
	if r.rules == nil {
		return nil
	}
	for _, e := range r.rules.Domains {
		v, err := expr.Eval(r.eval, e, batch)
		if err != nil {
			return err
		}
		v.Release()
	}
	first, name := int(batch.NumRows()), ""
	for _, c := range r.rules.Checks {
		row, err := firstFalse(r.eval, c.Cond, batch)
		if err != nil {
			return err
		}
		if row >= 0 && row < first {
			first, name = row, c.Name
		}
	}
	if name == "" || r.hasNull(batch, first) {
		return nil
	}
	e := pgerr.New(pgerr.CheckViolation, "new row for relation %q violates check constraint %q", r.table.Name, name).
		WithDetail("Failing row contains (%s).", r.rowText(batch, first))
	e.Schema, e.Table, e.Constraint, e.Row = r.schema, r.table.Name, name, first+1
	return e
}

// checkViews fails if a condition of a view is not true for a row: unlike the others these
// come when the rows are in their table.
func (r *rowRules) checkViews(batch arrow.RecordBatch) error {
	if r.rules == nil {
		return nil
	}
	first, view := int(batch.NumRows()), ""
	for _, c := range r.rules.Views {
		row, err := firstOther(r.eval, c.Cond, batch)
		if err != nil {
			return err
		}
		if row >= 0 && row < first {
			first, view = row, c.Name
		}
	}
	if view == "" {
		return nil
	}
	return pgerr.New(pgerr.CheckOptionViolation, "new row violates check option for view %q", view).
		WithDetail("Failing row contains (%s).", r.rowText(batch, first))
}

// firstOther returns the first row for which a condition is not true; -1 if there is none.
func firstOther(c *expr.Context, cond expr.Expr, batch arrow.RecordBatch) (int, error) {
	rows, err := expr.Filter(c, cond, batch)
	if err != nil {
		return 0, err
	}
	for i := range int(batch.NumRows()) {
		if i >= len(rows) || rows[i] != int32(i) {
			return i, nil
		}
	}
	return -1, nil
}

// hasNull says whether one of the rows up to last has a NULL where none may be.
func (r *rowRules) hasNull(batch arrow.RecordBatch, last int) bool {
	for i, c := range r.table.Live() {
		a := batch.Column(i)
		if !c.NotNull || a.NullN() == 0 {
			continue
		}
		for row := range last + 1 {
			if a.IsNull(row) {
				return true
			}
		}
	}
	return false
}

// firstFalse returns the first row for which a condition is false, not NULL; -1 if there is none.
func firstFalse(c *expr.Context, cond expr.Expr, batch arrow.RecordBatch) (int, error) {
	v, err := expr.Eval(c, cond, batch)
	if err != nil {
		return 0, err
	}
	defer v.Release()
	is, ok := v.Array.(*array.Boolean)
	if !ok {
		return -1, nil // NULL
	}
	for row := range int(batch.NumRows()) {
		if at := v.At(row); !is.IsNull(at) && !is.Value(at) {
			return row, nil
		}
	}
	return -1, nil
}

// rowText shows a row as PostgreSQL does in details.
func (r *rowRules) rowText(batch arrow.RecordBatch, row int) string {
	var out []byte
	for i, f := range r.fields {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = datum.AppendShown(out, f.Type, batch.Column(i), row, r.eval.Env.Types)
	}
	return string(out)
}
