// Package clock is the hybrid logical clock that orders transactions: close to
// the time of day, yet never the same value twice and never back, not even
// when the time of day is set back or the values of others run ahead of it.
//
// The scheme is that of Kulkarni et al., "Logical Physical Clocks", OPODIS
// 2014, with time and counter in one number: values that are taken faster than
// time passes borrow from the microseconds to come.
package clock

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// A Clock gives values in microseconds since the Unix epoch. It is safe for
// concurrent use.
type Clock struct {
	now  func() time.Time
	last atomic.Int64 // the greatest value taken or observed, 0 if none
}

// New returns a clock that reads the time of day from now, such as time.Now.
// now is called concurrently.
func New(now func() time.Time) *Clock { return &Clock{now: now} }

// Take reserves n ≥ 1 consecutive values and returns the first. They are
// positive, greater than all values taken or observed before, and at least the
// time of day. Nobody else gets one of them. It panics when int64 has no n
// values left: then garbage has been observed, and nothing could be ordered.
func (c *Clock) Take(n int) (first int64) {
	if n < 1 {
		panic(fmt.Sprintf("clock: bug: Take(%d)", n))
	}
	wall := c.now().UnixMicro()
	for {
		last := c.last.Load()
		if max(wall, last) >= math.MaxInt64-int64(n) {
			panic(fmt.Sprintf("clock: there are no %d values after %d", n, max(wall, last)))
		}
		first = max(wall, last+1)
		if c.last.CompareAndSwap(last, first+int64(n)-1) {
			return first
		}
	}
}

// Observe makes all values that are taken later greater than v.
func (c *Clock) Observe(v int64) {
	for {
		last := c.last.Load()
		if v <= last || c.last.CompareAndSwap(last, v) {
			return
		}
	}
}

// Last returns the greatest value taken or observed, 0 if there is none.
func (c *Clock) Last() int64 { return c.last.Load() }
