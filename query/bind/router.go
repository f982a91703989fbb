package bind

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/parse"
)

// A Router computes the keys of LIST partitions. It is safe for concurrent use.
type Router struct {
	table *schema.Table
	exprs []expr.Expr // over the live columns in definition order
}

// PartitionRouter returns the router of a table that is partitioned by LIST. It
// depends on the definition alone: expressions are evaluated in UTC and with
// PostgreSQL's default settings, so that a row has the same key for ever.
func PartitionRouter(t *schema.Table) (*Router, error) {
	env := &Env{
		Catalog: &schema.Catalog{Namespaces: map[datum.OID]*schema.Namespace{}},
		Session: &datum.Env{}, Context: context.Background(),
	}
	b := newBinder(env)
	r := &Router{table: t}
	for _, sql := range t.PartitionExprs {
		e, err := parse.ParseExpr(sql)
		if err != nil {
			return nil, fmt.Errorf("partition key of table %s: %w", t.Name, err)
		}
		x, err := b.partitionExpr(e, t)
		if err != nil {
			return nil, fmt.Errorf("partition key of table %s: %w", t.Name, err)
		}
		r.exprs = append(r.exprs, x)
	}
	return r, nil
}

// Keys returns the partition key of each row of a batch, whose columns are the
// table's live columns in definition order: the concatenated datum.AppendKey of
// the first n partition expressions' values, of all if n is 0.
func (r *Router) Keys(ctx context.Context, mem memory.Allocator, batch arrow.RecordBatch, n int) ([]string, error) {
	exprs := r.exprs
	if n > 0 {
		exprs = exprs[:n]
	}
	c := &expr.Context{Context: &function.Context{Context: ctx, Mem: mem, Env: &datum.Env{}}}
	buf := make([][]byte, batch.NumRows())
	for _, e := range exprs {
		a, err := expr.EvalArray(c, e, batch)
		if err != nil {
			return nil, fmt.Errorf("partition key of table %s: %w", r.table.Name, err)
		}
		if err := datum.CheckKey(a); err != nil {
			a.Release()
			return nil, err
		}
		for i := range buf {
			buf[i] = datum.AppendKey(buf[i], e.Type(), a, i, datum.KeyOrder{})
		}
		a.Release()
	}
	keys := make([]string, len(buf))
	last := ""
	for i, k := range buf {
		if string(k) != last {
			last = string(k) // neighbours share their key
		}
		keys[i] = last
	}
	return keys, nil
}

// Rising returns the place of the live column that partition expression i is
// over, if it is over no other and does not fall where that rises: the column
// itself, and truncations of time.
func (r *Router) Rising(i int) (column int, ok bool) {
	e := r.exprs[i]
	if c, ok := e.(*expr.Column); ok {
		return c.Index, true
	}
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return 0, false
	}
	switch call.Fn.Name {
	case "date_trunc", "time_bucket":
	default:
		return 0, false
	}
	if _, constant := call.Args[0].(*expr.Const); !constant {
		return 0, false
	}
	c, ok := call.Args[1].(*expr.Column)
	if !ok {
		return 0, false
	}
	switch c.Type().OID {
	case datum.Timestamp, datum.TimestampTZ, datum.Date, datum.Int2, datum.Int4, datum.Int8:
		return c.Index, true
	}
	return 0, false // such as intervals: '1 month' is '30 days', truncated to months it is not
}

// Types returns the types of the partition expressions, which tell how the keys
// are read back.
func (r *Router) Types() []datum.Type {
	types := make([]datum.Type, len(r.exprs))
	for i, e := range r.exprs {
		types[i] = e.Type()
	}
	return types
}
