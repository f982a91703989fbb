package bind

import (
	"reflect"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// A recursionCheck looks for references of a recursive WITH query to itself
// where they may not be. Like PostgreSQL it goes by names, before anything is bound.
type recursionCheck struct {
	name string
	refs int
	err  *pgerr.Error
}

// checkRecursion checks a WITH query that is a UNION, but for the non-recursive term.
func checkRecursion(name string, sel *ast.Select) error {
	r := &recursionCheck{name: name}
	r.query(sel.SetOp.Right, "")
	recursive := r.refs > 0
	if sel.With != nil && r.err == nil {
		for _, c := range sel.With.CTEs {
			if q, ok := c.Stmt.(*ast.Select); ok {
				r.query(q, "a subquery")
			}
		}
	}
	switch {
	case r.err != nil:
		return r.err
	case recursive:
		return notRecursive(sel)
	}
	return nil
}

// notRecursive refuses what a recursive query cannot have around its UNION.
func notRecursive(sel *ast.Select) error {
	refuse := func(what string, pos int) error {
		return pgerr.Unsupported("%s in a recursive query is not implemented", what).At(pos)
	}
	switch {
	case len(sel.OrderBy) > 0:
		return refuse("ORDER BY", position(sel.OrderBy[0].Expr))
	case sel.Offset != nil:
		return refuse("OFFSET", position(sel.Offset))
	case sel.Limit != nil:
		return refuse("LIMIT", position(sel.Limit))
	case len(sel.Locking) > 0:
		return refuse("FOR UPDATE/SHARE", 0)
	}
	return nil
}

// query looks through a query; where names what it is inside of, if that forbids
// references.
func (r *recursionCheck) query(s *ast.Select, where string) {
	if s.With != nil {
		for _, c := range s.With.CTEs {
			if q, ok := c.Stmt.(*ast.Select); ok {
				r.query(q, where)
			}
		}
		for _, c := range s.With.CTEs {
			if c.Name == r.name {
				return // from here on the name is another query's
			}
		}
	}
	if op := s.SetOp; op != nil {
		left, right := where, where
		if op.Kind == ast.Except {
			right = "EXCEPT"
			if op.All {
				left = right
			}
		} else if op.Kind == ast.Intersect && op.All {
			left, right = "INTERSECT", "INTERSECT"
		}
		r.query(op.Left, left)
		r.query(op.Right, right)
	}
	for _, t := range s.From {
		r.from(t, where)
	}
	for _, part := range []any{s.Targets, s.DistinctOn, s.Where, s.GroupBy, s.Having, s.Windows, s.Values, s.OrderBy, s.Limit, s.Offset} {
		r.subqueries(reflect.ValueOf(part))
	}
}

func (r *recursionCheck) from(t ast.TableExpr, where string) {
	switch t := t.(type) {
	case *ast.TableRef:
		if t.Name.Schema != "" || t.Name.Name != r.name || r.err != nil {
			return
		}
		r.refs++
		switch {
		case where != "":
			r.fail(t, "must not appear within "+where)
		case r.refs > 1:
			r.fail(t, "must not appear more than once")
		}
	case *ast.SubqueryRef:
		r.query(t.Query, where)
	case *ast.FunctionRef:
		r.subqueries(reflect.ValueOf(t))
	case *ast.Join:
		left, right := where, where
		if t.Kind == ast.LeftJoin || t.Kind == ast.AsofLeftJoin || t.Kind == ast.FullJoin {
			right = "an outer join"
		}
		if t.Kind == ast.RightJoin || t.Kind == ast.FullJoin {
			left = "an outer join"
		}
		r.from(t.Left, left)
		r.from(t.Right, right)
		r.subqueries(reflect.ValueOf(t.On))
	}
}

func (r *recursionCheck) fail(t *ast.TableRef, what string) {
	r.err = pgerr.New(pgerr.InvalidRecursion, "recursive reference to query %q %s", r.name, what).At(t.Position())
}

// subqueries looks through the subqueries in expressions.
func (r *recursionCheck) subqueries(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		if q, ok := v.Interface().(*ast.Select); ok {
			r.query(q, "a subquery")
			return
		}
		r.subqueries(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				r.subqueries(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			r.subqueries(v.Index(i))
		}
	}
}
