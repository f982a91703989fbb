package local_test

import (
	"testing"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/vfs"
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
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		opts := options(t)
		return storetest.Harness{Store: mustOpen(t, opts), Reopen: func(s engine.Store) engine.Store {
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
