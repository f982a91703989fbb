package bind

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// statement sends a statement to the file of its kind.
func (b *binder) statement(stmt ast.Stmt) (plan.Statement, error) {
	switch s := stmt.(type) {
	case *ast.Select:
		if into := leftmostInto(s); into != nil {
			return b.selectInto(s, into)
		}
		return b.chain(s)
	case *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
		return b.chain(s)
	case *ast.Copy:
		return b.copy(s)
	case *ast.Explain:
		return b.explain(s)
	case *ast.CreateTableAs:
		return b.createTableAs(s)
	case *ast.DeclareCursor:
		return b.selectStatement(s.Query)
	case *ast.Unsupported:
		return nil, pgerr.Unsupported("%s is not supported", s.Command)
	}
	return nil, pgerr.Unsupported("this statement has no plan")
}

// rowStatement binds a statement that reads or changes rows; inside of another one lv says
// so.
func (b *binder) rowStatement(stmt ast.Stmt, lv *level) (plan.Statement, error) {
	switch s := stmt.(type) {
	case *ast.Select:
		return b.query(s, lv)
	case *ast.Insert:
		return b.insert(s, lv)
	case *ast.Update:
		return b.update(s, lv)
	case *ast.Delete:
		return b.delete(s, lv)
	case *ast.Merge:
		return b.merge(s, lv)
	}
	return nil, pgerr.Unsupported("this statement reads and changes no rows")
}

// selectStatement binds a query for a statement that does something with its rows.
func (b *binder) selectStatement(s *ast.Select) (plan.Statement, error) {
	if into := leftmostInto(s); into != nil {
		return b.selectInto(s, into)
	}
	return b.query(s, &level{})
}

func (b *binder) query(s *ast.Select, lv *level) (plan.Statement, error) {
	n, err := b.selectStmt(s, lv, nil)
	if err != nil {
		return nil, err
	}
	if n, err = b.resolveOutput(n); err != nil {
		return nil, err
	}
	return &plan.Query{Root: n}, nil
}

func leftmostInto(s *ast.Select) *ast.Into {
	for s.SetOp != nil {
		s = s.SetOp.Left
	}
	return s.Into
}

// selectInto is SELECT INTO, which is CREATE TABLE AS.
func (b *binder) selectInto(s *ast.Select, into *ast.Into) (plan.Statement, error) {
	if s.SetOp != nil {
		return nil, pgerr.Unsupported("SELECT INTO with a set operation is not supported").At(into.Position())
	}
	q := *s
	q.Into = nil
	as := &ast.CreateTableAs{Name: into.Table, Query: &q}
	if into.Temp {
		as.Persistence = ast.Temporary
	}
	return b.createTableAs(as)
}

func (b *binder) createTableAs(s *ast.CreateTableAs) (plan.Statement, error) {
	sel, ok := s.Query.(*ast.Select)
	if !ok {
		return nil, pgerr.Unsupported("CREATE TABLE AS EXECUTE is not supported")
	}
	rows, err := b.chain(sel)
	if err != nil {
		return nil, err
	}
	fields := rows.Fields()
	if len(s.Columns) > len(fields) {
		return nil, pgerr.New(pgerr.SyntaxError, "too many column names were specified")
	}
	def := &tableDef{b: b, name: s.Name, persistence: s.Persistence, partitionBy: s.PartitionBy, options: s.Options, onCommit: s.OnCommit, mayExist: s.IfNotExists}
	for i, f := range fields {
		c := schema.Column{Name: f.Name, Type: f.Type}
		if i < len(s.Columns) {
			c.Name = s.Columns[i]
		}
		if category(f.Type.OID) == 'P' || composite(f.Type.OID) && !isRow(f.Type.OID) {
			return nil, pgerr.New(pgerr.InvalidTableDefinition, "column %q has pseudo-type %s", c.Name, f.Type)
		}
		def.columns = append(def.columns, c)
	}
	t, err := def.build()
	if err != nil {
		return nil, err
	}
	if s.Materialized {
		if err := b.materialized(t, s, sel); err != nil {
			return nil, err
		}
	}
	return &plan.CreateTableAs{Name: s.Name, Persistence: s.Persistence, OnCommit: s.OnCommit, Def: t, Rows: rows, IfNotExists: s.IfNotExists, NoData: s.NoData}, nil
}

func (b *binder) explain(s *ast.Explain) (plan.Statement, error) {
	out, err := Explain(s)
	if err != nil {
		return nil, err
	}
	if out.Stmt, err = b.statement(s.Stmt); err != nil {
		return nil, err
	}
	return out, nil
}

// Explain is what EXPLAIN says beside its statement.
func Explain(s *ast.Explain) (*plan.Explain, error) {
	out := &plan.Explain{Options: plan.ExplainOptions{Costs: true, Timing: true}}
	summary := false
	for _, o := range s.Options {
		v, err := OptionBool(o)
		name := strings.ToLower(o.Name)
		if name != "format" && err != nil {
			return nil, err
		}
		switch name {
		case "analyze":
			out.Options.Analyze = v
		case "verbose":
			out.Options.Verbose = v
		case "costs":
			out.Options.Costs = v
		case "buffers":
			out.Options.Buffers = v
		case "settings":
			out.Options.Settings = v
		case "wal":
			out.Options.WAL = v
		case "timing":
			out.Options.Timing = v
		case "summary":
			out.Options.Summary, summary = v, true
		case "format":
			switch strings.ToLower(o.Value) {
			case "text":
			case "json":
				out.Options.Format = plan.ExplainJSON
			case "xml", "yaml":
				return nil, pgerr.Unsupported("EXPLAIN format %q is not supported", o.Value).At(o.Position())
			default:
				return nil, pgerr.New(pgerr.InvalidParameterValue, "unrecognized value for EXPLAIN option %q: %q", "format", o.Value).At(o.Position())
			}
		default:
			return nil, pgerr.New(pgerr.SyntaxError, "unrecognized EXPLAIN option %q", o.Name).At(o.Position())
		}
	}
	if !summary {
		out.Options.Summary = out.Options.Analyze
	}
	out.Out = []plan.Field{{Name: "QUERY PLAN", Type: out.Options.Format.Type()}}
	return out, nil
}

// OptionBool is the value of a boolean option, as defGetBoolean reads it.
func OptionBool(o ast.Option) (bool, error) {
	switch strings.ToLower(o.Value) {
	case "true", "on", "1":
		return true, nil
	case "false", "off", "0":
		return false, nil
	case "":
		if o.Kind == ast.OptionNone {
			return true, nil
		}
	}
	return false, pgerr.New(pgerr.SyntaxError, "%s requires a Boolean value", o.Name)
}

// Column defaults and conversions.

// defaultOf binds the default of a column; NULL if it has none.
func (b *binder) defaultOf(t *schema.Table, c *schema.Column) (expr.Expr, error) {
	sql := c.Default
	if c.Identity != schema.NoIdentity {
		s := b.env.Catalog.SequenceOf(t.OID, c.ID)
		if s == nil {
			return nil, pgerr.New(pgerr.DataCorrupted, "identity column %q of table %q has no sequence", c.Name, t.Name)
		}
		sql = NextValue(s.OID)
	}
	if sql == "" { // generated columns are computed when the others are known
		return b.domainDefault(c.Type)
	}
	e, err := b.parseExpr(sql)
	if err != nil {
		return nil, err
	}
	return b.bindDefault(e, c)
}

func (b *binder) bindDefault(e ast.Expr, c *schema.Column) (expr.Expr, error) {
	s := &scope{frame: &frame{}, clause: clauseDefault}
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	if plan.HasSubquery(x) {
		return nil, pgerr.Unsupported("cannot use subquery in DEFAULT expression").At(position(e))
	}
	v, err := b.coerceTo(x, c.Type, function.AssignmentCast, position(e))
	if v == nil && err == nil {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "column %q is of type %s but default expression is of type %s", c.Name,
			b.typeText(c.Type.Declared()), b.typeText(x.Type().Declared())).WithHint("You will need to rewrite or cast the expression.")
	}
	return v, err
}

// parseExpr parses an expression that is stored as SQL.
func (b *binder) parseExpr(sql string) (ast.Expr, error) {
	if b.env.Parse == nil {
		return nil, pgerr.New(pgerr.InternalError, "no parser for a stored expression")
	}
	stmt, err := b.env.Parse("SELECT " + sql)
	if err != nil {
		return nil, err
	}
	sel, ok := stmt.(*ast.Select)
	if !ok || len(sel.Targets) != 1 || len(sel.From) > 0 {
		return nil, pgerr.New(pgerr.DataCorrupted, "stored expression %q cannot be read", sql)
	}
	return sel.Targets[0].Expr, nil
}

// liveFields are the fields of a table's live columns.
func liveFields(t *schema.Table) []plan.Field {
	var out []plan.Field
	for _, i := range liveColumns(t) {
		c := &t.Columns[i]
		out = append(out, plan.Field{Name: c.Name, Type: c.Type, Table: t.OID, Column: int16(i + 1)})
	}
	return out
}

// tableItem is the item of a table whose live columns start at a column of the row.
func (b *binder) tableItem(t *schema.Table, alias string, from int) *item {
	it := itemOver(alias, liveFields(t))
	it.namespace, it.table, it.oid = b.namespaceName(t.Namespace), t, t.OID
	shiftItems([]*item{it}, from)
	return it
}

// targetColumns resolves a list of column names to indexes into Table.Columns;
// no list means all live columns.
func targetColumns(t *schema.Table, names []string, pos []int) ([]int, error) {
	if names == nil {
		return liveColumns(t), nil
	}
	var out []int
	for i, n := range names {
		at := -1
		for j := range t.Columns {
			if !dropped(&t.Columns[j]) && t.Columns[j].Name == n {
				at = j
			}
		}
		if at < 0 {
			return nil, unknownColumn(t, n).At(posAt(pos, i))
		}
		if contains(out, at) {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", n).At(posAt(pos, i))
		}
		out = append(out, at)
	}
	return out, nil
}

func unknownColumn(t *schema.Table, name string) *pgerr.Error {
	e := pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", name, t.Name)
	best, at := 4, ""
	for i := range t.Columns {
		if c := &t.Columns[i]; !dropped(c) {
			if d := distance(name, c.Name); d < best && d <= max(len(name)/2, 1) {
				best, at = d, c.Name
			}
		}
	}
	if at != "" {
		e = e.WithHint("Perhaps you meant the column %q.", at)
	}
	return e
}
