package cassandratest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
)

// TestCheckpointsAreReplacedInOneStep has writers replace a checkpoint in parts
// while others read it: each sees one of those written, as a whole.
func TestCheckpointsAreReplacedInOneStep(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.Limits.InlineBytes, opts.Limits.PartBytes = 100, 1000
	const writers, rounds = 3, 20
	stores := make([]*cassandra.Store, writers+1)
	for i := range stores {
		stores[i] = open(t, opts)
		defer stores[i].Close()
	}
	data := func(w, n int) string { return fmt.Sprintf("%d-%d-%s", w, n, noise(uint64(w*1000+n), 3000)) }
	if err := stores[0].PutCheckpoint(t.Context(), commits, []byte(data(0, 0))); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range rounds {
				if err := stores[w].PutCheckpoint(t.Context(), commits, []byte(data(w, n))); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	reading.Go(func() {
		for !done.Load() {
			b, err := stores[writers].Checkpoint(t.Context(), commits)
			if err != nil {
				t.Errorf("checkpoint: %v", err)
				return
			}
			var w, n int
			if _, err := fmt.Sscanf(string(b[:min(len(b), 20)]), "%d-%d-", &w, &n); err != nil || string(b) != data(w, n) {
				t.Errorf("a checkpoint of %d bytes that nobody wrote", len(b))
				return
			}
		}
	})
	writing.Wait()
	done.Store(true)
	reading.Wait()
	srv := onServer(t)
	if n := srv.int(t, `SELECT count(*) FROM KS.parts`); n != 4 {
		t.Errorf("%d parts are left, want the 4 of the last", n)
	}
	if err := stores[0].DeleteCheckpoint(t.Context(), commits); err != nil {
		t.Fatal(err)
	}
	if n := srv.int(t, `SELECT count(*) FROM KS.parts`); n != 0 {
		t.Errorf("%d parts are left after the checkpoint was deleted", n)
	}
}

// TestCheckpointsUnderFaults loses answers and requests of the swaps of
// checkpoints: what was acknowledged last is there, whole.
func TestCheckpointsUnderFaults(t *testing.T) {
	seed := storetest.Seeds()[len(storetest.Seeds())-1]
	t.Logf("seed %d (-storetest.seed)", seed)
	opts := emptyKeyspace(t)
	opts.Limits.InlineBytes, opts.Limits.PartBytes = 100, 1000
	p := newProxy(t, opts.Hosts[0], 3*faultTimeout/2, randomFaults(seed, 40))
	p.match = "IF id"
	opts.Dial, opts.RequestTimeout, opts.ConnectTimeout = p.dial, faultTimeout, 5*time.Second
	s := open(t, opts)
	defer s.Close()
	for n := range 20 {
		log := store.LogID{Kind: store.CommitLog, Key: fmt.Sprint(n % 3)}
		want := fmt.Sprint(n, strings.Repeat("x", 2500))
		if err := s.PutCheckpoint(t.Context(), log, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if b, err := s.Checkpoint(t.Context(), log); err != nil || string(b) != want {
			t.Fatalf("checkpoint %d: %.20q, %v", n, b, err)
		}
		if n%5 == 4 {
			if err := s.DeleteCheckpoint(t.Context(), log); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Checkpoint(t.Context(), log); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("checkpoint that was deleted: %v", err)
			}
		}
	}
}
