package query

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// vacuum is VACUUM, which merges chunks and drops what is older than the retention of its
// table, and ANALYZE, which does nothing: statistics are always there.
func (s *Session) vacuum(ctx context.Context, st *ast.Vacuum) (string, error) {
	tables, err := s.vacuumTables(st)
	if err != nil {
		return "", err
	}
	if !st.Vacuum {
		return "ANALYZE", nil
	}
	if s.inBlock() {
		return "", pgerr.New(pgerr.ActiveTransaction, "VACUUM cannot run inside a transaction block")
	}
	full, verbose := false, false
	for _, o := range st.Options {
		to := map[string]*bool{"full": &full, "verbose": &verbose}[strings.ToLower(o.Name)]
		if to == nil {
			continue
		}
		if *to, err = bind.OptionBool(o); err != nil {
			return "", err
		}
	}
	// Our own snapshot must not keep what is replaced.
	s.txn.Rollback()
	for _, t := range tables {
		if err = s.vacuumTable(ctx, t, full, verbose); err != nil {
			break
		}
	}
	if opened := s.openTxn(context.WithoutCancel(ctx)); opened != nil {
		s.txn = nil
		return "", cmp.Or(err, opened)
	}
	return "VACUUM", err
}

// vacuumTables returns the tables that are named, all if none is.
func (s *Session) vacuumTables(st *ast.Vacuum) ([]*schema.Table, error) {
	var out []*schema.Table
	for _, t := range st.Tables {
		r, err := s.findRelation(t.Name)
		if err != nil {
			return nil, err
		}
		if r.table == nil {
			if st.Vacuum {
				s.warn("01000", "skipping %q --- cannot vacuum non-tables or special system tables", t.Name.Name)
			}
			continue
		}
		out = append(out, r.table)
	}
	if len(st.Tables) > 0 {
		return out, nil
	}
	for _, t := range s.txn.Catalog().Tables {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *schema.Table) int { return cmp.Compare(a.OID, b.OID) })
	return out, nil
}

func (s *Session) vacuumTable(ctx context.Context, t *schema.Table, full, verbose bool) error {
	info := func(format string, args ...any) {
		if verbose {
			n := pgerr.New("00000", format, args...)
			n.Severity = "INFO"
			s.client.Notice(n)
		}
	}
	info("vacuuming %q", s.Database()+"."+s.namespaceName(t)+"."+t.Name)
	v, err := s.engine.opt.Storage.Vacuum(ctx, t.OID, full)
	if pgerr.Code(err) == pgerr.UndefinedTable {
		return nil // it was dropped meanwhile
	}
	if err != nil {
		return err
	}
	info("table %q: %d compactions, %d slices dropped; chunks: %d before, %d now; rows: %d before, %d now; bytes: %d before, %d now",
		t.Name, v.Compactions, v.SlicesDropped, v.ChunksBefore, v.ChunksAfter, v.RowsBefore, v.RowsAfter, v.BytesBefore, v.BytesAfter)
	return nil
}

func (s *Session) namespaceName(t *schema.Table) string {
	if s.txn != nil {
		if ns := s.txn.Catalog().Namespaces[t.Namespace]; ns != nil {
			return ns.Name
		}
	}
	return ""
}
