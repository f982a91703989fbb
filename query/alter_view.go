package query

import (
	"context"
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// alterView is ALTER VIEW, and ALTER TABLE of a view.
func (s *Session) alterView(ctx context.Context, old *schema.View, st *ast.AlterTable) error {
	over, err := s.viewsOver(relation{view: old})
	if err != nil {
		return err
	}
	def := *old
	def.Columns = slices.Clone(old.Columns)
	for i := range st.Actions {
		if err := s.alterViewBy(ctx, &def, &st.Actions[i]); err != nil {
			return err
		}
	}
	if err := s.txn.Apply(ctx, schema.Change{PutView: &def}); err != nil {
		return err
	}
	return s.sameViews(ctx, "alter view "+old.Name, over, !slices.EqualFunc(old.Columns, def.Columns, sameName))
}

func (s *Session) alterViewBy(ctx context.Context, v *schema.View, x *ast.AlterAction) (err error) {
	switch x.Kind {
	case ast.RenameTable:
		v.Name = x.NewName
		return nil
	case ast.SetSchema:
		return s.moveTo(&v.Namespace, ast.Name{Schema: x.NewName, Name: v.Name})
	case ast.OwnerTo:
		v.Owner, err = s.ownerNamed(x.NewName)
		return err
	case ast.SetOptions, ast.ResetOptions:
		return bind.SetViewOptions(s.bindEnv(ctx, nil, true), v, x.Options, x.Kind == ast.ResetOptions)
	case ast.RenameColumn, ast.SetDefault, ast.DropDefault:
	case ast.OtherAlter, ast.AlterColumnOther, ast.RenameConstraint:
		return pgerr.Unsupported("ALTER VIEW ... %s is not supported", x.Text).At(x.Position())
	default:
		return notFor(x.Kind, relation{view: v})
	}
	named := func(name string) int {
		return slices.IndexFunc(v.Columns, func(c schema.Column) bool { return c.Name == name })
	}
	at := named(x.Column)
	switch {
	case at < 0 && x.Kind == ast.RenameColumn:
		return pgerr.New(pgerr.UndefinedColumn, "column %q does not exist", x.Column)
	case at < 0:
		return pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", x.Column, v.Name)
	case x.Kind != ast.RenameColumn:
		v.Columns[at].Default, err = bind.ColumnDefault(s.bindEnv(ctx, nil, true), &v.Columns[at], x.Expr)
		return unplaced(err)
	case named(x.NewName) >= 0:
		return pgerr.New(pgerr.DuplicateColumn, "column %q of relation %q already exists", x.NewName, v.Name)
	}
	v.Columns[at].Name = x.NewName
	return nil
}

// notFor is the error of an action that relations of a kind do not have.
func notFor(k ast.AlterKind, r relation) error {
	name, kind := r.describe()
	return pgerr.New(pgerr.WrongObjectType, "ALTER action %s cannot be performed on relation %q", actionName(k), name).
		WithDetail("This operation is not supported for %ss.", kind)
}

// actionName is what PostgreSQL calls an action of ALTER TABLE.
func actionName(k ast.AlterKind) string {
	switch k {
	case ast.AddColumn:
		return "ADD COLUMN"
	case ast.DropColumn:
		return "DROP COLUMN"
	case ast.AlterColumnType:
		return "ALTER COLUMN ... SET DATA TYPE"
	case ast.SetNotNull:
		return "ALTER COLUMN ... SET NOT NULL"
	case ast.DropNotNull:
		return "ALTER COLUMN ... DROP NOT NULL"
	case ast.DropExpression:
		return "ALTER COLUMN ... DROP EXPRESSION"
	case ast.AddIdentity:
		return "ALTER COLUMN ... ADD IDENTITY"
	case ast.SetIdentity:
		return "ALTER COLUMN ... SET"
	case ast.DropIdentity:
		return "ALTER COLUMN ... DROP IDENTITY"
	case ast.AddConstraint:
		return "ADD CONSTRAINT"
	case ast.DropConstraint:
		return "DROP CONSTRAINT"
	case ast.ValidateConstraint:
		return "VALIDATE CONSTRAINT"
	}
	return "ALTER COLUMN"
}
