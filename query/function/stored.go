package function

import (
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/parse"
)

// StoredRelations are the relations that an expression of a definition names, which is kept
// as SQL in which they are numbers: '16384'::regclass.
func StoredRelations(sql string) []datum.OID {
	if sql == "" {
		return nil
	}
	list, err := parse.Parse("SELECT " + sql)
	if err != nil || len(list) != 1 {
		return nil
	}
	var out []datum.OID
	ast.Walk(list[0].Node, func(node any) {
		c, ok := node.(*ast.Cast)
		if !ok || c.Type.Names[len(c.Type.Names)-1] != "regclass" {
			return
		}
		if lit, ok := c.Arg.(*ast.Literal); ok {
			if n, err := strconv.ParseUint(lit.Text, 10, 32); err == nil {
				out = append(out, datum.OID(n))
			}
		}
	})
	return out
}
