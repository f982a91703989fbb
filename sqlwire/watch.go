package sqlwire

import (
	"sync"
	"time"
)

// watchEvery is how often a connection is looked at while a statement runs.
const watchEvery = time.Second

// watch ends the connection if its client hangs up while a statement runs, which
// nobody reads from the socket to notice. The statement's end calls stop.
func (c *conn) watch() (stop func()) {
	var mu sync.Mutex // guards ended: the timer must not be set again after stop
	ended := false
	var timer *time.Timer
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return
		}
		if hungUp(c.raw) {
			c.terminate(errGone)
			return
		}
		timer.Reset(watchEvery)
	}
	mu.Lock()
	timer = time.AfterFunc(watchEvery, look)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		timer.Stop()
	}
}
