package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/reading"
)

// TestClusterWaitsForOneRound has a statement come while a node reads other nodes' logs,
// in vain and for longer than Insist: that failure is the statement's, which does not
// wait for another attempt; one that comes in good time waits for the next attempt.
func TestClusterWaitsForOneRound(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", quiet)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, a.db, table, row{"k", 1, 1})

	errFirst, errSecond := errors.New("first attempt"), errors.New("second attempt")
	for _, c := range []struct {
		name string
		wait time.Duration // of the statement for the end of the first attempt
		want error
	}{
		{"long", fastCluster().Insist + 100*time.Millisecond, errFirst},
		{"in good time", fastCluster().Insist / 10, errSecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			var attempts atomic.Int64
			first, second := make(chan struct{}), make(chan struct{})
			fate := func(call memstore.Call) memstore.Verdict {
				if call.Op != memstore.OpList || call.Log.Kind != store.SourceLog {
					return memstore.Verdict{}
				}
				if attempts.Add(1) == 1 {
					<-first
					return memstore.Verdict{Outcome: memstore.Fail, Err: errFirst}
				}
				<-second
				return memstore.Verdict{Outcome: memstore.Fail, Err: errSecond}
			}
			a.fate.Store(&fate)
			defer a.fate.Store(nil)
			await(t, "an attempt", func() bool { return attempts.Load() > 0 })
			answer := make(chan error, 1)
			go func() {
				_, err := readAll(a.db, true, []datum.OID{table})
				answer <- err
			}()
			time.Sleep(c.wait) // it is the time itself that counts
			close(first)
			if c.want == errSecond {
				await(t, "a second attempt", func() bool { return attempts.Load() > 1 })
				close(second)
			} else {
				defer close(second)
			}
			select {
			case err := <-answer:
				if !errors.Is(err, c.want) {
					t.Errorf("the statement got %v, want %v", err, c.want)
				}
			case <-time.After(20 * time.Second):
				t.Error("the statement is still waiting")
			}
		})
	}
	await(t, "all goes well again", func() bool {
		_, err := readAll(a.db, true, []datum.OID{table})
		return err == nil
	})
	a.close()
}

// TestClusterReadAfterClose has a statement begin when its node has closed.
func TestClusterReadAfterClose(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", quiet)
	tx := begin(t, a.db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	if err := a.db.Close(); err != nil {
		t.Error(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- tx.Snapshot(reading.With(context.Background(), reading.Options{Latest: true})) }()
	select {
	case err := <-answer:
		if err == nil {
			t.Error("a closed node knows the latest")
		}
	case <-time.After(5 * time.Second):
		t.Error("the statement waits for ever")
	}
	a.store.Close()
}
