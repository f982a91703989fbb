// Package bind turns syntax trees into plans: it resolves names, decides types as
// PostgreSQL does (documentation, chapter 10), makes every cast explicit and
// reports what is wrong with a statement, with SQLSTATE and position.
//
// A statement goes through the files like this: Statement (statement.go) sends
// it to the file of its kind; queries go to query.go, plain SELECTs to
// select.go, whose FROM is bound by from.go into a plan and a frame (scope.go)
// in which expressions (expr*.go) look names up. Expressions are first bound
// over the rows of FROM, with aggregates, window functions and set-returning
// functions as placeholders (placeholder.go); group.go, window.go and srf.go then
// replace these by columns of the nodes they add. Types are decided by
// coerce.go, common_type.go, polymorphic.go, candidates.go and operator.go, which
// follow PostgreSQL's parse_coerce.c, parse_func.c and parse_oper.c rule by rule.
package bind
