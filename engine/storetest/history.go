package storetest

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/phyllodb/phyllo/engine/store"
)

var seedFlag = flag.Uint64("storetest.seed", 0, "seed of the random histories; 0: a few fixed ones and one by chance")

// Seeds returns the seeds that random tests run with.
func Seeds() []uint64 {
	switch {
	case *seedFlag != 0:
		return []uint64{*seedFlag}
	case testing.Short():
		return []uint64{1, rand.Uint64()}
	}
	return []uint64{1, 2, 3, rand.Uint64()}
}

// testRandomHistory does random calls on a few logs and compares each answer
// with a model, with restarts between.
func testRandomHistory(t *testing.T, f *fixture) {
	for _, seed := range Seeds() {
		t.Logf("seed %d (-storetest.seed)", seed)
		h := &history{fixture: f, rng: rand.New(rand.NewPCG(seed, 0)), logs: map[store.LogID]*modelLog{}, seed: seed}
		for range 300 {
			h.step()
		}
		f.restart()
		for id := range h.logs {
			h.check(id)
			f.do("drop", f.s.Drop(f.ctx, id))
		}
	}
}

type modelLog struct {
	first   uint64
	entries []string
}

type history struct {
	*fixture
	rng  *rand.Rand
	logs map[store.LogID]*modelLog
	seed uint64
	n    int
}

func (h *history) step() {
	kinds := []store.LogKind{store.SourceLog, store.CommitLog, store.CatalogueLog}
	id := store.LogID{Kind: kinds[h.rng.IntN(3)], Key: fmt.Sprint("log ", h.rng.IntN(4))}
	l := h.logs[id]
	if l == nil {
		l = &modelLog{first: 1}
		h.logs[id] = l
	}
	head := l.first + uint64(len(l.entries)) - 1
	h.n++
	switch p := h.rng.IntN(100); {
	case p < 60:
		data := fmt.Sprintf("%d-%d-%0*d", h.seed, h.n, h.rng.IntN(2000), 0)
		h.append(id, head+1, data)
		l.entries = append(l.entries, data)
	case p < 68:
		seq := head + uint64(h.rng.IntN(9)) - 4
		if seq != head+1 {
			h.conflict(id, seq)
		}
	case p < 78:
		seq := l.first + uint64(h.rng.IntN(len(l.entries)+3))
		h.do("trim", h.s.Trim(h.ctx, id, seq))
		cut := min(seq-l.first, uint64(len(l.entries)))
		l.entries = l.entries[cut:]
		l.first += cut
	case p < 81:
		h.do("drop", h.s.Drop(h.ctx, id))
		delete(h.logs, id)
	case p < 84:
		h.restart()
	default:
		h.check(id)
	}
}

func (h *history) check(id store.LogID) {
	h.t.Helper()
	l := h.logs[id]
	h.head(id, l.first+uint64(len(l.entries))-1)
	h.read(id, l.first, l.entries...)
	if l.first > 1 {
		if _, err := Collect(h.ctx, h.s, id, l.first-1); !errors.Is(err, store.ErrTrimmed) {
			h.t.Fatalf("seed %d: read of %v below %d: %v, want ErrTrimmed", h.seed, id, l.first, err)
		}
	}
}
