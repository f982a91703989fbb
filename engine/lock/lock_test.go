package lock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func TestModesOfTables(t *testing.T) {
	for _, c := range []struct {
		have, want Modes
		waits      bool
	}{
		{RowExclusive, RowExclusive, false},
		{RowExclusive, Define, true},
		{Define, RowExclusive, true},
		{Define, Define, true},
		{Define, Read, false},
		{Read, AccessExclusive, true},
		{Define, AccessShare, true},
	} {
		run(t, Options{}, func(s *script) {
			s.gets("a", lockTable(tableA, c.have))
			s.gets("other", lockTable(tableB, Define))
			if !c.waits {
				s.gets("b", lockTable(tableA, c.want))
				return
			}
			s.waits("b", lockTable(tableA, c.want))
			s.release("a")
			s.got("b")
		})
	}
}

func TestReentrantAndUpgrade(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockTable(tableA, RowExclusive))
		s.gets("a", lockTable(tableA, RowExclusive))
		s.gets("a", lockTable(tableA, Define))
		s.gets("a", lockTable(tableA, RowExclusive)) // does not give up Define
		s.gets("a", lockKeys(tableA, "xyx"))
		s.waits("b", lockTable(tableA, RowExclusive))
		s.release("a")
		s.got("b")

		s.gets("c", lockTable(tableA, RowExclusive))
		s.waits("b", lockTable(tableA, Define))
		s.release("c")
		s.got("b")
	})
}

func TestUpgradersDeadlock(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockTable(tableA, RowExclusive))
		s.gets("b", lockTable(tableA, RowExclusive))
		s.waits("a", lockTable(tableA, Define))
		s.deadlocks("b", lockTable(tableA, Define))
		s.stillWait("a") // b still has RowExclusive
		s.release("b")
		s.got("a")
	})
}

// An upgrade goes before requests that wait for the upgrader anyway.
func TestUpgradeBeforeOlderRequest(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockTable(tableA, RowExclusive))
		s.gets("b", lockTable(tableA, RowExclusive))
		s.waits("c", lockTable(tableA, Define))
		s.waits("a", lockTable(tableA, Define))
		s.release("b")
		s.got("a")
		s.stillWait("c")
		s.release("a")
		s.got("c")
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("w1", lockTable(tableA, RowExclusive))
		s.waits("x1", lockTable(tableA, Define))
		s.waits("w2", lockTable(tableA, RowExclusive)) // w1 would let it in, but x1 was first
		s.waits("w3", lockTable(tableA, RowExclusive))
		s.waits("x2", lockTable(tableA, Define))
		s.waits("w4", lockTable(tableA, RowExclusive))
		s.gets("w1", lockKeys(tableA, "k")) // who has the lock already is not held up
		s.release("w1")
		s.got("x1")
		s.stillWait("w2", "w3", "x2", "w4")
		s.release("x1")
		s.got("w2", "w3")
		s.stillWait("x2", "w4")
		s.release("w2")
		s.stillWait("x2", "w4")
		s.release("w3")
		s.got("x2")
		s.release("x2")
		s.got("w4")
	})
}

func TestKeys(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockKeys(tableA, "cab"))
		s.gets("a", lockKeys(tableA, "abd"))
		s.gets("b", lockKeys(tableA, "xyz"))
		s.gets("c", lockKeys(tableB, "abc"))
		if st := s.m.Stats(); st.Keys != 4+3+3 || st.Tables != 3 || !s.m.KeysHeld(tableA) {
			t.Fatalf("stats: %+v", st)
		}
		s.waits("c", lockKeys(tableA, "d1"))
		s.waits("d", lockKeys(tableA, "d"))
		s.waits("e", lockKeys(tableA, "1")) // which c got on its way
		s.release("a")
		s.got("c")
		s.stillWait("d", "e")
		s.release("c")
		s.got("d", "e")
		s.waits("ddl", lockTable(tableA, Define)) // keys come with RowExclusive
		s.release("b")
		s.release("d")
		s.stillWait("ddl")
		s.release("e")
		s.got("ddl")
		s.waits("a", lockKeys(tableA, "a"))
		s.release("ddl")
		s.got("a")
		if s.m.KeysHeld(tableB) {
			t.Fatal("keys of tableB are held")
		}
		s.gets("a", lockKeys(tableB, ""))
		if s.m.KeysHeld(tableB) {
			t.Fatal("keys of tableB are held")
		}
	})
}

// Calls take their keys in order, whatever the order of the argument.
func TestCallsDoNotDeadlock(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("z", lockKeys(tableA, "m"))
		s.waits("a", lockKeys(tableA, "zma"))
		s.waits("b", lockKeys(tableA, "amz"))
		s.release("z")
		s.got("a")
		s.release("a")
		s.got("b")
	})
}

func TestDeadlockOfKeys(t *testing.T) {
	names := map[datum.OID]string{tableA: "buses", tableB: "stops"}
	opts := Options{TableName: func(id datum.OID) string { return names[id] }}
	run(t, opts, func(s *script) {
		s.gets("a", lockKeys(tableA, "1"))
		s.gets("b", lockKeys(tableB, "2"))
		s.gets("c", lockTable(tableB, RowExclusive))
		s.gets("c", lockKeys(tableA, "3"))
		s.waits("a", lockKeys(tableB, "2"))
		s.waits("c", lockKeys(tableA, "1"))
		e := s.deadlocks("b", lockTable(tableB, Define)) // c writes it, and waits for a, which waits for b
		n := func(name string) uint64 { return s.owner(name).p.number }
		wantEither := []string{
			fmt.Sprintf("Transaction %d waits for AccessExclusiveLock on table stops; blocked by transaction %d.\n"+
				"Transaction %d waits for ExclusiveLock on a row of table buses; blocked by transaction %d.\n"+
				"Transaction %d waits for ExclusiveLock on a row of table stops; blocked by transaction %d.",
				n("b"), n("c"), n("c"), n("a"), n("a"), n("b")),
			fmt.Sprintf("Transaction %d waits for AccessExclusiveLock on table stops; blocked by transaction %d.\n"+
				"Transaction %d waits for ExclusiveLock on a row of table stops; blocked by transaction %d.",
				n("b"), n("a"), n("a"), n("b")), // for a has come to write stops too
		}
		if e.Detail != wantEither[0] && e.Detail != wantEither[1] {
			t.Fatalf("detail:\n%s\nwant one of\n%s", e.Detail, strings.Join(wantEither, "\nor\n"))
		}
		s.stillWait("a", "c")
		s.release("b")
		s.got("a")
		s.release("a")
		s.got("c")
		if st := s.m.Stats(); st.Deadlocks != 1 || st.Waits != 3 {
			t.Fatalf("stats: %+v", st)
		}
	})
}

// A ring that exists only by places in a queue is a deadlock too.
func TestDeadlockByPlace(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockTable(tableA, RowExclusive))
		s.gets("c", lockKeys(tableB, "1"))
		s.waits("b", lockTable(tableA, Define))
		s.waits("c", lockTable(tableA, RowExclusive))
		e := s.deadlocks("a", lockKeys(tableB, "1"))
		if lines := strings.Split(e.Detail, "\n"); len(lines) != 3 {
			t.Fatalf("detail: %s", e.Detail)
		}
		s.release("a")
		s.got("b")
		s.release("b")
		s.got("c")
	})
}

func TestEscalation(t *testing.T) {
	run(t, Options{MaxKeysPerTable: 3}, func(s *script) {
		s.gets("a", lockKeys(tableA, "abc"))
		s.gets("a", lockKeys(tableA, "cba"))
		s.gets("b", lockKeys(tableA, "z"))
		s.waits("c", lockKeys(tableA, "a"))
		s.waits("a", lockKeys(tableA, "d")) // b has a key
		s.waits("d", lockKeys(tableA, "y"))
		if st := s.m.Stats(); st.Keys != 4 || st.AllKeys != 0 {
			t.Fatalf("stats: %+v", st)
		}
		s.gets("b", lockKeys(tableA, "x")) // a waits for it anyway
		s.release("b")
		s.got("a")
		s.stillWait("c", "d")
		if st := s.m.Stats(); st.Keys != 0 || st.AllKeys != 1 || st.Escalations != 1 || !s.m.KeysHeld(tableA) {
			t.Fatalf("stats: %+v", st)
		}
		if h := s.owner("a").held[Table(tableA)]; h.keys != nil || h.keyBytes != 0 {
			t.Fatalf("single keys are kept: %v", h.keys)
		}
		s.gets("a", lockKeys(tableA, "pqrstuvw"))
		s.gets("e", lockTable(tableA, RowExclusive)) // all keys are not the table
		s.gets("e", lockKeys(tableB, "a"))
		s.waits("e", lockKeys(tableA, "e"))
		s.waits("f", lockKeys(tableA, "1234"))
		s.waits("g", lockKeys(tableA, "g"))
		s.release("a")
		s.got("c", "d", "e")
		s.stillWait("f", "g") // g came after f
		s.release("c")
		s.release("d")
		s.release("e")
		s.got("f")
		if st := s.m.Stats(); st.Keys != 0 || st.AllKeys != 1 || st.Escalations != 2 {
			t.Fatalf("stats: %+v", st)
		}
		s.release("f")
		s.got("g")
	})
}

func TestEscalationByBytes(t *testing.T) {
	run(t, Options{MaxKeyBytesPerTable: 10}, func(s *script) {
		long := func(keys ...string) call {
			return func(ctx context.Context, o *Owner) error {
				var ks [][]byte
				for _, k := range keys {
					ks = append(ks, []byte(k))
				}
				return keysOf(ctx, o, tableA, ks)
			}
		}
		s.gets("a", long("12345", "67890", "12345"))
		if st := s.m.Stats(); st.Keys != 2 || st.AllKeys != 0 {
			t.Fatalf("stats: %+v", st)
		}
		s.gets("a", long("x"))
		if st := s.m.Stats(); st.Keys != 0 || st.AllKeys != 1 {
			t.Fatalf("stats: %+v", st)
		}
		s.release("a")
		s.gets("b", long("12345678901"))
		if st := s.m.Stats(); st.Keys != 0 || st.AllKeys != 1 {
			t.Fatalf("stats: %+v", st)
		}
	})
}

func TestTwoThatEscalateDeadlock(t *testing.T) {
	run(t, Options{MaxKeysPerTable: 2}, func(s *script) {
		s.gets("a", lockKeys(tableA, "ab"))
		s.gets("b", lockKeys(tableA, "yz"))
		s.waits("a", lockKeys(tableA, "c"))
		s.deadlocks("b", lockKeys(tableA, "x"))
		s.release("b")
		s.got("a")
	})
}

// Requests far beyond the default limit keep nothing of their keys.
func TestDefaultLimit(t *testing.T) {
	m := New(Options{})
	o := m.NewOwner()
	defer o.Release()
	var ks [][]byte
	for i := range DefaultMaxKeysPerTable + 1 {
		ks = append(ks, fmt.Appendf(nil, "%08d", i))
	}
	if err := keysOf(t.Context(), o, tableA, ks[1:]); err != nil {
		t.Fatal(err)
	}
	if st := m.Stats(); st.Keys != DefaultMaxKeysPerTable || st.AllKeys != 0 {
		t.Fatalf("stats: %+v", st)
	}
	if err := keysOf(t.Context(), o, tableA, ks[:1]); err != nil {
		t.Fatal(err)
	}
	validate(t, m)
	if st := m.Stats(); st.Keys != 0 || st.AllKeys != 1 {
		t.Fatalf("stats: %+v", st)
	}
	o.Release()
	if err := keysOf(t.Context(), o, tableA, ks); err != nil {
		t.Fatal(err)
	}
	if st := m.Stats(); st.Keys != 0 || st.AllKeys != 1 {
		t.Fatalf("stats: %+v", st)
	}
}

// A large release lets others at the manager between its parts.
func TestLargeRelease(t *testing.T) {
	run(t, Options{}, func(s *script) {
		var ks [][]byte
		for i := range 5*keysPerHold + 1 {
			ks = append(ks, fmt.Appendf(nil, "%08d", i))
		}
		large := func(ctx context.Context, o *Owner) error { return keysOf(ctx, o, tableA, ks) }
		s.gets("a", large)
		s.waits("b", large)
		s.waits("c", lockTable(tableA, Define))
		s.release("a")
		s.got("b")
		s.release("b")
		s.got("c")
	})
}

func TestLockTimeout(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockKeys(tableA, "ab"))
		s.owner("b").LockTimeout = 2 * time.Second
		s.waits("b", lockKeys(tableA, "1a"))
		s.waits("c", lockKeys(tableA, "1"))
		time.Sleep(2*time.Second - 1) // of the bubble's clock
		s.stillWait("b", "c")
		time.Sleep(1)
		err := s.result("b")
		if pgerr.Code(err) != pgerr.LockNotAvailable || err.Error() != "canceling statement due to lock timeout" {
			t.Fatalf("error: %v", err)
		}
		s.stillWait("c") // b keeps what it got
		s.release("b")
		s.got("c")
		s.owner("b").LockTimeout = 0
		s.waits("b", lockKeys(tableA, "b"))
		time.Sleep(24 * time.Hour)
		s.stillWait("b")
		s.release("a")
		s.got("b")
		if st := s.m.Stats(); st.Timeouts != 1 || st.Cancels != 0 {
			t.Fatalf("stats: %+v", st)
		}
	})
}

// Each key has its own time to wait.
func TestLockTimeoutIsPerWait(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockKeys(tableA, "a"))
		s.gets("b", lockKeys(tableA, "b"))
		s.owner("c").LockTimeout = 2 * time.Second
		s.waits("c", lockKeys(tableA, "ab"))
		time.Sleep(1500 * time.Millisecond)
		s.release("a")
		time.Sleep(1500 * time.Millisecond)
		s.stillWait("c")
		s.release("b")
		s.got("c")
	})
}

func TestCancel(t *testing.T) {
	run(t, Options{}, func(s *script) {
		ctx, cancel := context.WithCancel(s.t.Context())
		s.gets("w1", lockTable(tableA, RowExclusive))
		s.start(ctx, "x", lockTable(tableA, Define))
		s.waits("w2", lockTable(tableA, RowExclusive))
		s.waits("w3", lockKeys(tableA, "k"))
		s.stillWait("x")
		cancel()
		if err := s.result("x"); !errors.Is(err, context.Canceled) {
			t.Fatalf("error: %v", err)
		}
		s.got("w2", "w3") // only x was in their way
		s.start(ctx, "y", lockTable(tableA, RowExclusive))
		s.got("y") // what need not wait is had with a dead context too
		s.start(ctx, "x", lockTable(tableA, Define))
		if err := s.result("x"); !errors.Is(err, context.Canceled) {
			t.Fatalf("error: %v", err)
		}
		if st := s.m.Stats(); st.Cancels != 2 || st.Waiting != 0 {
			t.Fatalf("stats: %+v", st)
		}
	})
}

// What is canceled in the middle of the queue, or while it asks for all keys,
// leaves no trace.
func TestCancelInTheMiddle(t *testing.T) {
	run(t, Options{MaxKeysPerTable: 2}, func(s *script) {
		ctx, cancel := context.WithCancel(s.t.Context())
		s.gets("a", lockKeys(tableA, "ab"))
		s.waits("b", lockKeys(tableA, "a"))
		s.start(ctx, "c", lockKeys(tableA, "xyz"))
		s.waits("d", lockKeys(tableA, "m"))
		s.waits("e", lockKeys(tableA, "a"))
		cancel()
		if err := s.result("c"); !errors.Is(err, context.Canceled) {
			t.Fatalf("error: %v", err)
		}
		s.got("d")
		s.stillWait("b", "e")
		s.release("a")
		s.got("b")
		s.stillWait("e")
		s.release("b")
		s.got("e")
	})
}

// A grant that crosses a cancellation is kept: the lock is the owner's.
func TestGrantCrossesCancel(t *testing.T) {
	run(t, Options{}, func(s *script) {
		ctx, cancel := context.WithCancel(s.t.Context())
		s.gets("a", lockKeys(tableA, "a"))
		s.start(ctx, "b", lockKeys(tableA, "a"))
		s.m.mu.Lock()
		cancel()
		w := s.owner("b").p.waiting
		tab := w.table
		tab.takeBack(s.owner("a"), s.owner("a").held[Table(tableA)])
		s.owner("a").held = nil
		tab.wake()
		s.m.mu.Unlock()
		s.got("b")
		s.waits("c", lockKeys(tableA, "a"))
		s.release("b")
		s.got("c")
	})
}

func TestOwnerWithoutLocksIsCheap(t *testing.T) {
	m := New(Options{})
	if n := testing.AllocsPerRun(100, func() {
		o := m.NewOwner()
		o.Release()
	}); n > 2 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkKeys(b *testing.B) {
	for _, rows := range []int{1, 1000, 50_000} {
		b.Run(fmt.Sprintf("keys=%d", rows), func(b *testing.B) {
			m := New(Options{})
			var ks [][]byte
			for i := range rows {
				ks = append(ks, fmt.Appendf(nil, "vehicle-%012d", i))
			}
			b.ReportAllocs()
			for b.Loop() {
				o := m.NewOwner()
				if err := keysOf(b.Context(), o, tableA, ks); err != nil {
					b.Fatal(err)
				}
				o.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/key")
		})
	}
}

// Owners of one process do not stand in each other's way, and wait as one.
func TestProcess(t *testing.T) {
	run(t, Options{}, func(s *script) {
		p := s.m.NewProcess(7)
		s.owners["session"], s.owners["txn"] = p.NewOwner(), p.NewOwner()
		number := func(n int64, modes Modes) call {
			return func(ctx context.Context, o *Owner) error { _, err := o.Lock(ctx, Number(1, n), modes); return err }
		}
		s.gets("session", number(1, Exclusive))
		s.gets("txn", number(1, Exclusive))
		s.gets("other", lockKeys(tableA, "a"))
		s.waits("other", number(1, Share))
		e := s.deadlocks("txn", lockKeys(tableA, "a"))
		if !strings.Contains(e.Detail, "Process 7 waits for ExclusiveLock on a row of table 16384") ||
			!strings.Contains(e.Detail, "waits for ShareLock on advisory lock [1,0,1,1]; blocked by process 7.") {
			t.Errorf("detail: %s", e.Detail)
		}
		if got := s.m.Blocking(7); len(got) > 0 {
			t.Errorf("process 7 waits for %v", got)
		}
		s.owners["session"].Unlock(Number(1, 1), Exclusive)
		s.stillWait("other")
		s.release("txn")
		s.got("other")
		// A transaction whose session goes on is in its way.
		s.release("other")
		s.gets("txn", lockKeys(tableA, "a"))
		s.owners["txn"].Detach()
		s.waits("session", lockKeys(tableA, "a"))
		s.release("txn")
		s.got("session")
	})
}

// Going back to a savepoint frees what was locked since, modes included.
func TestRollbackTo(t *testing.T) {
	run(t, Options{}, func(s *script) {
		s.gets("a", lockKeysAs(tableA, "k", ForKeyShare))
		mark := s.owner("a").Savepoint()
		s.gets("a", lockKeysAs(tableA, "kl", ForUpdate))
		s.gets("a", lockTable(tableB, Share))
		s.waits("b", lockKeysAs(tableA, "k", ForKeyShare))
		s.waits("c", lockKeysAs(tableA, "l", ForUpdate))
		s.waits("d", lockTable(tableB, RowExclusive))
		s.owner("a").RollbackTo(mark)
		s.got("b", "c", "d")
		s.waits("e", lockKeysAs(tableA, "k", ForUpdate))
		s.release("a")
		s.stillWait("e")
		s.release("b")
		s.got("e")
	})
}

// TryLock and TryKey never wait, and leave nothing behind.
func TestTry(t *testing.T) {
	run(t, Options{MaxKeysPerTable: 1}, func(s *script) {
		s.gets("a", lockKeysAs(tableA, "k", ForShare))
		b := s.owner("b")
		if !b.TryLock(Table(tableA), RowShare) || b.TryLock(Table(tableA), Exclusive) {
			t.Fatal("of the table")
		}
		if got, full := b.TryKey(tableA, []byte("k"), ForUpdate); got || full {
			t.Fatal("a key that is taken")
		}
		if got, _ := b.TryKey(tableA, []byte("k"), ForKeyShare); !got {
			t.Fatal("a key that is shared")
		}
		if got, full := b.TryKey(tableA, []byte("l"), ForUpdate); got || !full {
			t.Fatal("one key too many")
		}
		s.release("a")
		if got, full := b.TryKey(tableA, []byte("l"), ForUpdate); !got || !full {
			t.Fatal("all keys")
		}
	})
}
