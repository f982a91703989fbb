package bind

import (
	"reflect"
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// dependencyOrder puts the queries of WITH RECURSIVE, which may read those further on, into an order
// in which each reads only those before it, and itself.
func dependencyOrder(list []*ast.CTE) ([]*ast.CTE, error) {
	reads := make([]nameSearch, len(list))
	for i, c := range list {
		reads[i].in(reflect.ValueOf(c.Stmt))
	}
	left := slices.Clone(list)
	var out []*ast.CTE
	for len(left) > 0 {
		next := slices.IndexFunc(left, func(c *ast.CTE) bool {
			free := reads[slices.Index(list, c)].free
			return !slices.ContainsFunc(left, func(o *ast.CTE) bool { return o != c && slices.Contains(free, o.Name) })
		})
		if next < 0 {
			return nil, pgerr.Unsupported("mutual recursion between WITH items is not implemented").At(left[0].Position())
		}
		out = append(out, left[next])
		left = slices.Delete(left, next, next+1)
	}
	return out, nil
}

// A nameSearch collects the names of tables that a statement reads and that are not those of WITH
// queries inside of it.
type nameSearch struct {
	free   []string
	hidden []string
}

func (s *nameSearch) in(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		switch n := v.Interface().(type) {
		case *ast.TableRef:
			if n.Name.Schema == "" && !slices.Contains(s.hidden, n.Name.Name) {
				s.free = append(s.free, n.Name.Name)
			}
		case *ast.Select:
			defer s.enter(n.With)()
		case *ast.Insert:
			defer s.enter(n.With)()
		case *ast.Update:
			defer s.enter(n.With)()
		case *ast.Delete:
			defer s.enter(n.With)()
		}
		s.in(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[*ast.With]() {
				s.in(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.in(v.Index(i))
		}
	}
}

// enter looks through a WITH clause and hides its names until leave is called.
func (s *nameSearch) enter(w *ast.With) (leave func()) {
	before := len(s.hidden)
	leave = func() { s.hidden = s.hidden[:before] }
	if w == nil {
		return leave
	}
	if w.Recursive {
		for _, c := range w.CTEs {
			s.hidden = append(s.hidden, c.Name)
		}
	}
	for _, c := range w.CTEs {
		s.in(reflect.ValueOf(c.Stmt))
		if !w.Recursive {
			s.hidden = append(s.hidden, c.Name)
		}
	}
	return leave
}
