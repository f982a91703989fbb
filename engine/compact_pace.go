package engine

import (
	"context"
	"sync"
	"time"
)

// A pace keeps what is read and written in the background to so many bytes a second. It is
// safe for concurrent use.
type pace struct {
	bytesPerSecond int64

	mu   sync.Mutex // guards next
	next time.Time  // what was spent is paid for then
}

// spend waits as long as n bytes take, less the time that has passed anyway.
func (p *pace) spend(ctx context.Context, n int64) error {
	if n <= 0 || p.bytesPerSecond <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	p.mu.Lock()
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.bytesPerSecond) * float64(time.Second)))
	p.mu.Unlock()
	if wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
