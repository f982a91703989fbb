package bind

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
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
	for _, i := range columns {
		if t.Columns[i].Generated != "" {
			return generatedInCopy(t.Columns[i].Name)
		}
	}
	var err error
	if out.Rules, err = b.rules(t); err != nil {
		return err
	}
	for at, i := range liveColumns(t) {
		if contains(columns, i) {
			if err := b.copyDomain(out, &t.Columns[i], at); err != nil {
				return err
			}
			continue
		}
		x, err := b.defaultOf(t, &t.Columns[i])
		if err != nil {
			return err
		}
		out.Defaults[i] = x
	}
	return nil
}

// copyDomain has values that COPY reads, of the live column at a place, obey their domain.
func (b *binder) copyDomain(out *plan.Copy, c *schema.Column, at int) error {
	if c.Type.Domain == 0 {
		return nil
	}
	x, err := b.toDomain(&expr.Column{Index: at, Name: c.Name, T: undomained(c.Type)}, c.Type)
	if err != nil {
		return err
	}
	if out.Rules == nil {
		out.Rules = &plan.Rules{}
	}
	out.Rules.Domains = append(out.Rules.Domains, x)
	return nil
}

func generatedInCopy(column string) error {
	return pgerr.New(pgerr.InvalidColumnReference, "column %q is a generated column", column).WithDetail("Generated columns cannot be used in COPY.")
}
