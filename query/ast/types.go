package ast

// TypeKind is the form of a CREATE TYPE.
type TypeKind uint8

const (
	ShellType     TypeKind = iota // CREATE TYPE name
	EnumType                      // AS ENUM: Labels
	CompositeType                 // AS (...): Attributes
	RangeType                     // AS RANGE
	BaseType                      // (INPUT = ...)
)

// CreateType is CREATE TYPE.
type CreateType struct {
	stmtNode
	Kind       TypeKind
	Name       Name
	Labels     []string
	Attributes []*ColumnDef
}

// CreateDomain is CREATE DOMAIN.
type CreateDomain struct {
	stmtNode
	Name        Name
	Type        *TypeName
	Collation   []string
	Constraints []*Constraint
}

// AlterType is ALTER TYPE or DOMAIN. The attributes of a composite type are the columns of
// its actions.
type AlterType struct {
	stmtNode
	Kind    ObjectKind
	Name    Name
	Actions []AlterAction
}
