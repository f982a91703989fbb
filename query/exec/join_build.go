package exec

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A joinTable is the build side of a hash join: the right rows by their key. It
// is filled by one goroutine and then read by many.
type joinTable struct {
	join  *hashJoin
	acct  *account
	ev    *evaluator
	store *rowStore
	table *keyTable
	group []int32 // by row, as they came; then dropped

	start   []int32  // rows of group g are refs[start[g]:start[g+1]]
	refs    []rowRef // by group
	matched []uint32 // by place in refs, a bit each: for right and full joins
	nullish []int32  // groups with a NULL in their key: for null-aware anti joins
}

func newJoinTable(j *hashJoin) *joinTable {
	types := make([]datum.Type, len(j.node.EquiRight))
	for i, e := range j.node.EquiRight {
		types[i] = e.Type()
	}
	return &joinTable{
		join: j, acct: j.fr.account(), ev: j.fr.evaluator(),
		store: newRowStore(j.fr.mem(), j.rightSchema),
		table: newKeyTable(j.fr.mem(), types),
	}
}

// add appends right rows.
func (t *joinTable) add(ctx context.Context, b arrow.RecordBatch) error {
	n := int(b.NumRows())
	keys, err := t.ev.evalAll(ctx, t.join.node.EquiRight, b)
	if err != nil {
		return err
	}
	defer releaseVecs(keys)
	at := len(t.group)
	t.group = append(t.group, make([]int32, n)...)
	t.table.groups(keys, n, t.group[at:])
	if err := t.store.add(b); err != nil {
		return err
	}
	return t.acct.set(t.store.bytes + t.table.sizeBytes() + int64(12*cap(t.group)))
}

// complete orders the rows by group.
func (t *joinTable) complete() error {
	if err := t.store.flush(); err != nil {
		return err
	}
	groups := t.table.len()
	t.start = make([]int32, groups+1)
	for _, g := range t.group {
		t.start[g+1]++
	}
	for g := range groups {
		t.start[g+1] += t.start[g]
	}
	next := append([]int32(nil), t.start[:groups]...)
	t.refs = make([]rowRef, len(t.group))
	row := 0
	for i, b := range t.store.batches {
		for r := range int(b.NumRows()) {
			g := t.group[row]
			t.refs[next[g]] = makeRef(i, r)
			next[g]++
			row++
		}
	}
	t.group = nil
	if k := t.join.node.Kind; k == plan.RightJoin || k == plan.FullJoin {
		t.matched = make([]uint32, (len(t.refs)+31)/32)
	}
	if t.join.node.Kind == plan.NullAntiJoin {
		t.findNulls()
	}
	return nil
}

func (t *joinTable) findNulls() {
	for g := range t.table.len() {
		for j := range t.table.cols {
			if t.table.null(g, j) {
				t.nullish = append(t.nullish, int32(g))
				break
			}
		}
	}
}

func (t *joinTable) mark(at int32) {
	atomic.OrUint32(&t.matched[at/32], 1<<(at%32))
}

// unmatched emits the right rows without a match.
func (t *joinTable) unmatched(emit emitFunc) error {
	var refs []rowRef
	flush := func() error {
		if len(refs) == 0 {
			return nil
		}
		b, err := t.join.rightOnly(t.store, refs)
		refs = refs[:0]
		if err != nil {
			return err
		}
		return emit(b)
	}
	for i, r := range t.refs {
		if t.matched[i/32]>>(i%32)&1 != 0 {
			continue
		}
		refs = append(refs, r)
		if len(refs) == maxBatchRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (t *joinTable) release() {
	if t == nil {
		return
	}
	t.store.release()
	t.table.release()
	t.group, t.refs, t.start, t.matched = nil, nil, nil, nil
	t.acct.close()
}

// reading returns a view of the table for one goroutine's lookups.
func (t *keyTable) reading() *keyTable {
	v := *t
	v.codes, v.hashes = nil, nil
	v.cols = append([]keyColumn(nil), t.cols...)
	for i := range v.cols {
		c := &v.cols[i]
		c.raw, c.key = nil, nil
		if c.ids != nil {
			ids := *c.ids
			ids.lastID = -1
			c.ids = &ids
		}
	}
	return &v
}

// pushKeys has the scan of the probe side return only rows whose key may be in
// the table: the values themselves if they are few, else their range.
func (t *joinTable) pushKeys(src *scanSource, col int, typ datum.Type) {
	id := src.node.Spec.Columns[col]
	if t.table.len() == 0 {
		src.none = true
		return
	}
	r := t.table.reader()
	defer r.release()
	keys := r.array(0, 0, t.table.len())
	defer keys.Release()
	if t.table.len() <= maxPushedKeys {
		p := chunk.Predicate{Column: id, Op: chunk.OpIn}
		for i := range keys.Len() {
			if keys.IsValid(i) {
				p.Values = append(p.Values, datum.ValueAt(typ, keys, i))
			}
		}
		if src.none = len(p.Values) == 0; !src.none {
			src.pushed = append(src.pushed, p)
		}
		return
	}
	lo, hi := -1, -1
	for i := range keys.Len() {
		if keys.IsNull(i) {
			continue
		}
		if lo < 0 || datum.CompareAt(typ, keys, i, keys, lo) < 0 {
			lo = i
		}
		if hi < 0 || datum.CompareAt(typ, keys, i, keys, hi) > 0 {
			hi = i
		}
	}
	src.pushed = append(src.pushed,
		chunk.Predicate{Column: id, Op: chunk.OpGE, Values: []datum.Value{datum.ValueAt(typ, keys, lo)}},
		chunk.Predicate{Column: id, Op: chunk.OpLE, Values: []datum.Value{datum.ValueAt(typ, keys, hi)}})
}

// maxPushedKeys is up to how many keys of a join are given to the scan one by one.
const maxPushedKeys = 256

// partitionHash hashes a join key so that keys that are equal across the
// integer or float types hash equally.
func partitionHash(keys []function.Vec, types []datum.Type, i, level int) int {
	h := uint64(level+1) * 0x9e3779b97f4a7c15
	for j, k := range keys {
		h = mix(h, hashValue(types[j], k.Array, k.At(i)))
	}
	return int(h>>32) % spillWays
}

func hashValue(t datum.Type, a arrow.Array, i int) uint64 {
	switch a := a.(type) {
	case *array.Int16:
		return uint64(int64(a.Value(i)))
	case *array.Int32:
		return uint64(int64(a.Value(i)))
	case *array.Int64:
		return uint64(a.Value(i))
	case *array.Uint32:
		return uint64(a.Value(i))
	case *array.Float32:
		return floatHash(float64(a.Value(i)))
	case *array.Float64:
		return floatHash(a.Value(i))
	case *array.String:
		if kindOf(t) == keyBytes {
			return bytesHash(stringBytes(a.Value(i)))
		}
	}
	return datum.Hash(t, a, i, 0)
}

// spilledJoin is a hash join whose build side did not fit: both sides in files by
// the hash of the key. add is called by one goroutine at a time.
type spilledJoin struct {
	join  *hashJoin
	level int
	left  [spillWays]*spillFile
	right [spillWays]*spillFile
}

// add writes rows of one side; rows with a NULL in the key are left out if
// skipNull is set, and returned.
func (s *spilledJoin) add(files *[spillWays]*spillFile, b arrow.RecordBatch, keys []function.Vec, exprs []expr.Expr) error {
	types := exprTypes(exprs)
	var parts [spillWays][]int32
	for i := range int(b.NumRows()) {
		p := partitionHash(keys, types, i, s.level)
		parts[p] = append(parts[p], int32(i))
	}
	for p, idx := range parts {
		if len(idx) == 0 {
			continue
		}
		if files[p] == nil {
			f, err := newSpillFile(s.join.fr, s.join.fr.rt.Stats.node(s.join.node))
			if err != nil {
				return err
			}
			files[p] = f
		}
		out := gatherBatch(s.join.fr.mem(), b, idx)
		err := files[p].write(out)
		out.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// addRight writes the rows of a table that became too large, and its later ones.
func (s *spilledJoin) addRight(ctx context.Context, ev *evaluator, b arrow.RecordBatch) error {
	keys, err := ev.evalAll(ctx, s.join.node.EquiRight, b)
	if err != nil {
		return err
	}
	defer releaseVecs(keys)
	return s.add(&s.right, b, keys, s.join.node.EquiRight)
}

// run joins the partitions one after the other.
func (s *spilledJoin) run(ctx context.Context, emit emitFunc) error {
	for p := range spillWays {
		if err := s.runPart(ctx, p, emit); err != nil {
			return err
		}
	}
	return nil
}

func (s *spilledJoin) runPart(ctx context.Context, p int, emit emitFunc) error {
	left, right := s.left[p], s.right[p]
	if left == nil && (right == nil || s.join.node.Kind != plan.RightJoin && s.join.node.Kind != plan.FullJoin) {
		return nil
	}
	side := &joinSide{join: s.join, level: s.level + 1}
	defer side.close()
	var source Operator = &emptyOperator{s.join.rightSchema}
	if right != nil {
		source = &spillReader{file: right, schema: s.join.rightSchema}
	}
	if err := side.load(ctx, source); err != nil {
		return err
	}
	if left != nil {
		probe := s.join.newProbe(side)
		r := &spillReader{file: left, schema: s.join.leftSchema}
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			err = probe.apply(ctx, b, emit)
			b.Release()
			if err != nil {
				return err
			}
		}
	}
	return side.finish(ctx, emit)
}

func (s *spilledJoin) close() error {
	if s == nil {
		return nil
	}
	var errs []error
	for p := range spillWays {
		errs = append(errs, s.left[p].close(), s.right[p].close())
		s.left[p], s.right[p] = nil, nil
	}
	return errors.Join(errs...)
}
