package commitlog

import (
	"errors"
	"fmt"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// ErrPrecondition reports a commit that the log's state does not allow. It is
// not in the log and never will be. errors.As finds the *PreconditionError.
var ErrPrecondition = errors.New("commitlog: a precondition of the commit does not hold")

// ErrUnknown reports a commit that may be in the log now or later: appends of
// it failed and the time for retries ran out. Committing it again decides it.
// What it names must not be deleted; the sweeper will, if it is void.
var ErrUnknown = errors.New("commitlog: the outcome of the commit is unknown")

// A Precondition is what a commit relies on.
type Precondition uint8

const (
	SourcePosition  Precondition = iota + 1 // the folded position is where the interval begins
	SourceOwner                             // the source is the committer's own, or taken over by it
	SourceAlive                             // the source has not been forgotten
	ChunkLive                               // what is removed is there
	ChunkNew                                // what is added never was there
	ChunkAge                                // what is added is not older than the horizon
	ChunkFrom                               // what is added was made from an earlier state of the log
	SchemaCurrent                           // no commit was made under a later schema version
	CheckpointNewer                         // no later checkpoint is in use
)

// String names the precondition in a few words.
func (p Precondition) String() string {
	names := [...]string{"", "position of a source", "owner of a source", "source not ended", "chunk is live", "chunk is new",
		"chunk not older than the horizon", "chunk made from an earlier state", "schema version current", "checkpoint is newer"}
	if int(p) >= len(names) {
		return fmt.Sprintf("precondition %d", uint8(p))
	}
	return names[p]
}

// A PreconditionError says which precondition failed, and on what.
type PreconditionError struct {
	Which  Precondition
	detail string
}

func (e *PreconditionError) Error() string { return fmt.Sprintf("%v: %s", e.Which, e.detail) }

// Is makes every PreconditionError an ErrPrecondition.
func (e *PreconditionError) Is(target error) bool { return target == ErrPrecondition }

// unmet returns a serialization failure (40001) that says what does not hold.
func unmet(which Precondition, format string, args ...any) error {
	cause := &PreconditionError{Which: which, detail: fmt.Sprintf(format, args...)}
	e := pgerr.New(pgerr.SerializationFailure, "the commit is out of date: %v", cause)
	e.Cause = cause
	return e
}

// corrupt returns an XX001 error that wraps chunk.ErrCorrupt.
func corrupt(format string, args ...any) error {
	e := pgerr.New(pgerr.DataCorrupted, format, args...)
	e.Cause = chunk.ErrCorrupt
	return e
}

// ErrOlderFormat reports a part of a log that an early version of the program wrote: it
// is whole, but is not read any more.
var ErrOlderFormat = errors.New("written by an earlier version, and not read any more")

// olderFormat returns a 0A000 error that wraps ErrOlderFormat and says what to do.
func olderFormat(format string, args ...any) error {
	e := pgerr.New(pgerr.FeatureNotSupported, "commit log: "+format+", which this program does not read any more", args...)
	e.Cause = ErrOlderFormat
	return e.WithHint("It was written by an earlier version of Phyllo. Start that version.")
}

// unreadable reports what err says of a part of a log: damage, unless another version
// wrote it.
func unreadable(err error, format string, args ...any) error {
	if errors.Is(err, chunk.ErrNewerFormat) || errors.Is(err, ErrOlderFormat) {
		return fmt.Errorf(format+": %w", append(args, err)...)
	}
	return corrupt(format+": %v", append(args, err)...)
}

// malformed reports a commit that no log could hold: a bug of its maker.
func malformed(format string, args ...any) error {
	return pgerr.New(pgerr.InternalError, "commitlog: malformed commit: "+format, args...)
}
