package difftest

import (
	"testing"
)

// changedTables makes the tables that UPDATE and DELETE are tried on: with a key that
// holds a time, with one that does not, and without a key.
func (p *pair) changedTables(t *testing.T) {
	p.both(t, "CREATE TABLE stock (sku text PRIMARY KEY, status text, amount numeric(10,2), parts int DEFAULT 3, ok boolean NOT NULL DEFAULT true)", "")
	p.both(t, "CREATE TABLE orders (id int, at timestamptz, mark text, amount double precision, n bigint, PRIMARY KEY (id, at))",
		" PARTITION BY HASH (id) WITH (partitions = 3, slice = '6 hours')")
	p.both(t, "CREATE TABLE events (id int, kind text, value numeric, day date)", " PARTITION BY LIST (kind)")
	p.both(t, "CREATE TABLE rates (status text, rate numeric)", "")
}

// TestChanges compares UPDATE and DELETE with PostgreSQL.
func TestChanges(t *testing.T) {
	p := open(t)
	p.changedTables(t)
	p.run(t, "changes.sql")
}
