package exec

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// functionScan calls set-returning functions side by side: the shorter ones are
// filled up with NULLs.
type functionScan struct {
	ev     *evaluator
	node   *plan.FunctionScan
	schema *arrow.Schema
	sets   []function.SetResult // nil where the rows have ended
	build  *rowBuilder
	row    int64
	done   bool
}

func newFunctionScan(f *frame, n *plan.FunctionScan) *functionScan {
	return &functionScan{ev: f.evaluator(), node: n, schema: schemaOf(n.Out)}
}

func (s *functionScan) Schema() *arrow.Schema { return s.schema }

func (s *functionScan) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := s.ev.fr.yield(ctx); err != nil {
		return nil, err
	}
	if s.done {
		return nil, io.EOF
	}
	if s.sets == nil {
		if err := s.open(ctx); err != nil {
			return nil, err
		}
	}
	s.ev.c.Context.Context = ctx
	for s.build.rows < maxBatchRows {
		ok, err := s.appendRow()
		if err != nil {
			return nil, err
		}
		if !ok {
			s.done = true
			break
		}
	}
	if s.build.rows == 0 {
		return nil, io.EOF
	}
	return s.build.batch(), nil
}

func (s *functionScan) open(ctx context.Context) error {
	s.build = newRowBuilder(s.ev.fr.mem(), s.schema, typesOf(s.node.Out))
	s.sets = make([]function.SetResult, len(s.node.Calls))
	for i, c := range s.node.Calls {
		args := make([]datum.Value, len(c.Args))
		for j, a := range c.Args {
			v, err := s.ev.scalar(ctx, a)
			if err != nil {
				return err
			}
			args[j] = v
		}
		set, err := s.ev.callSet(ctx, c, args)
		if err != nil {
			return err
		}
		s.sets[i] = set
	}
	return nil
}

// appendRow appends a row; ok is false when all functions have ended.
func (s *functionScan) appendRow() (ok bool, err error) {
	rows := make([][]datum.Value, len(s.sets))
	for i, set := range s.sets {
		if set == nil {
			continue
		}
		rows[i], err = set.Next()
		if errors.Is(err, io.EOF) {
			s.sets[i], rows[i] = nil, nil
			continue
		}
		if err != nil {
			return false, err
		}
		ok = true
	}
	if !ok {
		return false, nil
	}
	col := 0
	for i, c := range s.node.Calls {
		for j := range c.Cols {
			if rows[i] == nil {
				s.build.append(col, nil)
			} else {
				s.build.append(col, columnOf(rows[i], j, len(c.Cols) > 1 || c.T.IsRow()))
			}
			col++
		}
	}
	s.row++
	if s.node.Ordinality {
		s.build.append(col, s.row)
	}
	s.build.rows++
	return true, nil
}

func (s *functionScan) Close() error {
	if s.build != nil {
		s.build.release()
		s.build = nil
	}
	s.done = true
	return nil
}

// columnOf returns column j of a function's row; spread: a single record is spread over
// the columns.
func columnOf(row []datum.Value, j int, spread bool) datum.Value {
	if len(row) == 1 && spread {
		r, ok := row[0].(datum.Row)
		if !ok || j >= len(r.Values) {
			return nil
		}
		return r.Values[j]
	}
	return row[j]
}

// callSet calls a function for its rows; nil means that there are none. A
// function that returns no set has one row.
func (ev *evaluator) callSet(ctx context.Context, c *plan.SetCall, args []datum.Value) (function.SetResult, error) {
	ev.c.Context.Context = ctx
	types := make([]datum.Type, len(args))
	for i, a := range c.Args {
		types[i] = a.Type()
	}
	if c.Defined {
		return ev.callDefined(c, args)
	}
	if c.Fn.Strict {
		for _, a := range args {
			if a == nil {
				if c.Fn.RetSet {
					return nil, nil
				}
				return &oneResult{row: []datum.Value{nil}}, nil
			}
		}
	}
	if c.Fn.RetSet {
		return c.Fn.EvalSet(ev.c.Context, args, types, c.T)
	}
	vecs := make([]function.Vec, len(args))
	defer releaseVecs(vecs)
	for i, a := range args {
		vecs[i] = function.Vec{Array: datum.NewArray(ev.fr.mem(), types[i], a, 1), Const: true, T: types[i]}
	}
	out, err := c.Fn.Eval(ev.c.Context, vecs, 1, c.T)
	if err != nil {
		return nil, err
	}
	defer out.Release()
	return &oneResult{row: []datum.Value{datum.ValueAt(c.T, out, 0)}}, nil
}

// callDefined calls a function with a column definition list. A strict one has no rows for a NULL, or
// one of NULLs if it is not one of sets.
func (ev *evaluator) callDefined(c *plan.SetCall, args []datum.Value) (function.SetResult, error) {
	var cols datum.Row
	for _, f := range c.Cols {
		cols.Names, cols.Types = append(cols.Names, f.Name), append(cols.Types, f.Type)
	}
	if c.Fn.Strict && slices.Contains(args, nil) {
		if c.Fn.RetSet {
			return nil, nil
		}
		return &oneResult{row: make([]datum.Value, len(c.Cols))}, nil
	}
	return c.Fn.EvalRecord(ev.c.Context, args, cols)
}

// oneResult is a set of one row.
type oneResult struct{ row []datum.Value }

func (r *oneResult) Next() ([]datum.Value, error) {
	if r.row == nil {
		return nil, io.EOF
	}
	row := r.row
	r.row = nil
	return row, nil
}
