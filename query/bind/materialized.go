package bind

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// materialized makes the table of CREATE MATERIALIZED VIEW one.
func (b *binder) materialized(t *schema.Table, s *ast.CreateTableAs, q *ast.Select) error {
	switch {
	case q.With.Changing() != nil:
		return pgerr.Unsupported("materialized views must not use data-modifying statements in WITH")
	case len(b.params) > 0:
		return pgerr.Unsupported("materialized views may not be defined using bound parameters")
	}
	v, err := settledView(b.env, &ast.CreateView{Name: s.Name, Columns: s.Columns, Query: q, QueryText: s.QueryText})
	if err != nil {
		return err
	}
	t.Materialized = &schema.Materialized{SQL: v.SQL, Populated: !s.NoData}
	return nil
}
