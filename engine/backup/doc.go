// Package backup holds the formats of backups, which both stores share: what a server
// sends to who makes one (Reader, NewWriter), the objects that chunks are kept in
// (AppendObjectHeader, DecodeObject), and the document that says what belongs to one
// backup (Document). format.md draws them. What makes and reads them is in engine (Txn.Backup,
// Restore), where they are kept in tools/backuprepo.
package backup

import (
	"fmt"

	"github.com/phyllodb/phyllo/chunk"
)

// FormatVersion is the version of all formats of this package that this program
// writes, and the newest that it reads.
const FormatVersion = 1

// A Ref names a chunk and says how large it is.
type Ref struct {
	Part chunk.PartitionID
	ID   chunk.ID
	Rows int   // of all versions, and marks
	Size int64 // bytes of its object
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{chunk.ErrCorrupt}, args...)...)
}

// checkVersion refuses what a later program wrote.
func checkVersion(what string, version uint64) error {
	if version > FormatVersion {
		return chunk.NewerFormat("%s of a backup has format version %d; this program reads versions up to %d", what, version, FormatVersion)
	}
	if version == 0 {
		return corrupt("%s of a backup has format version 0", what)
	}
	return nil
}
