// Package difftest compares Phyllo with a real PostgreSQL: the same rows are
// loaded into both by the same psql commands, the same queries are sent to both,
// and columns, types, NULLs, order, values and SQLSTATEs must be equal. Float
// aggregates may differ by 1e-9 (real: 1e-5) of their size.
//
// PHYLLO_TEST_PG is the PostgreSQL to compare with (a superuser's DSN),
// PHYLLO_TEST_PSQL the psql program; make test sets both.
package difftest
