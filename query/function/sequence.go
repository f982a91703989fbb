package function

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Sequences hand out values to a session, which remembers what it got.
type Sequences interface {
	// NextValues takes up to n values, at least one: the first, and how many, each the
	// sequence's increment after the one before it.
	NextValues(ctx context.Context, s *schema.Sequence, n int) (first int64, count int, err error)
	// SetValue is setval: the next value is value, or if called the one after it.
	SetValue(ctx context.Context, s *schema.Sequence, value int64, called bool) error
	// LastValue is what the sequence's relation shows: the value that was handed out last,
	// to anybody, or if not called the one that comes next.
	LastValue(ctx context.Context, s *schema.Sequence) (value int64, called bool, err error)
	// Current is what NextValues gave this session last of a sequence, and Latest of any; ok
	// is false, and the sequence nil, if it gave none.
	Current(s *schema.Sequence) (value int64, ok bool)
	Latest() (s *schema.Sequence, value int64)
}

// sequenceKernels are nextval and its like.
func sequenceKernels(k kernels) {
	k.add(nextValues, "nextval_oid")
	k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		def, values, err := sequence(c, args[0].(datum.OID))
		if err != nil {
			return nil, err
		}
		v, ok := values.Current(def)
		if !ok {
			return nil, pgerr.New(pgerr.ObjectNotInState, "currval of sequence \"%s\" is not yet defined in this session", def.Name)
		}
		return v, nil
	}, datum.RegClass), "currval_oid")
	k.add(fn0(func(c *Context) (int64, error) {
		s, err := session(c)
		if err != nil {
			return 0, err
		}
		def, v := s.Sequences().Latest()
		if def == nil || c.Catalog.Sequences[def.OID] == nil || c.Catalog.Sequences[def.OID].Key() != def.Key() {
			return 0, pgerr.New(pgerr.ObjectNotInState, "lastval is not yet defined in this session")
		}
		return v, nil
	}), "lastval")
	k.add(strictBoxed(setValue, datum.RegClass, datum.Int8), "setval_oid")
	k.add(strictBoxed(setValue, datum.RegClass, datum.Int8, datum.Bool), "setval3_oid")
	k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		def, values, err := sequence(c, args[0].(datum.OID))
		if err != nil {
			return nil, err
		}
		v, called, err := values.LastValue(c, def)
		if err != nil || !called {
			return nil, err
		}
		return v, nil
	}, datum.RegClass), "pg_sequence_last_value")
}

// sequence finds the sequence with an OID, and who hands out its values.
func sequence(c *Context, oid datum.OID) (*schema.Sequence, Sequences, error) {
	s, err := session(c)
	if err != nil {
		return nil, nil, err
	}
	if def := c.Catalog.Sequences[oid]; def != nil {
		return def, s.Sequences(), nil
	}
	r := relationByOID(c, oid)
	if r == nil {
		return nil, nil, pgerr.New(pgerr.UndefinedTable, "could not open relation with OID %d", oid)
	}
	return nil, nil, pgerr.New(pgerr.WrongObjectType, "\"%s\" is not a sequence", r.name)
}

// nextValues is nextval. It takes the values of rows with the same sequence together.
func nextValues(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	mask := strictNulls(c.Mem, args, n)
	defer mask.release()
	if mask.nulls == n {
		return allNull(c.Mem, ret, n), nil
	}
	b := array.NewInt64Builder(c.Mem)
	defer b.Release()
	b.Reserve(n)
	oids := colOf[uint32](args[0])
	for i := 0; i < n; {
		if mask.null(i) {
			b.AppendNull()
			i++
			continue
		}
		oid, run := oids.v[i&oids.mask], 1
		for i+run < n && !mask.null(i+run) && oids.v[(i+run)&oids.mask] == oid {
			run++
		}
		if err := takeValues(c, b, datum.OID(oid), run); err != nil {
			return nil, err
		}
		i += run
	}
	return b.NewArray(), nil
}

// takeValues appends n values of a sequence.
func takeValues(c *Context, b *array.Int64Builder, oid datum.OID, n int) error {
	def, values, err := sequence(c, oid)
	if err != nil {
		return err
	}
	if err := writes(c, def, "nextval()"); err != nil {
		return err
	}
	for n > 0 {
		first, count, err := values.NextValues(c, def, n)
		if err != nil {
			return err
		}
		for i := range count {
			b.Append(first + int64(i)*def.Increment)
		}
		n -= count
	}
	return nil
}

// writes refuses a function in a transaction that may only read, unless the sequence is temporary.
func writes(c *Context, def *schema.Sequence, name string) error {
	s, err := session(c)
	if err != nil {
		return err
	}
	if ns := c.Catalog.Namespaces[def.Namespace]; ns != nil && ns.Temporary {
		return nil
	}
	if only, _ := s.Setting("transaction_read_only"); only == "on" {
		return pgerr.New(pgerr.ReadOnlyTransaction, "cannot execute %s in a read-only transaction", name)
	}
	return nil
}

// setValue is setval.
func setValue(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
	def, values, err := sequence(c, args[0].(datum.OID))
	if err != nil {
		return nil, err
	}
	if err := writes(c, def, "setval()"); err != nil {
		return nil, err
	}
	v, called := args[1].(int64), len(args) < 3 || args[2].(bool)
	if v < def.Min || v > def.Max {
		return nil, pgerr.New(pgerr.NumericOutOfRange, "setval: value %d is out of bounds for sequence \"%s\" (%d..%d)", v, def.Name, def.Min, def.Max)
	}
	return v, values.SetValue(c, def, v, called)
}
