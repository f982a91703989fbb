package split_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/split"
	"github.com/phyllodb/phyllo/engine/store"
)

var ctx = context.Background()

func sourceLog(writer string, epoch uint64) store.LogID {
	return store.LogID{Kind: store.SourceLog, Key: commitlog.Source{Writer: writer, Epoch: epoch}.String()}
}

// TestWhere appends to logs of all kinds and looks where they are.
func TestWhere(t *testing.T) {
	for _, local := range []bool{false, true} {
		t.Run(fmt.Sprintf("local=%v", local), func(t *testing.T) {
			shared, own := memstore.New(nil), memstore.New(nil)
			before := map[store.LogID]*memstore.Store{sourceLog("me", 1): shared, sourceLog("me", 2): own}
			for log, s := range before {
				if err := s.Append(ctx, log, 1, []byte("before")); err != nil {
					t.Fatal(err)
				}
			}
			s := split.New(shared, own, "me", local)
			mine := shared
			if local {
				mine = own
			}
			for log, where := range map[store.LogID]*memstore.Store{
				sourceLog("me", 3):                   mine,
				sourceLog("you", 3):                  shared,
				{Kind: store.CommitLog, Key: "c"}:    shared,
				{Kind: store.CatalogueLog, Key: "p"}: shared,
			} {
				for seq := range uint64(3) {
					if err := s.Append(ctx, log, seq+1, []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				if head, err := where.Head(ctx, log); head != 3 || err != nil {
					t.Errorf("%v: head %d, %v in the store where it should be", log, head, err)
				}
			}
			for log, where := range before {
				if err := s.Append(ctx, log, 2, []byte("after")); err != nil {
					t.Errorf("%v: %v", log, err)
				}
				n := 0
				for e, err := range s.Read(ctx, log, 1) {
					if err != nil {
						t.Fatal(err)
					}
					n = int(e.Seq)
				}
				if n != 2 {
					t.Errorf("%v: read up to entry %d, want 2", log, n)
				}
				if err := s.Trim(ctx, log, 2); err != nil {
					t.Error(err)
				}
				if first, err := where.First(ctx, log); first != 2 || err != nil {
					t.Errorf("%v: first %d, %v after a trim, want 2", log, first, err)
				}
			}
			logs, err := s.List(ctx, store.SourceLog)
			if err != nil || len(logs) != 4 {
				t.Errorf("source logs: %v, %v, want 4", logs, err)
			}
			for log := range before {
				if err := s.Drop(ctx, log); err != nil {
					t.Fatal(err)
				}
				if logs, err := s.List(ctx, store.SourceLog); err != nil || slices.Contains(logs, log) {
					t.Errorf("%v is there after it was dropped: %v", log, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
