package exec

import (
	"context"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// frames are the window frames of a segment's rows: from[i] to to[i] (exclusive),
// less what is excluded.
type frames struct {
	s        *segment
	from, to []int32
	exclude  uint8
	growing  bool // all begin with their partition, and nothing is excluded
	whole    bool // all are their partition, and nothing is excluded
}

// Exclusions, as in plan.Frame.
const (
	excludeNone = iota
	excludeCurrent
	excludeGroup
	excludeTies
)

// frames computes the frames of all rows.
func (s *segment) frames(ctx context.Context, f *plan.Frame) (*frames, error) {
	fr := &frames{s: s, from: make([]int32, s.rows), to: make([]int32, s.rows), exclude: f.Exclude}
	fr.growing = f.Start.Kind == plan.UnboundedPreceding && f.Exclude == excludeNone
	fr.whole = fr.growing && (f.End.Kind == plan.UnboundedFollowing ||
		f.Mode != plan.FrameRows && f.End.Kind == plan.CurrentRow && len(s.w.node.OrderBy) == 0)
	if err := s.bound(ctx, f.Mode, &f.Start, true, fr.from); err != nil {
		return nil, err
	}
	if err := s.bound(ctx, f.Mode, &f.End, false, fr.to); err != nil {
		return nil, err
	}
	for i := range fr.to {
		fr.to[i] = max(fr.to[i], fr.from[i])
	}
	return fr, nil
}

// bound computes one end of the frames: the first row, or the one after the last.
func (s *segment) bound(ctx context.Context, mode plan.FrameMode, b *plan.Bound, start bool, out []int32) error {
	if b.Kind == plan.Preceding || b.Kind == plan.Following {
		return s.offsetBound(ctx, mode, b, start, out)
	}
	for i := range out {
		from, to := s.bounds(i)
		switch {
		case b.Kind == plan.UnboundedPreceding:
			out[i] = from
		case b.Kind == plan.UnboundedFollowing:
			out[i] = to
		case mode == plan.FrameRows && start:
			out[i] = int32(i)
		case mode == plan.FrameRows:
			out[i] = int32(i) + 1
		default: // CURRENT ROW means its peers
			first, end := s.peersOf(i)
			out[i] = end
			if start {
				out[i] = first
			}
		}
	}
	return nil
}

func (s *segment) offsetBound(ctx context.Context, mode plan.FrameMode, b *plan.Bound, start bool, out []int32) error {
	v, err := s.w.ev.scalar(ctx, b.Offset)
	if err != nil {
		return err
	}
	which := "ending"
	if start {
		which = "starting"
	}
	if v == nil {
		return pgerr.New(pgerr.NullNotAllowed, "frame %s offset must not be null", which)
	}
	if isNegative(v) {
		if mode == plan.FrameRange {
			return pgerr.New("22013", "invalid preceding or following size in window function")
		}
		return pgerr.New("22013", "frame %s offset must not be negative", which)
	}
	before := b.Kind == plan.Preceding
	switch mode {
	case plan.FrameRows:
		n := min(v.(int64), int64(s.rows)+1)
		for i := range out {
			from, to := s.bounds(i)
			at := int64(i) + n
			if before {
				at = int64(i) - n
			}
			if !start {
				at++
			}
			out[i] = int32(min(max(at, int64(from)), int64(to)))
		}
		return nil
	case plan.FrameGroups:
		s.groupsBound(min(v.(int64), int64(s.rows)+1), before, start, out)
		return nil
	}
	return s.rangeBound(ctx, v, b.Offset.Type(), before, start, out)
}

func (s *segment) groupsBound(n int64, before, start bool, out []int32) {
	for i := range out {
		from, to := s.bounds(i)
		first, last := int64(s.peer[from]), int64(s.peer[to-1])
		g := int64(s.peer[i]) + n
		if before {
			g = int64(s.peer[i]) - n
		}
		switch {
		case start && g > last:
			out[i] = to
		case start:
			out[i] = s.peers[max(g, first)]
		case g < first:
			out[i] = from
		default:
			out[i] = s.peers[min(g, last)+1]
		}
	}
}

func isNegative(v datum.Value) bool {
	switch v := v.(type) {
	case int16:
		return v < 0
	case int32:
		return v < 0
	case int64:
		return v < 0
	case float32:
		return v < 0 || v != v
	case float64:
		return v < 0 || v != v
	case datum.Decimal:
		return v.Neg || v.Kind == datum.NaN
	case datum.IntervalValue:
		return datum.Compare(datum.Of(datum.Interval), v, datum.IntervalValue{}) < 0
	}
	return false
}

// rangeBound computes RANGE with an offset: the rows whose key lies within the
// offset of the current row's. NULLs are in range of NULLs only.
func (s *segment) rangeBound(ctx context.Context, off datum.Value, offType datum.Type, before, start bool, out []int32) error {
	key := s.w.order
	if len(key.exprs) != 1 {
		return pgerr.New(pgerr.WindowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column")
	}
	kv, err := s.w.ev.eval(ctx, key.exprs[0], s.b)
	if err != nil {
		return err
	}
	keys := expand(s.w.fr.mem(), kv, s.rows)
	defer keys.Release()
	desc := key.order[0].Desc
	// In a falling order what precedes has larger keys.
	cmp, err := s.edges(ctx, keys, key.types[0], off, offType, before != desc, start != desc)
	if err != nil {
		return err
	}
	for p := range len(s.parts) - 1 {
		from, to := s.parts[p], s.parts[p+1]
		lo, hi := from, to // the keys that are not NULL
		for lo < hi && keys.IsNull(int(lo)) {
			lo++
		}
		for hi > lo && keys.IsNull(int(hi-1)) {
			hi--
		}
		at := lo
		for i := from; i < to; i++ {
			if keys.IsNull(int(i)) {
				first, end := s.peersOf(int(i))
				out[i] = end
				if start {
					out[i] = first
				}
				continue
			}
			// Edges move the way of the rows, so at never goes back.
			for at < hi {
				c := cmp(int(at), int(i)) // key at against the edge of row i
				if desc {
					c = -c
				}
				if c < 0 || c == 0 && !start {
					at++
				} else {
					break
				}
			}
			out[i] = at
		}
	}
	return nil
}

// edges returns a comparison of a row's key with the edge of another row's frame:
// its key less (sub) or plus the offset. low says that it is the lower edge.
func (s *segment) edges(ctx context.Context, keys arrow.Array, t datum.Type, off datum.Value, offType datum.Type, sub, low bool) (func(row, of int) int, error) {
	switch a := keys.(type) {
	case *array.Int16, *array.Int32, *array.Int64:
		n := intOf(off)
		at := func(i int) int64 { v, _ := intAt(function.Vec{Array: a}, i); return v }
		return func(row, of int) int { return compareInts(at(row), saturated(at(of), n, sub)) }, nil
	case *array.Time64: // does not wrap around midnight here, unlike time + interval
		n, ok := off.(datum.IntervalValue)
		if !ok {
			break
		}
		return func(row, of int) int {
			return compareInts(int64(a.Value(row)), saturated(int64(a.Value(of)), n.Micros, sub))
		}, nil
	case *array.Float32:
		n := floatOf(off)
		return func(row, of int) int {
			return compareFloats(float64(a.Value(row)), floatEdge(float64(a.Value(of)), n, sub, low))
		}, nil
	case *array.Float64:
		n := floatOf(off)
		return func(row, of int) int { return compareFloats(a.Value(row), floatEdge(a.Value(of), n, sub, low)) }, nil
	}
	return s.edgesByOperator(ctx, keys, t, off, offType, sub)
}

// edgesByOperator computes the edges by the + and - of the key's type.
func (s *segment) edgesByOperator(ctx context.Context, keys arrow.Array, t datum.Type, off datum.Value, offType datum.Type, sub bool) (func(row, of int) int, error) {
	name := "+"
	if sub {
		name = "-"
	}
	op := operatorOf(name, t.OID, offType.OID)
	if op == nil || op.Fn == nil || op.Fn.Eval == nil {
		return nil, pgerr.Unsupported("RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s and offset type %s", t, offType)
	}
	ret := datum.Of(op.Ret)
	c := s.w.ev.context(ctx)
	o := datum.NewArray(c.Mem, offType, off, 1)
	defer o.Release()
	edge, err := op.Fn.Eval(c, []function.Vec{{Array: keys, T: t}, {Array: o, Const: true, T: offType}}, s.rows, ret)
	if err != nil {
		return nil, err
	}
	defer edge.Release()
	edgeKeys, rowKeys := keyStrings(ret, edge), keyStrings(t, keys)
	if ret.OID != t.OID { // a date and an interval make a timestamp
		cast, err := s.castDates(keys, t, ret)
		if err != nil {
			return nil, err
		}
		rowKeys = keyStrings(ret, cast)
		cast.Release()
	}
	return func(row, of int) int { return compareStrings(rowKeys[row], edgeKeys[of]) }, nil
}

// operatorOf returns the operator of a name and operand types, nil if there is none.
func operatorOf(name string, left, right datum.OID) *function.Operator {
	for _, op := range function.Builtins().Operators(name) {
		if op.Left == left && op.Right == right {
			return op
		}
	}
	return nil
}

// castDates makes timestamps of dates.
func (s *segment) castDates(keys arrow.Array, t, ret datum.Type) (arrow.Array, error) {
	dates, ok := keys.(*array.Date32)
	if !ok || ret.OID != datum.Timestamp {
		return nil, pgerr.Unsupported("RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s", t)
	}
	b := array.NewBuilder(s.w.fr.mem(), ret.Arrow())
	defer b.Release()
	for i := range dates.Len() {
		if dates.IsNull(i) {
			b.AppendNull()
			continue
		}
		var v datum.Micros
		switch d := datum.Days(dates.Value(i)); d {
		case datum.InfinityDays:
			v = datum.InfinityMicros
		case datum.NegInfinityDays:
			v = datum.NegInfinityMicros
		default:
			v = datum.Micros(d) * 86_400_000_000
		}
		datum.Append(b, ret, v)
	}
	return b.NewArray(), nil
}

// keyStrings returns the ordering keys of an array's values.
func keyStrings(t datum.Type, a arrow.Array) []string {
	out := make([]string, a.Len())
	var key []byte
	for i := range out {
		key = datum.AppendKey(key[:0], t, a, i, datum.KeyOrder{Passing: true})
		out[i] = string(key)
	}
	return out
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareFloats has NaN above all.
func compareFloats(a, b float64) int {
	switch {
	case a != a && b != b:
		return 0
	case a != a:
		return 1
	case b != b:
		return -1
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func saturated(v, n int64, sub bool) int64 {
	if sub {
		if r := v - n; r <= v {
			return r
		}
		return math.MinInt64
	}
	if r := v + n; r >= v {
		return r
	}
	return math.MaxInt64
}

// floatEdge is v less or plus n; where that would be no number, for infinities,
// the edge lets all pass, as PostgreSQL's in_range does.
func floatEdge(v, n float64, sub, low bool) float64 {
	if v != v {
		return v
	}
	e := v + n
	if sub {
		e = v - n
	}
	if e != e {
		if low {
			return math.Inf(-1)
		}
		return math.Inf(1)
	}
	return e
}

func floatOf(v datum.Value) float64 {
	switch v := v.(type) {
	case float32:
		return float64(v)
	case float64:
		return v
	}
	panic("exec: bug: the offset of a float key is no float")
}

func intOf(v datum.Value) int64 {
	switch v := v.(type) {
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case int64:
		return v
	}
	panic("exec: bug: the offset of an integer key is no integer")
}

// excluded says whether row k is left out of the frame of row i.
func (f *frames) excluded(i int, k int32) bool {
	switch f.exclude {
	case excludeCurrent:
		return int(k) == i
	case excludeGroup:
		return f.s.peer[k] == f.s.peer[i]
	case excludeTies:
		return int(k) != i && f.s.peer[k] == f.s.peer[i]
	}
	return false
}

// nth returns the n-th row of row i's frame, -1 if there is none.
func (f *frames) nth(i int, n int64) int32 {
	if f.exclude == excludeNone {
		if n > int64(f.to[i]-f.from[i]) {
			return -1
		}
		return f.from[i] + int32(n-1)
	}
	for k := f.from[i]; k < f.to[i]; k++ {
		if !f.excluded(i, k) {
			if n--; n == 0 {
				return k
			}
		}
	}
	return -1
}

// last returns the last row of row i's frame, -1 if it is empty.
func (f *frames) last(i int) int32 {
	for k := f.to[i] - 1; k >= f.from[i]; k-- {
		if !f.excluded(i, k) {
			return k
		}
	}
	return -1
}
