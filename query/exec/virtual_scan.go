package exec

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/plan"
)

// virtualScan reads a catalogue table.
type virtualScan struct {
	fr     *frame
	node   *plan.VirtualScan
	schema *arrow.Schema
	rest   []arrow.RecordBatch // cut from the front
	at     int64               // row of rest[0]
	read   bool
}

func newVirtualScan(f *frame, n *plan.VirtualScan) *virtualScan {
	return &virtualScan{fr: f, node: n, schema: schemaOf(n.Out)}
}

func (s *virtualScan) Schema() *arrow.Schema { return s.schema }

func (s *virtualScan) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !s.read {
		s.read = true
		if s.fr.rt.Relations == nil {
			return nil, pgerr.New(pgerr.UndefinedTable, "relation \"%s.%s\" does not exist", s.node.Namespace, s.node.Name)
		}
		fc := *s.fr.rt.Function
		fc.Context = ctx
		var err error
		s.rest, err = s.fr.rt.Relations.Relation(ctx, &fc, s.node.Namespace, s.node.Name, s.node.Columns)
		if err != nil {
			return nil, err
		}
	}
	for len(s.rest) > 0 {
		b := s.rest[0]
		to := min(s.at+maxBatchRows, b.NumRows())
		if s.at == to {
			s.rest, s.at = s.rest[1:], 0
			b.Release()
			continue
		}
		out := b.NewSlice(s.at, to)
		s.at = to
		return relabel(s.schema, out), nil
	}
	return nil, io.EOF
}

func (s *virtualScan) Close() error {
	releaseAll(s.rest)
	s.rest, s.read = nil, true
	return nil
}
