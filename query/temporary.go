package query

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/storage"
)

// Temporary relations lie in a schema of their session, which is made with the first of
// them and dropped with the session; what a killed server leaves, it drops when it starts.

// temporaries are the temporary relations of a session.
type temporaries struct {
	oid      datum.OID // of the schema, 0 for none
	made     bool      // by the present transaction
	onCommit map[datum.OID]string
}

// temporaryNamespace is the session's schema of temporary relations, nil if it has none.
func (s *Session) temporaryNamespace() *schema.Namespace {
	if s.txn == nil || s.temp.oid == 0 {
		return nil
	}
	return s.txn.Catalog().Namespaces[s.temp.oid]
}

// temporarySchema is its name, empty if there is none.
func (s *Session) temporarySchema() string {
	if ns := s.temporaryNamespace(); ns != nil {
		return ns.Name
	}
	return ""
}

// ensureTemporary makes the session's schema of temporary relations if it has none.
func (s *Session) ensureTemporary(ctx context.Context) (*schema.Namespace, error) {
	if ns := s.temporaryNamespace(); ns != nil {
		return ns, nil
	}
	if err := s.ensureRole(ctx); err != nil {
		return nil, err
	}
	oid, err := s.takeOIDs(ctx, 1)
	if err != nil {
		return nil, err
	}
	ns := &schema.Namespace{OID: oid, Name: fmt.Sprintf("pg_temp_%d", oid), Owner: s.opt.User, Temporary: true, Node: s.engine.opt.Node, Database: s.database}
	if err := s.txn.Apply(ctx, schema.Change{PutNamespace: ns}); err != nil {
		return nil, err
	}
	s.temp.oid, s.temp.made = oid, true
	return ns, nil
}

// creationNamespace is where a new relation goes.
func (s *Session) creationNamespace(ctx context.Context, name ast.Name, p ast.Persistence) (*schema.Namespace, error) {
	if p == ast.Temporary || name.Schema == bind.TempAlias {
		if name.Schema != "" && name.Schema != bind.TempAlias && name.Schema != s.temporarySchema() {
			return nil, pgerr.New(pgerr.InvalidTableDefinition, "cannot create temporary relation in non-temporary schema").At(name.Position())
		}
		return s.ensureTemporary(ctx)
	}
	ns, err := s.targetNamespace(name)
	if err == nil && ns.Temporary && ns.Name != s.temporarySchema() {
		return nil, pgerr.New(pgerr.InvalidTableDefinition, "cannot create relations in temporary schemas of other sessions").At(name.Position())
	}
	return ns, err
}

// moveTo is SET SCHEMA of what is in a schema: the new name says which one it is moved to.
func (s *Session) moveTo(namespace *datum.OID, name ast.Name) error {
	refused := pgerr.Unsupported("cannot move objects into or out of temporary schemas")
	if name.Schema == bind.TempAlias {
		return refused
	}
	to, err := s.targetNamespace(name)
	if err != nil {
		return err
	}
	if from := s.txn.Catalog().Namespaces[*namespace]; to.Temporary || from != nil && from.Temporary {
		return refused
	}
	*namespace = to.OID
	return nil
}

// noteOnCommit remembers what COMMIT does with a temporary table.
func (s *Session) noteOnCommit(table datum.OID, action string) {
	if action == "" || action == "preserve rows" {
		return
	}
	if s.temp.onCommit == nil {
		s.temp.onCommit = map[datum.OID]string{}
	}
	s.temp.onCommit[table] = action
}

// temporariesAtCommit does what ON COMMIT says, in the transaction that is about to commit.
func (s *Session) temporariesAtCommit(ctx context.Context) error {
	if s.readOnly && !s.wrote {
		return nil // it has made and changed nothing
	}
	for table, action := range s.temp.onCommit {
		t := s.txn.Catalog().Tables[table]
		var err error
		switch {
		case t == nil:
			delete(s.temp.onCommit, table)
		case action == "drop":
			err = s.dropAll(ctx, relation{table: t}, new(dropping))
		case s.wrote:
			err = s.txn.Truncate(ctx, table)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// temporariesUndone forgets the schema of temporary relations if the transaction that made
// it, or the part of it that did, is rolled back.
func (s *Session) temporariesUndone() {
	if s.temp.made && s.temporaryNamespace() == nil {
		s.temp = temporaries{}
	}
}

// closeTemporaries drops the session's temporary relations at its end.
func (s *Session) closeTemporaries() {
	if s.temp.oid == 0 {
		return
	}
	const patience = 30 * time.Second // for transactions that change definitions
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.engine.dropTemporaries(ctx, func(ns *schema.Namespace) bool { return ns.OID == s.temp.oid })
	if err != nil {
		s.engine.opt.Logger.Warn("temporary tables stay until the server starts again", slog.Uint64("schema", uint64(s.temp.oid)), slog.Any("error", err))
	}
	s.temp = temporaries{}
}

// DropTemporaries drops the temporary relations of sessions that this node had before it was
// started. It is called before there are new ones.
func (e *Engine) DropTemporaries(ctx context.Context) error {
	return e.dropTemporaries(ctx, func(ns *schema.Namespace) bool { return e.opt.Node == "" || ns.Node == e.opt.Node })
}

func (e *Engine) dropTemporaries(ctx context.Context, which func(*schema.Namespace) bool) error {
	txn, err := e.opt.Storage.Begin(ctx, storage.TxnOptions{})
	if err != nil {
		return err
	}
	defer txn.Rollback()
	if err := txn.Snapshot(ctx); err != nil {
		return err
	}
	found := false
	for _, ns := range txn.Catalog().Whole().Namespaces {
		if !ns.Temporary || !which(ns) {
			continue
		}
		found = true
		if err := dropInside(ctx, txn, ns); err != nil {
			return err
		}
		if err := txn.Apply(ctx, schema.Change{DropNamespace: ns.OID}); err != nil {
			return err
		}
	}
	if !found {
		return nil
	}
	return txn.Commit(ctx)
}

// dropInside drops all relations of a schema of temporary ones, over which there are no
// others, and defaults that take values from them.
func dropInside(ctx context.Context, txn storage.Txn, ns *schema.Namespace) error {
	var drop []schema.Change
	for oid, v := range txn.Catalog().Whole().Views {
		if v.Namespace == ns.OID {
			drop = append(drop, schema.Change{DropView: oid})
		}
	}
	sequences := map[datum.OID]bool{}
	for oid, q := range txn.Catalog().Whole().Sequences {
		if q.Namespace == ns.OID {
			sequences[oid] = true
			drop = append(drop, schema.Change{DropSequence: oid})
		}
	}
	for oid, t := range txn.Catalog().Whole().Tables {
		if t.Namespace != ns.OID {
			if left := withoutDefaults(t, sequences); left != nil {
				drop = append(drop, schema.Change{PutTable: left}) // goes first
			}
			continue
		}
		drop = append(drop, schema.Change{DropTable: oid})
		if len(t.ForeignKeys) > 0 { // which would keep the others
			free := *t
			free.ForeignKeys = nil
			if err := txn.Apply(ctx, schema.Change{PutTable: &free}); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(drop, func(a, b schema.Change) int { return int(droppedOID(a)) - int(droppedOID(b)) })
	for _, c := range drop {
		if err := txn.Apply(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// withoutDefaults is a table without the defaults that take values from some sequences; nil
// if it has none of them.
func withoutDefaults(t *schema.Table, sequences map[datum.OID]bool) *schema.Table {
	takes := func(c schema.Column) bool {
		return slices.ContainsFunc(function.StoredRelations(c.Default), func(oid datum.OID) bool { return sequences[oid] })
	}
	if !slices.ContainsFunc(t.Columns, takes) {
		return nil
	}
	left := *t
	left.Columns = slices.Clone(t.Columns)
	for i := range left.Columns {
		if takes(left.Columns[i]) {
			left.Columns[i].Default = ""
		}
	}
	return &left
}

func droppedOID(c schema.Change) datum.OID { return c.DropView + c.DropSequence + c.DropTable }

// readsTemporary says whether a query reads the session's temporary relations, so that a
// view of it is one.
func (s *Session) readsTemporary(q ast.Stmt) bool {
	ns := s.temporaryNamespace()
	if ns == nil {
		return false
	}
	return slices.ContainsFunc(relationNames(q), func(n ast.Name) bool {
		r, err := s.findRelation(n)
		return err == nil && (r.table != nil && r.table.Namespace == ns.OID || r.view != nil && r.view.Namespace == ns.OID)
	})
}
