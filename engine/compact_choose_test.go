package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// A choiceWorld is chunks without rows: what a chooser sees of flushes and merges.
type choiceWorld struct {
	now     time.Time
	ids     *chunk.IDs
	slices  map[int64][]*chunk.Entry
	seq     uint64 // of the last commit
	rewrote int64  // rows
	merges  int
}

func newChoiceWorld() *choiceWorld {
	w := &choiceWorld{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), slices: map[int64][]*chunk.Entry{}}
	w.ids = chunk.NewIDs(func() time.Time { return w.now })
	return w
}

func (w *choiceWorld) chooser() *chooser {
	return &chooser{keyed: true, now: w.now, limits: limits{lowest: 8, others: 4, cold: 15 * time.Minute}}
}

func keyAt(x uint64) []byte { return binary.BigEndian.AppendUint64(nil, x) }

// add makes the chunks of rows whose keys are spread over a range.
func (w *choiceWorld) add(slice int64, low, high uint64, rows int) (out []*chunk.Entry) {
	n := (rows + chunk.MaxRows - 1) / chunk.MaxRows
	w.seq++
	for left, from := rows, low; left > 0; {
		take := min(left, chunk.MaxRows)
		to := from + (high-low)/uint64(n)
		out = append(out, &chunk.Entry{ID: w.ids.Next(), Slice: slice, Rows: take, From: w.seq, KeyMin: keyAt(from), KeyMax: keyAt(to - 1)})
		left, from = left-take, to
	}
	w.slices[slice] = append(w.slices[slice], out...)
	return out
}

// compact does what is due in all slices, one merge after the other.
func (w *choiceWorld) compact(to aim) {
	for slice := range w.slices {
		for {
			in, _ := w.chooser().choose(w.slices[slice], to)
			if in == nil {
				break
			}
			rows, low, high := 0, ^uint64(0), uint64(0)
			for _, e := range in {
				rows += e.Rows
				low, high = min(low, binary.BigEndian.Uint64(e.KeyMin)), max(high, binary.BigEndian.Uint64(e.KeyMax))
			}
			w.slices[slice] = slices.DeleteFunc(w.slices[slice], func(e *chunk.Entry) bool { return slices.Contains(in, e) })
			w.add(slice, low, high+1, rows)
			w.rewrote += int64(rows)
			w.merges++
		}
	}
}

// TestChoiceOfADay simulates a day of one partition with slices of an hour, flushed each
// minute, with a tenth of the rows up to a day late, and the day after it.
func TestChoiceOfADay(t *testing.T) {
	loads := []int{200, 5_000, 20_000}
	if testing.Short() { // as under the race detector, of which a simulation has no need
		loads = loads[:1]
	}
	for _, perMinute := range loads {
		t.Run(fmt.Sprintf("rows=%d", perMinute), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(perMinute)))
			w := newChoiceWorld()
			const keys = 1 << 40
			written, mostDepth, mostSpare := int64(0), 0, 0
			for minute := range 3 * 24 * 60 {
				w.now = w.now.Add(time.Minute)
				if minute < 2*24*60 {
					late := map[int64]int{int64(minute / 60): perMinute * 9 / 10}
					for range perMinute / 10 {
						late[int64((minute-rng.IntN(24*60))/60)]++
					}
					for slice, rows := range late {
						w.add(slice, 0, keys, rows)
						written += int64(rows)
					}
				}
				w.compact(tidy)
				for _, list := range w.slices {
					rows := 0
					for _, e := range list {
						rows += e.Rows
					}
					mostDepth = max(mostDepth, w.chooser().depth(list))
					mostSpare = max(mostSpare, len(list)-rows/chunk.MaxRows)
				}
			}
			amplification := float64(written+w.rewrote) / float64(written)
			t.Logf("%d rows, %d merges: each row is written %.2f times; at most %d chunks overlap, %d more chunks than would be full",
				written, w.merges, amplification, mostDepth, mostSpare)
			if mostDepth > 24 || mostSpare > 40 {
				t.Errorf("%d chunks overlap, %d more chunks than would be full", mostDepth, mostSpare)
			}
			if amplification > 9 {
				t.Errorf("each row is written %.2f times", amplification)
			}
			for slice, list := range w.slices {
				if in := w.chooser().overlapping(list); in != nil {
					t.Errorf("slice %d is cold and not compacted: %d of %d chunks", slice, len(in), len(list))
				}
			}
		})
	}
}

// TestChoiceOfSeldomLateRows has a large slice to which a few rows come now and then: it is
// not rewritten each time.
func TestChoiceOfSeldomLateRows(t *testing.T) {
	w := newChoiceWorld()
	w.add(0, 0, 1<<40, 50*chunk.MaxRows)
	for range 3 * 24 * 4 {
		w.now = w.now.Add(20 * time.Minute)
		w.add(0, 0, 1<<40, 100)
		w.compact(tidy)
	}
	t.Logf("%d rows rewritten in %d merges", w.rewrote, w.merges)
	if w.rewrote > 2*50*chunk.MaxRows {
		t.Errorf("%d rows were rewritten for %d", w.rewrote, 3*24*4*100)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.compact(tidy)
	if w.chooser().depth(w.slices[0]) != 1 {
		t.Error("a cold slice has chunks that overlap")
	}
}

// TestChoiceInOrder: chunks that come in the order of their keys are put together, and
// those that are filled are left alone, whichever way they come.
func TestChoiceInOrder(t *testing.T) {
	for _, falling := range []bool{false, true} {
		w := newChoiceWorld()
		for i := range 1000 {
			at := uint64(i)
			if falling {
				at = 1000 - at
			}
			w.now = w.now.Add(time.Minute)
			w.add(0, at<<20, (at+1)<<20, 2000)
			w.compact(tidy)
		}
		amplification := float64(w.rewrote)/2_000_000 + 1
		t.Logf("falling=%v: %d chunks, each row is written %.2f times", falling, len(w.slices[0]), amplification)
		if amplification > 6 || len(w.slices[0]) > 2*31+24 {
			t.Errorf("%d chunks, each row is written %.2f times", len(w.slices[0]), amplification)
		}
		w = newChoiceWorld()
		for i := range uint64(100) {
			if falling {
				i = 100 - i
			}
			w.add(0, i<<20, (i+1)<<20, chunk.MaxRows)
			w.now = w.now.Add(time.Hour)
			w.compact(tidy)
			w.compact(packed)
		}
		if w.merges != 0 {
			t.Errorf("falling=%v: %d merges of chunks that are filled and do not overlap", falling, w.merges)
		}
	}
}

// TestChoiceEnds merges random chunks until nothing is chosen.
func TestChoiceEnds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		w := newChoiceWorld()
		for range rng.IntN(40) {
			low := rng.Uint64N(1 << 20)
			w.add(0, low, low+100+rng.Uint64N(1<<uint(7+rng.IntN(14))), 1+rng.IntN(1<<uint(1+rng.IntN(18))))
		}
		before := 0
		for _, e := range w.slices[0] {
			before += e.Rows
		}
		w.compact(compacted)
		list := byKey(w.slices[0])
		rows := 0
		for i, e := range list {
			rows += e.Rows
			if i == 0 {
				continue
			}
			if string(e.KeyMin) <= string(list[i-1].KeyMax) {
				t.Fatal("chunks overlap")
			}
			if e.Rows+list[i-1].Rows <= chunk.MaxRows {
				t.Fatalf("chunks of %d and %d rows lie beside each other", list[i-1].Rows, e.Rows)
			}
		}
		if rows != before {
			t.Fatalf("%d rows of %d", rows, before)
		}
		w.compact(packed)
		for i, e := range byKey(w.slices[0]) {
			if e.Rows < chunk.MaxRows && i+1 < len(w.slices[0]) {
				t.Fatalf("chunk %d of %d has %d rows", i, len(w.slices[0]), e.Rows)
			}
		}
	}
}

// TestChoiceOfWideRows: chunks that were cut because of their bytes are left alone, also by
// who did not see them made.
func TestChoiceOfWideRows(t *testing.T) {
	w := newChoiceWorld()
	w.seq = 7
	for i := range uint64(50) {
		w.slices[0] = append(w.slices[0], &chunk.Entry{ID: w.ids.Next(), Rows: 900, From: w.seq, KeyMin: keyAt(i << 20), KeyMax: keyAt(i<<20 + 5),
			Columns: []chunk.ColumnEntry{{Size: 1 << 20}}})
	}
	w.now = w.now.Add(100 * time.Hour)
	for _, to := range []aim{tidy, compacted, packed} {
		w.compact(to)
	}
	if w.merges != 0 {
		t.Errorf("%d merges", w.merges)
	}
	w.add(0, 3<<20, 4<<20, 10)
	w.compact(compacted)
	if n := len(w.slices[0]); w.chooser().depth(w.slices[0]) != 1 || n != 50 || w.merges != 1 {
		t.Errorf("%d chunks, %d overlap, after %d merges", n, w.chooser().depth(w.slices[0]), w.merges)
	}
}

// TestChoiceOfHastyChunks: what flushes wrote, and nothing overlaps, is encoded anew once no
// such chunk has come for a while, a number at a time and each once.
func TestChoiceOfHastyChunks(t *testing.T) {
	w := newChoiceWorld()
	for i := range uint64(40) {
		for _, e := range w.add(0, i<<20, (i+1)<<20, chunk.MaxRows) {
			e.Columns = []chunk.ColumnEntry{{Quick: i != 20}}
		}
	}
	w.now = w.now.Add(14 * time.Minute)
	in, wait := w.chooser().choose(w.slices[0], tidy)
	if in != nil || wait <= 0 || wait > time.Minute {
		t.Errorf("%d chunks after 14 minutes, to be asked again in %v", len(in), wait)
	}
	w.now = w.now.Add(wait)
	w.compact(tidy)
	for _, e := range w.slices[0] {
		if e.Quick() {
			t.Error("a chunk is as a flush wrote it")
		}
	}
	if w.merges != 4 || w.rewrote != 39*chunk.MaxRows { // 16, 4, 16 and 3 chunks
		t.Errorf("%d merges of %d rows", w.merges, w.rewrote)
	}
	w.now = w.now.Add(100 * time.Hour)
	for _, to := range []aim{tidy, compacted, packed, dense} {
		w.compact(to)
	}
	if w.merges != 4 {
		t.Errorf("%d more merges", w.merges-4)
	}
}
