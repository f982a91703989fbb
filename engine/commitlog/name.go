package commitlog

import (
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

// checkpointID names the checkpoint of a partition's log at a sequence number.
// A name is given one content only, so that no late write can put an older
// state in the place of a newer one.
func checkpointID(part chunk.PartitionID, seq uint64) store.LogID {
	return store.LogID{Kind: store.CommitLog, Key: fmt.Sprintf("%d@%d/%s", part.Table, seq, part.Key)}
}
