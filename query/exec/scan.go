package exec

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/plan"
)

// A scanSource reads the splits of a table.
type scanSource struct {
	fr     *frame
	node   *plan.Scan
	schema *arrow.Schema
	stats  *OperatorStats
	splits []chunk.Split
	// order, if not nil, is the order in which the splits are wanted; skip says
	// that a split cannot matter any more. Skip is called by all workers.
	order      func(a, b chunk.Split) int
	skip       func(chunk.Split) bool
	descending bool // hint for the storage
	edge       chunk.Edge
	coded      []schema.ColumnID // wanted as chunk.Coded
	// pushed are predicates that a join above found; none says that it can have no row.
	pushed   []chunk.Predicate
	none     bool
	serial   bool // the first stage is not safe in workers
	prepared bool
	rows     int64        // upper bound of all splits
	returned atomic.Int64 // rows handed on, for the limit

	mu      sync.Mutex
	total   chunk.ScanStats // guarded by mu
	skipped int             // guarded by mu
}

func newScanSource(fr *frame, n *plan.Scan) *scanSource {
	return &scanSource{fr: fr, node: n, schema: schemaOf(n.Out), stats: fr.rt.Stats.node(n)}
}

// prepare plans the scan in the storage, once.
func (s *scanSource) prepare(ctx context.Context) error {
	if s.prepared {
		return nil
	}
	s.prepared = true
	if s.stats != nil {
		if len(s.node.Filter) == 0 {
			s.stats.loops.Add(1)
		}
		defer s.stats.addTime(time.Now())
	}
	spec, none, err := s.fr.bindSpec(ctx, s.node)
	if err != nil || none || s.none {
		return err
	}
	spec.Filter = append(slices.Clip(spec.Filter), s.pushed...)
	spec.Descending = spec.Descending || s.descending
	spec.Pruning = s.fr.rt.Pruning
	spec.Edge = s.edge
	if !spec.Pruning.Encoded {
		spec.Coded = s.coded
	}
	if m := s.node.Table.Materialized; m != nil && !m.Populated {
		return pgerr.New(pgerr.ObjectNotInState, "materialized view %q has not been populated", s.node.Table.Name).
			WithHint("Use the REFRESH MATERIALIZED VIEW command.")
	}
	splits, st, err := s.fr.rt.Reader.Scan(ctx, s.node.Table.OID, spec)
	if err != nil {
		return err
	}
	s.total = st
	s.splits = splits
	if s.order != nil {
		slices.SortStableFunc(s.splits, s.order)
	}
	for _, sp := range splits {
		s.rows += sp.Rows()
	}
	return nil
}

// bindSpec adds the predicates that are known only now to the scan's. none says
// that no row can pass.
func (f *frame) bindSpec(ctx context.Context, n *plan.Scan) (spec chunk.ScanSpec, none bool, err error) {
	spec = n.Spec
	if n.AsOf != nil {
		if spec.AsOf, err = f.version(ctx, n); err != nil {
			return spec, false, err
		}
	}
	if len(n.Dynamic) == 0 {
		return spec, false, nil
	}
	spec.Filter = slices.Clone(spec.Filter)
	ev := f.evaluator()
	for _, d := range n.Dynamic {
		p := chunk.Predicate{Column: d.Column, Op: d.Op}
		for _, e := range d.Values {
			v, err := ev.scalar(ctx, e)
			if err != nil {
				return spec, false, err
			}
			switch v := v.(type) {
			case nil:
				if d.Op != chunk.OpIn {
					return spec, true, nil
				}
			case datum.Array:
				if d.Op != chunk.OpIn {
					p.Values = append(p.Values, v)
					break
				}
				for _, x := range v.Values {
					if x != nil {
						p.Values = append(p.Values, x)
					}
				}
			default:
				p.Values = append(p.Values, v)
			}
		}
		if d.Op == chunk.OpIn && len(p.Values) == 0 {
			return spec, true, nil
		}
		spec.Filter = append(spec.Filter, p)
	}
	return spec, false, nil
}

// version returns the row version as of which a scan reads its table.
func (f *frame) version(ctx context.Context, n *plan.Scan) (int64, error) {
	v, err := f.evaluator().scalar(ctx, n.AsOf)
	if err != nil {
		return 0, err
	}
	version := int64(0)
	switch v := v.(type) {
	case datum.Micros:
		version = int64(v) // row versions are microseconds
	case int64:
		version = v
	case nil:
		return 0, pgerr.New(pgerr.NullNotAllowed, "the time of AS OF must not be null")
	}
	if version <= 0 { // long before there was a row
		return 0, pgerr.New(pgerr.SnapshotTooOld, "table %q has no history of that time", n.Table.Name)
	}
	return version, nil
}

// serialRows is how few rows a scan must have for workers not to pay.
const serialRows = 2 * maxBatchRows

// parallel says whether several workers should read the splits.
func (s *scanSource) parallel() bool {
	if s.serial || s.fr.rt.Workers < 2 || len(s.splits) < 2 || s.rows <= serialRows {
		return false
	}
	// A small limit without a filter ends in the first split.
	return s.node.Limit <= 0 || len(s.node.Filter) > 0 || len(s.node.Spec.Filter) > 0 || len(s.node.Dynamic) > 0
}

// runs divides the splits into at most n runs of neighbours with about the same
// numbers of rows. It depends on nothing but the splits and n.
func (s *scanSource) runs(n int) [][]chunk.Split {
	n = min(max(n, 1), len(s.splits))
	var out [][]chunk.Split
	from, rows := 0, int64(0)
	for i, sp := range s.splits {
		rows += sp.Rows()
		if len(out) < n-1 && rows*int64(n) >= s.rows*int64(len(out)+1) {
			out = append(out, s.splits[from:i+1])
			from = i + 1
		}
	}
	if from < len(s.splits) {
		out = append(out, s.splits[from:])
	}
	return out
}

// readAll reads the splits one after the other.
func (s *scanSource) readAll(ctx func() context.Context, f emitFunc) error {
	ahead := s.readAhead(ctx(), s.splits)
	defer ahead.close()
	room := s.room()
	for i := range s.splits {
		ahead.reach(i)
		if err := s.read(ctx, room, s.splits[i], f); err != nil {
			return s.ignoreLimit(err)
		}
	}
	return nil
}

// room makes what a worker reads its splits in, one after the other.
func (s *scanSource) room() *chunk.Room {
	room := chunk.NewRoom(s.fr.mem())
	if b := s.fr.rt.Budget; b != nil {
		room.Limit(b.take)
	}
	return room
}

// readSplits reads some of the splits.
func (s *scanSource) readSplits(ctx context.Context, room *chunk.Room, splits []chunk.Split, f emitFunc) error {
	ahead := s.readAhead(ctx, splits)
	defer ahead.close()
	for i, sp := range splits {
		ahead.reach(i)
		if err := s.read(func() context.Context { return ctx }, room, sp, f); err != nil {
			return s.ignoreLimit(err)
		}
	}
	return nil
}

// errLimit ends a scan of which enough rows have been read.
var errLimit = errors.New("exec: limit of the scan reached")

func (s *scanSource) ignoreLimit(err error) error {
	if errors.Is(err, errLimit) {
		return nil
	}
	return err
}

func (s *scanSource) read(ctx func() context.Context, room *chunk.Room, sp chunk.Split, f emitFunc) (err error) {
	var st chunk.ScanStats
	defer func() {
		s.mu.Lock()
		mergeScanStats(&s.total, &st)
		s.mu.Unlock()
	}()
	if err := ctx().Err(); err != nil {
		return err
	}
	if s.limited() {
		return errLimit
	}
	if s.skip != nil && s.skip(sp) {
		s.mu.Lock()
		s.skipped++
		s.mu.Unlock()
		return nil
	}
	begin := time.Now()
	r, err := sp.Scan(ctx(), room, &st)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := r.Close(); err == nil {
			err = cerr
		}
	}()
	for {
		b, err := r.Next(ctx())
		s.stats.addTime(begin)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b = relabel(s.schema, b)
		if len(s.node.Filter) == 0 { // else the filter counts what it passes
			s.stats.addOutput(b.NumRows())
			s.returned.Add(b.NumRows())
		}
		if err := f(b); err != nil {
			return err
		}
		if s.limited() {
			return errLimit
		}
		begin = time.Now()
	}
}

// limited says that the rows wanted have been handed on. With a filter that is
// not the storage's they are counted behind it, by the stage that applies it.
func (s *scanSource) limited() bool {
	return s.node.Limit > 0 && s.returned.Load() >= s.node.Limit
}

func (s *scanSource) close() {
	if s.prepared {
		workers := 1
		if s.parallel() {
			workers = min(s.fr.rt.Workers, len(s.splits))
		}
		s.stats.addScan(&s.total, len(s.splits), s.skipped, workers)
		s.total, s.splits = chunk.ScanStats{}, nil
	}
}
