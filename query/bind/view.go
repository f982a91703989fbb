package bind

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// ViewDef checks CREATE VIEW and returns the definition without OID and
// namespace. Names in its query are looked up again whenever it is used.
func ViewDef(env *Env, s *ast.CreateView) (*schema.View, error) {
	b := newBinder(env)
	n, err := b.selectStmt(s.Query, &level{}, nil)
	if err != nil {
		return nil, err
	}
	if n, err = b.resolveOutput(n); err != nil {
		return nil, err
	}
	if len(b.params) > 0 {
		return nil, pgerr.New(pgerr.UndefinedParameter, "there is no parameter $%d", 1)
	}
	fields := n.Fields()
	if len(s.Columns) > len(fields) {
		return nil, pgerr.New(pgerr.SyntaxError, "CREATE VIEW specifies more column names than columns")
	}
	v := &schema.View{Name: s.Name.Name, Owner: env.User, SQL: s.QueryText}
	seen := map[string]bool{}
	for i, f := range fields {
		c := schema.Column{ID: schema.ColumnID(i + 1), Name: f.Name, Type: f.Type}
		if i < len(s.Columns) {
			c.Name = s.Columns[i]
		}
		if seen[c.Name] {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", c.Name)
		}
		seen[c.Name] = true
		if category(f.Type.OID) == 'P' && f.Type.OID >= 2200 {
			return nil, pgerr.New(pgerr.InvalidTableDefinition, "column %q has pseudo-type %s", c.Name, f.Type)
		}
		v.Columns = append(v.Columns, c)
	}
	return v, nil
}
