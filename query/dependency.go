package query

import (
	"reflect"

	"github.com/phyllodb/phyllo/query/ast"
)

// relationNames returns the names of the tables and views that a statement
// reads, without those of its CTEs.
func relationNames(stmt ast.Stmt) []ast.Name {
	var names []ast.Name
	ctes := map[string]bool{}
	walkNodes(reflect.ValueOf(stmt), func(node any) {
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

// walkNodes calls f with every pointer in a syntax tree. Trees have no cycles.
func walkNodes(v reflect.Value, f func(any)) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walkNodes(v.Elem(), f)
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() == reflect.Struct {
			f(v.Interface())
			walkNodes(v.Elem(), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walkNodes(v.Field(i), f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkNodes(v.Index(i), f)
		}
	}
}
