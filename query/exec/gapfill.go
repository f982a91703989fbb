package exec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// maxBuckets bounds the buckets of one group, and maxFilled the rows that are added in all: more are a
// mistake in the width or in the bounds.
const (
	maxBuckets = 10_000_000
	maxFilled  = 200_000_000
)

// gapfill adds rows for missing buckets to sorted rows.
type gapfill struct {
	fr            *frame
	node          *plan.Gapfill
	in            Operator
	schema        *arrow.Schema
	ev            *evaluator
	grid          *function.BucketGrid
	start, finish int64 // start is the beginning of a bucket
	fills         []*filler
	filled        int64

	begun, ended bool
	b            arrow.RecordBatch // the batch that is read
	row          int
	last         arrow.RecordBatch // one row: the last one of the batch before
	group        []byte            // key of the group that is open
	open, any    bool
	next         int64 // the bucket that the group needs next
	key          []byte
	out          fillRows
}

// A filler makes the values of locf or interpolate.
type filler struct {
	call      *plan.FillCall
	orMissing bool // locf replaces NULLs of the input, too
	arg       function.Vec
	out       array.Builder
	value     datum.Value // the last one
	at        int64       // its time
	prev      bool        // Prev has been computed for the group, or is not needed any more
	// next, at nextAt, is what comes after the group, if afterwards says that it has been computed.
	next       datum.Value
	nextAt     int64
	afterwards bool
}

// fillRows are rows of the output in the making: by row the row of src that its group comes from, the row that its
// other columns come from or -1, and its time unless that is src's.
type fillRows struct {
	src    arrow.RecordBatch
	groups []int32
	values []int32
	times  []int64
}

func (f *frame) buildGapfill(n *plan.Gapfill) (Operator, error) {
	in, err := f.build(n.Input)
	if err != nil {
		return nil, err
	}
	return &gapfill{fr: f, node: n, in: in, schema: schemaOf(n.Out), ev: f.evaluator()}, nil
}

func (g *gapfill) Schema() *arrow.Schema { return g.schema }

func (g *gapfill) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !g.begun {
		g.begun = true
		if err := g.begin(ctx); err != nil {
			return nil, err
		}
		if err := g.load(ctx); err != nil {
			return nil, err
		}
	}
	for !g.ended || len(g.out.groups) > 0 {
		if err := g.fr.yield(ctx); err != nil {
			return nil, err
		}
		more, err := g.step(ctx)
		if err != nil {
			return nil, err
		}
		if !more || len(g.out.groups) >= maxBatchRows {
			out, err := g.emit()
			if err != nil || out != nil {
				return out, err
			}
		}
		if !more && g.b != nil && g.row == int(g.b.NumRows()) {
			if err := g.load(ctx); err != nil {
				return nil, err
			}
		}
	}
	return nil, io.EOF
}

// begin computes the grid and its bounds.
func (g *gapfill) begin(ctx context.Context) error {
	typ := g.node.Out[g.node.Time].Type.OID
	width, err := g.ev.scalar(ctx, g.node.Width)
	if err != nil {
		return err
	}
	zone := ""
	if g.node.Zone != nil {
		z, err := g.ev.scalar(ctx, g.node.Zone)
		if err != nil {
			return err
		}
		if zone, _ = z.(string); zone == "" {
			return pgerr.New(pgerr.InvalidParameterValue, "invalid time_bucket_gapfill argument: timezone cannot be NULL")
		}
	}
	if g.grid, err = function.NewBucketGrid(typ, width, zone); err != nil {
		return err
	}
	if g.start, err = g.bound(ctx, "start", g.node.Start, func(a, b int64) int64 { return max(a, b) }); err != nil {
		return err
	}
	if g.finish, err = g.bound(ctx, "finish", g.node.Finish, func(a, b int64) int64 { return min(a, b) }); err != nil {
		return err
	}
	if g.start, err = g.grid.Floor(g.start); err != nil {
		return err
	}
	if n := g.grid.Buckets(g.start, g.finish); n > maxBuckets {
		return pgerr.New(pgerr.ProgramLimitExceeded, "time_bucket_gapfill would make about %.0f buckets of each group", n).
			WithDetail("At most %d are made.", maxBuckets).WithHint("Use a larger bucket_width, or bounds that are nearer to each other.")
	}
	for i := range g.node.Calls {
		c := &g.node.Calls[i]
		f := &filler{call: c, out: array.NewBuilder(g.fr.mem(), c.T.Arrow())}
		g.fills = append(g.fills, f)
		v, err := g.ev.scalar(ctx, c.NullIsMissing)
		if err != nil {
			return err
		}
		f.orMissing = v == true
	}
	return nil
}

// bound computes the start or the finish.
func (g *gapfill) bound(ctx context.Context, name string, bounds []plan.FillBound, pick func(a, b int64) int64) (out int64, err error) {
	for i, b := range bounds {
		v, err := g.ev.scalar(ctx, b.At)
		if err != nil {
			return 0, err
		}
		n, ok := function.IntegerValue(v)
		if !ok {
			return 0, pgerr.New(pgerr.InvalidParameterValue, "invalid time_bucket_gapfill argument: %s cannot be NULL", name)
		}
		if !g.grid.Finite(n) {
			return 0, pgerr.New(pgerr.InvalidParameterValue, "invalid time_bucket_gapfill argument: %s cannot be infinite", name)
		}
		if b.After {
			n++
		}
		if i == 0 {
			out = n
		} else {
			out = pick(out, n)
		}
	}
	if len(bounds) == 0 {
		return 0, pgerr.New(pgerr.InvalidParameterValue, "missing time_bucket_gapfill argument: could not infer %s from WHERE clause", name).
			WithHint("Specify start and finish as arguments or in the WHERE clause, as comparisons of the time with constants.")
	}
	return out, nil
}

// load reads the next batch and keeps the last row of the one before, of which the open group may need rows.
func (g *gapfill) load(ctx context.Context) error {
	g.releaseArgs()
	if g.b != nil {
		if g.last != nil {
			g.last.Release()
		}
		g.last = gatherBatch(g.fr.mem(), g.b, []int32{int32(g.b.NumRows() - 1)})
		g.b.Release()
		g.b = nil
	}
	b, err := g.in.Next(ctx)
	if errors.Is(err, io.EOF) {
		if !g.any && len(g.node.Groups) == 0 {
			// All there could have been is one group.
			g.last = g.nullRow()
			return g.openGroup(nil)
		}
		return nil
	}
	if err != nil {
		return err
	}
	g.any, g.b, g.row = true, b, 0
	for _, f := range g.fills {
		if f.arg, err = g.ev.eval(ctx, f.call.Arg, b); err != nil {
			return err
		}
	}
	return nil
}

func (g *gapfill) nullRow() arrow.RecordBatch {
	s := g.in.Schema()
	cols := make([]arrow.Array, s.NumFields())
	for i := range cols {
		cols[i] = array.MakeArrayOfNull(g.fr.mem(), s.Field(i).Type, 1)
	}
	defer releaseAll(cols)
	return batchOf(s, cols, 1)
}

func (g *gapfill) openGroup(key []byte) error {
	g.group, g.open, g.next = append(g.group[:0], key...), true, g.start
	for _, f := range g.fills {
		f.value, f.at, f.prev, f.next, f.afterwards = nil, 0, false, nil, false
	}
	return nil
}

// step appends rows to the output: more is false if those that are there must be emitted first, because the
// next ones come from another batch or there are none.
func (g *gapfill) step(ctx context.Context) (more bool, err error) {
	if g.b == nil { // the input has ended
		if g.open {
			if g.out.src != nil && g.out.src != g.last {
				return false, nil
			}
			return g.fillTo(ctx, g.last, 0, g.finish, nil)
		}
		g.ended = true
		return false, nil
	}
	for g.row < int(g.b.NumRows()) {
		g.key = g.groupKey(g.key[:0])
		if g.open && !bytes.Equal(g.key, g.group) {
			src, row := g.b, g.row-1
			if g.row == 0 {
				src, row = g.last, 0
			}
			if g.out.src != nil && g.out.src != src {
				return false, nil
			}
			if more, err := g.fillTo(ctx, src, row, g.finish, nil); err != nil || !more {
				return more, err
			}
			if g.out.src != nil && g.out.src != g.b {
				return false, nil
			}
		}
		if !g.open {
			if err := g.openGroup(g.key); err != nil {
				return false, err
			}
		}
		if full, err := g.addRow(ctx); err != nil || full {
			return true, err
		}
	}
	return false, nil
}

// addRow appends the rows before the current one and that one; full says that there is no room yet.
func (g *gapfill) addRow(ctx context.Context) (full bool, err error) {
	times := g.b.Column(g.node.Time)
	if times.IsNull(g.row) {
		return g.addInput(ctx, 0, false)
	}
	t, _ := function.IntegerValue(datum.ValueAt(g.node.Out[g.node.Time].Type, times, g.row))
	if _, err := g.fillTo(ctx, g.b, g.row, min(t, g.finish), &t); err != nil {
		return false, err
	}
	if g.next < min(t, g.finish) {
		return true, nil
	}
	return g.addInput(ctx, t, true)
}

// addInput appends the current row, whose time is t if it has one.
func (g *gapfill) addInput(ctx context.Context, t int64, timed bool) (full bool, err error) {
	if len(g.out.groups) >= maxBatchRows {
		return true, nil
	}
	for _, f := range g.fills {
		v := g.argAt(f)
		if v == nil && f.orMissing {
			if err := g.needPrev(ctx, f, g.b, g.row); err != nil {
				return false, err
			}
			v = f.value
		}
		datum.Append(f.out, f.call.T, v)
		if timed {
			f.value, f.at, f.prev = v, t, true
		}
	}
	g.append(g.b, int32(g.row), int32(g.row), 0)
	if timed && t >= g.next && t < g.finish {
		if g.next, err = g.grid.Next(t); err != nil {
			return false, err
		}
	}
	g.row++
	return false, nil
}

func (g *gapfill) argAt(f *filler) datum.Value {
	return datum.ValueAt(f.call.T, f.arg.Array, f.arg.At(g.row))
}

// fillTo appends the missing rows before the time to, of the group of a row of src. at is the time of the row that
// follows in the group, nil if there is none: then the group ends, if there was room for all.
func (g *gapfill) fillTo(ctx context.Context, src arrow.RecordBatch, row int, to int64, at *int64) (more bool, err error) {
	for g.next < to {
		if len(g.out.groups) >= maxBatchRows {
			return true, nil
		}
		if g.filled++; g.filled > maxFilled {
			return false, pgerr.New(pgerr.ProgramLimitExceeded, "time_bucket_gapfill would add more than %d rows", maxFilled).
				WithHint("Use a larger bucket_width, or bounds that are nearer to each other.")
		}
		for _, f := range g.fills {
			v, err := g.fillValue(ctx, f, src, row, at)
			if err != nil {
				return false, err
			}
			datum.Append(f.out, f.call.T, v)
		}
		g.append(src, int32(row), -1, g.next)
		if g.next, err = g.grid.Next(g.next); err != nil {
			return false, err
		}
	}
	if at == nil {
		g.open = false
	}
	return true, nil
}

// fillValue is the value of a call in the row that is added for the bucket next.
func (g *gapfill) fillValue(ctx context.Context, f *filler, src arrow.RecordBatch, row int, at *int64) (datum.Value, error) {
	if !f.call.Interpolate {
		err := g.needPrev(ctx, f, src, row)
		return f.value, err
	}
	if err := g.needPrev(ctx, f, src, row); err != nil {
		return nil, err
	}
	following, followingAt := f.next, f.nextAt
	switch {
	case at != nil:
		following, followingAt = g.argAt(f), *at
	case !f.afterwards:
		f.afterwards = true
		var err error
		if f.next, f.nextAt, err = g.neighbour(ctx, f.call.Next, f.call.NextAt, src, row); err != nil {
			return nil, err
		}
		following, followingAt = f.next, f.nextAt
	}
	if f.value == nil || following == nil || f.at >= g.next || g.next >= followingAt || !g.grid.Finite(f.at) || !g.grid.Finite(followingAt) {
		return nil, nil
	}
	return function.Interpolate(g.next, f.at, followingAt, f.value, following)
}

// needPrev computes the value before the first one of the group, if it has had none.
func (g *gapfill) needPrev(ctx context.Context, f *filler, src arrow.RecordBatch, row int) error {
	if f.prev || f.call.Prev == nil {
		return nil
	}
	f.prev = true
	var err error
	f.value, f.at, err = g.neighbour(ctx, f.call.Prev, f.call.PrevAt, src, row)
	return err
}

// neighbour computes a value and its time, if that is wanted, for the group of a row of src; the value is nil if
// either is NULL.
func (g *gapfill) neighbour(ctx context.Context, value, at expr.Expr, src arrow.RecordBatch, row int) (v datum.Value, t int64, err error) {
	if value == nil {
		return nil, 0, nil
	}
	one := gatherBatch(g.fr.mem(), src, []int32{int32(row)})
	defer one.Release()
	eval := func(e expr.Expr) (datum.Value, error) {
		v, err := g.ev.eval(ctx, e, one)
		if err != nil {
			return nil, err
		}
		defer v.Release()
		return datum.ValueAt(e.Type(), v.Array, v.At(0)), nil
	}
	if at != nil {
		w, err := eval(at)
		if err != nil {
			return nil, 0, err
		}
		known := false
		if t, known = function.IntegerValue(w); !known {
			return nil, 0, nil
		}
	}
	v, err = eval(value)
	return v, t, err
}

func (g *gapfill) groupKey(dst []byte) []byte {
	for _, c := range g.node.Groups {
		dst = datum.AppendKey(dst, g.node.Out[c].Type, g.b.Column(c), g.row, datum.KeyOrder{})
	}
	return dst
}

func (g *gapfill) append(src arrow.RecordBatch, group, value int32, time int64) {
	if g.out.src == nil {
		src.Retain()
		g.out.src = src
	}
	g.out.groups, g.out.values, g.out.times = append(g.out.groups, group), append(g.out.values, value), append(g.out.times, time)
}

// emit makes a batch of the rows appended; nil if there are none.
func (g *gapfill) emit() (arrow.RecordBatch, error) {
	o := &g.out
	if len(o.groups) == 0 {
		return nil, nil
	}
	defer func() {
		o.src.Release()
		*o = fillRows{groups: o.groups[:0], values: o.values[:0], times: o.times[:0]}
	}()
	var cols []arrow.Array
	for i := range int(o.src.NumCols()) {
		switch {
		case i == g.node.Time:
			cols = append(cols, g.timeColumn())
		case slices.Contains(g.node.Groups, i):
			cols = append(cols, gather(g.fr.mem(), o.src.Column(i), o.groups))
		default:
			cols = append(cols, gather(g.fr.mem(), o.src.Column(i), o.values))
		}
	}
	for _, f := range g.fills {
		cols = append(cols, f.out.NewArray())
	}
	return newBatch(g.schema, cols, len(o.groups))
}

// timeColumn has the buckets: those of rows of the input from there.
func (g *gapfill) timeColumn() arrow.Array {
	o, typ := &g.out, g.node.Out[g.node.Time].Type
	b := array.NewBuilder(g.fr.mem(), typ.Arrow())
	defer b.Release()
	b.Reserve(len(o.times))
	src := o.src.Column(g.node.Time)
	for i, t := range o.times {
		t := t
		if v := o.values[i]; v >= 0 {
			if src.IsNull(int(v)) {
				b.AppendNull()
				continue
			}
			t, _ = function.IntegerValue(datum.ValueAt(typ, src, int(v)))
		}
		switch b := b.(type) {
		case *array.TimestampBuilder:
			b.UnsafeAppend(arrow.Timestamp(t))
		case *array.Date32Builder:
			b.UnsafeAppend(arrow.Date32(t))
		case *array.Int16Builder:
			b.UnsafeAppend(int16(t))
		case *array.Int32Builder:
			b.UnsafeAppend(int32(t))
		case *array.Int64Builder:
			b.UnsafeAppend(t)
		}
	}
	return b.NewArray()
}

func (g *gapfill) releaseArgs() {
	for _, f := range g.fills {
		if f.arg.Array != nil {
			f.arg.Release()
			f.arg = function.Vec{}
		}
	}
}

func (g *gapfill) Close() error {
	g.releaseArgs()
	for _, f := range g.fills {
		f.out.Release()
	}
	g.fills = nil
	for _, b := range []arrow.RecordBatch{g.b, g.last, g.out.src} {
		if b != nil {
			b.Release()
		}
	}
	g.b, g.last, g.out.src = nil, nil, nil
	return g.in.Close()
}
