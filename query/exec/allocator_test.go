package exec

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// TestAllocatorEnds: a cancelled statement gets no large buffers, and small ones only.
func TestAllocatorEnds(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	a := NewAllocator(mem, 0)
	end := a.During(ctx)
	large := a.Allocate(2 * pollBytes)
	large[pollBytes+1] = 7
	large = a.Reallocate(5*pollBytes, large)
	if large[pollBytes+1] != 7 || len(large) != 5*pollBytes {
		t.Error("a buffer that grows loses what it held")
	}
	cancel()
	for _, f := range []func(){func() { a.Allocate(pollBytes) }, func() { a.Reallocate(6*pollBytes, large) }} {
		err := func() (err error) {
			defer panics.Catch(&err)
			f()
			return nil
		}()
		var pe *pgerr.Error
		if !errors.As(err, &pe) || pe.Code != pgerr.QueryCanceled {
			t.Errorf("a large buffer: %v", err)
		}
	}
	a.Free(a.Allocate(100))
	end() // of the call: another may go on with the query
	large = a.Reallocate(6*pollBytes, large)
	a.Free(large)
	if a.used.Load() != 0 {
		t.Errorf("%d bytes are in use", a.used.Load())
	}
}
