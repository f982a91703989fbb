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
	"fmt"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func newer(format string, args ...any) error {
	return chunk.NewerFormat("source log: "+format, args...)
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
