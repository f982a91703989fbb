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
)

// alterTable is ALTER TABLE. No chunk is written anew: those that lack a column
// read as if they had its default of the time when it was added, and narrower
// numbers are widened when they are read.
func (s *Session) alterTable(ctx context.Context, st *ast.AlterTable) error {
	if st.Kind != ast.TableObject && st.Kind != ast.ViewObject && st.Kind != ast.MatViewObject {
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
	if r.sequence != nil && !slices.ContainsFunc(st.Actions, func(x ast.AlterAction) bool { return x.Kind != ast.RenameTable }) {
		return s.alterSequence(ctx, st)
	}
	switch {
	case r.view != nil:
		return s.alterView(ctx, r.view, st)
	case r.table == nil || st.Kind != ast.TableObject && st.Kind != r.kind():
		return pgerr.New(pgerr.WrongObjectType, "%q is not a %s", st.Table.Name.Name, st.Kind.Lower())
	}
	views, err := s.viewsOver(r)
	if err != nil {
		return err
	}
	def := *r.table
	def.Columns = slices.Clone(def.Columns)
	a := &alteration{Session: s, def: &def, views: views}
	for i := range st.Actions {
		if err := alterable(r, &st.Actions[i]); err != nil {
			return err
		}
		if err := a.action(ctx, &st.Actions[i]); err != nil {
			return err
		}
	}
	if len(a.typed) > 0 {
		if err := bind.RecheckTable(s.bindEnv(ctx, nil, true), &def); err != nil {
			return err
		}
	}
	if err := s.txn.Apply(ctx, schema.Change{PutTable: &def}); err != nil {
		return err
	}
	if err := a.moveSequences(ctx); err != nil {
		return err
	}
	if err := a.checkViews(ctx, "alter table "+def.Name, !slices.EqualFunc(r.table.Live(), def.Live(), sameName)); err != nil {
		return err
	}
	return a.checkRows(ctx)
}

// alterable says whether an action is one for a relation of its kind.
func alterable(r relation, x *ast.AlterAction) error {
	if r.kind() != ast.MatViewObject {
		return nil
	}
	switch x.Kind {
	case ast.RenameTable, ast.RenameColumn, ast.SetSchema, ast.OwnerTo, ast.SetOptions, ast.ResetOptions, ast.OtherAlter, ast.AlterColumnOther:
		return nil
	}
	return notFor(x.Kind, r)
}

// sameViews checks that the views over a relation are what they were before something was
// done to it. What a NATURAL JOIN joins by is not in their text: it may be another thing if
// the relation's columns have other names.
func (s *Session) sameViews(ctx context.Context, done string, views []*schema.View, otherNames bool) error {
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
		same := err == nil && now != nil && !(otherNames && joinsByNames(stmt)) && slices.EqualFunc(now.Columns, v.Columns, func(a, b schema.Column) bool { return a.Name == b.Name && a.Type == b.Type })
		if !same {
			_, name, _ := strings.Cut(done, " ")
			return pgerr.New(pgerr.DependentObjects, "cannot %s because other objects depend on it", done).
				WithDetail("%s %s depends on %s", s.ofView(v).kind().Lower(), v.Name, name).WithHint("Drop the view, %s, and make the view again.", done)
		}
	}
	return nil
}

// checkViews checks the views over the table that was altered; with CASCADE those go that
// are not what they were.
func (a *alteration) checkViews(ctx context.Context, done string, otherNames bool) error {
	if !a.cascade {
		return a.sameViews(ctx, done, a.views, otherNames)
	}
	var dropped dropping
	for _, v := range a.views {
		if a.ofView(v) == (relation{}) {
			continue // with one before it
		}
		err := a.sameViews(ctx, done, []*schema.View{v}, otherNames)
		if pgerr.Code(err) == pgerr.DependentObjects {
			err = a.dropAll(ctx, a.ofView(v), &dropped)
		}
		if err != nil {
			return err
		}
	}
	a.notifyDropped(dropped.names)
	return nil
}

func sameName(a, b schema.Column) bool { return a.Name == b.Name }

func joinsByNames(stmt ast.Stmt) (yes bool) {
	ast.Walk(stmt, func(node any) {
		j, ok := node.(*ast.Join)
		yes = yes || ok && j.Natural
	})
	return yes
}

// An alteration is a table's definition on its way to the next one.
type alteration struct {
	*Session
	def     *schema.Table
	notNull []schema.ColumnID // which may not be NULL from now on
	typed   []schema.ColumnID // whose types were changed
	checks  []string          // constraints that rows must obey which are there
	// wantsEmpty is a column that a table with rows cannot get.
	wantsEmpty string
	// rekey gives a definition another primary key, for which the rows are written anew; nil: it stays.
	rekey func(def *schema.Table)
	// dropsKey is what is done to the key if none comes in its place, which views may group by.
	dropsKey string
	views    []*schema.View // over the table
	cascade  bool           // views that are not what they were go
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
	case ast.AddConstraint:
		return a.addConstraint(ctx, x.Constraint)
	case ast.DropConstraint:
		return a.dropConstraint(ctx, x)
	case ast.ValidateConstraint:
		return a.validateConstraint(x)
	case ast.OtherAlter:
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
		return a.renameColumn(ctx, x, c)
	case ast.AlterColumnType:
		return a.alterType(ctx, x, c)
	case ast.SetDefault, ast.DropDefault:
		if c.Identity != schema.NoIdentity {
			e := pgerr.New(pgerr.SyntaxError, "column %q of relation %q is an identity column", c.Name, a.def.Name)
			if x.Kind == ast.DropDefault {
				e = e.WithHint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.")
			}
			return e
		}
		if c.Generated != "" {
			e := pgerr.New(pgerr.SyntaxError, "column %q of relation %q is a generated column", c.Name, a.def.Name)
			if x.Kind == ast.DropDefault {
				e = e.WithHint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.")
			}
			return e
		}
		c.Default, err = bind.ColumnDefault(a.bindEnv(ctx, nil, true), c, x.Expr)
		return unplaced(err)
	case ast.SetNotNull:
		if !c.NotNull {
			c.NotNull = true
			a.notNull = append(a.notNull, c.ID)
		}
		return nil
	case ast.DropExpression:
		return a.dropExpression(x, c)
	case ast.AddIdentity:
		return a.addIdentity(ctx, x, c)
	case ast.SetIdentity:
		return a.setIdentity(ctx, x, c)
	case ast.DropIdentity:
		return a.dropIdentity(ctx, x, c)
	case ast.DropNotNull:
		if c.Identity != schema.NoIdentity {
			return pgerr.New(pgerr.SyntaxError, "column %q of relation %q is an identity column", c.Name, a.def.Name)
		}
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
	c, err := bind.NewColumn(a.bindEnv(ctx, nil, true), a.def, x.Def)
	if err != nil {
		return withoutPosition(err)
	}
	c.ID = schema.ColumnID(len(a.def.Columns) + 1) // dropped ones keep their places
	switch {
	case c.Generated != nil, c.Sequence != nil:
		a.wantsEmpty = c.Name
	case !plan.IsVolatile(c.Value):
		if c.Missing, err = a.constant(ctx, c.Value, c.Type); err != nil {
			return err
		}
	case !c.NotNull: // nothing would keep others from adding rows in which it is NULL
		return pgerr.Unsupported("adding a column with a volatile default is not supported").
			WithHint("Add the column without a default, then set the default for rows to come.").At(x.Position())
	default:
		a.wantsEmpty = c.Name
	}
	if c.NotNull && c.Missing == nil {
		a.notNull = append(a.notNull, c.ID)
	}
	a.def.Columns = append(a.def.Columns, c.Column)
	return a.completeColumn(ctx, c)
}

// completeColumn does what needs the table to have the new column.
func (a *alteration) completeColumn(ctx context.Context, c *bind.AddedColumn) error {
	if c.Sequence != nil {
		if err := a.columnSequences(ctx, a.def, []*bind.ColumnSequence{c.Sequence}); err != nil {
			return err
		}
	}
	if c.Generated != nil {
		if err := bind.SetGenerated(a.bindEnv(ctx, nil, true), a.def, &a.def.Columns[len(a.def.Columns)-1], c.Generated); err != nil {
			return err
		}
	}
	for _, k := range c.Constraints {
		if err := a.addConstraint(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// exactText writes floats so that they are read back as they were.
var exactText = &datum.Env{ExtraFloatDigits: 1}

// withoutPosition is an error about a value as PostgreSQL gives it, which looks at
// defaults when the statement has been taken apart.
func withoutPosition(err error) error {
	if strings.HasPrefix(pgerr.Code(err), "22") {
		return unplaced(err)
	}
	return err
}

// unplaced is an error without its place in the statement.
func unplaced(err error) error {
	var e *pgerr.Error
	if !errors.As(err, &e) {
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
	a.cascade = a.cascade || x.Cascade
	if err := a.dropRules(ctx, x, c); err != nil {
		return err
	}
	if err := a.dropSequences(ctx, x, c); err != nil {
		return err
	}
	*c = schema.Column{ID: c.ID, Name: fmt.Sprintf("........pg.dropped.%d........", c.ID)}
	return nil
}

// dropSequences drops the sequences that go with a column.
func (a *alteration) dropSequences(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	owned := a.ownedSequences(a.def.OID, c.ID)
	list, err := a.takers(owned, func(t *schema.Table, id schema.ColumnID) bool { return t.OID == a.def.OID && id == c.ID })
	if err != nil {
		return err
	}
	if len(list) > 0 && !x.Cascade {
		return refuseDependents("column "+c.Name+" of table "+a.def.Name, list)
	}
	for i, d := range list {
		if d.table != nil && d.table.OID == a.def.OID { // which is on its way already
			a.def.Column(d.column).Default = ""
			a.notify("drop cascades to %s", d)
			list[i] = dependent{}
		}
	}
	var dropped dropping
	list = slices.DeleteFunc(list, func(d dependent) bool { return d == dependent{} })
	if err := a.Session.dropDependents(ctx, list, &dropped); err != nil {
		return err
	}
	a.notifyDropped(dropped.names)
	for _, q := range owned {
		if err := a.txn.Apply(ctx, schema.Change{DropSequence: q.OID}); err != nil {
			return err
		}
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

func (a *alteration) renameColumn(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	if a.taken(x.NewName) {
		return pgerr.New(pgerr.DuplicateColumn, "column %q of relation %q already exists", x.NewName, a.def.Name)
	}
	if a.def.PartitionKind == schema.PartitionList && slices.Contains(a.def.PartitionColumns, c.ID) {
		return a.unused(&schema.Column{ID: c.ID, Name: c.Name}, "renaming")
	}
	if err := a.renameInExpressions(ctx, c.Name, x.NewName); err != nil {
		return err
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
	if users := a.usersOf(ctx, c); len(users) > 0 {
		return pgerr.Unsupported("cannot alter type of a column used by a generated column").
			WithDetail("Column %q is used by generated column %q.", c.Name, users[0].Name)
	}
	if err := bind.CheckTypeChange(a.bindEnv(ctx, nil, true), a.def, c, t, x.Expr); err != nil {
		return err
	}
	if x.Expr != nil && !isColumn(x.Expr, c.Name) || !widerType(c.Type, t) {
		return pgerr.Unsupported("changing the type of column %q from %s to %s is not supported", c.Name, a.typeText(datum.Of(c.Type.Declared())), a.typeText(datum.Of(t.Declared()))).
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
	if to.Domain != 0 {
		return false // which the values would have to be shown to be of
	}
	if from.OID == to.OID && from.Mod == to.Mod {
		return true // the type below a domain
	}
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

func (a *alteration) setSchema(x *ast.AlterAction) error {
	return a.moveTo(&a.def.Namespace, ast.Name{Schema: x.NewName, Name: a.def.Name})
}

func (a *alteration) setOwner(x *ast.AlterAction) (err error) {
	a.def.Owner, err = a.ownerNamed(x.NewName)
	return err
}

// ownerNamed is the role that OWNER TO names.
func (s *Session) ownerNamed(name string) (string, error) {
	switch strings.ToLower(name) {
	case "current_user", "session_user", "current_role":
		return s.opt.User, nil
	}
	if s.txn.Catalog().Roles[name] == nil && name != s.opt.User {
		return "", pgerr.New(pgerr.UndefinedObject, "role %q does not exist", name)
	}
	return name, nil
}

// moveSequences has the sequences of a table follow it to its owner and schema.
func (a *alteration) moveSequences(ctx context.Context) error {
	for _, q := range a.ownedSequences(a.def.OID, 0) {
		if q.Owner == a.def.Owner && q.Namespace == a.def.Namespace {
			continue
		}
		def := *q
		def.Owner, def.Namespace = a.def.Owner, a.def.Namespace
		if err := a.txn.Apply(ctx, schema.Change{PutSequence: &def}); err != nil {
			return err
		}
	}
	return nil
}

// checkNulls looks whether there are NULLs that may not be any more. By now the table is
// locked, and other nodes refuse them, so that nobody adds one.
func (a *alteration) checkNulls(ctx context.Context) error {
	for _, id := range a.notNull {
		found, err := a.hasRow(ctx, chunk.ScanSpec{Filter: []chunk.Predicate{{Column: id, Op: chunk.OpIsNull}}})
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

// hasRow says whether a scan of the table has a row.
func (a *alteration) hasRow(ctx context.Context, spec chunk.ScanSpec) (bool, error) {
	splits, _, err := a.txn.Statement().Scan(ctx, a.def.OID, spec)
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
