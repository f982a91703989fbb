package local

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// Names below the store's folder; format.md lists them.
const (
	formatName     = "FORMAT"
	lockName       = "LOCK"
	chunksName     = "chunks"
	checkpointName = "checkpoints"

	logSuffix        = ".log"
	segmentSuffix    = ".segment"
	checkpointSuffix = ".checkpoint"
)

// plainKeyBytes is the longest key that a file name holds whole; of longer
// ones it holds the first bytes and a hash.
const plainKeyBytes = 96

// keyName encodes a key of any bytes as part of a file name, on any file
// system, whether it tells upper from lower case or not.
func keyName(key string) string {
	if len(key) <= plainKeyBytes {
		return "_" + hex.EncodeToString([]byte(key))
	}
	sum := sha256.Sum256([]byte(key))
	return "_" + hex.EncodeToString([]byte(key[:plainKeyBytes/2])) + "-" + hex.EncodeToString(sum[:])
}

// plainKey decodes a keyName; ok is false if only a hash of the key is in it.
func plainKey(name string) (key string, ok bool) {
	digits, found := strings.CutPrefix(name, "_")
	b, err := hex.DecodeString(digits)
	return string(b), found && err == nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.opts.Dir}, parts...)...)
}

func (s *Store) partitionDir(part chunk.PartitionID) string {
	return s.path(chunksName, strconv.FormatUint(uint64(part.Table), 10), keyName(part.Key))
}

func (s *Store) checkpointPath(log store.LogID) string {
	return s.path(checkpointName, strconv.Itoa(int(log.Kind))+keyName(log.Key)+checkpointSuffix)
}

func segmentName(id chunk.ID) string { return hex.EncodeToString(id[:]) + segmentSuffix }

func parseSegmentName(name string) (id chunk.ID, ok bool) {
	digits, found := strings.CutSuffix(name, segmentSuffix)
	b, err := hex.DecodeString(digits)
	if !found || err != nil || len(b) != len(id) {
		return id, false
	}
	copy(id[:], b)
	return id, true
}

func logName(number uint64) string { return fmt.Sprintf("%016x%s", number, logSuffix) }

func parseLogName(name string) (number uint64, ok bool) {
	digits, found := strings.CutSuffix(name, logSuffix)
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, found && err == nil && len(digits) == 16
}
