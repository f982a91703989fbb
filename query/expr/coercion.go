package expr

import "github.com/phyllodb/phyllo/internal/datum"

// A Relabel is Arg seen as another type with the same representation in memory:
// a binary-coercible cast (varchar to text, oid to regclass).
type Relabel struct {
	Arg Expr
	T   datum.Type
}

// An ArrayCast converts the elements of an array: Elem, over CaseBase, is
// evaluated once for each element. A NULL array stays NULL.
type ArrayCast struct {
	Arg  Expr
	Elem Expr
	T    datum.Type
}

// A Subscript is array[i][j]; outside of the bounds, with more or less subscripts than
// the array has dimensions, and for NULLs, it is NULL.
type Subscript struct {
	Arg   Expr
	Index []Expr // int4
	T     datum.Type
}

// A Slice is array[lower:upper][lower:upper]; a nil bound is the array's own, as are
// those of further dimensions. It is empty outside of the bounds and NULL if a bound is.
type Slice struct {
	Arg          Expr
	Lower, Upper []Expr // int4; of the same length
	T            datum.Type
}

func (e *Relabel) Type() datum.Type   { return e.T }
func (e *ArrayCast) Type() datum.Type { return e.T }
func (e *Subscript) Type() datum.Type { return e.T }
func (e *Slice) Type() datum.Type     { return e.T }
