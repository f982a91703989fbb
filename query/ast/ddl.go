package ast

import (
	"slices"
	"strings"
)

// A ColumnDef is a column of CREATE TABLE or of a column definition list.
type ColumnDef struct {
	Pos
	Name        string
	Type        *TypeName // nil in CREATE TABLE OF and views
	Collation   []string
	Storage     string
	Compression string
	Constraints []*Constraint
}

// ConstraintKind is the kind of a constraint.
type ConstraintKind uint8

const (
	NotNullConstraint ConstraintKind = iota
	NullConstraint
	DefaultConstraint
	CheckConstraint
	PrimaryKeyConstraint
	UniqueConstraint
	ForeignKeyConstraint
	ExcludeConstraint
	GeneratedConstraint // GENERATED ALWAYS AS (expr) STORED
	IdentityConstraint  // GENERATED ... AS IDENTITY
)

// A Constraint belongs to a column or to a table.
type Constraint struct {
	Pos
	Kind             ConstraintKind
	Name             string // CONSTRAINT name, empty if absent
	Expr             Expr   // default, check, generated
	Columns          []string
	Include          []string
	NullsNotDistinct bool
	Index            string // USING INDEX
	Options          []Option
	Always           bool // identity: GENERATED ALWAYS
	// Of foreign keys:
	RefTable                  Name
	RefColumns                []string
	OnDelete, OnUpdate, Match string
	// Of ON DELETE SET NULL and SET DEFAULT, nil for all.
	OnDeleteColumns       []string
	Deferrable, Initially *bool // Initially: deferred
	NotValid, NoInherit   bool
	ExcludeElems          []IndexElem
	ExcludeOps            []OpName
	AccessMethod          string
	Where                 Expr
}

// Persistence is TEMP or UNLOGGED.
type Persistence uint8

const (
	Permanent Persistence = iota
	Temporary
	Unlogged
)

// A PartitionBy is PARTITION BY strategy (elements).
type PartitionBy struct {
	Pos
	Strategy string // "hash", "list", "range"; folded as written
	Elems    []IndexElem
}

// CreateTable is CREATE TABLE (not AS).
type CreateTable struct {
	stmtNode
	Name         Name
	IfNotExists  bool
	Persistence  Persistence
	Columns      []*ColumnDef
	Constraints  []*Constraint
	Likes        []TableLike
	Inherits     []Name
	OfType       *TypeName
	PartitionOf  *Name // PARTITION OF parent ...
	PartitionBy  *PartitionBy
	AccessMethod string
	Options      []Option
	OnCommit     string // "", "drop", "delete rows", "preserve rows"
	Tablespace   string
}

// A TableLike is LIKE source INCLUDING ...
type TableLike struct {
	Pos
	Source Name
	// Before is how many of the table's own columns stand before it.
	Before    int
	Including []string // what is included in the end: "defaults" and so on, or "all" and what is excluded of it
	Excluding []string
}

// Includes says whether something is copied with the columns.
func (l *TableLike) Includes(what string) bool {
	return slices.Contains(l.Including, what) || slices.Contains(l.Including, "all") && !slices.Contains(l.Excluding, what)
}

// CreateTableAs is CREATE TABLE ... AS and CREATE MATERIALIZED VIEW.
type CreateTableAs struct {
	stmtNode
	Name         Name
	Columns      []string
	IfNotExists  bool
	Persistence  Persistence
	Materialized bool
	PartitionBy  *PartitionBy
	AccessMethod string
	Options      []Option
	OnCommit     string
	Tablespace   string
	Query        Stmt // *Select or *Execute
	QueryText    string
	NoData       bool
}

// RefreshView is REFRESH MATERIALIZED VIEW.
type RefreshView struct {
	stmtNode
	Name         Name
	Concurrently bool
	NoData       bool
}

// CreateView is CREATE VIEW. QueryText is the source of the query.
type CreateView struct {
	stmtNode
	Name        Name
	OrReplace   bool
	Recursive   bool
	Persistence Persistence
	Columns     []string
	Options     []Option
	Query       *Select
	QueryText   string
	CheckOption string // "", "local", "cascaded"
}

// CreateSchema is CREATE SCHEMA. Name is empty for AUTHORIZATION alone.
type CreateSchema struct {
	stmtNode
	Name          string
	IfNotExists   bool
	Authorization string // empty if absent
	Elements      []Stmt
}

// An IndexElem is a column or an expression of an index, with what may follow it.
type IndexElem struct {
	Pos
	Column    string // empty for an expression
	Expr      Expr
	Collation []string
	OpClass   []string
	Desc      bool
	Nulls     NullsOrder
}

// CreateIndex is CREATE INDEX.
type CreateIndex struct {
	stmtNode
	Name             string
	Unique           bool
	Concurrently     bool
	IfNotExists      bool
	Table            Name
	Only             bool
	Method           string
	Elems            []IndexElem
	Include          []string
	NullsNotDistinct bool
	Options          []Option
	Tablespace       string
	Where            Expr
}

// Reindex is REINDEX. Kind is INDEX, TABLE, SCHEMA, DATABASE or SYSTEM.
type Reindex struct {
	stmtNode
	Kind         ObjectKind
	Name         Name
	Concurrently bool
}

// CreateSequence is CREATE SEQUENCE; option values are words and numbers.
type CreateSequence struct {
	stmtNode
	Name        Name
	IfNotExists bool
	Persistence Persistence
	Options     []Option
}

// CreateExtension is CREATE EXTENSION.
type CreateExtension struct {
	stmtNode
	Name        string
	IfNotExists bool
	Options     []Option
}

// CreateDatabase is CREATE DATABASE.
type CreateDatabase struct {
	stmtNode
	Name    string
	Options []Option
}

// AlterDatabase is ALTER DATABASE with a new name or owner.
type AlterDatabase struct {
	stmtNode
	Name           string
	NewName, Owner string // one of them
}

// CreateRole is CREATE ROLE, USER or GROUP.
type CreateRole struct {
	stmtNode
	Name    string
	Login   bool // CREATE USER
	Options []Option
}

// AlterRole is ALTER ROLE, USER or GROUP with options.
type AlterRole struct {
	stmtNode
	Name    string
	Options []Option
}

// ObjectKind names a class of objects as in DROP and COMMENT ON.
type ObjectKind string

// Lower is the class as messages name it.
func (k ObjectKind) Lower() string { return strings.ToLower(string(k)) }

// The classes that have meaning here; others are the words as written, in
// upper case.
const (
	TableObject     ObjectKind = "TABLE"
	ViewObject      ObjectKind = "VIEW"
	MatViewObject   ObjectKind = "MATERIALIZED VIEW"
	IndexObject     ObjectKind = "INDEX"
	SequenceObject  ObjectKind = "SEQUENCE"
	SchemaObject    ObjectKind = "SCHEMA"
	DatabaseObject  ObjectKind = "DATABASE"
	ExtensionObject ObjectKind = "EXTENSION"
	RoleObject      ObjectKind = "ROLE"
	TypeObject      ObjectKind = "TYPE"
	DomainObject    ObjectKind = "DOMAIN"
	FunctionObject  ObjectKind = "FUNCTION"
	ColumnObject    ObjectKind = "COLUMN"
	ConstraintKindO ObjectKind = "CONSTRAINT"
)

// Drop is DROP of one or more objects. A schema, role, database or extension
// has only Name.Name.
type Drop struct {
	stmtNode
	Kind         ObjectKind
	Names        []Name
	IfExists     bool
	Cascade      bool
	Concurrently bool
	Force        bool // of a database: sessions that use it are ended
}

// Truncate is TRUNCATE.
type Truncate struct {
	stmtNode
	Tables          []*TableRef
	RestartIdentity bool
	Cascade         bool
}

// Comment is COMMENT ON. For COLUMN, Name is the table and Column the column;
// for a CONSTRAINT, Name is the table and Column the constraint.
type Comment struct {
	stmtNode
	Kind   ObjectKind
	Name   Name
	Column string
	Text   *string // nil: NULL
}

// AlterTable is ALTER TABLE, VIEW, INDEX, SEQUENCE or MATERIALIZED VIEW.
type AlterTable struct {
	stmtNode
	Kind     ObjectKind
	Table    *TableRef
	IfExists bool
	Actions  []AlterAction
}

// AlterKind is what an AlterAction does.
type AlterKind uint8

const (
	AddColumn          AlterKind = iota // Def, IfNotExists
	DropColumn                          // Column, IfExists, Cascade
	AlterColumnType                     // Column, Def.Type, Using
	SetDefault                          // Column, Expr
	DropDefault                         // Column
	SetNotNull                          // Column
	DropNotNull                         // Column
	AddConstraint                       // Constraint
	DropConstraint                      // NewName is the constraint's; IfExists, Cascade
	RenameColumn                        // Column, NewName
	RenameTable                         // NewName
	RenameConstraint                    // Column is the constraint's name, NewName
	SetSchema                           // NewName
	OwnerTo                             // NewName
	SetOptions                          // Options
	ResetOptions                        // Options
	AlterColumnOther                    // Column; SET STATISTICS, STORAGE and so on: Text
	SequenceOptions                     // of ALTER SEQUENCE: Options
	AddIdentity                         // Column, Constraint
	SetIdentity                         // Column, Options: of the sequence, and "generated" with the value always or by default
	DropIdentity                        // Column, IfExists
	DropExpression                      // Column, IfExists
	ValidateConstraint                  // NewName is the constraint's
	AddLabel                            // of ALTER TYPE: NewName, IfNotExists; Beside, Column, After
	RenameLabel                         // Column is the label's, NewName
	OtherAlter                          // Text: anything else, unsupported
)

// An AlterAction is one action of ALTER TABLE.
type AlterAction struct {
	Pos
	Kind        AlterKind
	Column      string
	NewName     string
	Def         *ColumnDef
	Constraint  *Constraint
	Expr        Expr // default; USING expression of a type change
	Options     []Option
	IfExists    bool
	IfNotExists bool
	Cascade     bool
	Beside      bool   // there is a BEFORE or AFTER a label
	After       bool   // it is AFTER
	Text        string // the words, for messages
}

// Grant is GRANT or REVOKE.
type Grant struct {
	stmtNode
	Revoke     bool
	Privileges []string // nil: ALL; roles if Kind is empty
	Kind       ObjectKind
	AllIn      bool // ALL TABLES IN SCHEMA: Objects are schemas
	Objects    []Name
	Grantees   []string
	Cascade    bool
}
