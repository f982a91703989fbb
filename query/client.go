package query

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A Client receives what a session answers. The session's goroutine calls it.
type Client interface {
	// Describe announces the columns of the rows that follow, in the simple
	// protocol; binary says that they come from a BINARY cursor.
	Describe(fields []plan.Field, binary bool) error
	// Rows hands on rows; the batch is only read during the call.
	Rows(fields []plan.Field, batch arrow.RecordBatch) error
	// Complete ends a statement; Empty answers an empty one.
	Complete(tag string) error
	Empty() error
	// CopyIn asks for COPY data and returns a reader over it, CopyOut sends
	// COPY data: one Write holds whole rows, Close ends it. Reading ends with the
	// context, also while the client sends nothing.
	CopyIn(ctx context.Context, binary bool, columns int) (io.ReadCloser, error)
	CopyOut(binary bool, columns int) (io.WriteCloser, error)
	Notice(n *pgerr.Error)
	ParameterStatus(name, value string)
}
