package exec

import (
	"context"
	"errors"
	"io"
	"math/big"
	"math/bits"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
	"golang.org/x/sync/errgroup"
)

// scanAggregate is an aggregate without keys that each split folds by itself, at
// best from the manifest alone. Splits that cannot are read and folded here.
type scanAggregate struct {
	fr      *frame
	node    *plan.ScanAggregate
	schema  *arrow.Schema
	src     *scanSource
	columns []int // by aggregate: where its column is in the scan, -1 for none
	done    bool
}

func newScanAggregate(f *frame, n *plan.ScanAggregate) *scanAggregate {
	s := &scanAggregate{fr: f, node: n, schema: schemaOf(n.Out)}
	scan := *n.Scan
	scan.Limit = 0
	scan.Spec.Columns = slices.Clone(n.Scan.Spec.Columns)
	scan.Out = slices.Clone(n.Scan.Out)
	for _, a := range n.Aggs {
		if a.Func == chunk.AggCountStar {
			s.columns = append(s.columns, -1)
			continue
		}
		at := slices.Index(scan.Spec.Columns, a.Column)
		if at < 0 {
			at = len(scan.Spec.Columns)
			scan.Spec.Columns = append(scan.Spec.Columns, a.Column)
			scan.Out = append(scan.Out, fieldOf(&scan, a.Column))
		}
		s.columns = append(s.columns, at)
	}
	s.src = newScanSource(f, &scan)
	s.src.stats = f.rt.Stats.node(n.Scan)
	return s
}

func fieldOf(s *plan.Scan, id schema.ColumnID) plan.Field {
	if f, ok := s.ColumnField(id); ok {
		return f
	}
	panic("exec: bug: aggregate of an unknown column")
}

func (s *scanAggregate) Schema() *arrow.Schema { return s.schema }

func (s *scanAggregate) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if s.done {
		return nil, io.EOF
	}
	s.done = true
	if err := s.src.prepare(ctx); err != nil {
		return nil, err
	}
	parts, err := s.fold(ctx)
	if err != nil {
		return nil, err
	}
	total := make([]chunk.Partial, len(s.node.Aggs))
	for _, p := range parts { // in the order of the splits
		for i, a := range s.node.Aggs {
			mergePartial(&total[i], &p[i], a.Func, s.typeOf(i))
		}
	}
	in, err := s.row(total)
	if err != nil {
		return nil, err
	}
	defer in.Release()
	cols, err := s.fr.evaluator().columns(ctx, s.node.Finish, in)
	if err != nil {
		return nil, err
	}
	return newBatch(s.schema, cols, 1)
}

func (s *scanAggregate) Close() error {
	s.done = true
	s.src.close()
	return nil
}

// typeOf returns the type of the column that aggregate i is over.
func (s *scanAggregate) typeOf(i int) datum.Type {
	if s.columns[i] < 0 {
		return datum.Of(datum.Int8)
	}
	return s.src.node.Out[s.columns[i]].Type
}

// fold folds each split, several at a time.
func (s *scanAggregate) fold(ctx context.Context) ([][]chunk.Partial, error) {
	splits := s.src.splits
	out := make([][]chunk.Partial, len(splits))
	var next atomic.Int64
	work := func(ctx context.Context) (err error) {
		defer panics.Catch(&err)
		room := s.src.room()
		for {
			i := int(next.Add(1)) - 1
			if i >= len(splits) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if out[i], err = s.split(ctx, room, splits[i]); err != nil {
				return err
			}
		}
	}
	if !s.src.parallel() {
		return out, work(ctx)
	}
	g, gctx := errgroup.WithContext(ctx)
	for range min(s.fr.rt.Workers, len(splits)) {
		g.Go(func() error { return work(gctx) })
	}
	return out, g.Wait()
}

func (s *scanAggregate) split(ctx context.Context, room *chunk.Room, sp chunk.Split) ([]chunk.Partial, error) {
	if len(s.node.Scan.Filter) == 0 {
		var st chunk.ScanStats
		p, ok, err := sp.Aggregate(ctx, room, s.node.Aggs, &st)
		if err != nil {
			return nil, err
		}
		if ok {
			s.src.mu.Lock()
			mergeScanStats(&s.src.total, &st)
			s.src.mu.Unlock()
			return p, nil
		}
	}
	p := make([]chunk.Partial, len(s.node.Aggs))
	ev := s.fr.evaluator()
	filter := plan.And(s.node.Scan.Filter...)
	ctxOf := func() context.Context { return ctx }
	err := s.src.read(ctxOf, room, sp, func(b arrow.RecordBatch) error {
		defer b.Release()
		if filter != nil {
			rows, all, err := ev.keep(ctx, filter, b)
			if err != nil {
				return err
			}
			if !all {
				b2, err := selectRows(s.fr.mem(), b, rows)
				if err != nil {
					return err
				}
				defer b2.Release()
				b = b2
			}
		}
		for i, a := range s.node.Aggs {
			if s.columns[i] < 0 {
				p[i].Count += b.NumRows()
			} else {
				foldColumn(&p[i], a.Func, s.typeOf(i), b.Column(s.columns[i]))
			}
		}
		return nil
	})
	return p, err
}

// foldColumn folds a column's values into the state of an aggregate.
func foldColumn(p *chunk.Partial, f chunk.AggregateFunc, t datum.Type, a arrow.Array) {
	p.Count += int64(a.Len() - a.NullN())
	switch f {
	case chunk.AggSum:
		sumColumn(p, a)
	case chunk.AggMin, chunk.AggMax:
		best := -1
		for i := range a.Len() {
			if a.IsNull(i) {
				continue
			}
			if best < 0 {
				best = i
			} else if c := datum.CompareAt(t, a, i, a, best); c < 0 && f == chunk.AggMin || c > 0 && f == chunk.AggMax {
				best = i
			}
		}
		if best >= 0 {
			takeExtreme(p, f, t, datum.ValueAt(t, a, best))
		}
	}
}

func takeExtreme(p *chunk.Partial, f chunk.AggregateFunc, t datum.Type, v datum.Value) {
	if p.Value != nil {
		if c := datum.Compare(t, v, p.Value); c == 0 || (c < 0) != (f == chunk.AggMin) {
			return
		}
	}
	p.Value = v
}

func sumColumn(p *chunk.Partial, a arrow.Array) {
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		switch a := a.(type) {
		case *array.Int16:
			addInt(p, int64(a.Value(i)))
		case *array.Int32:
			addInt(p, int64(a.Value(i)))
		case *array.Int64:
			addInt(p, a.Value(i))
		case *array.Float32:
			p.Float += float64(a.Value(i))
		case *array.Float64:
			p.Float += a.Value(i)
		default:
			panic("exec: bug: sum of " + a.DataType().String() + " in a scan")
		}
	}
}

func addInt(p *chunk.Partial, v int64) {
	lo, carry := bits.Add64(p.Lo, uint64(v), 0)
	p.Lo = lo
	p.Hi += v>>63 + int64(carry)
}

// mergePartial adds the state of a later split.
func mergePartial(p, q *chunk.Partial, f chunk.AggregateFunc, t datum.Type) {
	p.Count += q.Count
	lo, carry := bits.Add64(p.Lo, q.Lo, 0)
	p.Lo = lo
	p.Hi += q.Hi + int64(carry)
	p.Float += q.Float
	if q.Value != nil {
		takeExtreme(p, f, t, q.Value)
	}
}

// row makes the row of results that Finish is over. A column's type is what the
// expressions say it is: the sum of integers may be wanted as bigint or numeric.
func (s *scanAggregate) row(total []chunk.Partial) (arrow.RecordBatch, error) {
	fields := make([]plan.Field, len(total))
	for i := range fields {
		fields[i].Type = s.resultType(i)
	}
	for _, e := range s.node.Finish {
		plan.Walk(e, func(x expr.Expr) bool {
			if c, ok := x.(*expr.Column); ok {
				fields[c.Index].Type = c.T
			}
			return true
		})
	}
	b := newRowBuilder(s.fr.mem(), schemaOf(fields), typesOf(fields))
	defer b.release()
	for i, p := range total {
		v, err := s.value(i, p, fields[i].Type)
		if err != nil {
			return nil, err
		}
		b.append(i, v)
	}
	b.rows = 1
	return b.batch(), nil
}

// resultType is the type of an aggregate's result that nothing asks for.
func (s *scanAggregate) resultType(i int) datum.Type {
	switch s.node.Aggs[i].Func {
	case chunk.AggMin, chunk.AggMax:
		return s.typeOf(i)
	case chunk.AggSum:
		if t := s.typeOf(i); t.OID == datum.Float4 || t.OID == datum.Float8 {
			return t
		}
		return datum.Of(datum.Numeric)
	}
	return datum.Of(datum.Int8)
}

func (s *scanAggregate) value(i int, p chunk.Partial, t datum.Type) (datum.Value, error) {
	switch s.node.Aggs[i].Func {
	case chunk.AggMin, chunk.AggMax:
		return p.Value, nil
	case chunk.AggCountStar, chunk.AggCount:
		return p.Count, nil
	}
	if p.Count == 0 {
		return nil, nil
	}
	switch t.OID {
	case datum.Float8:
		return p.Float, nil
	case datum.Float4:
		return float32(p.Float), nil
	case datum.Int8:
		if p.Hi != int64(p.Lo)>>63 {
			return nil, pgerr.New(pgerr.NumericOutOfRange, "bigint out of range")
		}
		return int64(p.Lo), nil
	case datum.Numeric:
		return wideDecimal(p.Hi, p.Lo), nil
	}
	return nil, errors.New("exec: bug: a sum in a scan wanted as " + t.String())
}

// wideDecimal makes a numeric of a 128-bit integer.
func wideDecimal(hi int64, lo uint64) datum.Decimal {
	n := new(big.Int).Lsh(big.NewInt(hi), 64)
	n.Add(n, new(big.Int).SetUint64(lo))
	d := datum.Decimal{Neg: n.Sign() < 0}
	d.Coeff.SetMathBigInt(n.Abs(n))
	return d
}
