package chunk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// What is fetched ahead is what a scan reads in any case, and all at once.
func TestPrefetch(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := &Layout{SortKey: []schema.ColumnID{1}, Columns: []Column{
		{ID: 1, Name: "a", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "b", Type: datum.Of(datum.Text)}, {ID: 3, Name: "c", Type: datum.Of(datum.Float8)}}}
	batch := randomBatch(r, mem, l, 500, 0)
	defer batch.Release()
	sorted := must(SortRows(mem, l, []arrow.RecordBatch{batch}))
	defer sorted[0].Batch.Release()
	sealed := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, sorted[0].Batch))[0]
	entry := &sealed.Entry
	middle := entry.Columns[0].Min.(int32)/2 + entry.Columns[0].Max.(int32)/2
	for _, c := range []struct {
		name  string
		spec  ScanSpec
		want  []int
		merge bool
	}{
		{"all columns", ScanSpec{Columns: []schema.ColumnID{3, 2, 3}}, []int{1, 2}, false},
		{"a filter that the entry decides", ScanSpec{Columns: []schema.ColumnID{2}, Filter: []Predicate{{Column: 1, Op: OpIsNotNull}}}, []int{1}, false},
		{"a filter", ScanSpec{Columns: []schema.ColumnID{2, 3}, Filter: []Predicate{{Column: 1, Op: OpLT, Values: []datum.Value{middle}}}}, []int{0}, false},
		{"an excluded chunk", ScanSpec{Columns: []schema.ColumnID{2, 3}, Filter: []Predicate{{Column: 1, Op: OpIsNull}}}, nil, false},
		{"merged", ScanSpec{Columns: []schema.ColumnID{3}}, []int{0, 2}, true},
		{"merged and filtered", ScanSpec{Columns: []schema.ColumnID{3}, Filter: []Predicate{{Column: 2, Op: OpEQ, Values: []datum.Value{"x"}}}}, []int{0}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var got []int
			size := int64(0)
			var all sync.WaitGroup // blobs wait for one another: they come only if all are asked for at once
			all.Add(len(c.want))
			fetch := func(ctx context.Context, column int) ([]byte, bool, error) {
				if err := ctx.Err(); err != nil { // nothing is in memory
					return nil, false, err
				}
				mu.Lock()
				got = append(got, column)
				first := len(got) <= len(c.want)
				size += entry.Columns[column].Size
				mu.Unlock()
				if first {
					all.Done()
				}
				all.Wait()
				return sealed.Blobs[column], false, nil
			}
			split := NewSplit(entry, l, c.spec, fetch)
			if c.merge {
				split = NewMergeSplit([]MergeInput{{Entry: entry, Fetch: fetch}}, l, c.spec)
			}
			a := NewAhead(t.Context())
			bytes := split.(Prefetcher).Prefetch(a)
			all.Wait()
			mu.Lock()
			slices.Sort(got)
			if !slices.Equal(got, c.want) || bytes != size {
				t.Errorf("columns %v were fetched ahead (%d bytes), want %v (%d)", got, bytes, c.want, size)
			}
			mu.Unlock()
			var stats ScanStats
			for _, b := range scanAll(t, mem, split, &stats) {
				b.Release()
			}
			if unused := a.Close(); unused != 0 {
				t.Errorf("%d bytes were fetched in vain", unused)
			}
			slices.Sort(got)
			if len(slices.Compact(slices.Clone(got))) != len(got) || stats.BytesRead != size {
				t.Errorf("columns %v were fetched, %d bytes, the statistics say %d", got, size, stats.BytesRead)
			}
		})
	}
}

// Close ends fetches that nobody waits for and counts what came in vain.
func TestPrefetchClose(t *testing.T) {
	a := NewAhead(context.Background())
	came := make(chan struct{})
	fetch := a.begin(func(ctx context.Context, column int) ([]byte, bool, error) {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if column == 0 {
			defer close(came)
			return make([]byte, 7), true, nil
		}
		<-ctx.Done()
		return nil, false, ctx.Err()
	}, []int{0, 1})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := fetch(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("a reader that was cancelled got %v", err)
	}
	<-came
	if unused := a.Close(); unused != 7 {
		t.Fatalf("%d bytes were fetched in vain, want 7", unused)
	}
}

// What is in memory is there at once, and asked for once.
func TestPrefetchMemory(t *testing.T) {
	a := NewAhead(context.Background())
	asked := map[int]int{}
	fetch := a.begin(func(ctx context.Context, column int) ([]byte, bool, error) {
		if asked[column]++; ctx.Err() == nil {
			t.Errorf("column %d is read although it is in memory", column)
		}
		return make([]byte, 10+column), column == 2, nil
	}, []int{2, 0, 1})
	for _, column := range []int{0, 2} {
		b, checked, err := fetch(context.Background(), column)
		if len(b) != 10+column || checked != (column == 2) || err != nil || asked[column] != 1 {
			t.Errorf("column %d: %d bytes, checked %v, %v, asked for %d times", column, len(b), checked, err, asked[column])
		}
	}
	if unused := a.Close(); unused != 11 {
		t.Errorf("%d bytes were fetched in vain, want 11", unused)
	}
}
