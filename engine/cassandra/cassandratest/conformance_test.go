package cassandratest

import (
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
)

// smallLimits make buckets end and entries be large after a few bytes, so that
// every test meets both.
var smallLimits = cassandra.Limits{LogEntries: 3, LogBytes: 4000, InlineBytes: 500, PartBytes: 64 << 10, Chunks: 2, ColumnBytes: 1 << 20}

func TestConformance(t *testing.T) {
	for name, limits := range map[string]cassandra.Limits{"limits=default": {}, "limits=small": smallLimits} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Harness {
				opts := emptyKeyspace(t)
				opts.Limits = limits
				return storetest.Harness{Store: open(t, opts), Reopen: func(s store.Store) store.Store {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					return open(t, opts)
				}}
			})
			storetest.RunShared(t, func(t *testing.T) storetest.SharedHarness {
				opts := emptyKeyspace(t)
				opts.Limits = limits
				return storetest.SharedHarness{
					Node: func() store.Shared { return open(t, opts) },
					Pass: func(d time.Duration) { // the servers' clocks cannot be moved
						<-time.After(d)
					},
				}
			})
		})
	}
}
