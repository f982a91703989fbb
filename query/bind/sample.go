package bind

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

func errNotSampled(pos int) error {
	return pgerr.Unsupported("TABLESAMPLE clause can only be applied to tables and materialized views").At(pos)
}

// sample puts TABLESAMPLE over the scan of a table.
func (b *binder) sample(src *source, t *ast.TableSample, q *query) error {
	method := t.Method[len(t.Method)-1]
	if !sampling(t.Method) {
		return pgerr.New(pgerr.UndefinedObject, "tablesample method %s does not exist", strings.Join(t.Method, ".")).At(t.Position())
	}
	if len(t.Args) != 1 {
		return pgerr.New(pgerr.InvalidTablesampleArg, "tablesample method %s requires 1 argument, not %d",
			strings.Join(t.Method, "."), len(t.Args)).At(t.Position())
	}
	if _, ok := src.node.(*plan.Scan); !ok {
		return pgerr.Unsupported("TABLESAMPLE of system catalogs is not supported").At(t.Position())
	}
	n := &plan.Sample{Input: src.node, Method: method}
	var err error
	if n.Percent, err = b.sampleArg(t.Args[0], datum.Float4, "TABLESAMPLE", q); err != nil {
		return err
	}
	if t.Seed != nil {
		if n.Seed, err = b.sampleArg(t.Seed, datum.Float8, "REPEATABLE", q); err != nil {
			return err
		}
		n.Keys, n.Unique = sampleKeys(src.items[0])
	}
	src.node = n
	return nil
}

// sampling says whether a name is that of a method.
func sampling(name []string) bool {
	if len(name) > 2 || len(name) == 2 && name[0] != "pg_catalog" {
		return false
	}
	last := name[len(name)-1]
	return last == "bernoulli" || last == "system"
}

// sampleArg binds an argument, which sees what is around the query but not what is beside the table.
func (b *binder) sampleArg(e ast.Expr, t datum.OID, construct string, q *query) (expr.Expr, error) {
	s := &scope{frame: &frame{parent: q.frame.parent, corr: q.frame.corr}, clause: clauseFromFunction, ctes: q.ctes}
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	if x, err = b.specific(x, t, construct, position(e)); err == nil && hasSet(x) {
		err = pgerr.New(pgerr.DatatypeMismatch, "argument of %s must not return a set", construct).At(position(e))
	}
	return x, err
}

// sampleKeys are what tells the rows of a table apart: its primary key, or all columns.
func sampleKeys(it *item) (keys []expr.Expr, unique bool) {
	key := it.table.PrimaryKey
	for _, c := range it.cols {
		if len(key) == 0 || slices.Contains(key, it.table.Columns[c.attnum-1].ID) {
			keys = append(keys, c.e)
		}
	}
	return keys, len(key) > 0
}
