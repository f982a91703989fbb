// Package engine keeps tables: it makes transactions durable in a source log,
// holds their rows in write buffers that queries see at once, writes those into
// chunks that the commit logs of the tables' partitions name, and plans scans
// over both.
//
// The way of a row: Txn.Insert routes it to a partition (route.go) and keeps it
// in the transaction's deltas (own.go), which go to provisional chunks when
// they grow large (stage.go). Txn.Commit hands the delta to the committer
// (committer.go), which appends one record for each transaction to the source
// log, many to one fsync, and publishes a new state (state.go) that has the rows
// in the partitions' deltas. The flusher (flush.go) turns a partition's delta
// into chunks and a commit. Open (recover.go) folds the logs back into a state.
//
// The compactor (compactor.go), and VACUUM (vacuum.go), choose chunks of a slice
// (compact_choose.go), merge their rows (compact_merge.go) and replace them by one
// commit (compact.go); they drop slices that are older than a table's retention
// (retention.go) and give space back (free.go, repack.go). docs/design/compaction.md
// has the reasons. What a merge takes away from a table with a history (compact_past.go)
// goes to chunks that only reads of an earlier state look at (history.go,
// docs/design/history.md). A backup is a snapshot in chunks (snapshot_backup.go), of which
// a store is made again (restore.go); docs/design/backup.md is about both.
//
// Nodes that share a store (cluster.go) follow each other's source logs in rounds
// (follow.go, round.go), which statements wait for if they have to be newer
// (fresh.go); rows of other nodes stay apart until they are in chunks (followed.go,
// land.go). Leases (members.go) say who is alive, takeover.go acts for who is not,
// and claims.go gives one node at a time what only one may do. A node may commit to
// a journal on its own disk (journal.go), which it forwards to its source log
// (journal_forward.go, at its next start journal_drain.go); journals.go is what others
// know of it, and asks.go how they get what is only there.
//
// A state is immutable: a statement reads the one that was current when it
// began, plus its own transaction's delta (scan.go, scan_keyed.go, scan_marked.go). A
// table whose slices or number of partitions were changed has rows of several generations
// (placement.go), which are read together (scan_region.go). The design, with its reasons,
// is in docs/design/engine.md, docs/design/cluster.md and docs/design/layouts.md.
package engine
