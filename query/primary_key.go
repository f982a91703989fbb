package query

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Rows lie in the order of the primary key, and are told apart by it. A table that gets one, or
// loses it, is written anew: its rows are read, and written to another storage, as TRUNCATE gives
// a table one, all in the transaction of the statement.

// addPrimaryKey is ALTER TABLE ADD PRIMARY KEY.
func (a *alteration) addPrimaryKey(ctx context.Context, k *ast.Constraint) error {
	switch {
	case k.Index != "":
		return pgerr.Unsupported("PRIMARY KEY USING INDEX is not supported").At(k.Position())
	case a.rekey != nil:
		return pgerr.Unsupported("changing the primary key of table %q twice in one statement is not supported", a.def.Name)
	case k.Name != "" && a.txn.Catalog().RelationNamed(a.def.Namespace, k.Name) != 0:
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", k.Name)
	}
	next := *a.def
	next.Columns = slices.Clone(a.def.Columns)
	if err := bind.AddPrimaryKey(a.bindEnv(ctx, nil, true), &next, k); err != nil {
		return err
	}
	if k.Name == "" {
		next.PrimaryKeyName = a.freeName(a.def, "", "pkey")
	}
	first, err := a.takeOIDs(ctx, 2)
	if err != nil {
		return err
	}
	for _, id := range next.PrimaryKey {
		if c := a.def.Column(id); !c.NotNull {
			c.NotNull = true
			a.notNull = append(a.notNull, id)
		}
	}
	a.rekey = func(def *schema.Table) {
		def.PrimaryKey, def.PrimaryKeyName, def.PrimaryKeyOID, def.IndexOID = next.PrimaryKey, next.PrimaryKeyName, first, first+1
		def.TimeColumn, def.Slice, def.OnDuplicate = next.TimeColumn, next.Slice, next.OnDuplicate
	}
	return nil
}

// dropPrimaryKey is ALTER TABLE DROP CONSTRAINT of the primary key. Its columns stay NOT NULL.
func (a *alteration) dropPrimaryKey(ctx context.Context, x *ast.AlterAction) error {
	if a.rekey != nil {
		return pgerr.Unsupported("changing the primary key of table %q twice in one statement is not supported", a.def.Name)
	}
	key := a.def.AllIndexes()[0]
	what := "constraint " + key.Name + " on table " + a.def.Name
	if err := a.dropUnique(ctx, x, &key, what); err != nil {
		return err
	}
	a.dropsKey, a.cascade = "drop "+what, a.cascade || x.Cascade
	a.rekey = func(def *schema.Table) {
		def.PrimaryKey, def.PrimaryKeyName, def.PrimaryKeyOID, def.IndexOID = nil, "", 0, 0
		def.OnDuplicate = schema.DuplicateError
	}
	return nil
}

// rewrite gives the table its other key. Nobody else changes its rows by now.
func (a *alteration) rewrite(ctx context.Context) error {
	if a.def.History > 0 {
		return pgerr.Unsupported("changing the primary key of table %q, which keeps a history, is not supported", a.def.Name)
	}
	rt := a.runtime(ctx, nil, nil)
	rows := exec.NewSpool(rt)
	defer rows.Close()
	if err := a.readAll(ctx, rows); err != nil {
		return err
	}
	storage, err := a.takeOIDs(ctx, 1)
	if err != nil {
		return err
	}
	def := *a.txn.Catalog().Tables[a.def.OID]
	def.Storage, def.Placements, def.Generation, def.Gone = storage, nil, 0, nil
	a.rekey(&def)
	if err := a.txn.Apply(ctx, schema.Change{PutTable: &def}); err != nil {
		return err
	}
	if a.dropsKey != "" {
		if err := a.checkViews(ctx, a.dropsKey, false); err != nil {
			return err
		}
	}
	columns := arrowSchema(liveFields(&def))
	return rows.Each(ctx, func(b arrow.RecordBatch) error {
		batch := array.NewRecordBatch(columns, b.Columns(), b.NumRows())
		defer batch.Release()
		_, _, err := a.txn.Insert(ctx, def.OID, batch, chunk.InsertError)
		return notUnique(err, def.PrimaryKeyName)
	})
}

// readAll reads the rows of the table.
func (a *alteration) readAll(ctx context.Context, rows *exec.Spool) error {
	stmt, err := parseOne("TABLE " + ast.Name{Schema: a.schemaName(a.def), Name: a.def.Name}.String())
	if err != nil {
		return err
	}
	bound, err := bind.Statement(a.bindEnv(ctx, nil, true), stmt)
	if err != nil {
		return err
	}
	op, err := a.open(ctx, bound.(*plan.Query).Root, nil, nil)
	if err != nil {
		return err
	}
	defer op.Close()
	for {
		b, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = rows.Add(b)
			b.Release()
		}
		if err != nil {
			return err
		}
	}
}

// notUnique is the error of a row that is there already as that of making an index.
func notUnique(err error, index string) error {
	var e *pgerr.Error
	if !errors.As(err, &e) || e.Code != pgerr.UniqueViolation {
		return err
	}
	out := *e
	out.Message = "could not create unique index \"" + index + "\""
	out.Detail = strings.Replace(e.Detail, "already exists.", "is duplicated.", 1)
	return &out
}
