package chunk

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestChecked scans and sums a chunk whose blobs have wrong checksums: that is
// found unless whoever fetches says that they hold.
func TestChecked(t *testing.T) {
	l, s := busChunk(t)
	bad := *s
	bad.Blobs = slices.Clone(s.Blobs)
	for i, b := range bad.Blobs {
		if !ChecksumHolds(b) {
			t.Fatalf("checksum of blob %d does not hold", i)
		}
		b = slices.Clone(b)
		b[len(b)-1] ^= 1
		if ChecksumHolds(b) || ChecksumHolds(b[:3]) {
			t.Fatalf("wrong checksum of blob %d holds", i)
		}
		bad.Blobs[i] = b
	}
	spec := ScanSpec{Columns: []schema.ColumnID{3, 6}, Filter: []Predicate{{Column: 6, Op: OpGT, Values: []datum.Value{30.3}}}}
	for _, checked := range []bool{false, true} {
		fetch := func(_ context.Context, i int) ([]byte, bool, error) { return bad.Blobs[i], checked, nil }
		split := NewSplit(&s.Entry, l, spec, fetch)
		got, _, err := split.Aggregate(context.Background(), roomFor(memory.DefaultAllocator), []Aggregate{{Func: AggSum, Column: 3}}, &ScanStats{})
		if checked {
			want, _, err2 := NewSplit(&s.Entry, l, spec, fetcher(s)).Aggregate(context.Background(), roomFor(memory.DefaultAllocator), []Aggregate{{Func: AggSum, Column: 3}}, &ScanStats{})
			if err != nil || err2 != nil || got[0].Float != want[0].Float || got[0].Count != want[0].Count || got[0].Count == 0 {
				t.Fatalf("got %+v, %v; want %+v, %v", got, err, want, err2)
			}
		} else if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("a wrong checksum: %v", err)
		}
		r, err := split.Scan(context.Background(), roomFor(memory.DefaultAllocator), &ScanStats{})
		if err == nil {
			r.Close()
		}
		if checked != (err == nil) || !checked && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("scan, checked %v: %v", checked, err)
		}
	}
}
