// Package locking has the words for locks that clients ask for: of tables, of rows and
// of numbers that they agree on.
package locking

import (
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A TableMode is a mode of LOCK TABLE.
type TableMode uint8

const (
	AccessShare TableMode = iota
	RowShare
	RowExclusive
	ShareUpdateExclusive
	Share
	ShareRowExclusive
	Exclusive
	AccessExclusive
)

// A Strength is how rows are locked.
type Strength uint8

const (
	KeyShare     Strength = iota
	ShareRow              // FOR SHARE
	NoKeyUpdate           // FOR NO KEY UPDATE, and UPDATE that leaves keys as they are
	UpdateRow             // FOR UPDATE, DELETE, and UPDATE of keys
	strengthsEnd          // how many there are
)

// String returns the clause that asks for it.
func (s Strength) String() string {
	return [strengthsEnd]string{"FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"}[s]
}

// A Wait says what to do if somebody else has what is to be locked.
type Wait uint8

const (
	Block Wait = iota
	SkipLocked
	NoWait
)

// An Advisory is a lock that only clients know the meaning of: one key of eight bytes, or
// two of four.
type Advisory struct {
	Database datum.OID
	Key      int64 // of two keys the first is the upper half
	Pair     bool
}

// Info is a lock that a session has or waits for.
type Info struct {
	Relation datum.OID // of a table, or of a table with the row; 0: Advisory
	Row      bool
	Advisory Advisory
	Mode     string // as in pg_locks
	PID      int32
	Granted  bool
	Since    time.Time // of who waits
}
