package query

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/catalog"
	"github.com/phyllodb/phyllo/query/exec"
)

// virtual shows the catalogue's relations to the binder.
type virtual struct{ set *catalog.Set }

// Relation returns a relation of a namespace, or nil.
func (v virtual) Relation(namespace, name string) *bind.VirtualRelation {
	r, ok := v.set.Lookup(namespace, name)
	if !ok {
		return nil
	}
	return &bind.VirtualRelation{OID: r.OID, Namespace: r.Namespace, Name: r.Name, Columns: r.Fields()}
}

// relations shows their rows to the executor.
func (s *Session) relations() exec.Relations {
	return &catalog.Reader{Set: s.engine.catalog, Env: catalog.Env{
		Setting:   func(name string) (string, bool) { return s.settings.Raw(name) },
		Backends:  s.engine.backends,
		Prepared:  s.preparedList,
		Cursors:   s.cursorList,
		Locks:     s.engine.opt.Storage.LockList,
		Started:   s.engine.started,
		TableRows: s.txn.TableRows, TableBytes: s.engine.opt.Storage.TableSize,
		Partitions: s.partitions, Compactions: s.compactions, LastValue: s.sequences.LastValue, WritableColumns: s.WritableColumns,
		ExprText: func(sql string, table datum.OID) string { return s.ExprText(sql, table, false) },
	}}
}

// partitions describes how a table is stored as of the statement's snapshot.
func (s *Session) partitions(ctx context.Context, t *schema.Table) ([]catalog.Partition, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	list, err := s.txn.Partitions(ctx, t.OID)
	if err != nil {
		return nil, err
	}
	name := PartitionNames(t)
	out := make([]catalog.Partition, len(list))
	for i, p := range list {
		out[i] = catalog.Partition{Name: name(p.ID.Key), PartitionInfo: p}
	}
	return out, nil
}

// compactions are those of tables that the statement sees.
func (s *Session) compactions() []catalog.Compaction {
	tables := map[datum.OID]*schema.Table{}
	for _, t := range s.txn.Catalog().Tables {
		tables[t.Storage] = t
	}
	var out []catalog.Compaction
	for _, c := range s.engine.opt.Storage.Compactions() {
		if t := tables[c.ID.Table]; t != nil {
			out = append(out, catalog.Compaction{Table: t, Partition: PartitionNames(t)(c.ID.Key), CompactionInfo: c})
		}
	}
	return out
}

func (s *Session) preparedList() []catalog.Prepared {
	var out []catalog.Prepared
	for name, p := range s.prepared {
		out = append(out, catalog.Prepared{Name: name, Statement: p.text, Types: p.params, FromSQL: p.fromSQL, Made: p.made, Plans: p.plans})
	}
	return out
}

func (s *Session) cursorList() []catalog.Cursor {
	var out []catalog.Cursor
	for name, p := range s.portals {
		if p.started {
			out = append(out, catalog.Cursor{Name: name, Statement: p.stmt.text, Binary: p.binary, Made: p.made,
				Hold: p.cursor != nil && p.cursor.hold, Scrollable: p.cursor != nil && p.cursor.backward})
		}
	}
	return out
}
