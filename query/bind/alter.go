package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// An AddedColumn is a column that ALTER TABLE adds, without ID.
type AddedColumn struct {
	schema.Column
	Value    expr.Expr       // its default, NULL if it has none, nil if it comes from Sequence or Generated
	Sequence *ColumnSequence // that comes with it, or nil
	// Constraints are those beside NOT NULL, and Generated its expression or nil: to be bound when the
	// table has the column.
	Constraints []*ast.Constraint
	Generated   ast.Expr
}

// NewColumn checks a column that ALTER TABLE adds.
func NewColumn(env *Env, t *schema.Table, c *ast.ColumnDef) (*AddedColumn, error) {
	d := &tableDef{b: newBinder(env), name: ast.Name{Name: t.Name}}
	if err := d.column(c); err != nil {
		return nil, err
	}
	if d.hasKey {
		return nil, pgerr.Unsupported("adding a primary key to a table is not supported").At(d.keyPos)
	}
	col := &AddedColumn{Column: d.columns[0]}
	if err := checkColumn(&col.Column); err != nil {
		return nil, err
	}
	if len(t.Columns) >= MaxColumns {
		return nil, pgerr.New(pgerr.TooManyColumns, "tables can have at most %d columns", MaxColumns)
	}
	col.Constraints = append(d.checks, d.declared...)
	if len(d.generated) > 0 {
		col.Generated = d.generated[0].Expr
		return col, nil
	}
	if len(d.sequences) > 0 {
		col.Sequence = d.sequences[0]
		return col, nil
	}
	var err error
	col.Value, err = d.b.defaultOf(t, &col.Column)
	return col, err
}

// checkColumn refuses columns that no table can have.
func checkColumn(c *schema.Column) error {
	if systemColumns[c.Name] {
		return pgerr.New(pgerr.DuplicateColumn, "column name %q conflicts with a system column name", c.Name)
	}
	base := c.Type.OID
	if e := elemOf(base); e != 0 && trueArray(base) {
		base = e
	}
	if !storable[base] && base.Class() != datum.EnumClass && !isRow(base) {
		return pgerr.Unsupported("columns of type %s are not supported", datum.Of(c.Type.OID))
	}
	return nil
}

// ColumnDefault checks a new default of a column, nil for none, and returns its SQL.
func ColumnDefault(env *Env, c *schema.Column, e ast.Expr) (string, error) {
	if e == nil {
		return "", nil
	}
	b := newBinder(env)
	if _, err := b.bindDefault(e, c); err != nil {
		return "", err
	}
	return b.storedExpr(e)
}

// ColumnType returns the type that ALTER COLUMN TYPE gives a column.
func ColumnType(env *Env, c *ast.ColumnDef) (datum.Type, error) {
	d := &tableDef{b: newBinder(env)}
	if err := d.column(c); err != nil {
		return datum.Type{}, err
	}
	return d.columns[0].Type, checkColumn(&d.columns[0])
}

// CheckTypeChange says whether values of a column can become those of another type by assignment, or
// what an expression (nil: none is given) makes of them.
func CheckTypeChange(env *Env, t *schema.Table, c *schema.Column, to datum.Type, using ast.Expr) error {
	b := newBinder(env)
	var from expr.Expr = &expr.Column{Name: c.Name, T: c.Type}
	if using != nil {
		var err error
		s := &scope{frame: &frame{items: []*item{b.tableItem(t, t.Name, 0)}}, clause: clausePartition}
		if from, err = b.expr(using, s); err != nil {
			return err
		}
	}
	x, err := b.coerceTo(from, to, function.AssignmentCast, 0)
	if err != nil || x != nil {
		return err
	}
	if using != nil {
		return pgerr.New(pgerr.DatatypeMismatch, "result of USING clause for column %q cannot be cast automatically to type %s", c.Name, b.typeText(to.Declared())).
			WithHint("You might need to add an explicit cast.")
	}
	return pgerr.New(pgerr.DatatypeMismatch, "column %q cannot be cast automatically to type %s", c.Name, b.typeText(to.Declared())).
		WithHint("You might need to specify \"USING %s::%s\".", ast.QuoteIdent(c.Name), b.typeText(to.Declared()))
}

// TableOptions sets options of a table that ALTER TABLE SET gives, or resets them.
func TableOptions(env *Env, t *schema.Table, options []ast.Option, reset bool) error {
	d := &tableDef{b: newBinder(env), options: options}
	given, err := d.given()
	if err != nil {
		return err
	}
	for _, name := range []string{"time_column", "on_duplicate"} {
		if o, ok := given[name]; ok {
			return pgerr.Unsupported("changing %s of a table is not supported", name).At(o.Position())
		}
	}
	for _, x := range []struct {
		name       string
		set, reset func(*schema.Table, ast.Option) error
	}{
		{"partitions", d.partitions, d.defaultPartitions}, {"slice", d.slice, d.defaultSlice},
		{"retention", d.retention, func(t *schema.Table, _ ast.Option) error { t.Retention = 0; return nil }},
		{"history_retention", d.history, func(t *schema.Table, _ ast.Option) error { t.History = 0; return nil }},
	} {
		o, ok := given[x.name]
		if !ok {
			continue
		}
		set := x.set
		if reset {
			set = x.reset
		}
		if err := set(t, o); err != nil {
			return err
		}
	}
	return nil
}

func (d *tableDef) defaultPartitions(t *schema.Table, _ ast.Option) error {
	if t.PartitionKind == schema.PartitionHash {
		t.Partitions = DefaultPartitions
	}
	return nil
}

func (d *tableDef) defaultSlice(t *schema.Table, _ ast.Option) error {
	if t.Slice > 0 {
		t.Slice = DefaultSlice
	}
	return nil
}
