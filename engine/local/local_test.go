package local_test

import (
	"fmt"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/vfs"
	"go.uber.org/goleak"
)

func mustOpen(t testing.TB, opts local.Options) *local.Store {
	t.Helper()
	s, err := local.Open(opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func conformance(t *testing.T, options func(t *testing.T) local.Options) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		opts := options(t)
		return storetest.Harness{Store: mustOpen(t, opts), Reopen: func(s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			return mustOpen(t, opts)
		}}
	})
}

func TestConformance(t *testing.T) {
	t.Run("disk=os", func(t *testing.T) {
		conformance(t, func(t *testing.T) local.Options { return local.Options{Dir: t.TempDir()} })
	})
	t.Run("disk=mem", func(t *testing.T) {
		conformance(t, func(t *testing.T) local.Options {
			return local.Options{Dir: "/data", FS: vfs.NewMem()}
		})
	})
	t.Run("disk=mem/files=small/cache=none", func(t *testing.T) {
		conformance(t, func(t *testing.T) local.Options {
			return local.Options{Dir: "/data", FS: vfs.NewMem(), LogFileBytes: 4096, CacheBytes: -1}
		})
	})
}

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // thousands of stores in small heaps
	goleak.VerifyTestMain(m)
}

// BenchmarkAppend appends records of 1 KiB, each writer to its own log.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := mustOpen(b, local.Options{Dir: b.TempDir()})
			data := make([]byte, 1024)
			b.SetBytes(int64(len(data)))
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					log := store.LogID{Kind: store.SourceLog, Key: fmt.Sprint(w)}
					for i := range b.N/writers + 1 {
						if err := s.Append(ctx, log, uint64(i+1), data); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(s.Metrics().LogRecords.Load())/float64(s.Metrics().LogBatches.Load()), "records/fsync")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
