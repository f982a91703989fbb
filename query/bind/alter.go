package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
)

// AddedColumn checks a column that ALTER TABLE adds, and returns it, without ID, and
// its default: NULL if it has none.
func AddedColumn(env *Env, t *schema.Table, c *ast.ColumnDef) (schema.Column, expr.Expr, error) {
	d := &tableDef{b: newBinder(env), name: ast.Name{Name: t.Name}}
	if err := d.column(c); err != nil {
		return schema.Column{}, nil, err
	}
	if d.hasKey {
		return schema.Column{}, nil, pgerr.Unsupported("adding a primary key to a table is not supported").At(d.keyPos)
	}
	col := d.columns[0]
	if err := checkColumn(&col); err != nil {
		return col, nil, err
	}
	if len(t.Columns) >= MaxColumns {
		return col, nil, pgerr.New(pgerr.TooManyColumns, "tables can have at most %d columns", MaxColumns)
	}
	def, err := d.b.defaultOf(&col)
	return col, def, err
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
	if !storable[base] {
		return pgerr.Unsupported("columns of type %s are not supported", datum.Of(c.Type.OID))
	}
	return nil
}

// ColumnDefault checks a new default of a column, nil for none, and returns its SQL.
func ColumnDefault(env *Env, c *schema.Column, e ast.Expr) (string, error) {
	if e == nil {
		return "", nil
	}
	if _, err := newBinder(env).bindDefault(e, c); err != nil {
		return "", err
	}
	return ast.Deparse(e), nil
}

// ColumnType returns the type that ALTER COLUMN TYPE gives a column.
func ColumnType(env *Env, c *ast.ColumnDef) (datum.Type, error) {
	d := &tableDef{b: newBinder(env)}
	if err := d.column(c); err != nil {
		return datum.Type{}, err
	}
	return d.columns[0].Type, checkColumn(&d.columns[0])
}

// TableOptions sets options of a table that ALTER TABLE SET gives, or resets them.
func TableOptions(env *Env, t *schema.Table, options []ast.Option, reset bool) error {
	d := &tableDef{b: newBinder(env), options: options}
	given, err := d.given()
	if err != nil {
		return err
	}
	for name, o := range given {
		if name != "retention" {
			return pgerr.Unsupported("changing %s of a table is not supported", name).At(o.Position())
		}
	}
	o, ok := given["retention"]
	switch {
	case !ok:
		return nil
	case reset:
		t.Retention = 0
		return nil
	}
	return d.retention(t, o)
}
