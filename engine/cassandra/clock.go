package cassandra

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// clock gives the times of plain writes, in microseconds. They rise strictly, so
// that of two writes of this store the later one wins.
type clock struct{ last atomic.Int64 }

func (c *clock) now() int64 { return c.after(0) }

// after returns a time after micros, and makes all later ones later.
func (c *clock) after(micros int64) int64 {
	for {
		last := c.last.Load()
		next := max(time.Now().UnixMicro(), last+1, micros+1)
		if c.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

const (
	firstBackoff   = 5 * time.Millisecond
	longestBackoff = time.Second
)

// backoff is how long to wait before try number n, from 1: doubled each time,
// and a random part of it, so that those who met do not meet again.
func backoff(n int) time.Duration {
	d := longestBackoff
	if n < 8 {
		d = firstBackoff << n
	}
	return d/2 + rand.N(d/2)
}
