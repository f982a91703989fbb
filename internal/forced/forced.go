// Package forced lets tests of packages above codec have a scheme of encoding taken
// wherever it can hold the values, whatever it costs. Nothing but tests sets it.
package forced

import "sync/atomic"

var (
	scheme atomic.Uint32 // a codec.Scheme; 0: none is forced
	taken  atomic.Int64
)

// Set has a codec.Scheme taken in the whole process until the function that it returns is
// called, which tells how often it was.
func Set(s uint8) (reset func() (times int64)) {
	taken.Store(0)
	scheme.Store(uint32(s))
	return func() int64 {
		scheme.Store(0)
		return taken.Load()
	}
}

// Any tells whether a scheme is forced.
func Any() bool { return scheme.Load() != 0 }

// Is tells whether a scheme is the one that is forced.
func Is(s uint8) bool { return s != 0 && scheme.Load() == uint32(s) }

// Take counts that a scheme was taken if it is forced.
func Take(s uint8) {
	if Is(s) {
		taken.Add(1)
	}
}
