package bind

import (
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/ast"
)

// storedExpr is an expression as definitions keep it: as SQL, in which relations that are
// named as regclass are numbers and types have their schemas, so that it means the same after they are renamed and under
// any search path. It has been bound, so that there are such relations.
func (b *binder) storedExpr(e ast.Expr) (string, error) {
	var failed error
	fix := func(arg *ast.Expr) {
		lit, ok := (*arg).(*ast.Literal)
		if !ok || lit.Kind != ast.String {
			return
		}
		v, _, err := b.regInput(datum.Of(datum.RegClass), lit.Text)
		if err != nil {
			failed = err
			return
		}
		lit.Text = strconv.FormatUint(uint64(v.(datum.OID)), 10)
	}
	ast.Walk(e, func(node any) {
		switch n := node.(type) {
		case *ast.TypeName:
			if ns := b.userTypeSchema(n); ns != "" {
				n.Names = []string{ns, n.Names[len(n.Names)-1]}
			}
		case *ast.Cast:
			if isRegClass(n.Type) {
				fix(&n.Arg)
			}
		case *ast.FuncCall:
			if takesSequence(n) {
				if _, ok := n.Args[0].(*ast.Literal); ok {
					n.Args[0] = &ast.Cast{Arg: n.Args[0], Type: &ast.TypeName{Names: []string{"regclass"}}}
				}
			}
		}
	})
	return ast.Deparse(e), failed
}

func isRegClass(t *ast.TypeName) bool {
	return len(t.Dims) == 0 && t.Names[len(t.Names)-1] == "regclass"
}

// takesSequence says whether a call is one of the functions whose first argument is a
// regclass, as which a literal is read.
func takesSequence(c *ast.FuncCall) bool {
	switch c.Name[len(c.Name)-1] {
	case "nextval", "currval", "setval":
		return len(c.Args) > 0
	}
	return false
}
