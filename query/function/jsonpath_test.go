package function

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// TestPathIsBounded holds evaluation to its limits: the stack, and the will of the client.
func TestPathIsBounded(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name, path, code string
		ctx              context.Context
	}{
		{"as many steps as calls may be nested", "$" + strings.Repeat("[0]", 1_000_000), pgerr.StatementTooComplex, t.Context()},
		{"doubled at each step", "$" + strings.Repeat("[0,0]", 60), pgerr.QueryCanceled, canceled},
		{"all with all", "$[0,0,0,0,0,0,0,0][0,0,0,0,0,0,0,0][0,0,0,0,0,0,0,0][0,0,0,0] == 1", pgerr.QueryCanceled, canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			var cache pathCache
			call, err := cache.call(&Context{Context: test.ctx}, []datum.Value{`0`, test.path}, false)
			if err != nil {
				t.Fatal(err)
			}
			_, err = call.find()
			var e *pgerr.Error
			if !errors.As(err, &e) || e.Code != test.code {
				t.Errorf("%v", err)
			}
		})
	}
}
