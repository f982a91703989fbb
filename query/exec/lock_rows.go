package exec

import (
	"context"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A Locker locks rows of tables for FOR UPDATE and its kin. It is safe for concurrent use.
type Locker interface {
	// LockRows locks rows of a table: keys has the columns of their primary keys, none if the table
	// has no key. kept are those that it has locked, of those that may be skipped; nil: all.
	// It fails with ErrAgain if the statement is to be begun again.
	LockRows(ctx context.Context, l *plan.RowLock, keys arrow.RecordBatch) (kept []int32, err error)
}

// ErrAgain ends a statement that is to be begun again: another transaction has changed
// rows that it has seen.
var ErrAgain = pgerr.New(pgerr.SerializationFailure, "could not serialize access due to concurrent update")

// lockRows is FOR UPDATE and its kin. It locks no more rows than the limit above it hands on
// or leaves out.
type lockRows struct {
	node  *plan.LockRows
	input Operator
	ev    *evaluator
	keys  []*arrow.Schema
	left  int64 // rows that may be locked
	begun bool
}

func (f *frame) buildLockRows(n *plan.LockRows) (Operator, error) {
	in, err := f.build(n.Input)
	if err != nil {
		return nil, err
	}
	l := &lockRows{node: n, input: in, ev: f.evaluator()}
	for i := range n.Locks {
		var fields []plan.Field
		for _, k := range n.Locks[i].Keys {
			fields = append(fields, n.Fields()[k.(*expr.Column).Index])
		}
		l.keys = append(l.keys, schemaOf(fields))
	}
	return l, nil
}

func (l *lockRows) Schema() *arrow.Schema { return l.input.Schema() }

// begin computes how many rows are wanted.
func (l *lockRows) begin(ctx context.Context) error {
	l.begun, l.left = true, math.MaxInt64
	count, ok, err := l.ev.bound(ctx, l.node.Count)
	if err != nil || !ok {
		return err
	}
	offset, _, err := l.ev.bound(ctx, l.node.Offset)
	if err != nil {
		return err
	}
	if count >= 0 && offset >= 0 && count <= math.MaxInt64-offset { // the limit refuses others
		l.left = count + offset
	}
	return nil
}

func (l *lockRows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !l.begun {
		if err := l.begin(ctx); err != nil {
			return nil, err
		}
	}
	for l.left > 0 {
		b, err := l.input.Next(ctx)
		if err != nil {
			return nil, err
		}
		rows, err := l.lock(ctx, b)
		if err != nil || len(rows) == 0 {
			b.Release()
			if err != nil {
				return nil, err
			}
			continue
		}
		l.left -= int64(len(rows))
		if len(rows) == int(b.NumRows()) {
			return b, nil
		}
		out := gatherBatch(l.ev.fr.mem(), b, rows)
		b.Release()
		return out, nil
	}
	return nil, io.EOF
}

// lock locks rows of a batch until enough are, and returns which.
func (l *lockRows) lock(ctx context.Context, b arrow.RecordBatch) (rows []int32, err error) {
	n := int64(b.NumRows())
	for from := int64(0); from < n && int64(len(rows)) < l.left; {
		to := min(n, from+l.left-int64(len(rows)))
		part := make([]int32, 0, to-from)
		for ; from < to; from++ {
			part = append(part, int32(from))
		}
		for i := range l.node.Locks {
			if part, err = l.lockIn(ctx, i, b, part); err != nil {
				return nil, err
			}
		}
		rows = append(rows, part...)
	}
	return rows, nil
}

// lockIn locks the rows of one table that rows of a batch come of, and returns those that it has
// locked.
func (l *lockRows) lockIn(ctx context.Context, i int, b arrow.RecordBatch, rows []int32) ([]int32, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	lock := &l.node.Locks[i]
	cols := make([]arrow.Array, len(lock.Keys))
	for j, k := range lock.Keys {
		cols[j] = b.Column(k.(*expr.Column).Index)
	}
	all := batchOf(l.keys[i], cols, b.NumRows())
	defer all.Release()
	keys := gatherBatch(l.ev.fr.mem(), all, rows)
	defer keys.Release()
	kept, err := l.ev.fr.rt.Locker.LockRows(ctx, lock, keys)
	if err != nil || kept == nil {
		return rows, err
	}
	out := make([]int32, len(kept))
	for j, k := range kept {
		out[j] = rows[k]
	}
	return out, nil
}

func (l *lockRows) Close() error {
	l.left = 0
	return l.input.Close()
}
