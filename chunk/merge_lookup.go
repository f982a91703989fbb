package chunk

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/phyllodb/phyllo/internal/datum"
)

// LookupRun finds rows by key in a sorted run, whose columns are those of the
// layout. The columns of keys are those of the sort key, in its order; their NULLs
// match nothing. For each row of keys the result has the number of the newest row
// of the run with that key (the greatest version, then the last row), or -1. Keys
// in rising order are found fastest; a search takes O(log n) comparisons. Batches
// of other columns are the caller's bug and panic.
func LookupRun(l *Layout, run, keys arrow.RecordBatch) []int32 {
	if int(keys.NumCols()) != len(l.SortKey) || int(run.NumCols()) != len(l.Columns) {
		panic(fmt.Sprintf("chunk: bug: lookup by %d of %d key columns in %d of %d columns", keys.NumCols(), len(l.SortKey), run.NumCols(), len(l.Columns)))
	}
	versions, err := batchVersions(l, run)
	if err != nil {
		panic("chunk: bug: lookup: " + err.Error())
	}
	c := newKeyComparer(l, run, keys.Columns())
	n := int(run.NumRows())
	out := make([]int32, keys.NumRows())
	at := 0
	for j := range out {
		out[j] = -1
		if anyNull(keys, j) {
			continue
		}
		if at > 0 && c.compare(at-1, j) >= 0 { // not after the last one
			at = c.search(0, at-1, j)
		} else {
			at = c.gallop(at, n, j)
		}
		for i := at; i < n && c.compare(i, j) == 0; i++ {
			if out[j] < 0 || versions == nil || versions[i] >= versions[out[j]] {
				out[j] = int32(i)
			}
		}
	}
	return out
}

func anyNull(b arrow.RecordBatch, row int) bool {
	for _, c := range b.Columns() {
		if c.IsNull(row) {
			return true
		}
	}
	return false
}

// keyArrays returns the columns of the sort key of a batch with the layout's columns.
func keyArrays(l *Layout, b arrow.RecordBatch) []arrow.Array {
	out := make([]arrow.Array, len(l.SortKey))
	for i, id := range l.SortKey {
		out[i] = b.Column(l.Index(id))
	}
	return out
}

// A keyComparer compares rows of a run with rows of keys, in place: what it costs
// does not grow with the run.
type keyComparer struct {
	columns []func(i, j int) int
}

// newKeyComparer returns a comparer of the rows of a batch with the layout's
// columns and of rows of the given key columns.
func newKeyComparer(l *Layout, run arrow.RecordBatch, keys []arrow.Array) *keyComparer {
	c := &keyComparer{columns: make([]func(i, j int) int, len(l.SortKey))}
	for i, id := range l.SortKey {
		k := l.Index(id)
		c.columns[i] = comparer(l.Columns[k].Type, run.Column(k), keys[i])
	}
	return c
}

// comparer returns a function that compares row i of a with row j of b, which are
// not NULL.
func comparer(t datum.Type, a, b arrow.Array) func(i, j int) int {
	switch a := a.(type) {
	case *array.Int64:
		return compareNumbers(a.Int64Values(), b.(*array.Int64).Int64Values())
	case *array.Int32:
		return compareNumbers(a.Int32Values(), b.(*array.Int32).Int32Values())
	case *array.Timestamp:
		return compareNumbers(a.TimestampValues(), b.(*array.Timestamp).TimestampValues())
	case *array.String:
		if orderOf(t) == orderBytes {
			b := b.(*array.String)
			return func(i, j int) int { return strings.Compare(a.Value(i), b.Value(j)) }
		}
	case *array.FixedSizeBinary:
		if t.OID == datum.UUID {
			b := b.(*array.FixedSizeBinary)
			return func(i, j int) int { return bytes.Compare(a.Value(i), b.Value(j)) }
		}
	}
	return func(i, j int) int { return datum.CompareAt(t, a, i, b, j) }
}

func compareNumbers[T cmp.Ordered](a, b []T) func(i, j int) int {
	return func(i, j int) int { return cmp.Compare(a[i], b[j]) }
}

// compare compares row i of the run with row j of the keys.
func (c *keyComparer) compare(i, j int) int {
	for _, f := range c.columns {
		if x := f(i, j); x != 0 {
			return x
		}
	}
	return 0
}

// strict says whether each of n rows is before the next one, if the keys are those
// of the run.
func (c *keyComparer) strict(n int) bool {
	for i := 1; i < n; i++ {
		if c.compare(i-1, i) >= 0 {
			return false
		}
	}
	return true
}

// gallop returns the first row of from..n-1 that is not before row j of the keys, n
// if there is none. It looks at rows close to from first.
func (c *keyComparer) gallop(from, n, j int) int {
	step := 1
	for from+step-1 < n && c.compare(from+step-1, j) < 0 {
		from += step
		step *= 2
	}
	return c.search(from, min(from+step-1, n), j)
}

// search returns the first row of from..to-1 that is not before row j of the keys,
// to if there is none.
func (c *keyComparer) search(from, to, j int) int {
	for from < to {
		mid := int(uint(from+to) / 2)
		if c.compare(mid, j) < 0 {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from
}
