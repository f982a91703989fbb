package blobcache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/phyllodb/phyllo/engine/blobcache"
	"github.com/phyllodb/phyllo/internal/reading"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reader counts the reads of each key.
type reader struct {
	mu    sync.Mutex
	reads map[int]int
}

func (r *reader) read(key, size int) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reads[key]++
		return make([]byte, size), nil
	}
}

func get(t *testing.T, c *blobcache.Cache[int], r *reader, key, size int) {
	t.Helper()
	if b, _, err := c.Get(t.Context(), key, r.read(key, size)); err != nil || len(b) != size {
		t.Fatalf("get %d: %d bytes, %v", key, len(b), err)
	}
}

func TestBudget(t *testing.T) {
	c, r := blobcache.New[int](100), &reader{reads: map[int]int{}}
	for _, step := range []struct {
		key, size     int
		reads         int // of the key, so far
		bytes, evicts int64
	}{
		{1, 40, 1, 40, 0},
		{2, 40, 1, 80, 0},
		{1, 40, 1, 80, 0},   // 2 is the oldest now
		{3, 40, 1, 80, 1},   // takes its place
		{1, 40, 1, 80, 1},   //
		{2, 40, 2, 80, 2},   // takes 3's
		{4, 101, 1, 80, 2},  // too large to keep
		{4, 101, 2, 80, 2},  //
		{5, 100, 1, 100, 4}, // fits alone
		{6, 0, 1, 100, 4},
		{6, 0, 1, 100, 4},
	} {
		get(t, c, r, step.key, step.size)
		n := c.Counters()
		if r.reads[step.key] != step.reads || n.Bytes.Load() != step.bytes || n.Evictions.Load() != step.evicts {
			t.Fatalf("after %+v: %d reads, %d bytes, %d evictions", step, r.reads[step.key], n.Bytes.Load(), n.Evictions.Load())
		}
	}
	c.Forget(5)
	c.Forget(5)
	if n := c.Counters().Bytes.Load(); n != 0 {
		t.Fatalf("%d bytes after the last was forgotten", n)
	}
	get(t, c, r, 5, 100)
	if r.reads[5] != 2 {
		t.Fatalf("what was forgotten was read %d times", r.reads[5])
	}
}

func TestKeepsNothing(t *testing.T) {
	c, r := blobcache.New[int](-1), &reader{reads: map[int]int{}}
	get(t, c, r, 1, 1)
	get(t, c, r, 1, 1)
	if r.reads[1] != 2 {
		t.Fatalf("%d reads, want 2", r.reads[1])
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	c, r := blobcache.New[int](100), &reader{reads: map[int]int{}}
	broken := errors.New("broken")
	if _, _, err := c.Get(t.Context(), 1, func(context.Context) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	get(t, c, r, 1, 10)
}

// TestOneReadIsShared has callers come while a read is under way; one gives up,
// and the others get it all the same.
func TestOneReadIsShared(t *testing.T) {
	c := blobcache.New[int](100)
	begun, finish := make(chan bool), make(chan bool)
	read := func(context.Context) ([]byte, error) {
		close(begun)
		<-finish
		return []byte("blob"), nil
	}
	first, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, _, err := c.Get(first, 1, read)
		gaveUp <- err
	}()
	<-begun
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			b, _, err := c.Get(t.Context(), 1, func(context.Context) ([]byte, error) { return nil, fmt.Errorf("a second read") })
			if err != nil || string(b) != "blob" {
				t.Errorf("shared: %q, %v", b, err)
			}
		})
	}
	for c.Counters().Hits.Load() < 5 {
	}
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(finish)
	wg.Wait()
	if n := c.Counters(); n.Misses.Load() != 1 || n.Hits.Load() != 5 || n.Bytes.Load() != 4 {
		t.Fatalf("%d misses, %d hits, %d bytes", n.Misses.Load(), n.Hits.Load(), n.Bytes.Load())
	}
}

// TestAbandonedRead ends a read that nobody waits for; the next caller reads anew.
func TestAbandonedRead(t *testing.T) {
	c, r := blobcache.New[int](100), &reader{reads: map[int]int{}}
	begun, ended := make(chan bool), make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	_, _, err := c.Get(ctx, 1, func(ctx context.Context) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-ended
	get(t, c, r, 1, 10)
}

// TestForgetsWhatIsBeingRead: a blob that is deleted while it is read is not kept.
func TestForgetsWhatIsBeingRead(t *testing.T) {
	c, r := blobcache.New[int](100), &reader{reads: map[int]int{}}
	if _, _, err := c.Get(t.Context(), 1, func(context.Context) ([]byte, error) {
		c.Forget(1)
		return []byte("old"), nil
	}); err != nil {
		t.Fatal(err)
	}
	get(t, c, r, 1, 10)
	if r.reads[1] != 1 {
		t.Fatal("what was forgotten was kept")
	}
}

// TestOnce: what is read once takes nobody's place, unless somebody else waits for it too.
func TestOnce(t *testing.T) {
	c, r := blobcache.New[int](100), &reader{reads: map[int]int{}}
	once := reading.With(t.Context(), reading.Options{Once: true})
	get(t, c, r, 1, 60)
	for range 2 {
		if _, _, err := c.Get(once, 2, r.read(2, 60)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Get(once, 1, r.read(1, 60)); err != nil {
			t.Fatal(err)
		}
	}
	if r.reads[1] != 1 || r.reads[2] != 2 || c.Counters().Bytes.Load() != 60 {
		t.Errorf("reads %v, %d bytes in memory", r.reads, c.Counters().Bytes.Load())
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	slow := func(context.Context) ([]byte, error) { close(begun); <-goOn; return make([]byte, 30), nil }
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := c.Get(once, 3, slow); err != nil {
			t.Error(err)
		}
	})
	<-begun
	hits := c.Counters().Hits.Load()
	wg.Go(func() { get(t, c, r, 3, 30) })
	for c.Counters().Hits.Load() == hits { // it waits for the same read
		runtime.Gosched()
	}
	close(goOn)
	wg.Wait()
	get(t, c, r, 3, 30)
	if r.reads[3] != 0 {
		t.Error("what others waited for was not kept")
	}
}
