// Package lock is the lock manager of one node's transactions.
//
// A transaction has an Owner, which takes locks on tables (Table) and on
// primary keys in tables (Keys) and keeps them until Release. There are no
// locks for readers: snapshots need none.
//
//	what           conflicts, between owners, with
//	Write          Exclusive
//	Exclusive      Write, Exclusive
//	a key          the same key, all keys of the table
//	all keys       every key of the table, all keys of the table
//
// Who has a key also has Write on its table. Who has more keys of one table
// than Options allow gets all of them instead (escalation), so that the memory
// of a transaction is bounded.
//
// What conflicts waits in the table's queue (table.go), first come, first
// served: a request waits for the conflicting holders and for the conflicting
// requests before it in the queue. So a stream of writers does not starve DDL.
// The exception is an owner that already blocks a waiting request: its own
// next request in that table goes before that one, for behind it both would
// wait for ever. A wait that would close a ring of waits is refused at once
// (deadlock.go). Places in a queue are never exchanged to dissolve a ring that
// exists only by them, as PostgreSQL does at times; that is a deadlock too.
package lock
