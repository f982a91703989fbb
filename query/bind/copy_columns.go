package bind

import (
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// CopyColumns binds the loading of some columns of a table, as COPY FROM does:
// columns are indexes into t.Columns.
func CopyColumns(env *Env, t *schema.Table, columns []int) (*plan.Copy, error) {
	out := &plan.Copy{Stmt: &ast.Copy{From: true}}
	return out, newBinder(env).copyInto(out, t, columns)
}

// copyInto sets what COPY FROM writes: some columns of a table, and the defaults
// of the others.
func (b *binder) copyInto(out *plan.Copy, t *schema.Table, columns []int) error {
	out.Table, out.Columns, out.Defaults = t, columns, map[int]expr.Expr{}
	for _, i := range liveColumns(t) {
		if contains(columns, i) {
			continue
		}
		x, err := b.defaultOf(&t.Columns[i])
		if err != nil {
			return err
		}
		out.Defaults[i] = x
	}
	return nil
}
