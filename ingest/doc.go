// Package ingest is the write path between a transaction and the chunks of a
// table's partition.
//
// A transaction becomes a Record (record.go). Records of one group commit are
// one entry of the source log (record_codec.go, rows_encode.go, rows_decode.go;
// the layout is drawn in format.md), and that entry is the commit point. What it
// added is then conformed to the layout of the table as it is now (missing.go)
// and put into the write buffer of each partition, whose contents are Rows: an
// immutable list of sorted or plain runs (buffer.go). Seal (seal.go) turns Rows
// into chunks, which go to a store.
//
// The folders below hold the decoders and servers of the ways in.
package ingest

import (
	"errors"
	"fmt"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// ErrNewerFormat reports a log entry that a newer version of the program wrote:
// it is whole, but cannot be read here. The error that wraps it has SQLSTATE
// 0A000 and says what to do.
var ErrNewerFormat = errors.New("log entry of a newer format")

func newer(format string, args ...any) error {
	return &pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: "source log: " + fmt.Sprintf(format, args...),
		Hint:    "The log was written by a newer version of Phyllo. Start that version, or a later one, on it.",
		Cause:   ErrNewerFormat,
	}
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: source log: "+format, append([]any{chunk.ErrCorrupt}, args...)...)
}

func bug(format string, args ...any) error {
	return pgerr.New(pgerr.InternalError, "ingest: "+format, args...)
}

// wrap says where in an entry err, which is corrupt or newer, was met.
func wrap(err error, format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, err)...)
}
