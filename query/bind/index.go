package bind

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// indexMethods are PostgreSQL's access methods for indexes.
var indexMethods = []string{"btree", "hash", "gist", "gin", "spgist", "brin"}

// Index checks CREATE INDEX on a table and returns the index, without OID; without a name its Name
// is empty, and column names what to make it of.
func Index(env *Env, t *schema.Table, s *ast.CreateIndex) (x *schema.Index, column string, err error) {
	b := newBinder(env)
	x = &schema.Index{Name: s.Name, Method: s.Method, Unique: s.Unique, NullsNotDistinct: s.NullsNotDistinct}
	if x.Method == "" {
		x.Method = "btree"
	}
	switch {
	case !slices.Contains(indexMethods, x.Method):
		return nil, "", pgerr.New(pgerr.UndefinedObject, "access method %q does not exist", x.Method)
	case x.Unique && x.Method != "btree":
		return nil, "", pgerr.Unsupported("access method %q does not support unique indexes", x.Method)
	case len(s.Elems)+len(s.Include) > maxIndexKeys:
		return nil, "", pgerr.New(pgerr.TooManyColumns, "cannot use more than %d columns in an index", maxIndexKeys)
	}
	var names []string
	for _, e := range s.Elems {
		k, name, err := b.indexKey(t, e)
		if err != nil {
			return nil, "", err
		}
		x.Keys, names = append(x.Keys, k), append(names, name)
	}
	if x.Include, err = keyColumnIDs(t, s.Include); err != nil {
		return nil, "", err
	}
	if s.Where != nil {
		if err := b.indexWhere(t, x, s.Where); err != nil {
			return nil, "", err
		}
	}
	return x, strings.Join(names, "_"), nil
}

// maxIndexKeys is PostgreSQL's INDEX_MAX_KEYS.
const maxIndexKeys = 32

// indexKey binds a column or an expression of an index; name is what the index's is made of.
func (b *binder) indexKey(t *schema.Table, e ast.IndexElem) (k schema.IndexKey, name string, err error) {
	k = schema.IndexKey{Desc: e.Desc, NullsFirst: e.Desc}
	if e.Nulls != ast.NullsDefault {
		k.NullsFirst = e.Nulls == ast.NullsFirst
	}
	node := e.Expr
	if ref, ok := node.(*ast.ColumnRef); ok && len(ref.Names) == 1 && !ref.Star {
		e.Column, node = ref.Names[0], nil
	}
	if node == nil {
		ids, err := keyColumnIDs(t, []string{e.Column})
		if err != nil {
			return k, "", err
		}
		k.Column = ids[0]
		return k, e.Column, nil
	}
	x, err := b.expr(node, b.tableScope(t, clauseIndex))
	if err == nil {
		x, err = b.resolveUnknown(x)
	}
	if err != nil {
		return k, "", err
	}
	switch {
	case plan.HasSubquery(x):
		return k, "", pgerr.Unsupported("cannot use subquery in index expression").At(subqueryPosition(node))
	case !plan.IsImmutable(x):
		return k, "", pgerr.New(pgerr.InvalidObjectDefinition, "functions in index expression must be marked IMMUTABLE")
	}
	name = "expr"
	if call, ok := node.(*ast.FuncCall); ok {
		name = call.Name[len(call.Name)-1]
	}
	k.Expr, err = b.storedRowExpr(node, t)
	return k, name, err
}

func (b *binder) tableScope(t *schema.Table, c clause) *scope {
	return &scope{frame: &frame{items: []*item{b.tableItem(t, t.Name, 0)}}, clause: c}
}

func (b *binder) indexWhere(t *schema.Table, x *schema.Index, e ast.Expr) error {
	cond, err := b.condition(e, b.tableScope(t, clauseIndexWhere), "WHERE")
	switch {
	case err != nil:
		return err
	case plan.HasSubquery(cond):
		return pgerr.Unsupported("cannot use subquery in index predicate").At(subqueryPosition(e))
	case !plan.IsImmutable(cond):
		return pgerr.New(pgerr.InvalidObjectDefinition, "functions in index predicate must be marked IMMUTABLE")
	}
	x.Where, err = b.storedRowExpr(e, t)
	return err
}

// keyColumnIDs finds columns that a key names.
func keyColumnIDs(t *schema.Table, names []string) ([]schema.ColumnID, error) {
	var out []schema.ColumnID
	for _, n := range names {
		c := columnNamed(t, n)
		if c == nil || c.Type.OID == 0 {
			return nil, pgerr.New(pgerr.UndefinedColumn, "column %q does not exist", n)
		}
		out = append(out, c.ID)
	}
	return out, nil
}

// Unique checks a UNIQUE constraint of a table and returns its index, without OIDs and, if it has
// no name, without that.
func Unique(t *schema.Table, k *ast.Constraint) (*schema.Index, error) {
	x := &schema.Index{Name: k.Name, Method: "btree", Unique: true, NullsNotDistinct: k.NullsNotDistinct}
	switch {
	case k.Index != "":
		return nil, pgerr.Unsupported("UNIQUE USING INDEX is not supported").At(k.Position())
	case k.Deferrable != nil && *k.Deferrable:
		return nil, pgerr.Unsupported("deferrable constraints are not supported").At(k.Position())
	case k.Name != "" && t.HasConstraint(k.Name):
		return nil, pgerr.New(pgerr.DuplicateTable, "relation %q already exists", k.Name)
	}
	for _, name := range k.Columns {
		c := columnNamed(t, name)
		if c == nil || c.Type.OID == 0 {
			return nil, pgerr.New(pgerr.UndefinedColumn, "column %q named in key does not exist", name).At(k.Position())
		}
		if slices.Contains(x.Columns(), c.ID) {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q appears twice in unique constraint", name).At(k.Position())
		}
		x.Keys = append(x.Keys, schema.IndexKey{Column: c.ID})
	}
	var err error
	x.Include, err = keyColumnIDs(t, k.Include)
	return x, err
}

// actionLetters are pg_constraint's for what ON UPDATE and ON DELETE say.
var actionLetters = map[string]string{"": "a", "no action": "a", "restrict": "r", "cascade": "c", "set null": "n", "set default": "d"}

// ForeignKey checks a foreign key of a table, on another one or on itself, and returns it, without OID and, if
// it has no name, without that.
func ForeignKey(t, ref *schema.Table, k *ast.Constraint) (*schema.ForeignKey, error) {
	out := &schema.ForeignKey{Name: k.Name, RefTable: ref.OID, OnUpdate: actionLetters[k.OnUpdate], OnDelete: actionLetters[k.OnDelete],
		Match: "s", NotValid: k.NotValid}
	switch k.Match {
	case "full":
		out.Match = "f"
	case "partial":
		return nil, pgerr.Unsupported("MATCH PARTIAL not yet implemented").At(k.Position())
	}
	out.Deferrable = k.Deferrable != nil && *k.Deferrable
	if out.Deferred = k.Initially != nil && *k.Initially; out.Deferred {
		out.Deferrable = true
	}
	if k.Name != "" && t.HasConstraint(k.Name) {
		return nil, pgerr.New(pgerr.DuplicateObject, "constraint %q for relation %q already exists", k.Name, t.Name)
	}
	var err error
	if out.Columns, err = foreignColumns(t, k.Columns); err != nil {
		return nil, err
	}
	if out.OnDeleteColumns, err = setColumns(t, out.Columns, k); err != nil {
		return nil, err
	}
	if k.RefColumns == nil {
		if !ref.Keyed() {
			return nil, pgerr.New(pgerr.UndefinedObject, "there is no primary key for referenced table %q", ref.Name)
		}
		out.RefColumns, out.RefIndex = ref.PrimaryKey, ref.IndexOID
	} else if out.RefColumns, err = foreignColumns(ref, k.RefColumns); err != nil {
		return nil, err
	}
	if len(out.Columns) != len(out.RefColumns) {
		return nil, pgerr.New(pgerr.InvalidForeignKey, "number of referencing and referenced columns for foreign key disagree")
	}
	if out.RefIndex == 0 {
		x := uniqueOver(ref, out.RefColumns)
		if x == nil {
			return nil, pgerr.New(pgerr.InvalidForeignKey, "there is no unique constraint matching given keys for referenced table %q", ref.Name)
		}
		out.RefIndex = x.OID
	}
	return out, nil
}

// setColumns are the columns of a foreign key that ON DELETE sets, each once.
func setColumns(t *schema.Table, key []schema.ColumnID, k *ast.Constraint) (out []schema.ColumnID, err error) {
	ids, err := foreignColumns(t, k.OnDeleteColumns)
	for i, id := range ids {
		if !slices.Contains(key, id) {
			return nil, pgerr.New(pgerr.InvalidColumnReference, "column %q referenced in ON DELETE SET action must be part of foreign key", k.OnDeleteColumns[i])
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, err
}

func foreignColumns(t *schema.Table, names []string) ([]schema.ColumnID, error) {
	var out []schema.ColumnID
	for _, n := range names {
		c := columnNamed(t, n)
		if c == nil || c.Type.OID == 0 {
			return nil, pgerr.New(pgerr.UndefinedColumn, "column %q referenced in foreign key constraint does not exist", n)
		}
		out = append(out, c.ID)
	}
	return out, nil
}

// Comparable checks that the columns of a foreign key can be compared with those that it refers to.
func Comparable(env *Env, t, ref *schema.Table, k *schema.ForeignKey) error {
	b := newBinder(env)
	for i, id := range k.Columns {
		a, r := t.Column(id), ref.Column(k.RefColumns[i])
		if !b.comparesWith(a.Type.OID, r.Type.OID) || !b.sortable(a.Type.OID) {
			return pgerr.New(pgerr.DatatypeMismatch, "foreign key constraint %q cannot be implemented", k.Name).
				WithDetail("Key columns %q and %q are of incompatible types: %s and %s.", a.Name, r.Name, env.Session.TypeText(a.Type), env.Session.TypeText(r.Type))
		}
	}
	return nil
}

// families are the types that have an order in common, those of one of PostgreSQL's operator families.
var families = [][]datum.OID{
	{datum.Int2, datum.Int4, datum.Int8},
	{datum.Float4, datum.Float8},
	{datum.Text, datum.Varchar, datum.Name},
	{datum.Date, datum.Timestamp, datum.TimestampTZ},
}

// comparesWith says whether a foreign key may have columns of a type that refer to those of another:
// one with the same order, or to which the first is converted by itself.
func (b *binder) comparesWith(oid, ref datum.OID) bool {
	for _, f := range families {
		if slices.Contains(f, oid) && slices.Contains(f, ref) {
			return true
		}
	}
	p, _ := b.pathTo(ref, oid, function.ImplicitCast)
	return p != noPath
}

// uniqueOver returns the index of a table that says that some columns, in whatever order, are unique; nil if there is
// none.
func uniqueOver(t *schema.Table, ids []schema.ColumnID) *schema.Index {
	all := t.AllIndexes()
	for i, x := range all {
		cols := x.Columns()
		if !x.Unique || x.Where != "" || len(cols) != len(ids) {
			continue
		}
		if !slices.ContainsFunc(cols, func(id schema.ColumnID) bool { return id == 0 || !slices.Contains(ids, id) }) {
			return &all[i]
		}
	}
	return nil
}

// ColumnsText is how the names of columns make that of a constraint.
func ColumnsText(t *schema.Table, ids []schema.ColumnID) string {
	var names []string
	for _, id := range ids {
		names = append(names, t.Column(id).Name)
	}
	return strings.Join(names, "_")
}
