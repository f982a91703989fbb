package commitlog

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Options configure a Log. The zero value of each field is its default.
type Options struct {
	// CheckpointEvery is after how many commits a log writes a checkpoint by
	// itself; default 64, negative: never. Of a partition with many chunks it
	// waits for a commit per 1,024 chunks, up to 16 times as many: a checkpoint
	// writes a few bytes for each of them.
	CheckpointEvery int
	// Pages keeps pages of manifests in memory. Logs that share one share its
	// budget. Default: a cache of its own, of 4 MiB.
	Pages *PageCache
	// PageLifetime is how long pages that checkpoints do not need any more stay,
	// for whoever has an older Manifest and would have to look for its chunks in
	// later ones; default an hour, negative: none.
	PageLifetime time.Duration
	// Live tells whether a source's log may still be read or appended to.
	// Checkpoints forget the sources for which it says no. That has to be final:
	// the log was sealed, folded to its end by every partition, and dropped.
	// Default: all are live.
	Live func(Source) bool
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Retries is how often a failing call to the store is repeated before a
	// commit gives up with ErrUnknown, or with the store's error if it is certain
	// that the commit is not in the log; default 10, negative: never. Conflicts
	// with commits of others do not count: the log moves on.
	Retries int
	// Wait is called before a repetition; default: a timer. It returns early,
	// with ctx's error, when ctx ends.
	Wait func(ctx context.Context, d time.Duration) error
	// Logger hears of checkpoints that failed; default: nobody does.
	Logger *slog.Logger

	pages pageSizes // default: defaultPageSizes
}

const (
	defaultCheckpointEvery = 64
	chunksPerCommit        = 1024 // see Options.CheckpointEvery
	maxLoose               = 1024 // chunks added and removed that are kept in memory until a checkpoint has them
	defaultPageBytes       = 4 << 20
	defaultPageLifetime    = time.Hour
	maxTailFactor          = 16
	defaultRetries         = 10
	firstWait              = 5 * time.Millisecond // doubled each time
	longestWait            = time.Second
)

// Validate names the first field whose value is out of its limits.
func (o Options) Validate() error {
	if o.CheckpointEvery > 1<<20 {
		return fmt.Errorf("commitlog: CheckpointEvery is %d, the most is %d", o.CheckpointEvery, 1<<20)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = defaultCheckpointEvery
	}
	if o.Pages == nil {
		o.Pages = NewPageCache(defaultPageBytes)
	}
	if o.pages == (pageSizes{}) {
		o.pages = defaultPageSizes
	}
	if o.PageLifetime == 0 {
		o.PageLifetime = defaultPageLifetime
	}
	o.PageLifetime = max(o.PageLifetime, 0)
	if o.Live == nil {
		o.Live = func(Source) bool { return true }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retries == 0 {
		o.Retries = defaultRetries
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backoff is how long to wait before repetition n, counted from 1.
func backoff(n int) time.Duration {
	return min(firstWait<<min(n-1, 16), longestWait)
}
