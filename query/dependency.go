package query

import (
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// relationNames returns the names of the relations that a statement reads, or names as regclass,
// without those of its CTEs.
func relationNames(stmt ast.Stmt) []ast.Name {
	var names []ast.Name
	ctes := map[string]bool{}
	ast.Walk(stmt, func(node any) {
		if lit := bind.RelationLiteral(node); lit != nil {
			if table, err := parseOne("TABLE " + lit.Text); err == nil {
				names = append(names, relationNames(table)...)
			}
			return
		}
		switch n := node.(type) {
		case *ast.TableRef:
			names = append(names, n.Name)
		case *ast.CTE:
			ctes[n.Name] = true
		}
	})
	out := names[:0]
	for _, n := range names {
		if n.Schema != "" || !ctes[n.Name] {
			out = append(out, n)
		}
	}
	return out
}
