package lock

import "math/bits"

// Modes is a set of modes. A request names those that it needs; an owner has those
// that it was granted. Modes of tables and advisory locks conflict among
// themselves, and so do modes of rows.
type Modes uint16

// Modes of tables and advisory locks: those of PostgreSQL, from AccessShare to
// AccessExclusive, and two for what needs less than PostgreSQL's because it reads
// snapshots.
const (
	// Read is the lock of a statement that reads a table. Only LOCK TABLE in the
	// strongest mode holds it up.
	Read Modes = 1 << iota
	AccessShare
	RowShare
	// RowExclusive is the lock of INSERT, UPDATE, DELETE, MERGE and COPY.
	RowExclusive
	ShareUpdateExclusive
	Share
	ShareRowExclusive
	Exclusive
	AccessExclusive
	// Define is the lock of DDL and TRUNCATE: AccessExclusive, but for those who read
	// the table as it was.
	Define

	// ForKeyShare to ForUpdate are the modes of rows, as in PostgreSQL.
	ForKeyShare
	ForShare
	ForNoKeyUpdate
	ForUpdate
	// Key is the lock of who looks whether there is a row, to insert, change or delete
	// it. Locks of rows alone do not hold up who finds that there is one.
	Key
)

const (
	modeCount  = 15
	tableModes = Define<<1 - 1
	// excluding are the modes beside which nobody can have keys of the table.
	excluding = Exclusive | AccessExclusive | Define
)

// conflictsOf has for each mode, by its bit's number, those that it conflicts with.
var conflictsOf = symmetric(map[Modes]Modes{
	AccessExclusive:      tableModes &^ Define,
	Define:               tableModes &^ Read,
	Exclusive:            RowShare | RowExclusive | ShareUpdateExclusive | Share | ShareRowExclusive | Exclusive,
	ShareRowExclusive:    RowExclusive | ShareUpdateExclusive | Share | ShareRowExclusive,
	Share:                RowExclusive | ShareUpdateExclusive,
	ShareUpdateExclusive: ShareUpdateExclusive,

	ForUpdate:      ForKeyShare | ForShare | ForNoKeyUpdate | ForUpdate,
	ForNoKeyUpdate: ForShare | ForNoKeyUpdate,
	Key:            Key,
})

func symmetric(half map[Modes]Modes) (out [modeCount]Modes) {
	for m, with := range half {
		out[bits.TrailingZeros16(uint16(m))] |= with
		for x := range with.each {
			out[bits.TrailingZeros16(uint16(x))] |= m
		}
	}
	return out
}

// each yields the modes of a set, one by one.
func (m Modes) each(yield func(Modes) bool) {
	for ; m != 0; m &= m - 1 {
		if !yield(m & -m) {
			return
		}
	}
}

// conflicts returns the modes that conflict with one of the set.
func (m Modes) conflicts() (out Modes) {
	for ; m != 0; m &= m - 1 {
		out |= conflictsOf[bits.TrailingZeros16(uint16(m))]
	}
	return out
}

// strongest returns the strongest mode of a set.
func (m Modes) strongest() Modes { return 1 << (bits.Len16(uint16(m)) - 1) }

// names are those of pg_locks. Rows have the names under which PostgreSQL's
// processes queue for them.
var names = map[Modes]string{
	Read: "AccessShareLock", AccessShare: "AccessShareLock", RowShare: "RowShareLock", RowExclusive: "RowExclusiveLock",
	ShareUpdateExclusive: "ShareUpdateExclusiveLock", Share: "ShareLock", ShareRowExclusive: "ShareRowExclusiveLock",
	Exclusive: "ExclusiveLock", AccessExclusive: "AccessExclusiveLock", Define: "AccessExclusiveLock",
	ForKeyShare: "AccessShareLock", ForShare: "RowShareLock", ForNoKeyUpdate: "ExclusiveLock", ForUpdate: "AccessExclusiveLock",
	Key: "ExclusiveLock",
}

// String returns the name of the strongest mode, as pg_locks has it.
func (m Modes) String() string {
	if m == 0 {
		return ""
	}
	return names[m.strongest()]
}
