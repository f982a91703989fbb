// Package pgtest holds the test that calls functions, operators, casts and
// aggregates here and in a real PostgreSQL 15, whose DSN is in PHYLLO_TEST_PG,
// and compares the types, the values and the errors. Without it the test fails:
// run it by make.
package pgtest
