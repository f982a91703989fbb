package ast

// LiteralKind is the kind of a constant.
type LiteralKind uint8

const (
	Null LiteralKind = iota
	Boolean
	Number    // Text as written: digits, maybe a point and an exponent
	String    // Text unescaped
	BitString // B'0101', Text the digits
	HexString // X'1F', Text the digits
)

// A Literal is a constant.
type Literal struct {
	exprNode
	Kind LiteralKind
	Text string // Boolean: "true" or "false"
}

// A ColumnRef is a name that may be a column, perhaps qualified, or with Star
// "*" or "t.*".
type ColumnRef struct {
	exprNode
	Names []string
	Star  bool
}

// A Param is $n.
type Param struct {
	exprNode
	Index int // from 1
}

// A Cast is CAST(x AS t), x::t, or t 'literal'.
type Cast struct {
	exprNode
	Arg  Expr
	Type *TypeName
}

// A Unary is a prefix operator.
type Unary struct {
	exprNode
	Op  OpName
	Arg Expr
}

// A Binary is an infix operator. "<>" is also how "!=" is spelled here.
type Binary struct {
	exprNode
	Op   OpName
	L, R Expr
}

// And, Or and Not are the logical operators; And and Or have two or more
// arguments (a AND b AND c is one node).
type And struct {
	exprNode
	Args []Expr
}
type Or struct {
	exprNode
	Args []Expr
}
type Not struct {
	exprNode
	Arg Expr
}

// IsNull is IS [NOT] NULL, also ISNULL and NOTNULL.
type IsNull struct {
	exprNode
	Arg Expr
	Not bool
}

// TruthTest is the X of IS [NOT] X.
type TruthTest uint8

const (
	IsTrue TruthTest = iota
	IsFalse
	IsUnknown
)

// A BoolTest is IS [NOT] TRUE, FALSE or UNKNOWN.
type BoolTest struct {
	exprNode
	Arg  Expr
	Test TruthTest
	Not  bool
}

// IsDistinct is IS [NOT] DISTINCT FROM.
type IsDistinct struct {
	exprNode
	L, R Expr
	Not  bool
}

// IsDocument is IS [NOT] DOCUMENT.
type IsDocument struct {
	exprNode
	Arg Expr
	Not bool
}

// Between is [NOT] BETWEEN [SYMMETRIC].
type Between struct {
	exprNode
	Arg, Low, High Expr
	Not, Symmetric bool
}

// LikeKind is a way of pattern matching.
type LikeKind uint8

const (
	LikePattern LikeKind = iota
	ILikePattern
	SimilarPattern
)

// A Like is [NOT] LIKE, ILIKE or SIMILAR TO.
type Like struct {
	exprNode
	Kind         LikeKind
	Arg, Pattern Expr
	Escape       Expr // nil if not given
	Not          bool
}

// An In is [NOT] IN (list) or [NOT] IN (subquery).
type In struct {
	exprNode
	Arg   Expr
	List  []Expr
	Query *Select // nil for a list
	Not   bool
}

// AnyAll is L op ANY|SOME|ALL (array or subquery).
type AnyAll struct {
	exprNode
	Op    OpName // "~~" for LIKE ANY, "!~~" for NOT LIKE ANY, and so on
	L     Expr
	R     Expr    // the array, nil for a subquery
	Query *Select // nil for an array
	All   bool
}

// Exists is EXISTS (subquery).
type Exists struct {
	exprNode
	Query *Select
}

// A Subquery is a subquery used as a value.
type Subquery struct {
	exprNode
	Query *Select
}

// ArrayQuery is ARRAY(subquery); ArrayExpr is ARRAY[...], whose elements are
// ArrayExprs too for nested brackets.
type ArrayQuery struct {
	exprNode
	Query *Select
}
type ArrayExpr struct {
	exprNode
	Elems []Expr
}

// A Row is ROW(...) or (a, b).
type Row struct {
	exprNode
	Fields   []Expr
	Explicit bool // with the word ROW
}

// A Case is CASE in either form.
type Case struct {
	exprNode
	Operand Expr // nil in the searched form
	Whens   []When
	Else    Expr // nil if absent
}

// A When is one branch of a Case.
type When struct {
	Pos
	Cond, Then Expr
}

// Coalesce is COALESCE(...).
type Coalesce struct {
	exprNode
	Args []Expr
}

// NullIf is NULLIF(l, r).
type NullIf struct {
	exprNode
	L, R Expr
}

// Greatest is GREATEST(...) or LEAST(...).
type Greatest struct {
	exprNode
	Least bool
	Args  []Expr
}

// Grouping is GROUPING(...).
type Grouping struct {
	exprNode
	Args []Expr
}

// A FuncCall is a call of a function, aggregate or window function. EXTRACT,
// POSITION, AT TIME ZONE and their like are calls of the functions that
// PostgreSQL calls for them ({"pg_catalog", "extract"}), with SQLSyntax.
type FuncCall struct {
	exprNode
	Name        []string
	Args        []Expr // of NamedArg where named
	Star        bool   // count(*)
	Distinct    bool
	Variadic    bool // the last argument is VARIADIC
	OrderBy     []OrderItem
	WithinGroup bool // OrderBy is that of WITHIN GROUP
	Filter      Expr
	Over        *Window // nil if absent
	SQLSyntax   bool
}

// A NamedArg is name => value in a call.
type NamedArg struct {
	exprNode
	Name string
	Arg  Expr
}

// SQLValueKind names a niladic function.
type SQLValueKind uint8

const (
	CurrentDate SQLValueKind = iota
	CurrentTime
	CurrentTimestamp
	LocalTime
	LocalTimestamp
	CurrentRole
	CurrentUser
	User
	SessionUser
	CurrentCatalog
	CurrentSchema
)

// An SQLValue is CURRENT_DATE and so on.
type SQLValue struct {
	exprNode
	Kind      SQLValueKind
	Precision int // -1 if not given
}

// A Collate is x COLLATE name.
type Collate struct {
	exprNode
	Arg  Expr
	Name []string
}

// A FieldSelect is (x).field, or with Star (x).*.
type FieldSelect struct {
	exprNode
	Arg   Expr
	Field string
	Star  bool
}

// A Subscript is x[i][j:k].
type Subscript struct {
	exprNode
	Arg  Expr
	Subs []Sub
}

// A Sub is one pair of brackets: [Upper], or with Slice [Lower:Upper] where
// either may be nil.
type Sub struct {
	Lower, Upper Expr
	Slice        bool
}

// Default is DEFAULT as a value in INSERT and UPDATE.
type Default struct{ exprNode }

// CurrentOf is WHERE CURRENT OF cursor.
type CurrentOf struct {
	exprNode
	Cursor string
}

// GroupingSetKind is a form of grouping set.
type GroupingSetKind uint8

const (
	EmptySet GroupingSetKind = iota // ()
	Rollup
	Cube
	GroupingSets
)

// A GroupingSet is an item of GROUP BY that is not a plain expression. A
// parenthesised list inside is a Row.
type GroupingSet struct {
	exprNode
	Kind  GroupingSetKind
	Items []Expr
}

// IsNormalized is IS [NOT] [form] NORMALIZED.
type IsNormalized struct {
	exprNode
	Arg  Expr
	Form string // "NFC", "NFD", "NFKC" or "NFKD"; empty if not given
	Not  bool
}
