package query

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/plan"
	"github.com/phyllodb/phyllo/query/storage"
)

// addConstraint is ALTER TABLE ADD of a constraint.
func (a *alteration) addConstraint(ctx context.Context, k *ast.Constraint) error {
	switch k.Kind {
	case ast.CheckConstraint:
	case ast.UniqueConstraint, ast.ForeignKeyConstraint:
		return a.addDeclared(ctx, a.def, k)
	case ast.PrimaryKeyConstraint:
		return a.addPrimaryKey(ctx, k)
	default:
		return pgerr.Unsupported("adding a constraint of this kind is not supported").At(k.Position())
	}
	if k.NoInherit {
		return pgerr.Unsupported("constraints with NO INHERIT are not supported").At(k.Position())
	}
	c, err := bind.NewCheck(a.bindEnv(ctx, nil, true), a.def, k)
	if err != nil {
		return err
	}
	if c.OID, err = a.takeOIDs(ctx, 1); err != nil {
		return err
	}
	a.def.Checks = append(slices.Clone(a.def.Checks), *c)
	if !c.NotValid {
		a.checks = append(a.checks, c.Name)
	}
	return nil
}

// dropConstraint is DROP CONSTRAINT.
func (a *alteration) dropConstraint(ctx context.Context, x *ast.AlterAction) error {
	if k := a.def.ForeignKey(x.NewName); k != nil {
		a.def.ForeignKeys = slices.DeleteFunc(slices.Clone(a.def.ForeignKeys), func(o schema.ForeignKey) bool { return o.OID == k.OID })
		return nil
	}
	if k := a.def.Index(x.NewName); k != nil && k.Constraint != 0 {
		return a.dropUnique(ctx, x, k, "constraint "+k.Name+" on table "+a.def.Name)
	}
	if i := slices.IndexFunc(a.def.Checks, func(c schema.Check) bool { return c.Name == x.NewName }); i >= 0 {
		a.def.Checks = slices.Delete(slices.Clone(a.def.Checks), i, i+1)
		return nil
	}
	switch {
	case a.def.HasConstraint(x.NewName):
		return a.dropPrimaryKey(ctx, x)
	case x.IfExists:
		a.notify("constraint %q of relation %q does not exist, skipping", x.NewName, a.def.Name)
		return nil
	}
	return noConstraint(a.def, x.NewName)
}

// dropUnique drops an index, because of what goes, and, with CASCADE, the foreign keys that refer to it.
func (a *alteration) dropUnique(ctx context.Context, x *ast.AlterAction, k *schema.Index, what string) error {
	own := slices.DeleteFunc(slices.Clone(a.def.ForeignKeys), func(o schema.ForeignKey) bool { return o.RefIndex == k.OID })
	if len(own) < len(a.def.ForeignKeys) && x.Cascade {
		a.def.ForeignKeys = own
	}
	var dropped dropping
	users := slices.DeleteFunc(a.keyUsers(0, k.OID), func(d dependent) bool { return d.table.OID == a.def.OID && x.Cascade })
	if len(users) > 0 && !x.Cascade {
		return refuseDependents(what, users)
	}
	if err := a.dropDependents(ctx, users, &dropped); err != nil {
		return err
	}
	a.notifyDropped(dropped.names)
	a.def.Indexes = slices.DeleteFunc(slices.Clone(a.def.Indexes), func(o schema.Index) bool { return o.OID == k.OID })
	return nil
}

func noConstraint(t *schema.Table, name string) error {
	return pgerr.New(pgerr.UndefinedObject, "constraint %q of relation %q does not exist", name, t.Name)
}

// validateConstraint is VALIDATE CONSTRAINT.
func (a *alteration) validateConstraint(x *ast.AlterAction) error {
	a.def.Checks = slices.Clone(a.def.Checks)
	c := a.def.Check(x.NewName)
	switch {
	case a.def.ForeignKey(x.NewName) != nil:
		a.def.ForeignKeys = slices.Clone(a.def.ForeignKeys)
		a.def.ForeignKey(x.NewName).NotValid = false
		a.notEnforced("foreign key constraint", x.NewName)
	case c == nil && a.def.HasConstraint(x.NewName):
		return pgerr.New(pgerr.WrongObjectType, "constraint %q of relation %q is not a foreign key or check constraint", x.NewName, a.def.Name)
	case c == nil:
		return noConstraint(a.def, x.NewName)
	case c.NotValid:
		c.NotValid = false
		a.checks = append(a.checks, c.Name)
	}
	return nil
}

func (a *alteration) renameConstraint(x *ast.AlterAction) error {
	a.def.Checks, a.def.Indexes, a.def.ForeignKeys = slices.Clone(a.def.Checks), slices.Clone(a.def.Indexes), slices.Clone(a.def.ForeignKeys)
	c := a.def.Check(x.Column)
	switch {
	case !a.def.HasConstraint(x.Column):
		return pgerr.New(pgerr.UndefinedObject, "constraint %q for table %q does not exist", x.Column, a.def.Name)
	case a.def.HasConstraint(x.NewName):
		return pgerr.New(pgerr.DuplicateObject, "constraint %q for relation %q already exists", x.NewName, a.def.Name)
	case c != nil:
		c.Name = x.NewName
	case a.def.ForeignKey(x.Column) != nil:
		a.def.ForeignKey(x.Column).Name = x.NewName
	case a.txn.Catalog().RelationNamed(a.def.Namespace, x.NewName) != 0:
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", x.NewName)
	case a.def.Index(x.Column) != nil:
		a.def.Index(x.Column).Name = x.NewName
	default:
		a.def.PrimaryKeyName = x.NewName
	}
	return nil
}

// renameInExpressions has the expressions of a definition name a column by its new name.
func (a *alteration) renameInExpressions(ctx context.Context, from, to string) (err error) {
	env := a.bindEnv(ctx, nil, true)
	for i := range a.def.Columns {
		if c := &a.def.Columns[i]; c.Generated != "" {
			if c.Generated, err = bind.RenamedColumn(env, c.Generated, from, to); err != nil {
				return err
			}
		}
	}
	a.def.Checks = slices.Clone(a.def.Checks)
	for i := range a.def.Checks {
		c := &a.def.Checks[i]
		if c.Expr, err = bind.RenamedColumn(env, c.Expr, from, to); err != nil {
			return err
		}
	}
	a.def.Indexes = slices.Clone(a.def.Indexes)
	for i := range a.def.Indexes {
		x := &a.def.Indexes[i]
		x.Keys = slices.Clone(x.Keys)
		exprs := []*string{&x.Where}
		for j := range x.Keys {
			exprs = append(exprs, &x.Keys[j].Expr)
		}
		for _, e := range exprs {
			if *e == "" {
				continue
			}
			if *e, err = bind.RenamedColumn(env, *e, from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// usersOf are the generated columns that are computed from a column.
func (a *alteration) usersOf(ctx context.Context, c *schema.Column) []*schema.Column {
	var out []*schema.Column
	env := a.bindEnv(ctx, nil, true)
	for i := range a.def.Columns {
		if g := &a.def.Columns[i]; g.Generated != "" && slices.Contains(bind.ColumnsIn(env, g.Generated), c.Name) {
			out = append(out, g)
		}
	}
	return out
}

// dropRules drops the constraints over a column and, with CASCADE, the columns that are
// computed from it.
func (a *alteration) dropRules(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	var users []dependent
	for _, g := range a.usersOf(ctx, c) {
		users = append(users, dependent{generated: "column " + g.Name + " of table " + a.def.Name})
		if x.Cascade {
			if err := a.dropColumn(ctx, x, g); err != nil {
				return err
			}
		}
	}
	if len(users) > 0 && !x.Cascade {
		return refuseDependents("column "+c.Name+" of table "+a.def.Name, users)
	}
	a.notifyDropped(names(users))
	a.def.Checks = slices.DeleteFunc(slices.Clone(a.def.Checks), func(k schema.Check) bool { return slices.Contains(k.Columns, c.ID) })
	a.def.ForeignKeys = slices.DeleteFunc(slices.Clone(a.def.ForeignKeys), func(k schema.ForeignKey) bool { return slices.Contains(k.Columns, c.ID) })
	return a.dropIndexesOf(ctx, x, c)
}

// dropIndexesOf drops the indexes over a column and, with CASCADE, the foreign keys that refer to them.
func (a *alteration) dropIndexesOf(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	env := a.bindEnv(ctx, nil, true)
	for _, k := range slices.Clone(a.def.Indexes) {
		uses := slices.Contains(k.Columns(), c.ID) || slices.Contains(k.Include, c.ID) || k.Where != "" && slices.Contains(bind.ColumnsIn(env, k.Where), c.Name)
		for _, key := range k.Keys {
			uses = uses || key.Expr != "" && slices.Contains(bind.ColumnsIn(env, key.Expr), c.Name)
		}
		if !uses {
			continue
		}
		if err := a.dropUnique(ctx, x, &k, "column "+c.Name+" of table "+a.def.Name); err != nil {
			return err
		}
	}
	return nil
}

// dropExpression is ALTER COLUMN DROP EXPRESSION: the column keeps what it has.
func (a *alteration) dropExpression(x *ast.AlterAction, c *schema.Column) error {
	if c.Generated == "" {
		if x.IfExists {
			a.notify("column %q of relation %q is not a stored generated column, skipping", c.Name, a.def.Name)
			return nil
		}
		return pgerr.New(pgerr.ObjectNotInState, "column %q of relation %q is not a stored generated column", c.Name, a.def.Name)
	}
	c.Generated = ""
	return nil
}

// checkRows looks whether the rows that are there are as the new definition wants them. The
// table is locked by now, against who would add one that is not.
func (a *alteration) checkRows(ctx context.Context) error {
	if len(a.notNull) == 0 && len(a.checks) == 0 && a.wantsEmpty == "" && a.rekey == nil {
		return nil
	}
	if isolation(a.level) == storage.RepeatableRead { // whose snapshot may lack the newest rows
		return pgerr.Unsupported("NOT NULL, CHECK and PRIMARY KEY for rows that are there are not supported in a REPEATABLE READ transaction")
	}
	if err := a.txn.Snapshot(ctx); err != nil {
		return err
	}
	if a.wantsEmpty != "" {
		found, err := a.hasRow(ctx, chunk.ScanSpec{})
		if err != nil {
			return err
		}
		if found {
			return pgerr.Unsupported("adding column %q, which has another value in each row, to a table with rows is not supported", a.wantsEmpty).
				WithHint("Make a new table, and insert the rows of this one into it.")
		}
	}
	if err := a.checkNulls(ctx); err != nil {
		return err
	}
	for _, name := range a.checks {
		if c := a.def.Check(name); c != nil {
			if err := a.checkOld(ctx, c); err != nil {
				return err
			}
		}
	}
	if a.rekey == nil {
		return nil
	}
	return a.rewrite(ctx)
}

// checkOld looks for a row that a CHECK constraint is false for.
func (a *alteration) checkOld(ctx context.Context, c *schema.Check) error {
	ns := a.txn.Catalog().Namespaces[a.def.Namespace]
	stmt, err := parseOne("SELECT 1 FROM " + ast.Name{Schema: ns.Name, Name: a.def.Name}.String() + " WHERE NOT (" + c.Expr + ") LIMIT 1")
	if err != nil {
		return err
	}
	bound, err := bind.Statement(a.bindEnv(ctx, nil, true), stmt)
	if err != nil {
		return err
	}
	op, err := a.open(ctx, bound.(*plan.Query).Root, nil, nil)
	if err != nil {
		return err
	}
	defer op.Close()
	b, err := op.Next(ctx)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	b.Release()
	e := pgerr.New(pgerr.CheckViolation, "check constraint %q of relation %q is violated by some row", c.Name, a.def.Name)
	e.Schema, e.Table, e.Constraint = ns.Name, a.def.Name, c.Name
	return e
}

// commentConstraint is COMMENT ON CONSTRAINT.
func (s *Session) commentConstraint(ctx context.Context, st *ast.Comment, text string) error {
	old, err := s.findTable(st.Name)
	if err != nil {
		return err
	}
	t := *old
	t.Checks, t.Indexes, t.ForeignKeys = slices.Clone(t.Checks), slices.Clone(t.Indexes), slices.Clone(t.ForeignKeys)
	c := t.Check(st.Column)
	switch {
	case t.ForeignKey(st.Column) != nil:
		t.ForeignKey(st.Column).Comment = text
	case c != nil:
		c.Comment = text
	case t.HasConstraint(st.Column):
		return pgerr.Unsupported("comments on a primary key are not supported")
	default:
		return pgerr.New(pgerr.UndefinedObject, "constraint %q for table %q does not exist", st.Column, t.Name)
	}
	return s.txn.Apply(ctx, schema.Change{PutTable: &t})
}

// setConstraints is SET CONSTRAINTS. What it says has no effect: foreign keys, which alone may be
// deferrable, are declared and not enforced.
func (s *Session) setConstraints(st *ast.SetConstraints) error {
	if !s.inBlock() {
		s.warn(pgerr.NoActiveTransaction, "SET CONSTRAINTS can only be used in transaction blocks")
	}
	for _, name := range st.Names {
		found, deferrable := s.constraintNamed(name)
		switch {
		case !found:
			return pgerr.New(pgerr.UndefinedObject, "constraint %q does not exist", name.Name)
		case !deferrable:
			return pgerr.New(pgerr.WrongObjectType, "constraint %q is not deferrable", name.Name)
		}
	}
	return nil
}

// constraintNamed says whether constraints of a name exist, and whether they are deferrable.
func (s *Session) constraintNamed(name ast.Name) (found, deferrable bool) {
	for _, ns := range s.path(name) {
		for _, t := range s.tables() {
			if s.schemaName(t) != ns || !t.HasConstraint(name.Name) {
				continue
			}
			i := slices.IndexFunc(t.ForeignKeys, func(k schema.ForeignKey) bool { return k.Name == name.Name })
			deferrable = (deferrable || !found) && i >= 0 && t.ForeignKeys[i].Deferrable
			found = true
		}
		if found {
			break
		}
	}
	return found, deferrable
}
