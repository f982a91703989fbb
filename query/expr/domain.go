package expr

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
)

// A ToDomain makes a value of a domain of one of the type that it is over: it fails if the
// domain does not allow it.
type ToDomain struct {
	Arg     Expr
	T       datum.Type
	Name    string // of the domain
	NotNull bool
	Checks  []DomainCheck
}

// A DomainCheck must not be false. Cond is over a row of one column, the value: it is no
// part of the expression that rewriting looks into.
type DomainCheck struct {
	Name string
	Cond Expr
}

func (e *ToDomain) Type() datum.Type { return e.T }

func (c *Context) toDomain(e *ToDomain, f *frame) (function.Vec, error) {
	v, err := c.eval(e.Arg, f)
	if err != nil || f.n == 0 {
		return v, err
	}
	if err := c.checkDomain(e, v); err != nil {
		v.Release()
		return function.Vec{}, err
	}
	v.T = e.T
	return v, nil
}

func (c *Context) checkDomain(e *ToDomain, v function.Vec) error {
	if e.NotNull && v.NullN() > 0 {
		return pgerr.New(pgerr.NotNullViolation, "domain %s does not allow null values", e.Name)
	}
	if len(e.Checks) == 0 {
		return nil
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "value", Type: v.DataType(), Nullable: true}}, nil)
	row := array.NewRecordBatch(schema, []arrow.Array{v.Array}, int64(v.Len()))
	defer row.Release()
	for _, k := range e.Checks {
		r, err := Eval(c, k.Cond, row)
		if err != nil {
			return err
		}
		failed := anyFalse(r, v.Len())
		r.Release()
		if failed {
			err := pgerr.New(pgerr.CheckViolation, "value for domain %s violates check constraint %q", e.Name, k.Name)
			err.Constraint = k.Name
			return err
		}
	}
	return nil
}

func anyFalse(v function.Vec, n int) bool {
	is, ok := v.Array.(*array.Boolean)
	if !ok {
		return false // NULL
	}
	for i := range n {
		if at := v.At(i); !is.IsNull(at) && !is.Value(at) {
			return true
		}
	}
	return false
}
