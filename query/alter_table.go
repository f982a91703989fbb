package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
	"github.com/phyllodb/phyllo/query/storage"
)

// alterTable is ALTER TABLE. No chunk is written anew: those that lack a column
// read as if they had its default of the time when it was added, and narrower
// numbers are widened when they are read.
func (s *Session) alterTable(ctx context.Context, st *ast.AlterTable) error {
	if st.Kind != ast.TableObject {
		return pgerr.Unsupported("ALTER %s is not supported", st.Kind)
	}
	r, err := s.findRelation(st.Table.Name)
	if err != nil {
		if st.IfExists {
			s.notify("relation %q does not exist, skipping", st.Table.Name.Name)
			return nil
		}
		return err
	}
	if r.table == nil {
		return pgerr.New(pgerr.WrongObjectType, "%q is not a table", st.Table.Name.Name)
	}
	views, err := s.viewsOver(r)
	if err != nil {
		return err
	}
	def := *r.table
	def.Columns = slices.Clone(def.Columns)
	a := &alteration{Session: s, def: &def}
	for i := range st.Actions {
		if err := a.action(ctx, &st.Actions[i]); err != nil {
			return err
		}
	}
	if a.cascade {
		views = nil
	}
	if err := s.txn.Apply(ctx, schema.Change{PutTable: &def}); err != nil {
		return err
	}
	if err := s.sameViews(ctx, &def, views); err != nil {
		return err
	}
	return a.checkNulls(ctx)
}

// sameViews checks that the views over a table that was altered are what they were.
func (s *Session) sameViews(ctx context.Context, t *schema.Table, views []*schema.View) error {
	for _, v := range views {
		stmt, err := parseOne(v.SQL)
		if err != nil {
			return err
		}
		names := make([]string, len(v.Columns))
		for i := range names {
			names[i] = v.Columns[i].Name
		}
		var now *schema.View
		if q, ok := stmt.(*ast.Select); ok {
			now, err = bind.ViewDef(s.bindEnv(ctx, nil, true), &ast.CreateView{Name: ast.Name{Name: v.Name}, Columns: names, Query: q, QueryText: v.SQL})
		}
		same := err == nil && now != nil && slices.EqualFunc(now.Columns, v.Columns, func(a, b schema.Column) bool { return a.Name == b.Name && a.Type == b.Type })
		if !same {
			return pgerr.New(pgerr.DependentObjects, "cannot alter table %s because other objects depend on it", t.Name).
				WithDetail("view %s depends on table %s", v.Name, t.Name).WithHint("Drop the view, alter the table, and make the view again.")
		}
	}
	return nil
}

// An alteration is a table's definition on its way to the next one.
type alteration struct {
	*Session
	def     *schema.Table
	notNull []schema.ColumnID // which may not be NULL from now on
	typed   []schema.ColumnID // whose types were changed
	cascade bool
}

func (a *alteration) action(ctx context.Context, x *ast.AlterAction) error {
	switch x.Kind {
	case ast.AddColumn:
		return a.addColumn(ctx, x)
	case ast.RenameTable:
		a.def.Name = x.NewName
		return nil
	case ast.RenameConstraint:
		return a.renameConstraint(x)
	case ast.SetSchema:
		return a.setSchema(x)
	case ast.OwnerTo:
		return a.setOwner(x)
	case ast.SetOptions, ast.ResetOptions:
		return bind.TableOptions(a.bindEnv(ctx, nil, true), a.def, x.Options, x.Kind == ast.ResetOptions)
	case ast.AddConstraint, ast.DropConstraint, ast.OtherAlter:
		return pgerr.Unsupported("ALTER TABLE ... %s is not supported", x.Text).At(x.Position())
	}
	c, err := a.column(x)
	if c == nil || err != nil {
		return err
	}
	return a.alterColumn(ctx, x, c)
}

// alterColumn does what concerns a column that is there.
func (a *alteration) alterColumn(ctx context.Context, x *ast.AlterAction, c *schema.Column) (err error) {
	switch x.Kind {
	case ast.DropColumn:
		return a.dropColumn(ctx, x, c)
	case ast.RenameColumn:
		return a.renameColumn(x, c)
	case ast.AlterColumnType:
		return a.alterType(ctx, x, c)
	case ast.SetDefault, ast.DropDefault:
		c.Default, err = bind.ColumnDefault(a.bindEnv(ctx, nil, true), c, x.Expr)
		return err
	case ast.SetNotNull:
		if !c.NotNull {
			c.NotNull = true
			a.notNull = append(a.notNull, c.ID)
		}
		return nil
	case ast.DropNotNull:
		if slices.Contains(a.def.PrimaryKey, c.ID) {
			return pgerr.New(pgerr.InvalidTableDefinition, "column %q is in a primary key", c.Name)
		}
		c.NotNull = false
		return nil
	}
	return pgerr.Unsupported("ALTER TABLE ... %s is not supported", x.Text).At(x.Position())
}

// column finds the column that an action is about; nil if it need not be there.
func (a *alteration) column(x *ast.AlterAction) (*schema.Column, error) {
	for i := range a.def.Columns {
		if c := &a.def.Columns[i]; c.Name == x.Column && c.Type.OID != 0 {
			return c, nil
		}
	}
	if x.Kind == ast.DropColumn && x.IfExists {
		a.notify("column %q of relation %q does not exist, skipping", x.Column, a.def.Name)
		return nil, nil
	}
	return nil, pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", x.Column, a.def.Name)
}

func (a *alteration) taken(name string) bool {
	return slices.ContainsFunc(a.def.Columns, func(c schema.Column) bool { return c.Name == name && c.Type.OID != 0 })
}

func (a *alteration) addColumn(ctx context.Context, x *ast.AlterAction) error {
	if a.taken(x.Def.Name) {
		if x.IfNotExists {
			a.notify("column %q of relation %q already exists, skipping", x.Def.Name, a.def.Name)
			return nil
		}
		return pgerr.New(pgerr.DuplicateColumn, "column %q of relation %q already exists", x.Def.Name, a.def.Name)
	}
	c, value, err := bind.AddedColumn(a.bindEnv(ctx, nil, true), a.def, x.Def)
	if err != nil {
		return withoutPosition(err)
	}
	if plan.IsVolatile(value) {
		return pgerr.Unsupported("adding a column with a volatile default is not supported").
			WithHint("Add the column without a default, then set the default for rows to come.").At(x.Position())
	}
	c.ID = schema.ColumnID(len(a.def.Columns) + 1) // dropped ones keep their places
	if c.Missing, err = a.constant(ctx, value, c.Type); err != nil {
		return err
	}
	if c.NotNull && c.Missing == nil {
		a.notNull = append(a.notNull, c.ID)
	}
	a.def.Columns = append(a.def.Columns, c)
	return nil
}

// exactText writes floats so that they are read back as they were.
var exactText = &datum.Env{ExtraFloatDigits: 1}

// withoutPosition is an error about a value as PostgreSQL gives it, which looks at
// defaults when the statement has been taken apart.
func withoutPosition(err error) error {
	var e *pgerr.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Code, "22") {
		return err
	}
	moved := *e
	moved.Position = 0
	return &moved
}

// constant computes an expression over no rows, and returns its text, nil for NULL.
func (a *alteration) constant(ctx context.Context, e expr.Expr, t datum.Type) (*string, error) {
	one := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 1)
	defer one.Release()
	v, err := expr.Eval(&expr.Context{Context: a.functionContext(ctx, memory.DefaultAllocator)}, e, one)
	if err != nil {
		return nil, err
	}
	defer v.Release()
	if v.Array.IsNull(0) {
		return nil, nil
	}
	text := string(datum.AppendTextAt(nil, t, v.Array, 0, exactText))
	return &text, nil
}

func (a *alteration) dropColumn(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	if err := a.unused(c, "dropping"); err != nil {
		return err
	}
	if !slices.ContainsFunc(a.def.Columns, func(o schema.Column) bool { return o.ID != c.ID && o.Type.OID != 0 }) {
		return pgerr.Unsupported("dropping the last column of a table is not supported")
	}
	if x.Cascade {
		if err := a.dropViewsOf(ctx, c); err != nil {
			return err
		}
	}
	*c = schema.Column{ID: c.ID, Name: fmt.Sprintf("........pg.dropped.%d........", c.ID)}
	return nil
}

// dropViewsOf drops the views over the table, for DROP COLUMN ... CASCADE.
func (a *alteration) dropViewsOf(ctx context.Context, c *schema.Column) error {
	old := a.txn.Catalog().Tables[a.def.OID]
	views, err := a.viewsOver(relation{table: old})
	if err != nil {
		return err
	}
	a.cascade = true
	for _, v := range views {
		if a.txn.Catalog().Views[v.OID] == nil {
			continue // with one before it
		}
		if err := a.dropWithViews(ctx, relation{view: v}, true); err != nil {
			return err
		}
		a.notify("drop cascades to view %s", v.Name)
	}
	return nil
}

// unused refuses to change a column by which rows are placed.
func (a *alteration) unused(c *schema.Column, doing string) error {
	what := ""
	switch {
	case slices.Contains(a.def.PrimaryKey, c.ID):
		what = "the primary key"
	case slices.Contains(a.def.PartitionColumns, c.ID):
		what = "the partitioning"
	case a.def.TimeColumn == c.ID:
		what = "the slices of time"
	default:
		return nil
	}
	return pgerr.Unsupported("%s column %q of table %q, which %s uses, is not supported", doing, c.Name, a.def.Name, what)
}

func (a *alteration) renameColumn(x *ast.AlterAction, c *schema.Column) error {
	if a.taken(x.NewName) {
		return pgerr.New(pgerr.DuplicateColumn, "column %q of relation %q already exists", x.NewName, a.def.Name)
	}
	if a.def.PartitionKind == schema.PartitionList && slices.Contains(a.def.PartitionColumns, c.ID) {
		return a.unused(&schema.Column{ID: c.ID, Name: c.Name}, "renaming")
	}
	c.Name = x.NewName
	return nil
}

func (a *alteration) alterType(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	t, err := bind.ColumnType(a.bindEnv(ctx, nil, true), x.Def)
	if err == nil && slices.Contains(a.typed, c.ID) {
		err = pgerr.Unsupported("cannot alter type of column %q twice", c.Name)
	}
	if err != nil || t == c.Type {
		return err
	}
	if err := a.unused(c, "changing the type of"); err != nil {
		return err
	}
	if x.Expr != nil && !isColumn(x.Expr, c.Name) || !widerType(c.Type, t) {
		return pgerr.Unsupported("changing the type of column %q from %v to %v is not supported", c.Name, c.Type, t).
			WithHint("Types can be widened: smallint to integer to bigint, real to double precision, varchar to a longer one or text, numeric to more digits.").At(x.Position())
	}
	if c.Missing, err = widened(c.Missing, c.Type, t); err != nil {
		return err
	}
	a.typed = append(a.typed, c.ID)
	c.Type = t
	if c.Default != "" {
		e, err := parseOne("SELECT " + c.Default)
		if err != nil {
			return err
		}
		if _, err := bind.ColumnDefault(a.bindEnv(ctx, nil, true), c, e.(*ast.Select).Targets[0].Expr); err != nil {
			return err
		}
	}
	return nil
}

// widened returns the text of a value as one of a wider type: that of 1.1 as real is
// 1.100000023841858 as double precision, as rows that have it are read.
func widened(text *string, from, to datum.Type) (*string, error) {
	if text == nil || from.OID != datum.Float4 {
		return text, nil
	}
	v, err := datum.Parse(from, *text, exactText)
	if err != nil {
		return nil, err
	}
	a := datum.NewArray(memory.DefaultAllocator, to, float64(v.(float32)), 1)
	defer a.Release()
	wide := string(datum.AppendTextAt(nil, to, a, 0, exactText))
	return &wide, nil
}

func isColumn(e ast.Expr, name string) bool {
	ref, ok := e.(*ast.ColumnRef)
	return ok && len(ref.Names) == 1 && ref.Names[0] == name
}

// widerType says whether every value of one type is one of another, with the same
// text.
func widerType(from, to datum.Type) bool {
	switch from.OID {
	case datum.Int2:
		return to.OID == datum.Int4 || to.OID == datum.Int8
	case datum.Int4:
		return to.OID == datum.Int8
	case datum.Float4:
		return to.OID == datum.Float8
	case datum.Text:
		return to.OID == datum.Varchar && to.Mod < 0
	case datum.Varchar:
		return to.OID == datum.Text || to.OID == datum.Varchar && (to.Mod < 0 || from.Mod >= 0 && to.Mod >= from.Mod)
	case datum.Numeric:
		return to.OID == datum.Numeric && widerNumeric(from.Mod, to.Mod)
	}
	return false
}

// widerNumeric compares type modifiers, which have the precision above the scale.
func widerNumeric(from, to int32) bool {
	const header = 4
	if to < header {
		return true
	}
	return from >= header && (from-header)&0x7ff == (to-header)&0x7ff && (to-header)>>16 >= (from-header)>>16
}

func (a *alteration) renameConstraint(x *ast.AlterAction) error {
	if !a.def.Keyed() || a.def.PrimaryKeyName != x.Column {
		return pgerr.New(pgerr.UndefinedObject, "constraint %q for table %q does not exist", x.Column, a.def.Name)
	}
	a.def.PrimaryKeyName = x.NewName
	return nil
}

func (a *alteration) setSchema(x *ast.AlterAction) error {
	ns, err := a.targetNamespace(ast.Name{Schema: x.NewName, Name: a.def.Name})
	if err == nil {
		a.def.Namespace = ns.OID
	}
	return err
}

func (a *alteration) setOwner(x *ast.AlterAction) error {
	switch name := x.NewName; strings.ToLower(name) {
	case "current_user", "session_user", "current_role":
		a.def.Owner = a.opt.User
	default:
		if a.txn.Catalog().Roles[name] == nil && name != a.opt.User {
			return pgerr.New(pgerr.UndefinedObject, "role %q does not exist", name)
		}
		a.def.Owner = name
	}
	return nil
}

// checkNulls looks whether there are NULLs that may not be any more. The table is
// locked by now, against who would add one.
func (a *alteration) checkNulls(ctx context.Context) error {
	if len(a.notNull) == 0 {
		return nil
	}
	if isolation(a.level) == storage.RepeatableRead { // whose snapshot may lack the newest rows
		return pgerr.Unsupported("NOT NULL for rows that are there is not supported in a REPEATABLE READ transaction")
	}
	if err := a.txn.Snapshot(ctx); err != nil {
		return err
	}
	for _, id := range a.notNull {
		found, err := a.hasNull(ctx, id)
		if err != nil {
			return err
		}
		if found {
			e := pgerr.New(pgerr.NotNullViolation, "column %q of relation %q contains null values", a.def.Column(id).Name, a.def.Name)
			e.Table, e.Column = a.def.Name, a.def.Column(id).Name
			return e
		}
	}
	return nil
}

func (a *alteration) hasNull(ctx context.Context, id schema.ColumnID) (bool, error) {
	splits, _, err := a.txn.Statement().Scan(ctx, a.def.OID, chunk.ScanSpec{Filter: []chunk.Predicate{{Column: id, Op: chunk.OpIsNull}}})
	if err != nil {
		return false, err
	}
	for _, sp := range splits {
		found, err := anyRow(ctx, sp)
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// anyRow says whether a split has a row.
func anyRow(ctx context.Context, sp chunk.Split) (bool, error) {
	var stats chunk.ScanStats
	r, err := sp.Scan(ctx, chunk.NewRoom(memory.DefaultAllocator), &stats)
	if err != nil {
		return false, err
	}
	defer r.Close()
	b, err := r.Next(ctx)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer b.Release()
	return b.NumRows() > 0, nil
}
