// Package lock is the lock manager of one node's transactions and sessions.
//
// A Process is what waits; its Owners, one for its transaction and one for what its session keeps,
// take locks on tables and on numbers that clients agree on (Lock) and on primary keys in tables
// (Keys), and keep them until Release. Modes, and which of them conflict, are those of PostgreSQL
// (mode.go), but that who only reads a table, a snapshot of it, is not held up by DDL.
//
//	what               conflicts, between processes, with
//	a mode of a table  the modes that conflict with it
//	a mode of a key    modes that conflict with it, of the same key and of all keys of the table
//	a mode of all keys modes that conflict with it, of any key of the table
//
// Who has a key also has a mode of its table that says so. Who has more keys of one table
// than Options allow gets all of them instead (escalation), so that the memory
// of a transaction is bounded.
//
// What conflicts waits in the table's queue (table.go), first come, first
// served: a request waits for the conflicting holders and for the conflicting
// requests before it in the queue. So a stream of writers does not starve DDL.
// The exception is a process that already blocks a waiting request: its own
// next request in that table goes before that one, for behind it both would
// wait for ever. A wait that would close a ring of waits is refused at once
// (deadlock.go). Places in a queue are never exchanged to dissolve a ring that
// exists only by them, as PostgreSQL does at times; that is a deadlock too.
package lock
