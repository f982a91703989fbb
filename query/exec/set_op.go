package exec

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// buildSetOp builds UNION, INTERSECT and EXCEPT. UNION is grouping by all columns
// of UNION ALL.
func (f *frame) buildSetOp(n *plan.SetOp) (Operator, error) {
	if n.Kind == plan.Union {
		all := &plan.SetOp{Kind: plan.UnionAll, Left: n.Left, Right: n.Right, Out: n.Out}
		return f.buildAggregate(&plan.Aggregate{Input: all, Keys: columnsOf(n.Out), Out: n.Out})
	}
	left, err := f.build(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := f.build(n.Right)
	if err != nil {
		return nil, errors.Join(err, left.Close())
	}
	schema := schemaOf(n.Out)
	if n.Kind == plan.UnionAll {
		return &unionAll{inputs: []Operator{left, right}, schema: schema}, nil
	}
	return &setOp{
		fr: f, node: n, left: left, right: right, schema: schema,
		table: newKeyTable(f.mem(), typesOf(n.Out)), acct: f.account(),
	}, nil
}

// unionAll yields its inputs one after the other.
type unionAll struct {
	inputs []Operator
	at     int
	schema *arrow.Schema
}

func (u *unionAll) Schema() *arrow.Schema { return u.schema }

func (u *unionAll) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for u.at < len(u.inputs) {
		b, err := u.inputs[u.at].Next(ctx)
		if errors.Is(err, io.EOF) {
			if err := u.inputs[u.at].Close(); err != nil {
				return nil, err
			}
			u.at++
			continue
		}
		if err != nil {
			return nil, err
		}
		return relabel(u.schema, b), nil
	}
	return nil, io.EOF
}

func (u *unionAll) Close() error { return closeAll(u.inputs...) }

// setOp is INTERSECT and EXCEPT, with and without ALL: the right rows are
// counted, then the left rows are passed or not. NULLs are equal here.
type setOp struct {
	fr          *frame
	node        *plan.SetOp
	left, right Operator
	schema      *arrow.Schema
	table       *keyTable
	acct        *account
	count       []int64 // right rows by group; for the forms without ALL -1 once it is settled
	groups      []int32
	begun       bool
	closed      bool
}

func (s *setOp) Schema() *arrow.Schema { return s.schema }

func (s *setOp) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !s.begun {
		s.begun = true
		err := Drain(ctx, s.right, func(b arrow.RecordBatch) error {
			groups, err := s.groupsOf(b)
			for _, g := range groups {
				s.count[g]++
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := s.right.Close(); err != nil {
			return nil, err
		}
	}
	for {
		b, err := s.left.Next(ctx)
		if err != nil {
			return nil, err
		}
		out, err := s.pass(b)
		b.Release()
		if err != nil {
			return nil, err
		}
		if out != nil {
			return out, nil
		}
	}
}

// groupsOf numbers the rows of b by their values.
func (s *setOp) groupsOf(b arrow.RecordBatch) ([]int32, error) {
	n := int(b.NumRows())
	if cap(s.groups) < n {
		s.groups = make([]int32, n)
	}
	vs := make([]function.Vec, b.NumCols())
	for i := range vs {
		vs[i] = function.Vec{Array: b.Column(i)}
	}
	groups := s.groups[:n]
	s.table.groups(vs, n, groups)
	for len(s.count) < s.table.len() {
		s.count = append(s.count, 0)
	}
	return groups, s.acct.set(s.table.sizeBytes() + int64(8*cap(s.count)))
}

func (s *setOp) pass(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	groups, err := s.groupsOf(b)
	if err != nil {
		return nil, err
	}
	var idx []int32
	for i, g := range groups {
		if s.passRow(&s.count[g]) {
			idx = append(idx, int32(i))
		}
	}
	if len(idx) == 0 {
		return nil, nil
	}
	return relabel(s.schema, gatherBatch(s.fr.mem(), b, idx)), nil
}

func (s *setOp) passRow(count *int64) bool {
	switch s.node.Kind {
	case plan.IntersectAll:
		*count--
		return *count >= 0
	case plan.ExceptAll:
		*count--
		return *count < 0
	case plan.Intersect:
		pass := *count > 0
		*count = -1
		return pass
	case plan.Except:
		pass := *count == 0
		*count = -1
		return pass
	}
	panic("exec: bug: unknown set operation")
}

func (s *setOp) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.table.release()
	s.acct.close()
	return closeAll(s.left, s.right)
}
