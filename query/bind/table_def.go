package bind

import (
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// Defaults and limits of a table's options.
const (
	DefaultPartitions = 4
	MaxPartitions     = 4096
	DefaultSlice      = 24 * time.Hour
	MinSlice          = time.Minute
	// MaxColumns is PostgreSQL's.
	MaxColumns = 1600
)

// TableDef checks CREATE TABLE and returns the definition, complete but for its
// OIDs and version: columns have IDs from 1 on, Namespace is set. A name that is
// taken is an error with 42P07, also with IF NOT EXISTS.
// What needs OIDs or names of its own is returned beside it.
func TableDef(env *Env, s *ast.CreateTable) (*schema.Table, *TableParts, error) {
	b := newBinder(env)
	switch {
	case s.PartitionOf != nil:
		return nil, nil, pgerr.Unsupported("PARTITION OF is not supported").WithHint("Partitions are made by themselves: use PARTITION BY.")
	case s.OfType != nil:
		return nil, nil, pgerr.Unsupported("typed tables are not supported")
	case len(s.Inherits) > 0:
		return nil, nil, pgerr.Unsupported("table inheritance is not supported")
	}
	d := &tableDef{b: b, name: s.Name, persistence: s.Persistence, partitionBy: s.PartitionBy, options: s.Options, onCommit: s.OnCommit, tablespace: s.Tablespace}
	likes := s.Likes
	for i := range len(s.Columns) + 1 {
		for ; len(likes) > 0 && likes[0].Before == i; likes = likes[1:] {
			if err := d.like(&likes[0]); err != nil {
				return nil, nil, err
			}
		}
		if i < len(s.Columns) {
			if err := d.column(s.Columns[i]); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, c := range s.Constraints {
		if err := d.constraint(c, ""); err != nil {
			return nil, nil, err
		}
	}
	t, err := d.build()
	if err != nil {
		return nil, nil, err
	}
	parts := &TableParts{Sequences: d.sequences, Declared: d.declared}
	for _, x := range d.likes {
		parts.Indexes = append(parts.Indexes, x.over(t))
	}
	for _, c := range d.checkComments {
		t.Check(c.Name).Comment = c.Comment
	}
	return t, parts, nil
}

// TableParts are what comes with a table.
type TableParts struct {
	Sequences []*ColumnSequence
	// Declared are UNIQUE constraints and foreign keys, with their columns.
	Declared []*ast.Constraint
	Indexes  []LikeIndex
}

// A tableDef is a table while it is being checked.
type tableDef struct {
	b           *binder
	name        ast.Name
	persistence ast.Persistence
	partitionBy *ast.PartitionBy
	options     []ast.Option
	onCommit    string
	tablespace  string
	columns     []schema.Column
	sequences   []*ColumnSequence
	checks      []*ast.Constraint
	declared    []*ast.Constraint // UNIQUE and foreign keys, with their columns
	generated   []*ast.Constraint // of columns that have Generated, in their order
	likes       []likedIndex      // of tables that LIKE names
	// checkComments are those of constraints that LIKE copies, by their names.
	checkComments []schema.Check
	key           []string
	keyName       string
	keyPos        int
	hasKey        bool
	nullable      string // the last column that was declared NULL
	mayExist      bool   // IF NOT EXISTS
}

// storable are the types that tables can hold, and their arrays.
var storable = map[datum.OID]bool{
	datum.Bool: true, datum.Int2: true, datum.Int4: true, datum.Int8: true, datum.Float4: true, datum.Float8: true,
	datum.Numeric: true, datum.Text: true, datum.Varchar: true, datum.BPChar: true, datum.Bytea: true, datum.Date: true,
	datum.Time: true, datum.Timestamp: true, datum.TimestampTZ: true, datum.Interval: true, datum.UUID: true, datum.JSONB: true,
	datum.JSON: true, datum.Name: true, datum.TimeTZ: true, datum.OIDType: true, datum.JSONPath: true,
}

func (d *tableDef) column(c *ast.ColumnDef) error {
	if c.Type == nil {
		return pgerr.New(pgerr.SyntaxError, "column %q has no type", c.Name).At(c.Position())
	}
	t, isSerial := serial(c.Type)
	if !isSerial {
		var err error
		if t, err = d.b.typeName(c.Type); err != nil {
			return err
		}
	}
	if err := d.typed(c, t, isSerial); err != nil {
		return err
	}
	if isSerial {
		if err := d.newSequence(nil, true); err != nil {
			return err
		}
	}
	for _, k := range c.Constraints {
		if err := d.constraint(k, c.Name); err != nil {
			return err
		}
		if err := d.oneValue(k, isSerial); err != nil {
			return err
		}
	}
	return nil
}

// typed adds a column of a type.
func (d *tableDef) typed(c *ast.ColumnDef, t datum.Type, notNull bool) error {
	if category(t.OID) == 'P' {
		return pgerr.New(pgerr.InvalidTableDefinition, "column %q has pseudo-type %s", c.Name, t).At(c.Position())
	}
	if c.Collation != nil {
		if _, err := d.b.collate(&ast.Collate{Arg: &ast.Cast{Arg: &ast.Literal{}, Type: c.Type}, Name: c.Collation}, &scope{frame: &frame{}}); err != nil {
			return err
		}
	}
	d.columns = append(d.columns, schema.Column{Name: c.Name, Type: t, NotNull: notNull})
	return nil
}

// attribute adds an attribute of a composite type as a column.
func (d *tableDef) attribute(c *ast.ColumnDef) error {
	t, err := d.b.typeName(c.Type)
	if err != nil {
		return err
	}
	return d.typed(c, t, false)
}

// oneValue checks that the last column has its values from one place, as of a constraint.
func (d *tableDef) oneValue(k *ast.Constraint, isSerial bool) error {
	col := &d.columns[len(d.columns)-1]
	both := func(what string) *pgerr.Error {
		return pgerr.New(pgerr.SyntaxError, "%s specified for column %q of table %q", what, col.Name, d.name.Name)
	}
	switch {
	case isSerial && col.Default != "":
		return both("multiple default values")
	case (isSerial || col.Default != "") && col.Identity != schema.NoIdentity:
		return both("both default and identity").At(k.Position())
	case (isSerial || col.Default != "") && col.Generated != "":
		return both("both default and generation expression").At(k.Position())
	case col.Identity != schema.NoIdentity && col.Generated != "":
		return both("both identity and generation expression").At(k.Position())
	}
	return nil
}

// constraint checks a constraint of a column, or of the table if column is empty.
func (d *tableDef) constraint(c *ast.Constraint, column string) error {
	var col *schema.Column
	if column != "" {
		col = &d.columns[len(d.columns)-1]
	}
	unsupported := func(what string) error {
		return pgerr.Unsupported("%s are not supported", what).At(c.Position())
	}
	conflict := func() *pgerr.Error {
		return pgerr.New(pgerr.SyntaxError, "conflicting NULL/NOT NULL declarations for column %q of table %q", column, d.name.Name)
	}
	switch c.Kind {
	case ast.NotNullConstraint, ast.IdentityConstraint:
		if d.nullable == column {
			return conflict().At(c.Position())
		}
		if c.Kind == ast.IdentityConstraint {
			return d.identity(c)
		}
		col.NotNull = true
	case ast.NullConstraint:
		d.nullable = column
		if col.NotNull {
			e := conflict()
			if len(d.sequences) > 0 && d.sequences[len(d.sequences)-1].Column == column {
				return e // NOT NULL comes of the type
			}
			return e.At(c.Position())
		}
	case ast.DefaultConstraint:
		if col.Default != "" {
			return pgerr.New(pgerr.SyntaxError, "multiple default values specified for column %q of table %q", column, d.name.Name).At(c.Position())
		}
		if _, err := d.b.bindDefault(c.Expr, col); err != nil {
			return err
		}
		var err error
		col.Default, err = d.b.storedExpr(c.Expr)
		return err
	case ast.PrimaryKeyConstraint:
		if d.hasKey {
			return pgerr.New(pgerr.InvalidTableDefinition, "multiple primary keys for table %q are not allowed", d.name.Name).At(c.Position())
		}
		d.hasKey, d.keyName, d.keyPos, d.key = true, c.Name, c.Position(), c.Columns
		if column != "" {
			d.key = []string{column}
		}
		if len(c.Include) > 0 {
			return unsupported("INCLUDE columns of a primary key")
		}
		if c.Deferrable != nil && *c.Deferrable {
			return unsupported("deferrable constraints")
		}
	case ast.UniqueConstraint:
		d.declare(c, column)
	case ast.CheckConstraint:
		if c.NoInherit {
			return unsupported("constraints with NO INHERIT")
		}
		d.checks = append(d.checks, c)
	case ast.ForeignKeyConstraint:
		d.declare(c, column)
	case ast.ExcludeConstraint:
		return unsupported("exclusion constraints")
	case ast.GeneratedConstraint:
		if col.Generated != "" {
			return pgerr.New(pgerr.SyntaxError, "multiple generation clauses specified for column %q of table %q", column, d.name.Name).At(c.Position())
		}
		col.Generated = ast.Deparse(c.Expr)
		d.generated = append(d.generated, c)
	}
	return nil
}

// declare keeps a constraint of a column, or of the table, for when the table is known.
func (d *tableDef) declare(c *ast.Constraint, column string) {
	k := *c
	if column != "" {
		k.Columns = []string{column}
	}
	d.declared = append(d.declared, &k)
}

// build checks the table as a whole.
func (d *tableDef) build() (*schema.Table, error) {
	t := &schema.Table{Name: d.name.Name, Owner: d.b.env.User, Columns: d.columns}
	if err := d.place(t); err != nil {
		return nil, err
	}
	if len(t.Columns) > MaxColumns {
		return nil, pgerr.New(pgerr.TooManyColumns, "tables can have at most %d columns", MaxColumns)
	}
	seen := map[string]bool{}
	for i := range t.Columns {
		c := &t.Columns[i]
		c.ID = schema.ColumnID(i + 1)
		if err := checkColumn(c); err != nil {
			return nil, err
		}
		if seen[c.Name] {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", c.Name)
		}
		seen[c.Name] = true
	}
	for _, step := range []func(*schema.Table) error{d.primaryKey, d.buildGenerated, d.buildChecks, d.partitioning, d.settings} {
		if err := step(t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// place decides the namespace and checks that the name is free there.
func (d *tableDef) place(t *schema.Table) error {
	switch {
	case d.onCommit != "" && d.persistence != ast.Temporary:
		return pgerr.New(pgerr.InvalidTableDefinition, "ON COMMIT can only be used on temporary tables")
	case d.tablespace != "" && d.tablespace != "pg_default":
		return pgerr.New(pgerr.UndefinedObject, "tablespace %q does not exist", d.tablespace)
	case d.name.Catalog != "" && d.name.Catalog != d.b.env.Catalog.Database:
		return pgerr.Unsupported("cross-database references are not implemented: %q", d.name.Catalog+"."+d.name.Schema+"."+d.name.Name)
	}
	if d.persistence == ast.Temporary {
		t.Namespace = d.b.namespaceOID(d.b.env.TempSchema) // or one that is still to be made
		return nil
	}
	ns, err := CreationNamespace(d.b.env, d.name.Schema)
	if err != nil {
		return at(err, d.name.Position())
	}
	t.Namespace = ns
	if d.mayExist {
		return nil
	}
	if rel := d.b.relationIn(d.b.namespaceName(ns), t.Name); rel != nil {
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", t.Name)
	}
	if d.b.env.Catalog.RelationNamed(ns, t.Name) != 0 {
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", t.Name)
	}
	return nil
}

// CreationNamespace returns the namespace that a new object goes to: the named
// one, or the first of the search path that exists.
func CreationNamespace(env *Env, name string) (datum.OID, error) {
	b := newBinder(env)
	switch name {
	case TempAlias:
		name = env.TempSchema
	case "pg_catalog", "information_schema", "phyllo_catalog":
		return 0, pgerr.New(pgerr.InsufficientPrivilege, "permission denied for schema %s", name)
	case "":
		for _, p := range env.SearchPath {
			if p == "$user" {
				p = env.User
			}
			if oid := b.namespaceOID(p); oid != 0 && p != "pg_catalog" {
				return oid, nil
			}
		}
		return 0, pgerr.New(pgerr.InvalidSchemaName, "no schema has been selected to create in")
	}
	if oid := b.namespaceOID(name); oid != 0 {
		return oid, nil
	}
	return 0, pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", name)
}

func columnNamed(t *schema.Table, name string) *schema.Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

func (d *tableDef) primaryKey(t *schema.Table) error {
	if !d.hasKey {
		return nil
	}
	seen := map[string]bool{}
	for _, name := range d.key {
		c := columnNamed(t, name)
		switch {
		case c == nil:
			return pgerr.New(pgerr.UndefinedColumn, "column %q named in key does not exist", name).At(d.keyPos)
		case seen[name]:
			return pgerr.New(pgerr.DuplicateColumn, "column %q appears twice in primary key constraint", name).At(d.keyPos)
		case !d.b.sortable(c.Type.OID):
			return pgerr.New(pgerr.UndefinedObject, "data type %s has no default operator class for access method \"btree\"", datum.Of(c.Type.OID)).
				WithHint("You must specify an operator class for the index or define a default operator class for the data type.")
		}
		seen[name] = true
		c.NotNull = true
		t.PrimaryKey = append(t.PrimaryKey, c.ID)
	}
	if t.PrimaryKeyName = d.keyName; t.PrimaryKeyName == "" {
		t.PrimaryKeyName = cutName(t.Name, "_pkey")
	}
	return nil
}

// cutName appends a suffix within PostgreSQL's 63 bytes.
func cutName(name, suffix string) string {
	const most = 63
	for len(name)+len(suffix) > most {
		r := []rune(name)
		name = string(r[:len(r)-1])
	}
	return name + suffix
}

func (d *tableDef) partitioning(t *schema.Table) error {
	p := d.partitionBy
	if p == nil {
		return nil
	}
	switch lower(p.Strategy) {
	case "hash":
		t.PartitionKind, t.Partitions = schema.PartitionHash, DefaultPartitions
	case "list":
		t.PartitionKind = schema.PartitionList
	case "range":
		return pgerr.Unsupported("PARTITION BY RANGE is not supported").
			WithHint("Use PARTITION BY HASH or LIST; ranges of time are slices: WITH (slice = '1 day').").At(p.Position())
	default:
		return pgerr.New(pgerr.InvalidTableDefinition, "unrecognized partitioning strategy %q", p.Strategy).At(p.Position())
	}
	for _, e := range p.Elems {
		if err := d.partitionElem(t, e); err != nil {
			return err
		}
	}
	return d.keyHasPartitioning(t)
}

// keyHasPartitioning checks that a primary key has the columns that rows are partitioned by.
func (d *tableDef) keyHasPartitioning(t *schema.Table) error {
	if !t.Keyed() {
		return nil
	}
	for _, id := range t.PartitionColumns {
		in := false
		for _, k := range t.PrimaryKey {
			in = in || k == id
		}
		if !in {
			return pgerr.New(pgerr.InvalidTableDefinition, "primary key must include all partitioning columns").
				WithDetail("PRIMARY KEY constraint on table %q lacks column %q which is part of the partition key.", t.Name, t.Column(id).Name).At(d.keyPos)
		}
	}
	return nil
}

func (d *tableDef) partitionElem(t *schema.Table, e ast.IndexElem) error {
	node := e.Expr
	if e.Column != "" {
		ref := &ast.ColumnRef{Names: []string{e.Column}}
		ref.SetPos(e.Position())
		node = ref
	}
	ref, plainColumn := node.(*ast.ColumnRef)
	if t.PartitionKind == schema.PartitionHash && !plainColumn {
		return pgerr.Unsupported("PARTITION BY HASH takes columns, not expressions").
			WithHint("PARTITION BY LIST takes expressions.").At(e.Position())
	}
	if plainColumn && columnNamed(t, ref.Names[len(ref.Names)-1]) == nil {
		return pgerr.New(pgerr.UndefinedColumn, "column %q named in partition key does not exist", ref.Names[len(ref.Names)-1]).At(e.Position())
	}
	x, err := d.b.partitionExpr(node, t)
	if err != nil {
		return err
	}
	used := map[int]bool{}
	plan.Columns(x, used)
	if len(used) == 0 {
		return pgerr.New(pgerr.InvalidTableDefinition, "cannot use constant expression as partition key").At(e.Position())
	}
	var indexes []int
	for i := range used {
		indexes = append(indexes, i)
	}
	sort.Ints(indexes)
	live := liveColumns(t)
	for _, i := range indexes {
		if t.Columns[live[i]].Generated != "" {
			return pgerr.New(pgerr.InvalidObjectDefinition, "cannot use generated column in partition key").
				WithDetail("Column %q is a generated column.", t.Columns[live[i]].Name).At(e.Position())
		}
		id := t.Columns[live[i]].ID
		known := false
		for _, k := range t.PartitionColumns {
			known = known || k == id
		}
		if !known {
			t.PartitionColumns = append(t.PartitionColumns, id)
		}
	}
	if t.PartitionKind == schema.PartitionList {
		t.PartitionExprs = append(t.PartitionExprs, ast.Deparse(node))
	}
	return nil
}

// partitionExpr binds a partition key expression over the live columns of a table.
func (b *binder) partitionExpr(e ast.Expr, t *schema.Table) (expr.Expr, error) {
	s := &scope{frame: &frame{items: []*item{b.tableItem(t, t.Name, 0)}}, clause: clausePartition}
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	if x, err = b.resolveUnknown(x); err != nil {
		return nil, err
	}
	pos := position(e)
	if plan.HasSubquery(x) {
		return nil, pgerr.Unsupported("cannot use subquery in partition key expression").At(pos)
	}
	if plan.Any(x, func(y expr.Expr) bool { return !partitionSafe(y) }) {
		return nil, pgerr.New(pgerr.InvalidTableDefinition, "functions in partition key expression must be marked IMMUTABLE").At(pos)
	}
	if !b.sortable(x.Type().OID) {
		return nil, pgerr.New(pgerr.UndefinedObject, "data type %s cannot be part of a partition key", x.Type()).At(pos)
	}
	return x, nil
}

// partitionSafe says whether a node of a partition expression has one value for a
// row for ever. Partition expressions are evaluated in UTC, so that functions
// whose only fault is to ask for the session's time zone are safe too.
func partitionSafe(e expr.Expr) bool {
	var fn *function.Function
	switch x := e.(type) {
	case *expr.Param:
		return false
	case *expr.Call:
		fn = x.Fn
	case *expr.IsDistinct:
		fn = x.Eq
	case *expr.AnyAll:
		fn = x.Op
	}
	if fn == nil || fn.Volatility == function.Immutable {
		return true
	}
	switch fn.Name {
	case "date_trunc", "date_part", "extract", "date", "timestamp", "time", "timestamptz":
		return fn.Volatility == function.Stable && len(fn.Args) > 0
	}
	return false
}

// optionNames are the options of a table's WITH clause.
const optionNames = "partitions, time_column, slice, retention, on_duplicate, history_retention"

// given returns the options of WITH (...) by name.
func (d *tableDef) given() (map[string]ast.Option, error) {
	given := map[string]ast.Option{}
	for _, o := range d.options {
		name := lower(o.Name)
		if o.Namespace != "" {
			name = o.Namespace + "." + name
		}
		switch name {
		case "partitions", "time_column", "slice", "retention", "on_duplicate", "history_retention":
		default:
			return nil, pgerr.New(pgerr.InvalidParameterValue, "unrecognized parameter %q", name).
				WithHint("Valid parameters are: %s.", optionNames).At(o.Position())
		}
		if _, dup := given[name]; dup {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "parameter %q specified more than once", name).At(o.Position())
		}
		given[name] = o
	}
	return given, nil
}

// settings reads WITH (...) and fills in defaults.
func (d *tableDef) settings(t *schema.Table) error {
	given, err := d.given()
	if err != nil {
		return err
	}
	if o, ok := given["partitions"]; ok {
		if err := d.partitions(t, o); err != nil {
			return err
		}
	}
	if err := d.timeColumn(t, given); err != nil {
		return err
	}
	if o, ok := given["history_retention"]; ok {
		if err := d.history(t, o); err != nil {
			return err
		}
	}
	return d.onDuplicate(t, given)
}

// partitions sets the number of buckets of HASH.
func (d *tableDef) partitions(t *schema.Table, o ast.Option) error {
	n, err := strconv.Atoi(o.Value)
	if err != nil || n < 1 || n > MaxPartitions {
		return badOption(o, "It must be an integer from 1 to "+strconv.Itoa(MaxPartitions)+".")
	}
	if t.PartitionKind != schema.PartitionHash {
		return pgerr.New(pgerr.InvalidParameterValue, "parameter \"partitions\" needs PARTITION BY HASH").At(o.Position())
	}
	t.Partitions = n
	return nil
}

func badOption(o ast.Option, hint string) error {
	return pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter %q: %q", lower(o.Name), o.Value).WithHint("%s", hint).At(o.Position())
}

func isTimestamp(t datum.OID) bool { return t == datum.TimestampTZ || t == datum.Timestamp }

// timeColumn decides the time column, the slices and the retention.
func (d *tableDef) timeColumn(t *schema.Table, given map[string]ast.Option) error {
	inKey := false
	if o, ok := given["time_column"]; ok {
		c := columnNamed(t, o.Value)
		if c == nil {
			e := unknownColumn(t, o.Value)
			return pgerr.New(pgerr.UndefinedColumn, "time column %q does not exist", o.Value).WithHint("%s", strings.TrimSpace(e.Hint)).At(o.Position())
		}
		if !isTimestamp(c.Type.OID) {
			return pgerr.New(pgerr.InvalidParameterValue, "time column %q must be of type timestamp with time zone or timestamp, not %s", c.Name, c.Type).At(o.Position())
		}
		t.TimeColumn = c.ID
	} else if t.Keyed() {
		for _, id := range t.PrimaryKey {
			if t.TimeColumn == 0 && isTimestamp(t.Column(id).Type.OID) {
				t.TimeColumn = id
			}
		}
	} else {
		for i := range t.Columns {
			if t.TimeColumn == 0 && isTimestamp(t.Columns[i].Type.OID) {
				t.TimeColumn = t.Columns[i].ID
			}
		}
	}
	for _, id := range t.PrimaryKey {
		inKey = inKey || id == t.TimeColumn
	}
	sliced := t.TimeColumn != 0 && (inKey || !t.Keyed())
	for _, name := range []string{"slice", "retention"} {
		if o, ok := given[name]; ok && !sliced {
			return notSliced(t, o)
		}
	}
	if !sliced {
		return nil
	}
	t.Slice = DefaultSlice
	if o, ok := given["slice"]; ok {
		if err := d.slice(t, o); err != nil {
			return err
		}
	}
	if o, ok := given["retention"]; ok {
		return d.retention(t, o)
	}
	return nil
}

func notSliced(t *schema.Table, o ast.Option) error {
	hint := "There is no column of type timestamp with time zone or timestamp."
	if t.Keyed() {
		hint = "The time column must be part of the primary key."
	}
	return pgerr.New(pgerr.InvalidParameterValue, "parameter %q needs a time column", lower(o.Name)).WithHint("%s", hint).At(o.Position())
}

// slice sets the length of the slices of a table that has some.
func (d *tableDef) slice(t *schema.Table, o ast.Option) error {
	if t.Slice == 0 {
		return notSliced(t, o)
	}
	length, err := d.duration(o, false)
	switch {
	case err != nil:
		return err
	case length < MinSlice:
		return badOption(o, "A slice must be at least one minute.")
	}
	t.Slice = length
	return nil
}

// retention sets how long a table keeps its rows.
func (d *tableDef) retention(t *schema.Table, o ast.Option) error {
	if t.Slice == 0 {
		return notSliced(t, o)
	}
	r, err := d.duration(o, true)
	switch {
	case err != nil:
		return err
	case r <= 0:
		return badOption(o, "The retention must be positive.")
	}
	t.Retention = r
	return nil
}

// history sets for how long earlier states of a table's rows can be read.
func (d *tableDef) history(t *schema.Table, o ast.Option) error {
	h, err := d.duration(o, true)
	switch {
	case err != nil:
		return err
	case h < 0:
		return badOption(o, "It must not be negative; 0 keeps no history.")
	}
	t.History = h
	return nil
}

// duration reads an interval; with months, those count 30 days and years 365.25.
func (d *tableDef) duration(o ast.Option, months bool) (time.Duration, error) {
	v, err := datum.Parse(datum.Of(datum.Interval), o.Value, d.b.env.Session)
	if err != nil {
		return 0, at(err, o.Position())
	}
	iv := v.(datum.IntervalValue)
	if iv.Months != 0 && !months {
		return 0, badOption(o, "Months and years have no fixed length: give days, such as '30 days'.")
	}
	const day = 24 * time.Hour
	years, rest := iv.Months/12, iv.Months%12
	total := float64(years)*365.25*float64(day) + float64(rest)*30*float64(day) + float64(iv.Days)*float64(day) + float64(iv.Micros)*1e3
	if math.Abs(total) > float64(math.MaxInt64)/2 {
		return 0, badOption(o, "The interval is too long.")
	}
	return time.Duration(years)*(365*day+day/4) + time.Duration(rest)*30*day + time.Duration(iv.Days)*day + time.Duration(iv.Micros)*time.Microsecond, nil
}

func (d *tableDef) onDuplicate(t *schema.Table, given map[string]ast.Option) error {
	for _, id := range t.PrimaryKey {
		if id == t.TimeColumn {
			t.OnDuplicate = schema.DuplicateReplace
		}
	}
	o, ok := given["on_duplicate"]
	if !ok {
		return nil
	}
	if !t.Keyed() {
		return pgerr.New(pgerr.InvalidParameterValue, "parameter \"on_duplicate\" needs a primary key").At(o.Position())
	}
	switch lower(o.Value) {
	case "replace":
		t.OnDuplicate = schema.DuplicateReplace
	case "error":
		t.OnDuplicate = schema.DuplicateError
	case "ignore":
		t.OnDuplicate = schema.DuplicateIgnore
	default:
		return badOption(o, "It must be 'replace', 'error' or 'ignore'.")
	}
	return nil
}
