package function

import (
	"cmp"
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
	k.add(fn1(func(expr string) (string, error) { return expr, nil }), "pg_get_expr", "pg_get_expr_ext") // stored as SQL
	k.add(ofOID(constraintDefinition), "pg_get_constraintdef", "pg_get_constraintdef_ext")
	k.add(ofOID(func(c *Context, oid datum.OID) datum.Value {
		if r := relationByOID(c, oid); r != nil && r.index {
			return IndexDefinition(r.schema, r.table)
		}
		return nil
	}), "pg_get_indexdef")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return indexColumn(c, args[0].(datum.OID), args[1].(int32)), nil
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

// keyColumnNames are the quoted names of a primary key's columns.
func keyColumnNames(t *schema.Table) []string {
	var names []string
	for _, id := range t.PrimaryKey {
		names = append(names, ast.QuoteIdent(t.Column(id).Name))
	}
	return names
}

func constraintDefinition(c *Context, oid datum.OID) datum.Value {
	if c.Catalog == nil {
		return nil
	}
	for _, t := range c.Catalog.Tables {
		if t.Keyed() && t.PrimaryKeyOID == oid {
			return "PRIMARY KEY (" + strings.Join(keyColumnNames(t), ", ") + ")"
		}
	}
	return nil
}

// IndexDefinition is the statement that PostgreSQL would make the index of a
// table's primary key by.
func IndexDefinition(namespace string, t *schema.Table) string {
	return "CREATE UNIQUE INDEX " + ast.QuoteIdent(t.PrimaryKeyName) + " ON " + ast.Name{Schema: namespace, Name: t.Name}.String() +
		" USING btree (" + strings.Join(keyColumnNames(t), ", ") + ")"
}

// indexColumn is a column of an index, or its definition for column 0.
func indexColumn(c *Context, oid datum.OID, column int32) datum.Value {
	r := relationByOID(c, oid)
	switch {
	case r == nil || !r.index:
		return nil
	case column == 0:
		return IndexDefinition(r.schema, r.table)
	case column < 0 || int(column) > len(r.table.PrimaryKey):
		return ""
	}
	return keyColumnNames(r.table)[column-1]
}

// viewDefinition is a view's query.
func viewDefinition(c *Context, oid datum.OID) datum.Value {
	if r := relationByOID(c, oid); r != nil && r.view != nil {
		return " " + strings.TrimSuffix(strings.TrimSpace(r.view.SQL), ";") + ";"
	}
	return nil
}

// partitionKey is how a table is partitioned.
func partitionKey(c *Context, oid datum.OID) datum.Value {
	r := relationByOID(c, oid)
	if r == nil || r.table == nil || r.index {
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

// serialSequence finds no sequence, but the table and the column must exist.
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
		if col.Name == column {
			return nil, nil
		}
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

// relationFacts tell what can be done with a relation, and how large it is.
func relationFacts(k kernels) {
	k.add(ofOID(func(c *Context, oid datum.OID) datum.Value {
		r := relationByOID(c, oid)
		return r != nil && r.table != nil && !r.index
	}), "pg_relation_is_publishable")
	// Rows of tables can be inserted, but neither updated nor deleted.
	const insertable = 1 << 3
	k.add(ofOID(func(c *Context, oid datum.OID) datum.Value {
		if r := relationByOID(c, oid); r != nil && r.table != nil && !r.index {
			return int32(insertable)
		}
		return int32(0)
	}), "pg_relation_is_updatable")
	k.add(nullable(func(*Context, []datum.Value) (datum.Value, error) { return false, nil }, datum.RegClass, datum.Int2, datum.Bool), "pg_column_is_updatable")
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
		case r.table == nil || r.index:
			return int64(0), nil
		}
		return s.TableSize(r.oid), nil
	}, datum.RegClass, datum.Text)(c, args, n, ret)
}

func databaseSize(c *Context) (int64, error) {
	s, err := session(c)
	if err != nil {
		return 0, err
	}
	var total int64
	for oid := range c.Catalog.Tables {
		total += s.TableSize(oid)
	}
	return total, nil
}
