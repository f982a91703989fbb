package catalog

import (
	"context"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/schema"
)

// An Env is what rows are made from. It belongs to one statement; functions
// that are nil have nothing to tell.
type Env struct {
	// Catalog is the statement's view of the objects.
	Catalog *schema.Catalog
	// User is the session's user, Database its database.
	User, Database string
	// Setting returns a parameter's value in this session, in base units as
	// pg_settings shows it; nil or false: its default.
	Setting func(name string) (string, bool)
	// Backends lists the sessions.
	Backends func() []Backend
	// Prepared and Cursors list those of this session.
	Prepared func() []Prepared
	Cursors  func() []Cursor
	// Started is when the server was started.
	Started time.Time
	// Now is the statement's time, for what depends on it.
	Now time.Time
	// TableRows and TableBytes estimate a table's size.
	TableRows  func(table datum.OID) int64
	TableBytes func(table datum.OID) int64
	// LastValue returns the value that a sequence handed out last or, if not called, comes next.
	LastValue func(ctx context.Context, s *schema.Sequence) (value int64, called bool, err error)
	// ExprText writes an expression that a definition of a table has, as PostgreSQL does; nil: as it is stored.
	ExprText func(sql string, table datum.OID) string
	// Locks lists what sessions of this node have locked and wait for; nil: unknown.
	Locks func() []locking.Info
	// WritableColumns says which columns of a view can be written to; nil if it has no rows that
	// can be.
	WritableColumns func(view *schema.View) []bool
	// Compactions lists those that are running and those that have ended lately.
	Compactions func() []Compaction
	// Partitions describes how a table is stored.
	Partitions func(ctx context.Context, table *schema.Table) ([]Partition, error)
}

// A Backend is a session as pg_stat_activity shows it. Zero times are unknown.
type Backend struct {
	PID             int32
	User, Database  string
	Application     string
	ClientAddr      string // without the port; empty for a Unix socket
	ClientPort      int
	Started         time.Time
	TransactionFrom time.Time
	QueryFrom       time.Time
	StateFrom       time.Time
	State           string // active, idle, idle in transaction, ...
	Query           string
	TLSVersion      string // empty: no TLS
	TLSCipher       string
	TLSBits         int
}

// A Prepared is a prepared statement.
type Prepared struct {
	Name, Statement string
	Types           []datum.OID
	Result          []datum.OID
	Made            time.Time
	FromSQL         bool
	Plans           int64
}

// A Cursor is an open cursor.
type Cursor struct {
	Name, Statement          string
	Hold, Binary, Scrollable bool
	Made                     time.Time
}

// A Partition is a partition of a table as it is stored.
type Partition struct {
	Name string // the partition's values, for people
	chunk.PartitionInfo
}

// A Compaction is one of a partition of a table.
type Compaction struct {
	Table     *schema.Table
	Partition string // as Partition.Name
	chunk.CompactionInfo
}

func (e *Env) rows(table datum.OID) int64 {
	if e.TableRows == nil {
		return -1
	}
	return e.TableRows(table)
}

func (e *Env) bytes(table datum.OID) int64 {
	if e.TableBytes == nil {
		return 0
	}
	return e.TableBytes(table)
}

func (e *Env) exprText(sql string, table datum.OID) string {
	if e.ExprText == nil || sql == "" {
		return sql
	}
	return e.ExprText(sql, table)
}

func (e *Env) writableColumns(v *schema.View) []bool {
	if e.WritableColumns == nil {
		return nil
	}
	return e.WritableColumns(v)
}

// databaseOID returns the OID of a database, NULL for one that is gone.
func (e *Env) databaseOID(name string) any {
	if d := e.Catalog.DatabaseNamed(name); d != nil {
		return d.OID
	}
	return nil
}

func (e *Env) database() string {
	if e.Database != "" {
		return e.Database
	}
	return e.Catalog.Database
}
