// Package commitlog is the commit log of one table partition: what lies in
// chunks, and how far each source log has been folded into them.
//
// A Commit (commit.go) is one entry of the log, a Manifest (manifest.go) the
// folded state of all entries up to one. Manifest.Apply (apply.go) folds one
// more and refuses it if a precondition does not hold; the same function
// judges a commit before it is appended and folds it when it is read, so that
// every reader of a log arrives at the same state. A Log (log.go) keeps a
// Manifest up to date and appends by compare-and-append: Commit (append.go)
// rebases on what others appended and finds out what became of appends whose
// outcome is unknown. checkpoint.go keeps the log short, sweep.go frees blobs.
//
// Manifests are immutable and share structure (list.go, page.go), so that a snapshot
// is a pointer and a commit costs microseconds in a partition of many chunks. Of the
// live chunks they hold summaries by pages of some hundred, and those that came since
// the last checkpoint; the others are read from the store (pager.go) into a PageCache.
// docs/design/manifest.md says why.
//
// format.md draws the bytes of commits and checkpoints and says where they lie.
package commitlog
