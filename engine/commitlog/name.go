package commitlog

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
)

// LogID names the commit log of a partition: its key is the table's storage OID
// in decimal, "/", and the bytes of the partition's key.
func LogID(part chunk.PartitionID) store.LogID {
	return store.LogID{Kind: store.CommitLog, Key: strconv.FormatUint(uint64(part.Table), 10) + "/" + part.Key}
}

// ParseLogID returns the partition whose commit log it is. Names that LogID
// does not give, such as those of checkpoints, are an error.
func ParseLogID(id store.LogID) (chunk.PartitionID, error) {
	oid, key, ok := strings.Cut(id.Key, "/")
	n, err := strconv.ParseUint(oid, 10, 32)
	part := chunk.PartitionID{Table: datum.OID(n), Key: key}
	if !ok || err != nil || LogID(part) != id {
		return chunk.PartitionID{}, fmt.Errorf("commitlog: log %d %q is not the commit log of a partition", id.Kind, id.Key)
	}
	return part, nil
}

// A storedName names a checkpoint or a page of one: the sequence number of the
// commit whose state the checkpoint is, and the beginning of the SHA-256 of the
// bytes. So a name is given one content only, and no late write can put another
// in its place; checkpoints of one state that differ, as those of two processes
// may, have names of their own. The zero value is no name. Those of version 1 have
// no hash.
type storedName struct {
	seq  uint64
	hash [16]byte
}

// nameOf names what a checkpoint consists of by its bytes.
func nameOf(seq uint64, data []byte) storedName {
	sum := sha256.Sum256(data)
	return storedName{seq: seq, hash: [16]byte(sum[:16])}
}

func (n storedName) String() string {
	if n.hash == [16]byte{} {
		return strconv.FormatUint(n.seq, 10)
	}
	return fmt.Sprintf("%d.%x", n.seq, n.hash)
}

// id is what the store knows it by.
func (n storedName) id(part chunk.PartitionID) store.LogID {
	return store.LogID{Kind: store.CommitLog, Key: fmt.Sprintf("%d@%v/%s", part.Table, n, part.Key)}
}
