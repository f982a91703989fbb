package function

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// definitionKernels write the definitions of objects as SQL.
func definitionKernels(k kernels) {
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return exprText(c, args[0].(string), args[1].(datum.OID), len(args) > 2 && args[2].(bool)), nil
	}, datum.PGNodeTree, datum.OIDType, datum.Bool), "pg_get_expr", "pg_get_expr_ext")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return constraintDefinition(c, args[0].(datum.OID), len(args) > 1 && args[1].(bool)), nil
	}, datum.OIDType, datum.Bool), "pg_get_constraintdef", "pg_get_constraintdef_ext")
	k.add(ofOID(func(c *Context, oid datum.OID) datum.Value {
		if r := relationByOID(c, oid); r != nil && r.index != nil {
			return IndexDefinition(r.schema, r.of, r.index, exprTextOf(c, false))
		}
		return nil
	}), "pg_get_indexdef")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return indexColumn(c, args[0].(datum.OID), args[1].(int32), args[2].(bool)), nil
	}, datum.OIDType, datum.Int4, datum.Bool), "pg_get_indexdef_ext")
	k.add(ofOID(viewDefinition), "pg_get_viewdef", "pg_get_viewdef_ext", "pg_get_viewdef_wrap")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		v, err := regIn(c, datum.RegClass, args[0].(string))
		if err != nil {
			return nil, err
		}
		return viewDefinition(c, v.(datum.OID)), nil
	}, datum.Text, datum.Bool), "pg_get_viewdef_name", "pg_get_viewdef_name_ext")
	k.add(ofOID(partitionKey), "pg_get_partkeydef")
	k.add(nullable(serialSequence, datum.Text), "pg_get_serial_sequence")
	// What does not exist here: rules besides those of views, triggers, statistics.
	k.add(ofOID(func(*Context, datum.OID) datum.Value { return nil }), "pg_get_ruledef", "pg_get_ruledef_ext", "pg_get_triggerdef",
		"pg_get_triggerdef_ext", "pg_get_partition_constraintdef", "pg_get_statisticsobjdef", "pg_get_statisticsobjdef_columns",
		"pg_get_statisticsobjdef_expressions", "pg_get_function_sqlbody", "pg_partition_root", "pg_get_replica_identity_index")
	k.add(nullable(func(*Context, []datum.Value) (datum.Value, error) { return nil, nil }, datum.OIDType, datum.Int4), "pg_get_function_arg_default")
	functionDefinitions(k)
	relationFacts(k)
}

// ofOID makes a kernel of a function of the object with an OID; nil is NULL.
func ofOID(f func(c *Context, oid datum.OID) datum.Value) evalFunc {
	return nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return f(c, args[0].(datum.OID)), nil
	}, datum.OIDType, datum.Bool)
}

// columnNames are the quoted names of columns.
func columnNames(t *schema.Table, ids []schema.ColumnID) string {
	var names []string
	for _, id := range ids {
		names = append(names, ast.QuoteIdent(t.Column(id).Name))
	}
	return strings.Join(names, ", ")
}

func constraintDefinition(c *Context, oid datum.OID, pretty bool) datum.Value {
	if c.Catalog == nil {
		return nil
	}
	for _, t := range c.Catalog.Tables {
		for _, x := range t.AllIndexes() {
			if x.Constraint == oid {
				return uniqueDefinition(t, &x)
			}
		}
		for _, k := range t.ForeignKeys {
			if k.OID == oid {
				return foreignKeyDefinition(c, t, &k)
			}
		}
		for _, k := range t.Checks {
			if k.OID != oid {
				continue
			}
			def := "CHECK (" + exprText(c, k.Expr, t.OID, pretty) + ")"
			if k.NotValid {
				def += " NOT VALID"
			}
			return def
		}
	}
	for _, d := range c.Catalog.Types {
		for _, k := range d.Checks {
			if k.OID == oid {
				def := "CHECK (" + exprText(c, k.Expr, d.OID, pretty) + ")"
				if k.NotValid {
					def += " NOT VALID"
				}
				return def
			}
		}
	}
	return nil
}

// uniqueDefinition is the constraint that an index is of.
func uniqueDefinition(t *schema.Table, x *schema.Index) string {
	def := "UNIQUE"
	if x.Primary {
		def = "PRIMARY KEY"
	}
	if x.NullsNotDistinct {
		def += " NULLS NOT DISTINCT"
	}
	def += " (" + columnNames(t, x.Columns()) + ")"
	if len(x.Include) > 0 {
		def += " INCLUDE (" + columnNames(t, x.Include) + ")"
	}
	return def
}

// foreignKeyActions are what ON UPDATE and ON DELETE say, by pg_constraint's letters.
var foreignKeyActions = map[string]string{"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

func foreignKeyDefinition(c *Context, t *schema.Table, k *schema.ForeignKey) string {
	ref := c.Catalog.Tables[k.RefTable]
	r := tableRelation(c, ref)
	def := "FOREIGN KEY (" + columnNames(t, k.Columns) + ") REFERENCES " + quotedIn(r.schema, r.name, r.visible(c)) + "(" + columnNames(ref, k.RefColumns) + ")"
	if k.Match == "f" {
		def += " MATCH FULL"
	}
	if action := foreignKeyActions[k.OnUpdate]; action != "" {
		def += " ON UPDATE " + action
	}
	if action := foreignKeyActions[k.OnDelete]; action != "" {
		def += " ON DELETE " + action
		if len(k.OnDeleteColumns) > 0 {
			def += " (" + columnNames(t, k.OnDeleteColumns) + ")"
		}
	}
	if k.Deferrable {
		def += " DEFERRABLE"
	}
	if k.Deferred {
		def += " INITIALLY DEFERRED"
	}
	if k.NotValid {
		def += " NOT VALID"
	}
	return def
}

// exprTextOf writes expressions of a table's definition.
func exprTextOf(c *Context, pretty bool) func(sql string, table datum.OID) string {
	return func(sql string, table datum.OID) string { return exprText(c, sql, table, pretty) }
}

// IndexDefinition is the statement that makes an index of a table, whose expressions text writes.
func IndexDefinition(namespace string, t *schema.Table, x *schema.Index, text func(sql string, table datum.OID) string) string {
	unique := ""
	if x.Unique {
		unique = "UNIQUE "
	}
	var keys []string
	for _, k := range x.Keys {
		def := indexKey(t, &k, text)
		if k.Desc {
			def += " DESC"
		}
		if k.NullsFirst != k.Desc { // the default is that NULLs are the greatest
			def += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[k.NullsFirst]
		}
		keys = append(keys, def)
	}
	def := "CREATE " + unique + "INDEX " + ast.QuoteIdent(x.Name) + " ON " + ast.Name{Schema: namespace, Name: t.Name}.String() +
		" USING " + x.Method + " (" + strings.Join(keys, ", ") + ")"
	if len(x.Include) > 0 {
		def += " INCLUDE (" + columnNames(t, x.Include) + ")"
	}
	if x.NullsNotDistinct {
		def += " NULLS NOT DISTINCT"
	}
	if x.Where != "" {
		def += " WHERE " + text(x.Where, t.OID)
	}
	return def
}

// indexKey is a column or an expression of an index.
func indexKey(t *schema.Table, k *schema.IndexKey, text func(sql string, table datum.OID) string) string {
	if k.Column != 0 {
		return ast.QuoteIdent(t.Column(k.Column).Name)
	}
	e := text(k.Expr, t.OID)
	if isCallText(e) {
		return e
	}
	return "(" + e + ")"
}

// isCallText says whether an expression is a call of a function, which needs no parentheses.
func isCallText(e string) bool {
	open := strings.IndexByte(e, '(')
	return open > 0 && strings.HasSuffix(e, ")") && strings.Trim(e[:open], "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// indexColumn is a column of an index, or its definition for column 0.
func indexColumn(c *Context, oid datum.OID, column int32, pretty bool) datum.Value {
	r := relationByOID(c, oid)
	switch {
	case r == nil || r.index == nil:
		return nil
	case column == 0:
		return IndexDefinition(r.schema, r.of, r.index, exprTextOf(c, pretty))
	case column < 0 || int(column) > len(r.index.Keys)+len(r.index.Include):
		return ""
	case int(column) > len(r.index.Keys):
		return columnNames(r.of, r.index.Include[int(column)-len(r.index.Keys)-1:][:1])
	}
	return indexKey(r.of, &r.index.Keys[column-1], exprTextOf(c, pretty))
}

// viewDefinition is a view's query.
func viewDefinition(c *Context, oid datum.OID) datum.Value {
	r := relationByOID(c, oid)
	if r == nil {
		return nil
	}
	v := r.view
	if r.table != nil {
		v = r.table.AsView()
	}
	if v == nil {
		return nil
	}
	return " " + strings.TrimSuffix(strings.TrimSpace(v.SQL), ";") + ";"
}

// partitionKey is how a table is partitioned.
func partitionKey(c *Context, oid datum.OID) datum.Value {
	r := relationByOID(c, oid)
	if r == nil || r.table == nil {
		return nil
	}
	switch t := r.table; t.PartitionKind {
	case schema.PartitionHash:
		var names []string
		for _, id := range t.PartitionColumns {
			names = append(names, ast.QuoteIdent(t.Column(id).Name))
		}
		return "HASH (" + strings.Join(names, ", ") + ")"
	case schema.PartitionList:
		return "LIST (" + strings.Join(t.PartitionExprs, ", ") + ")"
	}
	return nil
}

// exprText writes an expression that a table's definition has.
func exprText(c *Context, sql string, table datum.OID, pretty bool) string {
	if c.Session == nil {
		return sql
	}
	return c.Session.ExprText(sql, table, pretty)
}

// serialSequence finds the sequence that goes with a column.
func serialSequence(c *Context, args []datum.Value) (datum.Value, error) {
	ns, name, err := splitName(c, args[0].(string))
	if err != nil {
		return nil, err
	}
	r := relationByName(c, ns, name)
	if r == nil {
		return nil, noSuchName(c, datum.RegClass, args[0].(string))
	}
	column := args[1].(string)
	cols := r.columns()
	for _, col := range cols {
		if col.Name != column {
			continue
		}
		for _, q := range c.Catalog.Sequences {
			if r.table != nil && q.OwnedBy.Table == r.table.OID && q.OwnedBy.Column == col.ID {
				return quotedIn(namespaceName(c, q.Namespace), q.Name, false), nil
			}
		}
		return nil, nil
	}
	if cols == nil {
		return nil, nil // a relation of the system's
	}
	return nil, pgerr.New(pgerr.UndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", column, name)
}

// functionDefinitions describe functions by their signatures.
func functionDefinitions(k kernels) {
	signature := func(f func(c *Context, p procedure) datum.Value) evalFunc {
		return ofOID(func(c *Context, oid datum.OID) datum.Value {
			p, ok := procedureByOID(oid)
			if !ok {
				return nil
			}
			return f(c, p)
		})
	}
	k.add(signature(func(c *Context, p procedure) datum.Value { return p.argumentList(c) }), "pg_get_function_arguments", "pg_get_function_identity_arguments")
	k.add(signature(func(c *Context, p procedure) datum.Value { return p.result(c) }), "pg_get_function_result")
	k.add(signature(func(c *Context, p procedure) datum.Value {
		if p.fn == nil {
			return nil
		}
		return p.statement(c)
	}), "pg_get_functiondef")
}

func (p *procedure) argumentList(c *Context) string {
	args := make([]string, len(p.args))
	for i, t := range p.args {
		args[i] = typeName(c, datum.Of(t))
		if p.variadic && i == len(args)-1 {
			args[i] = "VARIADIC " + args[i]
		}
	}
	if p.fn != nil {
		for i, name := range p.fn.OutNames {
			args = append(args, "OUT "+ast.QuoteIdent(name)+" "+typeName(c, datum.Of(p.fn.OutTypes[i])))
		}
	}
	return strings.Join(args, ", ")
}

func (p *procedure) result(c *Context) string {
	if p.set {
		return "SETOF " + typeName(c, datum.Of(p.ret))
	}
	return typeName(c, datum.Of(p.ret))
}

// statement is how PostgreSQL would define a function that is built in.
func (p *procedure) statement(c *Context) string {
	attributes := map[Volatility]string{Immutable: " IMMUTABLE", Stable: " STABLE", Volatile: ""}[p.fn.Volatility] + " PARALLEL SAFE"
	if p.fn.Strict {
		attributes += " STRICT"
	}
	return "CREATE OR REPLACE FUNCTION pg_catalog." + ast.QuoteIdent(p.name) + "(" + p.argumentList(c) + ")\n RETURNS " + p.result(c) +
		"\n LANGUAGE internal\n" + attributes + "\nAS $function$" + cmp.Or(p.fn.Source, p.name) + "$function$\n"
}

// What can be done with the rows of a relation.
const (
	canUpdate = 1 << (iota + 2)
	canInsert
	canDelete
)

// written is what can be done with the rows of a relation, or with one column of them.
func written(c *Context, oid datum.OID, column *int) int32 {
	r := relationByOID(c, oid)
	switch {
	case r == nil || r.table == nil && r.view == nil || r.table != nil && r.table.Materialized != nil || r.view != nil && c.Session == nil:
		return 0
	case r.table != nil:
		return canUpdate | canInsert | canDelete
	}
	columns := c.Session.WritableColumns(r.view)
	if column != nil && columns != nil {
		columns = columns[min(*column-1, len(columns)):min(*column, len(columns))]
	}
	switch {
	case columns == nil:
		return 0
	case slices.Contains(columns, true):
		return canUpdate | canInsert | canDelete
	}
	return canDelete
}

// relationFacts tell what can be done with a relation, and how large it is.
func relationFacts(k kernels) {
	k.add(ofOID(func(c *Context, oid datum.OID) datum.Value {
		r := relationByOID(c, oid)
		return r != nil && r.table != nil
	}), "pg_relation_is_publishable")
	k.add(ofOID(func(c *Context, oid datum.OID) datum.Value { return written(c, oid, nil) }), "pg_relation_is_updatable")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		column, changes := int(args[1].(int16)), int32(canUpdate|canDelete)
		return column > 0 && written(c, args[0].(datum.OID), &column)&changes == changes, nil
	}, datum.RegClass, datum.Int2, datum.Bool), "pg_column_is_updatable")
	k.add(ofOID(func(c *Context, oid datum.OID) datum.Value {
		if relationByOID(c, oid) == nil {
			return nil
		}
		return oid
	}), "pg_relation_filenode")
	k.add(ofOID(func(*Context, datum.OID) datum.Value { return int64(0) }), "pg_stat_get_numscans")
	k.add(ofOID(func(*Context, datum.OID) datum.Value { return "" }), "pg_tablespace_location")
	k.add(nullable(func(_ *Context, args []datum.Value) (datum.Value, error) {
		const longest = 63
		suffix := "_" + strconv.FormatUint(uint64(args[1].(datum.OID)), 10)
		name := args[0].(string)
		return cutToBytes(name, longest-len(suffix)) + suffix, nil
	}, datum.Name, datum.OIDType), "nameconcatoid")
}

// cutToBytes cuts a string to at most so many bytes, at a character's end.
func cutToBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// relationSizes is pg_relation_size and its like, which are the same here: a
// table's size is that of its chunks, all else has none. Only the main fork of
// a relation has a size.
func relationSizes(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	return nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		if len(args) > 1 {
			switch args[1].(string) {
			case "main":
			case "fsm", "vm", "init":
				return int64(0), nil
			default:
				return nil, pgerr.New(pgerr.InvalidParameterValue, "invalid fork name").
					WithHint("Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\".")
			}
		}
		r := relationByOID(c, args[0].(datum.OID))
		switch {
		case r == nil:
			return nil, nil
		case r.table == nil:
			return int64(0), nil
		}
		return s.TableSize(r.oid), nil
	}, datum.RegClass, datum.Text)(c, args, n, ret)
}

func databaseSize(c *Context, database datum.OID) (int64, error) {
	s, err := session(c)
	if err != nil {
		return 0, err
	}
	var total int64
	for oid := range c.Catalog.In(database).Tables {
		total += s.TableSize(oid)
	}
	return total, nil
}
