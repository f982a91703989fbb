package engine

import (
	"context"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A Statement is what a statement reads: the database as of its snapshot, with
// what its transaction had written when it began. It stays as it is while later
// statements of the transaction read and write, as cursors need it, and ends with
// the transaction. Several goroutines may scan at once.
type Statement struct {
	txn     *Txn
	snap    *state
	asOf    time.Time
	catalog *schema.Catalog
	own     map[chunk.PartitionID]*ownPart // never changed
	tables  *tableCache
}

// Statement returns what the statement that Snapshot began reads.
func (t *Txn) Statement() *Statement {
	return &Statement{txn: t, snap: t.snap, asOf: t.asOf, catalog: t.catalog, own: t.visible, tables: &t.tables}
}

// Scan plans the reading of a table, as Txn.Scan does.
func (s *Statement) Scan(ctx context.Context, table datum.OID, spec chunk.ScanSpec) ([]chunk.Split, chunk.ScanStats, error) {
	if s.txn.done.Load() {
		return nil, chunk.ScanStats{}, errTxnDone
	}
	in, err := s.info(table)
	if err != nil {
		return nil, chunk.ScanStats{}, err
	}
	return s.scan(ctx, in, spec)
}

// info returns a table as the statement sees it.
func (s *Statement) info(table datum.OID) (*tableInfo, error) {
	def := s.catalog.Tables[table]
	if def == nil {
		return nil, pgerr.New(pgerr.UndefinedTable, "relation with OID %d does not exist", table)
	}
	if in := s.snap.tables[table]; in != nil && in.def == def {
		return in, nil
	}
	return s.tables.info(s.txn.db, def)
}

// A tableCache has the tables whose definition is a transaction's own. It is safe
// for concurrent use.
type tableCache struct {
	mu     sync.Mutex // guards tables
	tables map[*schema.Table]*tableInfo
}

func (c *tableCache) info(db *DB, def *schema.Table) (*tableInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if in := c.tables[def]; in != nil {
		return in, nil
	}
	in, err := db.newTableInfo(def)
	if err != nil {
		return nil, err
	}
	if c.tables == nil {
		c.tables = map[*schema.Table]*tableInfo{}
	}
	c.tables[def] = in
	return in, nil
}
