package query

import (
	"context"
	"errors"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/storage"
)

// A definer is a transaction of which statements change definitions. What such a statement
// relies on (that a type is there, that nothing uses what it drops) it has looked up before
// its transaction has the catalogue for itself. If others have changed the catalogue by
// then, the statement begins again, which it can: its first change is not made yet.
type definer struct {
	storage.Txn
	statement bool // one runs that can begin again
}

// errRedefined has a statement begin again. It is seen where something between here and there
// makes an error of its own of it.
var errRedefined = pgerr.New(pgerr.SerializationFailure, "the catalogue was changed by another transaction").WithHint("Try again.")

func (d *definer) define(ctx context.Context) error {
	before := d.Catalog()
	if err := d.Define(ctx); err != nil {
		return err
	}
	if d.statement && d.Catalog() != before {
		return errRedefined
	}
	return nil
}

// TakeOIDs is that of the storage.
func (d *definer) TakeOIDs(ctx context.Context, n int) (datum.OID, error) {
	if err := d.define(ctx); err != nil {
		return 0, err
	}
	return d.Txn.TakeOIDs(ctx, n)
}

// Apply is that of the storage.
func (d *definer) Apply(ctx context.Context, c schema.Change) error {
	if err := d.define(ctx); err != nil {
		return err
	}
	return d.Txn.Apply(ctx, c)
}

// Truncate is that of the storage.
func (d *definer) Truncate(ctx context.Context, table datum.OID) error {
	if err := d.define(ctx); err != nil {
		return err
	}
	return d.Txn.Truncate(ctx, table)
}

// defining runs a statement, again if definitions have changed under it.
func (s *Session) defining(ctx context.Context, run func() error) error {
	before := s.txn.statement
	defer func() {
		if s.txn != nil {
			s.txn.statement = before
		}
	}()
	for {
		s.txn.statement = true
		err := run()
		if !errors.Is(err, errRedefined) {
			return err
		}
		if err := s.txn.Snapshot(ctx); err != nil {
			return err
		}
	}
}
