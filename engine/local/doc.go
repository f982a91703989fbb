// Package local is the embedded store: an engine.Store in a folder of one
// machine, in files of our own (format.md draws them) that are reached only
// through vfs.FS.
//
// Logs lie in two sequences of log files, one for source logs and one for
// commit and catalogue logs. An append goes from sequence.append through a
// queue to the committer (commit.go), which writes what waits with one write
// and one fsync. recover.go reads the files back, clean.go keeps them few.
// Column blobs lie in segment files (segment.go, blobs.go) and are read through
// a bounded cache (cache.go); checkpoints (checkpoint.go) are files replaced in
// one step. inspect.go shows what lies in the folder.
//
// An append that fails is, as a rule, void for ever when it returns: what was
// written is cut off, or a new log file has been begun whose head says so. If the
// disk did not let us do either, the error is 40003 (pgerr.OutcomeUnknown) and
// the entry may be found after a restart, unless a later append succeeds.
package local
