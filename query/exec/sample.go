package exec

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cespare/xxhash/v2"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// sampling is what the instances of TABLESAMPLE share.
type sampling struct {
	ev     *evaluator
	node   *plan.Sample
	cutoff uint64 // of 1<<32: how many hashes are in the sample
	seed   uint64
}

// sample is a stage that hands on some of the rows.
type sample struct {
	*sampling
	columns []int // of the keys
	key     []byte
	// times counts the rows of a batch with the same key if several may have it, so that not all or
	// none of them are in the sample.
	times map[uint64]uint64
}

func (f *frame) sampleStage(n *plan.Sample) stageSpec {
	shared := &sampling{ev: f.evaluator(), node: n}
	s := schemaOf(n.Fields())
	return stageSpec{
		node: n, schema: s, shared: shared, passes: true,
		make: func() stage {
			st := &sample{sampling: shared, times: map[uint64]uint64{}}
			for _, k := range n.Keys {
				st.columns = append(st.columns, k.(*expr.Column).Index)
			}
			return st
		},
	}
}

// prepare computes the arguments.
func (s *sampling) prepare(ctx context.Context) error {
	v, err := s.ev.scalar(ctx, s.node.Percent)
	if err != nil {
		return err
	}
	if v == nil {
		return pgerr.New(pgerr.InvalidTablesampleArg, "TABLESAMPLE parameter cannot be null")
	}
	if s.node.Seed != nil {
		seed, err := s.ev.scalar(ctx, s.node.Seed)
		if err != nil {
			return err
		}
		if seed == nil {
			return pgerr.New(pgerr.InvalidTablesampleRepeat, "TABLESAMPLE REPEATABLE parameter cannot be null")
		}
		s.seed = seedOf(seed.(float64))
	}
	percent := float64(v.(float32))
	if !(percent >= 0 && percent <= 100) {
		return pgerr.New(pgerr.InvalidTablesampleArg, "sample percentage must be between 0 and 100")
	}
	s.cutoff = uint64(math.RoundToEven((1 << 32) * percent / 100))
	return nil
}

func (s *sampling) finish(context.Context, emitFunc) error { return nil }
func (s *sampling) close() error                           { return nil }

// seedOf makes equal numbers equal seeds.
func seedOf(x float64) uint64 {
	switch {
	case x == 0:
		return 0 // also -0
	case x != x:
		return canonicalNaN
	}
	return math.Float64bits(x)
}

func (s *sample) apply(_ context.Context, in arrow.RecordBatch, emit emitFunc) error {
	if len(s.columns) > 0 {
		in.Retain()
		in = spellOut(in)
		defer in.Release()
	}
	var rows []int32
	clear(s.times)
	for i := range int(in.NumRows()) {
		if s.drawn(in, i) {
			rows = append(rows, int32(i))
		}
	}
	switch len(rows) {
	case 0:
		return nil
	case int(in.NumRows()):
		in.Retain()
		return emit(in)
	}
	out, err := selectRows(s.ev.fr.mem(), in, rows)
	if err != nil {
		return err
	}
	return emit(out)
}

// drawn says whether a row is in the sample.
func (s *sample) drawn(in arrow.RecordBatch, row int) bool {
	if s.node.Seed == nil {
		return uint64(rand.Uint32()) < s.cutoff
	}
	s.key = binary.LittleEndian.AppendUint64(s.key[:0], s.seed)
	for i, c := range s.columns {
		s.key = datum.AppendKey(s.key, s.node.Keys[i].Type(), in.Column(c), row, datum.KeyOrder{})
	}
	h := xxhash.Sum64(s.key)
	if !s.node.Unique {
		n := s.times[h]
		s.times[h] = n + 1
		h = mix(h, n)
	}
	return h>>32 < s.cutoff
}
