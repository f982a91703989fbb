// Package chunk holds the unit that tables are stored in: up to MaxRows rows of
// one slice of one partition, in sort-key order, as one encoded blob per column
// and a manifest entry that says what lies in them.
//
// Writing: SortRows sorts the rows of batches by slice and sort key; a Builder
// cuts the rows of a slice into chunks and encodes them (blob_write.go); what
// comes out is Sealed and goes to a store.
//
// Reading: NewSplit makes a Split of an entry and a function that fetches
// blobs; NewBatchSplit makes one of rows in memory. Both prune, filter and
// aggregate the same way: a predicate is compiled to a filter (filter.go), tried on
// bounds (bounds.go), then on the values of vectors that bounds did not decide. A
// Room (room.go) is where the readers of one goroutine keep what they need for a
// chunk, each where the one before it did; batches are made of Arrow buffers and know
// nothing of it.
//
// Tables with a primary key have runs that overlap: SortRun and MergeRows keep the
// newest row of each key in memory, NewMergeSplit does so over chunks and batches
// as they are read (merge.go, on the tree of losers in merge_tree.go), and LookupRun
// finds keys in a run.
//
// The layout of blobs and entries is drawn in codec/format.md.
package chunk

import (
	"errors"
	"fmt"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// ErrCorrupt reports a blob or an entry that no writer wrote; it is
// codec.ErrCorrupt, so that either name matches.
var ErrCorrupt = codec.ErrCorrupt

// ErrNewerFormat reports a blob, or an entry of a log or a checkpoint, that a newer version of
// the program wrote: it is whole, but cannot be read here.
var ErrNewerFormat = errors.New("written by a newer version")

// NewerFormat returns an error with SQLSTATE 0A000 that wraps ErrNewerFormat and says
// what to do.
func NewerFormat(format string, args ...any) error {
	return &pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: fmt.Sprintf(format, args...),
		Hint:    "It was written by a newer version of Phyllo. Start that version, or a later one.",
		Cause:   ErrNewerFormat,
	}
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// String renders the ID as a UUID is.
func (id ID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
}
