package query

import (
	"context"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// schemaElements makes what CREATE SCHEMA makes in the new schema, which names without a schema
// mean first. As in PostgreSQL the order of kinds is fixed, so that what an element needs may
// come after it.
func (s *Session) schemaElements(ctx context.Context, name string, elements []ast.Stmt) error {
	s.creating = name
	defer func() { s.creating = "" }()
	ordered := make([][]ast.Stmt, 4)
	for _, e := range elements {
		var kind int
		var object *ast.Name
		switch e := e.(type) {
		case *ast.CreateSequence:
			kind, object = 0, &e.Name
		case *ast.CreateTable:
			kind, object = 1, &e.Name
		case *ast.CreateView:
			kind, object = 2, &e.Name
		case *ast.CreateIndex:
			kind, object = 3, &e.Table
		default:
			return pgerr.Unsupported("%s in CREATE SCHEMA is not supported", commandName(e)).At(e.Position())
		}
		if object.Schema != "" && object.Schema != name {
			return pgerr.New(pgerr.InvalidSchemaDefinition, "CREATE specifies a schema (%s) different from the one being created (%s)", object.Schema, name)
		}
		object.Schema = name
		ordered[kind] = append(ordered[kind], e)
	}
	for _, list := range ordered {
		for _, e := range list {
			if _, err := s.definition(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}
