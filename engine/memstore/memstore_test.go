package memstore_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		return storetest.Harness{Store: memstore.New(nil), Reopen: func(s store.Store) store.Store {
			c := s.(*memstore.Store).Clone(nil)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return c
		}}
	})
}

func TestSharedConformance(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) storetest.SharedHarness {
		s := memstore.New(nil)
		var passed atomic.Int64
		start := time.Now()
		s.SetClock(func() time.Time { return start.Add(time.Duration(passed.Load())) })
		return storetest.SharedHarness{
			Node: func() store.Shared { return s.Node(nil) },
			Pass: func(d time.Duration) { passed.Add(int64(d)) },
		}
	})
}

func TestOutcomes(t *testing.T) {
	ctx := context.Background()
	log := store.LogID{Kind: store.CommitLog, Key: "k"}
	mine := errors.New("mine")
	verdicts := map[int]memstore.Verdict{
		1: {Outcome: memstore.Fail},
		2: {Outcome: memstore.Lose, Err: mine},
		3: {Outcome: memstore.Delay},
		4: {Outcome: memstore.Delay},
	}
	s := memstore.New(func(c memstore.Call) memstore.Verdict { return verdicts[c.N] })
	for i, test := range []struct {
		seq  uint64
		data string
		want error
	}{
		{1, "failed", memstore.ErrInjected},
		{1, "lost", mine},
		{2, "late", memstore.ErrInjected},
		{2, "later", memstore.ErrInjected},
		{1, "second", store.ErrConflict},
	} {
		if err := s.Append(ctx, log, test.seq, []byte(test.data)); !errors.Is(err, test.want) {
			t.Fatalf("append %d: %v, want %v", i, err, test.want)
		}
	}
	if got, err := storetest.Collect(ctx, s, log, 1); err != nil || len(got) != 1 || got[0] != "lost" {
		t.Fatalf("before the late ones: %q, %v", got, err)
	}
	if n := s.Deliver(); n != 2 {
		t.Fatalf("%d late calls, want 2", n)
	}
	if got, err := storetest.Collect(ctx, s, log, 1); err != nil || len(got) != 2 || got[1] != "late" {
		t.Fatalf("after the late ones: %q, %v", got, err)
	}
}
