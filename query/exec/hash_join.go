package exec

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"math"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// hashJoin joins by equal keys: the right side goes into a table, the left side
// is a stage that looks its rows up. It is shared by the stage's instances.
type hashJoin struct {
	fr          *frame
	node        *plan.Join
	right       Operator
	leftSchema  *arrow.Schema
	rightSchema *arrow.Schema
	pairSchema  *arrow.Schema // what Cond is over
	schema      *arrow.Schema
	side        *joinSide
	// scan and column, if scan is set, are where the first key comes from on the
	// left: what cannot match is then left out by the storage.
	scan   *scanSource
	column int
}

// canHash says that a join can be done by hashing.
func canHash(n *plan.Join) bool {
	if len(n.EquiLeft) == 0 || n.Kind == plan.NullAntiJoin && n.Cond != nil {
		return false
	}
	for i, l := range n.EquiLeft {
		if !comparable(l.Type(), n.EquiRight[i].Type()) {
			return false
		}
	}
	return true
}

func (f *frame) buildJoin(n *plan.Join) (Operator, error) {
	if !canHash(n) {
		return f.buildNestedLoop(n)
	}
	s, err := f.hashJoinStage(n)
	if err != nil {
		return nil, err
	}
	op, err := f.over(n.Left, s)
	if err != nil {
		return nil, errors.Join(err, s.shared.close())
	}
	return op, nil
}

// hashJoinStage builds the right side and the stage that the left side passes.
func (f *frame) hashJoinStage(n *plan.Join) (stageSpec, error) {
	right, err := f.build(n.Right)
	if err != nil {
		return stageSpec{}, err
	}
	j := &hashJoin{
		fr: f, node: n, right: right, schema: schemaOf(n.Out),
		leftSchema: schemaOf(n.Left.Fields()), rightSchema: right.Schema(),
	}
	j.pairSchema = pairSchema(n.Left, n.Right)
	j.side = &joinSide{join: j}
	return stageSpec{node: n, schema: j.schema, shared: j, make: func() stage { return j.newProbe(j.side) }}, nil
}

// pairSchema is the schema of a left row followed by a right one.
func pairSchema(l, r plan.Node) *arrow.Schema {
	return schemaOf(append(append([]plan.Field(nil), l.Fields()...), r.Fields()...))
}

// pushTo notes the scan that the first left key comes from, if the join drops
// left rows without a match.
func (j *hashJoin) pushTo(src *scanSource) {
	if j.node.Kind != plan.InnerJoin && j.node.Kind != plan.SemiJoin && j.node.Kind != plan.RightJoin || len(j.node.EquiLeft) != 1 {
		return
	}
	c, ok := j.node.EquiLeft[0].(*expr.Column)
	if !ok {
		return
	}
	scan, col, ok := traceColumn(j.node.Left, c.Index)
	if !ok || scan != src.node || scan.Out[col].Type.OID != j.node.EquiRight[0].Type().OID || scan.Limit > 0 {
		return
	}
	j.scan, j.column = src, col
}

func (j *hashJoin) prepare(ctx context.Context) error {
	if err := j.fr.prepareSubqueries(ctx, append(append([]expr.Expr{j.node.Cond}, j.node.EquiLeft...), j.node.EquiRight...)...); err != nil {
		return err
	}
	if err := j.side.load(ctx, j.right); err != nil {
		return err
	}
	if err := j.right.Close(); err != nil {
		return err
	}
	if j.scan != nil && j.side.table != nil {
		j.side.table.pushKeys(j.scan, j.column, j.scan.node.Out[j.column].Type)
	}
	return nil
}

func (j *hashJoin) finish(ctx context.Context, emit emitFunc) error { return j.side.finish(ctx, emit) }

func (j *hashJoin) close() error { return errors.Join(j.right.Close(), j.side.close()) }

// A joinSide is the right side at one level of spilling: in memory, or in files.
type joinSide struct {
	join  *hashJoin
	level int
	table *joinTable

	mu      sync.Mutex
	spilled *spilledJoin // its files are guarded by mu while the left side is read
}

// load reads the right side.
func (s *joinSide) load(ctx context.Context, right Operator) error {
	s.table = newJoinTable(s.join)
	st := s.join.fr.rt.Stats.node(s.join.node)
	for {
		b, err := right.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		err = s.add(ctx, b)
		b.Release()
		if err != nil {
			return err
		}
	}
	if s.table == nil {
		return nil
	}
	st.notePeak(s.table.acct.peak)
	return s.table.complete()
}

func (s *joinSide) add(ctx context.Context, b arrow.RecordBatch) error {
	if s.spilled != nil {
		return s.spilled.addRight(ctx, s.join.fr.evaluator(), b)
	}
	err := s.table.add(ctx, b)
	if err != nil && pgerr.Code(err) != pgerr.OutOfMemory || err == nil && !s.table.acct.mustSpill() {
		return err
	}
	// A null-aware anti join must know all keys; and dividing again is pointless
	// where one key has all the rows.
	if s.join.fr.rt.Temp == nil || s.join.node.Kind == plan.NullAntiJoin || s.level >= maxSpillLevel {
		return err
	}
	return s.spill(ctx)
}

// spill moves the table to files.
func (s *joinSide) spill(ctx context.Context) error {
	s.spilled = &spilledJoin{join: s.join, level: s.level}
	ev := s.join.fr.evaluator()
	if err := s.table.store.flush(); err != nil {
		return err
	}
	for _, b := range s.table.store.batches {
		if err := s.spilled.addRight(ctx, ev, b); err != nil {
			return err
		}
	}
	s.table.release()
	s.table = nil
	return nil
}

// finish emits what is known only once the left side has ended.
func (s *joinSide) finish(ctx context.Context, emit emitFunc) error {
	if s.spilled != nil {
		return s.spilled.run(ctx, emit)
	}
	if k := s.join.node.Kind; k == plan.RightJoin || k == plan.FullJoin {
		return s.table.unmatched(emit)
	}
	return nil
}

func (s *joinSide) close() error {
	s.table.release()
	s.table = nil
	return s.spilled.close()
}

// probe is the stage of a hash join: an instance for one goroutine.
type probe struct {
	join  *hashJoin
	side  *joinSide
	ev    *evaluator
	keys  *keyTable // a view
	at    []int32
	null  []bool // rows with a NULL in the key
	found []bool // rows with a match

	left  []int32 // of the pairs to come
	right []rowRef
	place []int32 // in the table's refs
}

func (j *hashJoin) newProbe(s *joinSide) *probe {
	return &probe{join: j, side: s, ev: j.fr.evaluator()}
}

func (p *probe) apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	n := int(in.NumRows())
	keys, err := p.ev.evalAll(ctx, p.join.node.EquiLeft, in)
	if err != nil {
		return err
	}
	defer releaseVecs(keys)
	if p.side.spilled != nil {
		p.side.mu.Lock()
		defer p.side.mu.Unlock()
		return p.side.spilled.add(&p.side.spilled.left, in, keys, p.join.node.EquiLeft)
	}
	if p.keys == nil {
		p.keys = p.side.table.table.reading()
	}
	if cap(p.at) < n {
		p.at, p.null, p.found = make([]int32, n), make([]bool, n), make([]bool, n)
	}
	p.at, p.null, p.found = p.at[:n], p.null[:n], p.found[:n]
	clear(p.null)
	clear(p.found)
	p.keys.lookup(keys, n, p.at)
	for _, k := range keys {
		if k.NullN() == 0 && k.DataType().ID() != arrow.NULL {
			continue
		}
		for i := range n {
			if k.IsNull(k.At(i)) || k.DataType().ID() == arrow.NULL {
				p.null[i] = true
			}
		}
	}
	return p.join2(ctx, in, emit)
}

// join2 joins a batch whose keys have been looked up.
func (p *probe) join2(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	node := p.join.node
	if node.Kind == plan.NullAntiJoin {
		return p.nullAnti(in, emit)
	}
	t := p.side.table
	semi := node.Kind == plan.SemiJoin || node.Kind == plan.AntiJoin
	outer := node.Kind == plan.LeftJoin || node.Kind == plan.FullJoin
	for i, g := range p.at {
		if g < 0 || p.null[i] {
			if outer && node.Cond == nil {
				p.pair(i, noRow, -1)
				p.found[i] = true
			}
		} else if semi && node.Cond == nil {
			p.found[i] = true
			continue
		} else {
			for at := t.start[g]; at < t.start[g+1]; at++ {
				p.pair(i, t.refs[at], at)
				if len(p.left) == maxBatchRows {
					if err := p.flush(ctx, in, emit); err != nil {
						return err
					}
					if semi && p.found[i] {
						break
					}
				}
			}
			continue
		}
		if len(p.left) == maxBatchRows {
			if err := p.flush(ctx, in, emit); err != nil {
				return err
			}
		}
	}
	if err := p.flush(ctx, in, emit); err != nil {
		return err
	}
	switch {
	case node.Kind == plan.SemiJoin:
		return p.emitLeft(in, true, emit)
	case node.Kind == plan.AntiJoin:
		return p.emitLeft(in, false, emit)
	case outer && node.Cond != nil:
		return p.emitOuter(in, emit)
	}
	return nil
}

func (p *probe) pair(i int, r rowRef, at int32) {
	p.left, p.right, p.place = append(p.left, int32(i)), append(p.right, r), append(p.place, at)
}

// flush makes a batch of the pairs, keeps those that Cond passes and emits them.
func (p *probe) flush(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	if len(p.left) == 0 {
		return nil
	}
	if err := p.join.fr.yield(ctx); err != nil {
		return err
	}
	node, t := p.join.node, p.side.table
	defer func() { p.left, p.right, p.place = p.left[:0], p.right[:0], p.place[:0] }()
	semi := node.Kind == plan.SemiJoin || node.Kind == plan.AntiJoin
	b := p.join.pairs(in, t.store, p.left, p.right)
	if node.Cond != nil {
		rows, all, err := p.ev.keep(ctx, node.Cond, b)
		if err != nil {
			b.Release()
			return err
		}
		for _, k := range rows {
			p.found[p.left[k]] = true
			if t.matched != nil {
				t.mark(p.place[k])
			}
		}
		if semi || len(rows) == 0 {
			b.Release()
			return nil
		}
		if !all {
			out := gatherBatch(p.join.fr.mem(), b, rows)
			b.Release()
			b = out
		}
	} else if t.matched != nil {
		for _, at := range p.place {
			if at >= 0 {
				t.mark(at)
			}
		}
	}
	return emit(relabel(p.join.schema, b))
}

// pairs makes a batch of left rows and right rows side by side.
func (j *hashJoin) pairs(in arrow.RecordBatch, right *rowStore, l []int32, r []rowRef) arrow.RecordBatch {
	mem := j.fr.mem()
	cols := make([]arrow.Array, 0, j.pairSchema.NumFields())
	same := isIdentity(l, int(in.NumRows()))
	for _, c := range in.Columns() {
		if same {
			c.Retain()
			cols = append(cols, c)
		} else {
			cols = append(cols, gather(mem, c, l))
		}
	}
	for i := range right.columns {
		cols = append(cols, right.gather(i, r))
	}
	defer releaseAll(cols)
	return batchOf(j.pairSchema, cols, int64(len(l)))
}

// isIdentity says that idx is 0, 1 .. n-1.
func isIdentity(idx []int32, n int) bool {
	if len(idx) != n {
		return false
	}
	for i, x := range idx {
		if int(x) != i {
			return false
		}
	}
	return true
}

// emitLeft emits the left rows whose found is want.
func (p *probe) emitLeft(in arrow.RecordBatch, want bool, emit emitFunc) error {
	var idx []int32
	for i, f := range p.found {
		if f == want {
			idx = append(idx, int32(i))
		}
	}
	if len(idx) == 0 {
		return nil
	}
	if len(idx) == len(p.found) {
		in.Retain()
		return emit(relabel(p.join.schema, in))
	}
	return emit(relabel(p.join.schema, gatherBatch(p.join.fr.mem(), in, idx)))
}

// emitOuter emits the left rows without a match beside NULLs.
func (p *probe) emitOuter(in arrow.RecordBatch, emit emitFunc) error {
	var idx []int32
	var refs []rowRef
	for i, f := range p.found {
		if !f {
			idx, refs = append(idx, int32(i)), append(refs, noRow)
		}
	}
	if len(idx) == 0 {
		return nil
	}
	return emit(relabel(p.join.schema, p.join.pairs(in, p.side.table.store, idx, refs)))
}

// rightOnly makes a batch of right rows beside NULLs.
func (j *hashJoin) rightOnly(right *rowStore, refs []rowRef) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, j.schema.NumFields())
	for _, f := range j.leftSchema.Fields() {
		cols = append(cols, array.MakeArrayOfNull(j.fr.mem(), f.Type, len(refs)))
	}
	for i := range right.columns {
		cols = append(cols, right.gather(i, refs))
	}
	return newBatch(j.schema, cols, len(refs))
}

// nullAnti keeps the left rows for which key NOT IN (right keys) is true: not if
// any right key is equal or might be, for a NULL on either side.
func (p *probe) nullAnti(in arrow.RecordBatch, emit emitFunc) error {
	t := p.side.table
	all := make([]int32, 0)
	for i := range p.at {
		switch {
		case len(t.refs) == 0:
		case p.null[i]:
			if len(all) == 0 {
				for g := range t.table.len() {
					all = append(all, int32(g))
				}
			}
			p.found[i] = p.mightEqual(i, all)
		default:
			p.found[i] = p.at[i] >= 0 || p.mightEqual(i, t.nullish)
		}
	}
	return p.emitLeft(in, false, emit)
}

// mightEqual says that no column tells the key of row i from that of all groups.
func (p *probe) mightEqual(i int, groups []int32) bool {
	t := p.keys
	w := t.stride
	row := t.codes[i*w : (i+1)*w]
	for _, g := range groups {
		differs := false
		for j := range t.cols {
			null := row[j] == nullCode
			if t.cols[j].wide {
				null = row[len(t.cols)+j/64]>>(j%64)&1 != 0
			}
			if !null && !t.null(int(g), j) && row[j] != t.keys[int(g)*w+j] {
				differs = true
				break
			}
		}
		if !differs {
			return true
		}
	}
	return false
}

func floatHash(f float64) uint64 {
	switch {
	case f == 0:
		return 0
	case f != f:
		return canonicalNaN
	}
	return math.Float64bits(f)
}

func bytesHash(b []byte) uint64 { return maphash.Bytes(hashSeed, b) }

// definitelyDiffers says that some column of two keys is unequal and not NULL.
func definitelyDiffers(types []datum.Type, l []function.Vec, i int, r []function.Vec, k int) bool {
	for j, t := range types {
		a, b := l[j], r[j]
		if a.IsNull(a.At(i)) || b.IsNull(b.At(k)) {
			continue
		}
		if datum.CompareAt(t, a.Array, a.At(i), b.Array, b.At(k)) != 0 {
			return true
		}
	}
	return false
}
