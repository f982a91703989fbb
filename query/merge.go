package query

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// A merger runs one MERGE once: a changer whose batches have an action for each row.
type merger struct {
	changer
	actions []ast.MergeAction
	seen    exec.NumberSet // numbers of the rows that were changed
}

func (s *Session) merger(st *plan.Merge) *merger {
	m := &merger{changer: changer{session: s, name: "MERGE", table: st.Table, checks: st.Rules, source: st.Source, set: st.Set}, actions: st.Actions}
	m.write = m.merge
	return m
}

func (m *merger) run(ctx context.Context, rt *exec.Runtime) (again bool, err error) {
	m.seen = exec.NewNumberSet(rt)
	defer m.seen.Close()
	return m.changer.run(ctx, rt)
}

// merge does with the rows of a batch what their actions say.
func (m *merger) merge(ctx context.Context, in arrow.RecordBatch) (again bool, err error) {
	width := len(m.fields)
	actions := in.Column(2 * width).(*array.Int32)
	numbers := in.Column(2*width + 1).(*array.Int64)
	var updates, deletes, inserts []int32
	for row := range actions.Len() {
		action := m.actions[actions.Value(row)]
		if action == ast.MergeInsert {
			inserts = append(inserts, int32(row))
			continue
		}
		fresh, err := m.seen.Add(numbers.Value(row))
		if err != nil {
			return false, err
		}
		if !fresh {
			return false, pgerr.New(pgerr.CardinalityViolation, "MERGE command cannot affect row a second time").
				WithHint("Ensure that not more than one source row matches any one target row.")
		}
		if action == ast.MergeUpdate {
			updates = append(updates, int32(row))
		} else {
			deletes = append(deletes, int32(row))
		}
	}
	if len(deletes) > 0 {
		old := m.part(in, deletes, 0)
		defer old.Release()
		if again, err = m.takeAway(ctx, old); again || err != nil {
			return again, err
		}
	}
	if len(updates) > 0 {
		old, changed := m.part(in, updates, 0), m.part(in, updates, width)
		defer old.Release()
		defer changed.Release()
		if again, err = m.takeAway(ctx, old); again || err != nil {
			return again, err
		}
		if err = m.rules.check(changed); err != nil {
			return false, err
		}
		if err = m.replace(ctx, old, changed); err != nil {
			return false, err
		}
	}
	if len(inserts) == 0 {
		return false, nil
	}
	rows := m.part(in, inserts, width)
	defer rows.Release()
	if err = m.rules.check(rows); err != nil {
		return false, err
	}
	n, _, err := m.session.txn.Insert(ctx, m.table.OID, rows, chunk.InsertDefault)
	m.rows += n
	return false, err
}

// part returns rows of a batch, which the caller releases: the table's columns from one on.
func (m *merger) part(in arrow.RecordBatch, rows []int32, from int) arrow.RecordBatch {
	all := array.NewRecordBatch(m.schema, in.Columns()[from:from+len(m.fields)], in.NumRows())
	defer all.Release()
	return takeRows(all, rows, m.fields)
}
