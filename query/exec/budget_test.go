package exec

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// TestLimitsAreNamed: errors say which limit was reached, and what sets it.
func TestLimitsAreNamed(t *testing.T) {
	server := NewBudget("server", 1000, nil).SetBy("memory.queries_mib")
	query := NewBudget("query", 100, server).SetBy("work_mem")
	wide := NewBudget("query", 10000, server).SetBy("work_mem")
	values := NewAllocator(memory.DefaultAllocator, 100)
	for want, f := range map[string]func() error{
		"query's memory, work_mem":            func() error { return query.grow(101) },
		"server's memory, memory.queries_mib": func() error { return wide.grow(1001) },
		"a query's values may take, work_mem": func() (err error) {
			defer panics.Catch(&err)
			values.Allocate(101)
			return nil
		},
	} {
		var e *pgerr.Error
		if err := f(); !errors.As(err, &e) || e.Code != pgerr.OutOfMemory {
			t.Errorf("%s: %v", want, err)
			continue
		}
		detail, hint, _ := strings.Cut(want, ", ")
		if !strings.Contains(e.Detail, detail) || !strings.Contains(e.Hint, hint) {
			t.Errorf("detail %q, hint %q; want %s", e.Detail, e.Hint, want)
		}
	}
	if server.Used() != 0 || query.Used() != 0 {
		t.Errorf("%d and %d bytes are in use", server.Used(), query.Used())
	}
}
