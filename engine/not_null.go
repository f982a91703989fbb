package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// How a column of a table that other nodes write to becomes NOT NULL. Who wants that has the
// catalogue for itself. It publishes a definition that refuses NULLs in rows to come
// (schema.Table.NullsRefused), waits until nobody can commit rows that were not checked
// against it, looks for NULLs then, and makes the column NOT NULL with its transaction. If
// that comes to nothing the definition is taken back, by whoever has the catalogue next if
// the node died.

// refuseNulls has rows with NULL in columns of a table refused on all nodes until the
// transaction ends. What was committed before is in the current state when it returns.
func (t *Txn) refuseNulls(ctx context.Context, old *schema.Table, columns []schema.ColumnID) error {
	c, now := t.db.cluster, t.snap.catalog.Tables[old.OID]
	if len(columns) == 0 || c == nil || now == nil || now.Storage != old.Storage {
		return nil // the table's rows are locked, or this transaction's alone
	}
	// Nodes of older versions do not tell, and could not read what is announced.
	if err := c.awaitChecked(ctx, t.snap.catalog.Seq); err != nil {
		return err
	}
	next := *now
	next.NullsRefused = append(slices.Clip(now.NullsRefused), columns...) // of what the transaction did before, too
	if !slices.Contains(t.refusing, old.OID) {
		t.refusing = append(t.refusing, old.OID)
	}
	if err := t.announce(&next); err != nil {
		return err
	}
	if err := t.redefine(); err != nil {
		return err
	}
	return c.awaitChecked(ctx, t.snap.catalog.Seq)
}

// announce commits a definition by itself, for a transaction that has the catalogue.
func (t *Txn) announce(def *schema.Table) error {
	t.handed = &commitRequest{changes: []schema.Change{{PutTable: def}}, catalogueSeq: t.db.current.Load().catalog.Seq + 1,
		claimedAs: t.claimedAs, alone: t.alone, release: t.release}
	return t.db.committer.commit(t.handed)
}

// undecided says that it is not known what became of a definition that was announced: what
// the transaction has locked is let go when it is, so that nothing more can be done in it.
func (t *Txn) undecided() bool { return t.handed != nil && t.handed.open }

// acceptNulls takes back what refuseNulls has announced, but for tables that are to be kept,
// and says whether there was any of that.
func (t *Txn) acceptNulls(keep func(datum.OID) bool) (changed bool) {
	if t.undecided() {
		return false
	}
	t.refusing = slices.DeleteFunc(t.refusing, func(oid datum.OID) bool {
		if keep(oid) {
			return false
		}
		def := t.db.current.Load().catalog.Tables[oid]
		if def == nil || len(def.NullsRefused) == 0 || t.undecided() {
			return true
		}
		next := *def
		next.NullsRefused = nil
		if err := t.announce(&next); err != nil {
			t.db.opt.Logger.Warn("rows with NULL in a column that did not become NOT NULL are refused for a while", slog.String("table", def.Name), slog.String("error", err.Error()))
		}
		changed = true
		return true
	})
	return changed
}

// acceptLeft takes back, until ctx ends, what a transaction has announced that is over: its
// node died. It has the catalogue for itself, so that none is under way.
func (c *cluster) acceptLeft(ctx context.Context) {
	every(ctx, c.opt.Lease/2, nil, func() {
		if !slices.ContainsFunc(tablesOf(c.db.current.Load()), refuses) {
			return
		}
		if err := c.acceptAll(ctx); err != nil && pgerr.Code(err) != pgerr.LockNotAvailable && ctx.Err() == nil {
			c.db.opt.Logger.Warn("rows with NULL are refused in columns that did not become NOT NULL", slog.String("error", err.Error()))
		}
	})
}

func (c *cluster) acceptAll(ctx context.Context) error {
	t, err := c.db.Begin(ctx, TxnOptions{})
	if err != nil {
		return err
	}
	defer t.Rollback()
	if err := t.Define(ctx); err != nil {
		return err
	}
	for _, def := range t.snap.catalog.Tables {
		if !refuses(def) {
			continue
		}
		next := *def
		next.NullsRefused = nil
		if err := t.change(schema.Change{PutTable: &next}); err != nil {
			return err
		}
		c.db.opt.Logger.Warn("ALTER TABLE ended halfway on another node; its NOT NULL was taken back", slog.String("table", def.Name))
	}
	return t.Commit(ctx)
}

func tablesOf(s *state) (out []*schema.Table) {
	for _, def := range s.catalog.Tables {
		out = append(out, def)
	}
	return out
}

func refuses(def *schema.Table) bool { return len(def.NullsRefused) > 0 }

// checkNulls refuses a part of a record that has NULL where a table's definition does not
// have it any more: its rows may have been checked against an earlier one. Marks may, for
// they are of rows that go.
func checkNulls(def *schema.Table, p *ingest.Part) error {
	for i := range def.Columns {
		if c := &def.Columns[i]; c.NotNull && hasNull(c.ID, c, p) {
			return errNullRefused(def, c.Name)
		}
	}
	for _, id := range def.NullsRefused {
		c := def.Column(id)
		switch {
		case c == nil && hasNull(id, c, p):
			return errNullRefused(def, "")
		case c != nil && c.Type.OID != 0 && hasNull(id, c, p):
			return errNullRefused(def, c.Name)
		}
	}
	return nil
}

func errNullRefused(def *schema.Table, column string) error {
	e := pgerr.New(pgerr.SerializationFailure, "could not serialize access due to a concurrent change of table %q", def.Name).
		WithDetail("A column without a default is being added that is NOT NULL.").WithHint("Try the transaction again.")
	if column != "" {
		e = e.WithDetail("Column %q, in which a row has NULL, is being made NOT NULL.", column)
	}
	e.Table, e.Column = def.Name, column
	return e
}

// hasNull says whether rows of a part, other than marks, may have NULL in a column; c is
// nil if the column is to come.
func hasNull(id schema.ColumnID, c *schema.Column, p *ingest.Part) bool {
	filled := c != nil && c.Missing != nil // where it is missing
	if p.Rows != nil {
		at := slices.Index(p.Columns, id)
		if at < 0 && !filled || at >= 0 && p.Rows.Column(at).NullN() > 0 {
			if unmarked(p, at) {
				return true
			}
		}
	}
	return slices.ContainsFunc(p.Staged, func(e *chunk.Entry) bool {
		at := slices.IndexFunc(e.Columns, func(c chunk.ColumnEntry) bool { return c.ID == id })
		return at < 0 && !filled || at >= 0 && e.Columns[at].Nulls > 0 // its marks are not told apart
	})
}

// unmarked says whether a row that is not a mark has NULL in the column at a place, or
// whether there is such a row if the place is negative.
func unmarked(p *ingest.Part, at int) bool {
	var marks *array.Boolean
	if k := slices.Index(p.Columns, schema.RowDeletedColumn); k >= 0 {
		marks = p.Rows.Column(k).(*array.Boolean)
	}
	for row := range int(p.Rows.NumRows()) {
		mark := marks != nil && marks.IsValid(row) && marks.Value(row)
		if !mark && (at < 0 || p.Rows.Column(at).IsNull(row)) {
			return true
		}
	}
	return false
}

// vouch tells the others, after each change of the catalogue and until ctx ends, when all
// that this node commits from then on is checked against it.
func (c *cluster) vouch(ctx context.Context) {
	every(ctx, c.opt.Lease/5, c.vouching, func() {
		seq := c.db.current.Load().catalog.Seq
		if c.members.hasChecked(seq) || c.settleCommits() != nil {
			return // it is tried again
		}
		c.members.check(seq)
	})
}

// settleCommits waits until all transactions that this node has checked against earlier
// states are in its source log, or come to nothing.
func (c *cluster) settleCommits() error {
	if err := c.db.committer.commit(&commitRequest{}); err != nil {
		return err
	}
	return c.claims.sure(exclusive)
}

// checkedWait bounds how long a definition waits for nodes that are alive and do not
// answer.
const checkedWait = time.Minute

// awaitChecked waits until no node commits any more what was not checked against an entry
// of the catalogue, and all that was is in the current state. A node that is not alive may
// still write to its log until that is sealed; one that takes its lease later begins with
// the entry.
func (c *cluster) awaitChecked(ctx context.Context, seq uint64) error {
	if err := c.settleCommits(); err != nil {
		return err
	}
	for begin := time.Now(); ; {
		who, err := c.unchecked(ctx, seq)
		if err != nil {
			return err
		}
		if who == "" {
			return c.follower.wait(ctx, time.Now())
		}
		if time.Since(begin) > checkedWait {
			return pgerr.New(pgerr.LockNotAvailable, "%s has not taken notice of the change of the table", who).
				WithDetail("Waited %v for it.", checkedWait).WithHint("See whether its commits go through and all nodes are of one version, and try again.")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(agreeWait):
		}
	}
}

// unchecked names a node, or a log, that may have commits to come that were not checked
// against an entry of the catalogue; empty if there is none. It fails if that is for a node to
// tell that does not run.
func (c *cluster) unchecked(ctx context.Context, seq uint64) (who string, err error) {
	logs, err := c.follower.logs(ctx)
	if err == nil {
		err = c.members.look(ctx)
	}
	if err == nil {
		err = c.journals.lost()
	}
	if err != nil {
		return "", err
	}
	for node, o := range c.members.alive() {
		if o.Checked < seq {
			return fmt.Sprintf("node %q", node), nil
		}
	}
	for src := range logs {
		if src == c.db.own() || c.members.has(src) {
			continue
		}
		over, err := c.claims.over(ctx, src.String())
		if err != nil {
			return "", err
		}
		if !over {
			return fmt.Sprintf("the log of node %q, which is not alive and", src.Writer), nil
		}
	}
	return "", nil
}

func (m *members) hasChecked(catalog uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checked >= catalog
}

// check notes, and tells the others soon, that all commits to come are checked against an
// entry of the catalogue.
func (m *members) check(catalog uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checked = max(m.checked, catalog)
	poke(m.wake)
}
