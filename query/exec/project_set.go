package exec

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// projectSet is a stage that evaluates set-returning functions of a select list:
// for each row as many rows as the longest of them has.
type projectSet struct {
	ev     *evaluator
	node   *plan.ProjectSet
	schema *arrow.Schema
}

func (f *frame) projectSetStage(n *plan.ProjectSet) stageSpec {
	s := schemaOf(n.Out)
	return stageSpec{node: n, schema: s, make: func() stage {
		return &projectSet{ev: f.evaluator(), node: n, schema: s}
	}}
}

// A setColumn is an output column in the making.
type setColumn struct {
	mem   memory.Allocator
	plain function.Vec // of an expression
	call  *plan.SetCall
	args  []function.Vec
	set   function.SetResult
	out   array.Builder
}

func (p *projectSet) apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	cols, err := p.open(ctx, in)
	defer func() {
		for _, c := range cols {
			c.release()
		}
	}()
	if err != nil {
		return err
	}
	var from []int32 // input row of each output row
	flush := func() error {
		if len(from) == 0 {
			return nil
		}
		b, err := p.batch(cols, from)
		from = from[:0]
		if err != nil {
			return err
		}
		return emit(b)
	}
	for row := range int(in.NumRows()) {
		if err := p.call(ctx, cols, row); err != nil {
			return err
		}
		for {
			ok, err := appendSets(cols)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			from = append(from, int32(row))
			if len(from) == maxBatchRows {
				if err := flush(); err != nil {
					return err
				}
				if err := ctx.Err(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

func (p *projectSet) open(ctx context.Context, in arrow.RecordBatch) ([]*setColumn, error) {
	var cols []*setColumn
	for i, e := range p.node.Exprs {
		c := &setColumn{mem: p.ev.fr.mem(), call: p.node.Sets[i]}
		cols = append(cols, c)
		var err error
		if c.call == nil {
			c.plain, err = p.ev.eval(ctx, e, in)
		} else {
			c.out = array.NewBuilder(c.mem, p.schema.Field(i).Type)
			c.args, err = p.ev.evalAll(ctx, c.call.Args, in)
		}
		if err != nil {
			return cols, err
		}
	}
	return cols, nil
}

func (c *setColumn) release() {
	releaseVecs(c.args)
	if c.plain.Array != nil {
		c.plain.Release()
	}
	if c.out != nil {
		c.out.Release()
	}
}

func (p *projectSet) call(ctx context.Context, cols []*setColumn, row int) error {
	for _, c := range cols {
		if c.call == nil {
			continue
		}
		args := make([]datum.Value, len(c.args))
		for i, a := range c.args {
			args[i] = datum.ValueAt(c.call.Args[i].Type(), a.Array, a.At(row))
		}
		set, err := p.ev.callSet(ctx, c.call, args)
		if err != nil {
			return err
		}
		c.set = set
	}
	return nil
}

// appendSets appends the next row of each function; ok is false when all have ended.
func appendSets(cols []*setColumn) (ok bool, err error) {
	rows := make([][]datum.Value, len(cols))
	for i, c := range cols {
		if c.set == nil {
			continue
		}
		rows[i], err = c.set.Next()
		if errors.Is(err, io.EOF) {
			c.set, rows[i] = nil, nil
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
	for i, c := range cols {
		switch {
		case c.call == nil:
		case rows[i] == nil:
			c.out.AppendNull()
		default:
			c.out = appendValue(c.mem, c.out, c.call.T, recordOf(c.call, rows[i]))
		}
	}
	return true, nil
}

// recordOf makes one value of a function's row.
func recordOf(c *plan.SetCall, row []datum.Value) datum.Value {
	if len(row) == 1 {
		return row[0]
	}
	r := datum.Row{Values: row}
	for _, f := range c.Cols {
		r.Types = append(r.Types, f.Type)
	}
	return r
}

func (p *projectSet) batch(cols []*setColumn, from []int32) (arrow.RecordBatch, error) {
	out := make([]arrow.Array, len(cols))
	for i, c := range cols {
		if c.call != nil {
			out[i] = c.out.NewArray()
			continue
		}
		if c.plain.Const {
			idx := make([]int32, len(from))
			out[i] = gather(p.ev.fr.mem(), c.plain.Array, idx)
			continue
		}
		out[i] = gather(p.ev.fr.mem(), c.plain.Array, from)
	}
	return newBatch(p.schema, out, len(from))
}
