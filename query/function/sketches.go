package function

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/sketch"
)

// Parameters of sketches that are not given.
const (
	defaultAccuracy  = 0.01
	defaultPart      = 0.001
	defaultFailure   = 0.01
	defaultMinHashes = 256
)

// A sketchKind is how an aggregate makes a sketch and fills it. The arguments after the first are
// its parameters, which must be constant.
type sketchKind[S sketch.Sketch] struct {
	empty func(params []datum.Value) (S, error)
	add   func(c *Context, s S, args []Vec, types []datum.Type, i int)
	// result makes the aggregate's value; nil: the sketch itself.
	result func(s S, params []datum.Value) datum.Value
	// params are the parameters' types.
	params []datum.OID
}

// sketchState is the sketch of a group; s is nil before the first value.
type sketchState[S sketch.Sketch] struct {
	s      S
	params []datum.Value
	begun  bool
}

func (k sketchKind[S]) new(types []datum.Type, _ datum.Type) Accumulator {
	return &fold[sketchState[S]]{
		size: 48,
		held: func(s *sketchState[S]) int64 {
			if !s.begun {
				return 0
			}
			return s.s.SizeBytes()
		},
		prepare: func(c *Context, args []Vec) func(s *sketchState[S], row int) error {
			v := args[0]
			return func(s *sketchState[S], row int) error {
				if v.DataType().ID() == arrow.NULL || v.IsNull(v.At(row)) {
					return nil
				}
				if !s.begun {
					if err := k.begin(s, args[1:]); err != nil {
						return err
					}
				}
				k.add(c, s.s, args, types, row)
				return nil
			}
		},
		merge: func(_ *Context, dst, src *sketchState[S]) error {
			switch {
			case !src.begun:
				return nil
			case !dst.begun:
				*dst = sketchState[S]{s: sketch.Clone(src.s), params: src.params, begun: true}
				return nil
			}
			return dst.s.Merge(src.s)
		},
		result: func(_ *Context, s *sketchState[S], _ datum.Type) (datum.Value, error) {
			switch {
			case !s.begun:
				return nil, nil
			case k.result != nil:
				return k.result(s.s, s.params), nil
			}
			return sketch.Encode(s.s), nil
		},
	}
}

// begin makes the empty sketch of a group.
func (k sketchKind[S]) begin(s *sketchState[S], args []Vec) (err error) {
	if s.params, err = k.constants(args); err != nil {
		return err
	}
	if s.s, err = k.empty(s.params); err != nil {
		return err
	}
	s.begun = true
	return nil
}

// constants are the values of the parameters.
func (k sketchKind[S]) constants(args []Vec) ([]datum.Value, error) {
	out := make([]datum.Value, len(args))
	for i, a := range args {
		if !a.Const {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "the parameters of a sketch must be constants")
		}
		if out[i] = valueAt(datum.Of(k.params[i]), a, 0); out[i] == nil {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "the parameters of a sketch must not be null")
		}
	}
	return out, nil
}

func hashAt(args []Vec, types []datum.Type, i int) uint64 {
	return datum.Hash(types[0], args[0].Array, args[0].At(i), 0)
}

// floatParam is parameter i, or a default.
func floatParam(params []datum.Value, i int, otherwise float64) float64 {
	if i < len(params) {
		return params[i].(float64)
	}
	return otherwise
}

func newHLL([]datum.Value) (*sketch.HLL, error) { return &sketch.HLL{}, nil }

func addToHLL(_ *Context, s *sketch.HLL, args []Vec, types []datum.Type, i int) {
	s.Add(hashAt(args, types, i))
}

func addToQuantile(_ *Context, s *sketch.Quantile, args []Vec, _ []datum.Type, i int) {
	s.Add(args[0].Array.(*array.Float64).Value(args[0].At(i)))
}

// sketchAggregates make sketches, or estimates of what they would say.
func sketchAggregates() []*Aggregate {
	next := datum.OID(9960)
	var out []*Aggregate
	add := func(name string, ret datum.OID, new func([]datum.Type, datum.Type) Accumulator, args ...datum.OID) {
		out = append(out, &Aggregate{OID: next, Name: name, Args: args, Ret: ret, New: new})
		next++
	}
	anyType, f8, text, bytea := datum.AnyOID, datum.Float8, datum.Text, datum.Bytea

	hll := sketchKind[*sketch.HLL]{empty: newHLL, add: addToHLL}
	add("hll_agg", bytea, hll.new, anyType)

	percentiles := sketchKind[*sketch.Quantile]{add: addToQuantile, params: []datum.OID{f8},
		empty: func(params []datum.Value) (*sketch.Quantile, error) {
			return sketch.NewQuantile(floatParam(params, 0, defaultAccuracy))
		}}
	add("percentile_agg", bytea, percentiles.new, f8)
	add("percentile_agg", bytea, percentiles.new, f8, f8)
	add("approx_percentile", f8, newApproxPercentile, f8, f8)

	frequencies := sketchKind[*sketch.CountMin]{params: []datum.OID{f8, f8},
		empty: func(params []datum.Value) (*sketch.CountMin, error) {
			return sketch.NewCountMin(floatParam(params, 0, defaultPart), floatParam(params, 1, defaultFailure))
		},
		add: func(_ *Context, s *sketch.CountMin, args []Vec, types []datum.Type, i int) {
			s.Add(hashAt(args, types, i))
		}}
	add("count_min_agg", bytea, frequencies.new, anyType)
	add("count_min_agg", bytea, frequencies.new, anyType, f8)
	add("count_min_agg", bytea, frequencies.new, anyType, f8, f8)

	top := sketchKind[*sketch.TopK]{params: []datum.OID{datum.Int4},
		empty: func(params []datum.Value) (*sketch.TopK, error) { return sketch.NewTopK(int(params[0].(int32))) },
		add: func(_ *Context, s *sketch.TopK, args []Vec, _ []datum.Type, i int) {
			s.Add(args[0].Array.(*array.String).Value(args[0].At(i)))
		}}
	add("top_k_agg", bytea, top.new, text, datum.Int4)

	bloom := sketchKind[*sketch.Bloom]{params: []datum.OID{datum.Int8, f8},
		empty: func(params []datum.Value) (*sketch.Bloom, error) {
			return sketch.NewBloom(params[0].(int64), floatParam(params, 1, defaultFailure))
		},
		add: func(_ *Context, s *sketch.Bloom, args []Vec, types []datum.Type, i int) {
			s.Add(hashAt(args, types, i))
		}}
	add("bloom_agg", bytea, bloom.new, anyType, datum.Int8)
	add("bloom_agg", bytea, bloom.new, anyType, datum.Int8, f8)

	minhash := sketchKind[*sketch.MinHash]{params: []datum.OID{datum.Int4},
		empty: func(params []datum.Value) (*sketch.MinHash, error) {
			if len(params) == 0 {
				return sketch.NewMinHash(defaultMinHashes)
			}
			return sketch.NewMinHash(int(params[0].(int32)))
		},
		add: func(_ *Context, s *sketch.MinHash, args []Vec, types []datum.Type, i int) {
			s.Add(hashAt(args, types, i))
		}}
	add("minhash_agg", bytea, minhash.new, anyType)
	add("minhash_agg", bytea, minhash.new, anyType, datum.Int4)

	add("rollup", bytea, newRollup, bytea)
	return out
}

// newApproxDistinct is approx_count_distinct, which is 0 of nothing.
func newApproxDistinct(types []datum.Type, ret datum.Type) Accumulator {
	k := sketchKind[*sketch.HLL]{empty: newHLL, add: addToHLL, result: func(s *sketch.HLL, _ []datum.Value) datum.Value { return s.Count() }}
	f := k.new(types, ret).(*fold[sketchState[*sketch.HLL]])
	result := f.result
	f.result = func(c *Context, s *sketchState[*sketch.HLL], ret datum.Type) (datum.Value, error) {
		if v, err := result(c, s, ret); v != nil || err != nil {
			return v, err
		}
		return int64(0), nil
	}
	return f
}

// newApproxPercentile is approx_percentile(value, fraction).
func newApproxPercentile(types []datum.Type, ret datum.Type) Accumulator {
	k := sketchKind[*sketch.Quantile]{add: addToQuantile, params: []datum.OID{datum.Float8},
		empty: func(params []datum.Value) (*sketch.Quantile, error) {
			if err := checkFraction(params[0].(float64)); err != nil {
				return nil, err
			}
			return sketch.NewQuantile(defaultAccuracy)
		}}
	k.result = func(s *sketch.Quantile, params []datum.Value) datum.Value {
		if v, ok := s.At(params[0].(float64)); ok {
			return v
		}
		return nil
	}
	return k.new(types, ret)
}

// checkFraction fails as percentile_cont does.
func checkFraction(f float64) error {
	if !(f >= 0 && f <= 1) {
		return pgerr.New("22003", "percentile value %g is not between 0 and 1", f)
	}
	return nil
}

// newRollup merges sketches of any kind, which must all be of one.
func newRollup([]datum.Type, datum.Type) Accumulator {
	type state struct{ s sketch.Sketch }
	return &fold[state]{
		size: 16, strict: true,
		held: func(s *state) int64 {
			if s.s == nil {
				return 0
			}
			return s.s.SizeBytes()
		},
		prepare: func(_ *Context, args []Vec) func(s *state, row int) error {
			a := args[0]
			return func(s *state, row int) error {
				one, err := sketch.Decode(a.Array.(*array.Binary).Value(a.At(row)))
				if err != nil {
					return err
				}
				if s.s == nil {
					s.s = one
					return nil
				}
				return s.s.Merge(one)
			}
		},
		merge: func(_ *Context, dst, src *state) error {
			switch {
			case src.s == nil:
				return nil
			case dst.s == nil:
				dst.s = sketch.Clone(src.s)
				return nil
			}
			return dst.s.Merge(src.s)
		},
		result: func(_ *Context, s *state, _ datum.Type) (datum.Value, error) {
			if s.s == nil {
				return nil, nil
			}
			return sketch.Encode(s.s), nil
		},
	}
}

// sketchFunctions ask sketches.
func sketchFunctions() []*Function {
	next := datum.OID(9850)
	var out []*Function
	add := func(name string, ret datum.OID, eval evalFunc, args ...datum.OID) *Function {
		f := &Function{OID: next, Name: name, Args: args, Ret: ret, Volatility: Immutable, Strict: true, Eval: eval}
		out = append(out, f)
		next++
		return f
	}
	f8, bytea := datum.Float8, datum.Bytea
	add("hll_count", datum.Int8, asking(0, func(s *sketch.HLL, _ *asked, _ int) (datum.Value, error) { return s.Count(), nil }), bytea)
	add("approx_percentile", f8, asking(1, func(s *sketch.Quantile, a *asked, i int) (datum.Value, error) {
		q := a.value(0, f8, i).(float64)
		if err := checkFraction(q); err != nil {
			return nil, err
		}
		return found(s.At(q))
	}), f8, bytea)
	add("approx_percentile_rank", f8, asking(1, func(s *sketch.Quantile, a *asked, i int) (datum.Value, error) {
		return found(s.Rank(a.value(0, f8, i).(float64)))
	}), f8, bytea)
	add("count_min_count", datum.Int8, asking(0, func(s *sketch.CountMin, a *asked, i int) (datum.Value, error) {
		return s.Count(a.hash(1, i)), nil
	}), bytea, datum.AnyOID)
	add("bloom_contains", datum.Bool, asking(0, func(s *sketch.Bloom, a *asked, i int) (datum.Value, error) {
		return s.Contains(a.hash(1, i)), nil
	}), bytea, datum.AnyOID)
	add("minhash_similarity", f8, asking(0, func(s *sketch.MinHash, a *asked, i int) (datum.Value, error) {
		o, err := decodeAs[*sketch.MinHash](a.value(1, bytea, i).([]byte))
		if err != nil {
			return nil, err
		}
		v, ok, err := s.Similarity(o)
		if err != nil || !ok {
			return nil, err
		}
		return v, nil
	}), bytea, bytea)
	add("sketch_merge", bytea, boxed(mergeSketches, bytea, bytea), bytea, bytea).Strict = false
	top := add("top_k", datum.Record, nil, bytea)
	top.RetSet, top.OutNames, top.EvalSet = true, []string{"value", "count", "error"}, topRows
	top.OutTypes = []datum.OID{datum.Text, datum.Int8, datum.Int8}
	return out
}

func found(v float64, ok bool) (datum.Value, error) {
	if !ok {
		return nil, nil
	}
	return v, nil
}

func decodeAs[S sketch.Sketch](b []byte) (S, error) {
	s, err := sketch.Decode(b)
	if err != nil {
		var none S
		return none, err
	}
	return sketch.As[S](s)
}

// asked are the arguments of a function that asks a sketch.
type asked struct{ args []Vec }

func (a *asked) value(arg int, t datum.OID, i int) datum.Value {
	return valueAt(datum.Of(t), a.args[arg], i)
}

// hash is that of an argument of any type, as aggregates hash it.
func (a *asked) hash(arg, i int) uint64 {
	v := a.args[arg]
	return datum.Hash(v.T, v.Array, v.At(i), 0)
}

// asking makes a strict kernel of a function of a sketch, which is argument at; a constant one is read once.
func asking[S sketch.Sketch](at int, f func(s S, a *asked, i int) (datum.Value, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		mask := strictNulls(c.Mem, args, n)
		defer mask.release()
		b := array.NewBuilder(c.Mem, ret.Arrow())
		defer b.Release()
		b.Reserve(n)
		var s S
		read := false
		for i := range n {
			if mask.all() || mask.null(i) {
				b.AppendNull()
				continue
			}
			var err error
			if v := args[at]; !read || !v.Const {
				if s, err = decodeAs[S](v.Array.(*array.Binary).Value(v.At(i))); err != nil {
					return nil, err
				}
				read = true
			}
			v, err := f(s, &asked{args}, i)
			if err != nil {
				return nil, err
			}
			datum.Append(b, ret, v)
		}
		return b.NewArray(), nil
	}
}

// mergeSketches merges two sketches; NULL is an empty one.
func mergeSketches(_ *Context, args []datum.Value) (datum.Value, error) {
	for i, a := range args {
		if a == nil {
			other := args[1-i]
			if other == nil {
				return nil, nil
			}
			s, err := sketch.Decode(other.([]byte))
			if err != nil {
				return nil, err
			}
			return sketch.Encode(s), nil
		}
	}
	s, err := sketch.Decode(args[0].([]byte))
	if err != nil {
		return nil, err
	}
	o, err := sketch.Decode(args[1].([]byte))
	if err != nil {
		return nil, err
	}
	if err := s.Merge(o); err != nil {
		return nil, err
	}
	return sketch.Encode(s), nil
}

// topRows is top_k: the most frequent values, how often they occur at least, and by how much that may be too low.
func topRows(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	b, ok := args[0].([]byte)
	if !ok {
		return rowsFunc(func() ([]datum.Value, error) { return nil, io.EOF }), nil
	}
	s, err := decodeAs[*sketch.TopK](b)
	if err != nil {
		return nil, err
	}
	rest := s.Values()
	return rowsFunc(func() ([]datum.Value, error) {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		v := rest[0]
		rest = rest[1:]
		return []datum.Value{v.Value, v.Count, v.Error}, nil
	}), nil
}
