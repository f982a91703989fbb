package lock

import (
	"fmt"

	"github.com/phyllodb/phyllo/internal/datum"
)

// Kind is what kind of thing is locked.
type Kind uint8

const (
	Relation Kind = iota
	Advisory
)

// An Object is what can be locked: a table, or a number that clients agree on.
type Object struct {
	Kind  Kind
	Table datum.OID // of a relation

	Database datum.OID // of an advisory lock
	Number   uint64    // of an advisory lock: its key, or its two keys
	Pair     bool      // it has two keys
}

// Table returns a table as what is locked.
func Table(oid datum.OID) Object { return Object{Table: oid} }

// Number returns an advisory lock of one key.
func Number(database datum.OID, key int64) Object {
	return Object{Kind: Advisory, Database: database, Number: uint64(key)}
}

// Pair returns an advisory lock of two keys.
func Pair(database datum.OID, a, b int32) Object {
	return Object{Kind: Advisory, Database: database, Number: uint64(uint32(a))<<32 | uint64(uint32(b)), Pair: true}
}

// Class, ID and Sub are an advisory lock's columns classid, objid and objsubid of pg_locks.
func (o Object) Class() uint32 { return uint32(o.Number >> 32) }
func (o Object) ID() uint32    { return uint32(o.Number) }
func (o Object) Sub() int16 {
	if o.Pair {
		return 2
	}
	return 1
}

// text names an object in an error.
func (m *Manager) text(o Object) string {
	if o.Kind == Advisory {
		return fmt.Sprintf("advisory lock [%d,%d,%d,%d]", o.Database, o.Class(), o.ID(), o.Sub())
	}
	return "table " + m.opts.TableName(o.Table)
}
