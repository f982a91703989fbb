package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// AddPrimaryKey gives a definition that has none a primary key, without OIDs, and what goes with
// it as in CREATE TABLE.
func AddPrimaryKey(env *Env, t *schema.Table, k *ast.Constraint) error {
	d := &tableDef{b: newBinder(env), name: ast.Name{Name: t.Name}, columns: t.Columns}
	if t.Keyed() {
		return pgerr.New(pgerr.InvalidTableDefinition, "multiple primary keys for table %q are not allowed", t.Name)
	}
	for _, name := range k.Columns {
		if c := columnNamed(t, name); c == nil || dropped(c) {
			return pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", name, t.Name)
		}
	}
	if err := d.constraint(k, ""); err != nil {
		return err
	}
	if err := d.primaryKey(t); err != nil {
		return err
	}
	if err := d.keyHasPartitioning(t); err != nil {
		return err
	}
	if !slices.Contains(t.PrimaryKey, t.TimeColumn) {
		if t.Retention > 0 {
			return pgerr.Unsupported("a primary key of table %q without the column by which rows grow too old is not supported", t.Name).At(k.Position())
		}
		t.TimeColumn, t.Slice = 0, 0
		if err := d.timeColumn(t, nil); err != nil {
			return err
		}
	}
	return d.onDuplicate(t, nil)
}
