package local

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// errClosed is what calls on a closed store return; it wraps fs.ErrClosed.
var errClosed = fmt.Errorf("local: store is closed: %w", fs.ErrClosed)

// errReadOnly is what changing calls on a read-only store return.
var errReadOnly = pgerr.New(pgerr.ReadOnlyTransaction, "the store is open for reading only")

// diskError says what failed on the disk: 53100 if it is full, else 58030.
func diskError(what string, err error) error {
	if err == nil {
		return nil
	}
	var pe *pgerr.Error
	if errors.As(err, &pe) {
		return err // already says so
	}
	code := pgerr.IOError
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		code = pgerr.DiskFull
	}
	e := pgerr.New(code, "%s: %v", what, err)
	e.Cause = err
	if code == pgerr.DiskFull {
		e.Hint = "Free space on the disk of the data folder; writes then work again."
	}
	return e
}

// outcomeUnknown is the error of a change of a log that may be found after a
// restart: the disk neither took it nor let us make it void.
func outcomeUnknown(cause error) error {
	e := pgerr.New(pgerr.OutcomeUnknown, "it is not known what became of a record: %v", cause).
		WithHint("It is void once a later record is written; a restart before that may find it.")
	e.Cause = cause
	return e
}

// known returns what an outcomeUnknown wraps, and any other error as it is.
func known(err error) error {
	var pe *pgerr.Error
	if errors.As(err, &pe) && pe.Code == pgerr.OutcomeUnknown {
		return pe.Cause
	}
	return err
}

// corrupt returns an XX001 error that wraps chunk.ErrCorrupt.
func corrupt(format string, args ...any) error {
	e := pgerr.New(pgerr.DataCorrupted, format, args...)
	e.Cause = chunk.ErrCorrupt
	return e
}

func isCorrupt(err error) bool { return errors.Is(err, chunk.ErrCorrupt) }
