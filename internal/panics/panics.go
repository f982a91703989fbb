// Package panics makes errors of panics, so that a bug that strikes one statement
// ends that statement and not the process, wherever its goroutines were.
package panics

import (
	"fmt"
	"runtime/debug"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// An Error is a panic that was caught. Whoever answers it logs the stack.
type Error struct {
	Value any
	Stack []byte // of the goroutine that panicked
}

func (e *Error) Error() string { return fmt.Sprintf("internal error: %v", e.Value) }

// Of makes an error of what recover returned. What cannot return errors, such as an
// allocator, panics with a *pgerr.Error, which is no bug: it stays what it was.
func Of(p any) error {
	switch p := p.(type) {
	case *pgerr.Error:
		return p
	case *Error:
		return p
	}
	return &Error{p, debug.Stack()}
}

// Catch is deferred by a function that returns an error, which a panic becomes.
func Catch(err *error) {
	if p := recover(); p != nil {
		*err = Of(p)
	}
}
