// Package exec runs query plans. Build turns a tree of plan nodes into a tree
// of Operators, which hand batches of rows upwards when they are pulled.
//
// Scans are read by several workers. What stands directly above a scan and
// keeps no state over the rows (filters, projections, the probe side of a hash
// join) runs inside the workers as stages of a pipeline (pipeline.go); an
// aggregate, a top-k sort or a DISTINCT ON above them is folded in parts, one
// per run of neighbouring splits, which are merged in the order of the splits.
// Which splits form a run depends only on the splits and the number of workers,
// never on timing, so that sums of floats are the same each time.
//
// Memory that grows with the data (hash tables, sorts, materialised rows) is
// counted against a Budget. Operators that can, write to temporary files when
// it runs short; the others fail with SQLSTATE 53200.
//
// Rows are compared and grouped through keys.go: fixed-width values are their
// own codes, others are interned, so that a key of any columns is a short run
// of 64-bit words.
package exec
