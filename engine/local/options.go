package local

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/phyllodb/phyllo/internal/vfs"
)

// Options configure a store. The zero value of each field but Dir is its default.
type Options struct {
	// Dir is the folder; it is made if it does not exist. Required.
	Dir string
	// FS is the disk; default the operating system's.
	FS vfs.FS
	// CacheBytes bounds the column blobs kept in memory; default 256 MiB,
	// negative: none are kept.
	CacheBytes int64
	// LogFileBytes is the size at which a log file is closed and the next one
	// begun; default 64 MiB, at least 4 KiB. A file may be larger by one batch.
	LogFileBytes int64
	// Logger hears of damage, of failed writes and of what opening cleaned up;
	// default: nobody does.
	Logger *slog.Logger
	// ReadOnly opens a folder that may be in use by another process: no lock is
	// taken, nothing is changed, and calls that would fail with 25006. Logs are
	// as they were at the opening, blobs and checkpoints as they are. The last
	// entry may be one that its owner is writing; if that fails it reads as corrupt.
	ReadOnly bool
	// SkipDamagedLogs makes a read-only opening go on where it would fail because
	// a log file is corrupt: the logs of its kind then count as empty, and Damage
	// tells why.
	SkipDamagedLogs bool
}

const (
	defaultCacheBytes   = 256 << 20
	defaultLogFileBytes = 64 << 20
	minLogFileBytes     = 4 << 10
)

// Validate names the first field whose value is out of its limits.
func (o Options) Validate() error {
	if o.Dir == "" {
		return fmt.Errorf("local: Dir is empty")
	}
	if o.LogFileBytes != 0 && o.LogFileBytes < minLogFileBytes {
		return fmt.Errorf("local: LogFileBytes is %d, the least is %d", o.LogFileBytes, minLogFileBytes)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.LogFileBytes == 0 {
		o.LogFileBytes = defaultLogFileBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Metrics counts what a store does. The numbers only rise.
type Metrics struct {
	Fsyncs       atomic.Int64 // of files and folders
	BytesWritten atomic.Int64 // of log, segment and checkpoint files
	BytesRead    atomic.Int64
	LogBatches   atomic.Int64 // group commits: writes of one or more records with one fsync
	LogRecords   atomic.Int64 // records acknowledged
	LogFailures  atomic.Int64 // batches that failed
	LogRolls     atomic.Int64 // log files begun
	Segments     atomic.Int64 // segment files written
	Checkpoints  atomic.Int64 // checkpoint files written
}
