package bind

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// An item is an entry of FROM that column names can refer to.
type item struct {
	alias     string
	namespace string // of an unaliased table: schema.table.column finds it
	table     *schema.Table
	oid       datum.OID // of the relation, 0 for others
	row       datum.OID // the composite type that a function returns, 0 for others
	cols      []itemCol
	// scalar is set for a function that returns no row type: its name as a
	// whole-row reference is its value.
	scalar bool
	// relVisible: alias.column finds it. colsVisible: column alone does.
	relVisible, colsVisible bool
	// lateralBad: a lateral reference to it is refused, changed: because it is what
	// UPDATE or DELETE changes.
	lateralBad, changed bool
	// nullable: an outer join may fill it with NULLs.
	nullable bool
	// lock says how its rows are locked, nil if they are not. unlockable is what it is, if FOR UPDATE
	// cannot be applied to it.
	lock       *ast.Locking
	unlockable string
}

// An itemCol is a column of an item: an expression over the row of the frame.
type itemCol struct {
	name   string
	e      expr.Expr
	hidden bool // not part of *
	added  bool // by SEARCH or CYCLE: not part of * nor of t.* while the query is bound
	// table and attnum tell where the value comes from unchanged.
	table  datum.OID
	attnum int16
}

// A frame is the set of items that a clause sees, over the columns of one row.
type frame struct {
	items  []*item
	parent *frame
	// corr turns what is found in parent into parameters; nil if there is no parent.
	corr *correlation
}

// A correlation collects the expressions over an outer row that a subquery or a
// lateral item uses.
type correlation struct {
	b *binder
	// scope is where the subquery stands, for aggregates of outer queries; nil for lateral items.
	scope  *scope
	outer  []expr.Expr
	params []*expr.Param
}

// correlations are how many expressions the correlations of a frame and of those around it have.
type correlations []int

func (f *frame) correlations() correlations {
	var n correlations
	for ; f != nil && f.corr != nil; f = f.parent {
		n = append(n, len(f.corr.outer))
	}
	return n
}

// restore forgets what the correlations were given since.
func (n correlations) restore(f *frame) {
	for _, was := range n {
		f.corr.outer, f.corr.params = f.corr.outer[:was:was], f.corr.params[:was:was]
		f = f.parent
	}
}

// param returns the parameter that stands for e inside.
func (c *correlation) param(e expr.Expr) expr.Expr {
	if p, ok := e.(*expr.Param); ok && (!p.Outer || c.scope == nil) {
		// Inside of a lateral item the enclosing query's parameters are set already.
		return p
	}
	if _, ok := e.(*expr.Const); ok {
		return e
	}
	for i, o := range c.outer {
		if plan.Equal(o, e) {
			return c.params[i]
		}
	}
	c.b.nextTemp--
	p := &expr.Param{Index: c.b.nextTemp, Outer: true, T: e.Type()}
	c.b.pos[p] = c.b.pos[e]
	c.outer, c.params = append(c.outer, e), append(c.params, p)
	return p
}

// number gives the parameters their final, contiguous numbers.
func (c *correlation) number() int {
	first := c.b.nextOuter
	for i, p := range c.params {
		p.Index = first + i
	}
	c.b.nextOuter += len(c.params)
	return first
}

// clause says where an expression stands: what is allowed in it, and what
// PostgreSQL calls it.
type clause uint8

const (
	clauseOther clause = iota
	clauseTarget
	clauseWhere
	clauseJoinOn
	clauseJoinUsing
	clauseHaving
	clauseGroupBy
	clauseOrderBy
	clauseDistinctOn
	clauseLimit
	clauseOffset
	clauseFromFunction
	clauseAsOf
	clauseFromSubquery
	clauseValues
	clauseInsertedRow // VALUES of INSERT with one row
	clauseReturning
	clauseWindowPartition
	clauseWindowOrder
	clauseWindowFrame
	clauseFilter
	clauseInsertTarget
	clauseUpdateSource
	clauseDefault
	clausePartition
	clauseCheck
	clauseGenerated
	clauseIndex
	clauseIndexWhere
	clauseCopyWhere
	clauseMergeWhen
	clauseExecute
)

var clauseNames = [...]string{
	clauseWhere:           "WHERE",
	clauseJoinOn:          "JOIN conditions",
	clauseGroupBy:         "GROUP BY",
	clauseLimit:           "LIMIT",
	clauseAsOf:            "AS OF",
	clauseOffset:          "OFFSET",
	clauseFromFunction:    "functions in FROM",
	clauseValues:          "VALUES",
	clauseInsertedRow:     "VALUES",
	clauseReturning:       "RETURNING",
	clauseFilter:          "FILTER",
	clauseDefault:         "DEFAULT expressions",
	clausePartition:       "partition key expressions",
	clauseCheck:           "check constraints",
	clauseGenerated:       "column generation expressions",
	clauseIndex:           "index expressions",
	clauseIndexWhere:      "index predicates",
	clauseCopyWhere:       "COPY FROM WHERE conditions",
	clauseHaving:          "HAVING",
	clauseWindowPartition: "window PARTITION BY",
	clauseWindowOrder:     "window ORDER BY",
	clauseWindowFrame:     "window frame",
	clauseUpdateSource:    "UPDATE",
	clauseMergeWhen:       "MERGE WHEN conditions",
	clauseExecute:         "EXECUTE parameters",
}

// A scope is where an expression is bound.
type scope struct {
	frame  *frame
	clause clause
	q      *query    // nil outside of queries
	ctes   *cteScope // visible WITH queries
	// These are arguments of an aggregate, of a window function.
	inAggregate, inWindow bool
}

func (s *scope) with(c clause) *scope {
	n := *s
	n.clause = c
	return &n
}

// found is the result of a search by name.
type found struct {
	it  *item
	col *itemCol
	e   expr.Expr
	in  *frame
	// local says that it was found without leaving the query.
	local bool
}

// lift turns an expression found in outer frame g into one that is valid in f.
func lift(f, g *frame, e expr.Expr) expr.Expr {
	if f == g {
		return e
	}
	e = lift(f.parent, g, e)
	return f.corr.param(e)
}

// findColumn looks a bare column name up, from the innermost frame outwards.
func (b *binder) findColumn(s *scope, name string, pos int) (*found, error) {
	for g := s.frame; g != nil; g = g.parent {
		var hit *found
		for _, it := range g.items {
			if !it.colsVisible {
				continue
			}
			for i := range it.cols {
				c := &it.cols[i]
				if c.name != name {
					continue
				}
				if hit != nil {
					return nil, pgerr.New(pgerr.AmbiguousColumn, "column reference %q is ambiguous", name).At(pos)
				}
				hit = &found{it: it, col: c, in: g, local: g == s.frame}
			}
		}
		if hit != nil {
			if hit.it.lateralBad {
				return nil, lateralError(hit.it, pos)
			}
			hit.e = lift(s.frame, g, b.columnOf(hit.col, pos))
			return hit, nil
		}
	}
	return nil, nil
}

func lateralError(it *item, pos int) error {
	e := pgerr.New(pgerr.InvalidColumnReference, "invalid reference to FROM-clause entry for table %q", it.alias).At(pos)
	if it.changed {
		return e.WithHint("There is an entry for table %q, but it cannot be referenced from this part of the query.", it.alias)
	}
	return e.WithDetail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
}

// columnOf returns a fresh expression for a column, so that it has its own position.
func (b *binder) columnOf(c *itemCol, pos int) expr.Expr {
	e := c.e
	if col, ok := e.(*expr.Column); ok {
		e = &expr.Column{Index: col.Index, Name: col.Name, T: col.T, Record: col.Record}
	}
	if pos != 0 {
		b.pos[e] = pos
	}
	return e
}

// findItem looks a table alias up.
func (b *binder) findItem(s *scope, ns, name string, pos int) (*item, *frame, error) {
	for g := s.frame; g != nil; g = g.parent {
		var hit *item
		for _, it := range g.items {
			if !it.relVisible || it.alias != name || ns != "" && it.namespace != ns {
				continue
			}
			if hit != nil {
				return nil, nil, pgerr.New(pgerr.AmbiguousAlias, "table reference %q is ambiguous", name).At(pos)
			}
			hit = it
		}
		if hit != nil {
			if hit.lateralBad {
				return nil, nil, lateralError(hit, pos)
			}
			return hit, g, nil
		}
	}
	return nil, nil, nil
}

// column returns a column of an item by name, or nil.
func (it *item) column(name string) (*itemCol, bool) {
	var hit *itemCol
	for i := range it.cols {
		if it.cols[i].name == name {
			if hit != nil {
				return nil, true
			}
			hit = &it.cols[i]
		}
	}
	return hit, false
}

// missingTable is the error for a qualifier that names no item.
func (b *binder) missingTable(s *scope, name string, pos int) error {
	for g := s.frame; g != nil; g = g.parent {
		for _, it := range g.items {
			if it.alias == name && !it.relVisible {
				return pgerr.New(pgerr.UndefinedTable, "invalid reference to FROM-clause entry for table %q", name).
					WithDetail("There is an entry for table %q, but it cannot be referenced from this part of the query.", name).At(pos)
			}
		}
	}
	for g := s.frame; g != nil; g = g.parent {
		for _, it := range g.items {
			if it.namespace != "" && it.relVisible && it.table != nil && it.table.Name == name {
				return pgerr.New(pgerr.UndefinedTable, "invalid reference to FROM-clause entry for table %q", name).
					WithHint("Perhaps you meant to reference the table alias %q.", it.alias).At(pos)
			}
			if it.relVisible && it.table != nil && it.table.Name == name {
				return pgerr.New(pgerr.UndefinedTable, "invalid reference to FROM-clause entry for table %q", name).
					WithHint("Perhaps you meant to reference the table alias %q.", it.alias).At(pos)
			}
		}
	}
	return pgerr.New(pgerr.UndefinedTable, "missing FROM-clause entry for table %q", name).At(pos)
}

// missingColumn is the error for an unknown column, with PostgreSQL's guesses.
func (b *binder) missingColumn(s *scope, rel, name string, pos int) error {
	shown := quoted(name)
	if rel != "" {
		shown = rel + "." + name
	}
	e := pgerr.New(pgerr.UndefinedColumn, "column %s does not exist", shown).At(pos)
	best, limit := []string(nil), 3
	if l := len([]rune(name)) / 2; l < limit {
		limit = l
	}
	for g := s.frame; g != nil; g = g.parent {
		for _, it := range g.items {
			if it.alias == "" {
				continue
			}
			penalty := 0
			if rel != "" {
				penalty = min(distance(rel, it.alias), 4)
				if penalty > 3 {
					continue
				}
			}
			for i := range it.cols {
				d := penalty + distance(name, it.cols[i].name)
				if d > limit+penalty || d > 3 {
					continue
				}
				if len(best) > 0 && d > s.guessLimit(limit) {
					continue
				}
				best, limit = addGuess(best, limit, d, it.alias+"."+it.cols[i].name)
			}
		}
	}
	switch len(best) {
	case 0:
	case 1:
		e = e.WithHint("Perhaps you meant to reference the column %q.", best[0])
	case 2:
		e = e.WithHint("Perhaps you meant to reference the column %q or the column %q.", best[0], best[1])
	}
	return e
}

func (s *scope) guessLimit(l int) int { return l }

// addGuess keeps the guesses of least distance; with more than two there is none.
func addGuess(best []string, limit, d int, name string) ([]string, int) {
	if d < limit || len(best) == 0 {
		return []string{name}, d
	}
	return append(best, name), limit
}

// distance is Levenshtein's.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		prev := row[0]
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, prev+cost)
			prev, row[j+1] = row[j+1], next
		}
	}
	return row[len(t)]
}

// quoted is a name in an error message.
func quoted(name string) string { return `"` + name + `"` }

// quoteIdent quotes a name where SQL needs it.
func quoteIdent(name string) string {
	ok := name != ""
	for i, r := range name {
		if r == '_' || r >= 'a' && r <= 'z' || i > 0 && (r >= '0' && r <= '9' || r == '$') {
			continue
		}
		ok = false
	}
	if ok {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// namespaceExists says whether there is a schema of that name.
func (b *binder) namespaceExists(name string) bool {
	switch name {
	case "pg_catalog", "information_schema", "phyllo_catalog":
		return true
	}
	for _, n := range b.env.Catalog.Namespaces {
		if n.Name == name {
			return true
		}
	}
	return false
}

// TempAlias is what a session may call its schema of temporary relations.
const TempAlias = "pg_temp"

// A relation is what a table name may mean: exactly one field is set.
type relation struct {
	table   *schema.Table
	view    *schema.View
	virtual *VirtualRelation
	// sequence is set beside virtual, which shows its state.
	sequence *schema.Sequence
}

// path is the search path with the implicit schema of temporary relations and pg_catalog.
func (b *binder) path() []string {
	var first []string
	if b.env.TempSchema != "" && !slices.Contains(b.env.SearchPath, b.env.TempSchema) {
		first = append(first, b.env.TempSchema)
	}
	if !slices.Contains(b.env.SearchPath, "pg_catalog") {
		first = append(first, "pg_catalog")
	}
	return append(first, b.env.SearchPath...)
}

// findRelation finds a relation by name, through the search path if ns is empty;
// nil if there is none.
func (b *binder) findRelation(ns, name string) *relation {
	if ns != "" {
		return b.relationIn(ns, name)
	}
	for _, p := range b.path() {
		if p == "$user" {
			p = b.env.User
		}
		if r := b.relationIn(p, name); r != nil {
			return r
		}
	}
	return nil
}

func (b *binder) relationIn(ns, name string) *relation {
	if ns == TempAlias {
		ns = b.env.TempSchema
	}
	if b.env.Virtual != nil {
		if v := b.env.Virtual.Relation(ns, name); v != nil {
			return &relation{virtual: v}
		}
	}
	oid := b.namespaceOID(ns)
	if oid == 0 {
		return nil
	}
	for _, t := range b.env.Catalog.Tables {
		if t.Namespace == oid && t.Name == name {
			return &relation{table: t}
		}
	}
	for _, v := range b.env.Catalog.Views {
		if v.Namespace == oid && v.Name == name {
			return &relation{view: v}
		}
	}
	for _, s := range b.env.Catalog.Sequences {
		if s.Namespace == oid && s.Name == name {
			return &relation{sequence: s, virtual: sequenceRelation(ns, s)}
		}
	}
	return nil
}

// sequenceRelation is what a sequence is as a relation: one row, which tells where it is.
func sequenceRelation(namespace string, s *schema.Sequence) *VirtualRelation {
	return &VirtualRelation{OID: s.OID, Namespace: namespace, Name: s.Name, Columns: []plan.Field{
		{Name: "last_value", Type: datum.Of(datum.Int8)}, {Name: "log_cnt", Type: datum.Of(datum.Int8)}, {Name: "is_called", Type: datum.Of(datum.Bool)},
	}}
}

func (b *binder) namespaceOID(name string) datum.OID {
	for oid, n := range b.env.Catalog.Namespaces {
		if n.Name == name {
			return oid
		}
	}
	return 0
}

func (b *binder) namespaceName(oid datum.OID) string {
	if n := b.env.Catalog.Namespaces[oid]; n != nil {
		return n.Name
	}
	switch oid {
	case schema.PGCatalogOID:
		return "pg_catalog"
	case schema.InformationOID:
		return "information_schema"
	case schema.PhylloCatalogOID:
		return "phyllo_catalog"
	case schema.PublicOID:
		return "public"
	}
	return ""
}
