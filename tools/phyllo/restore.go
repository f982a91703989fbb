package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/engine/store"
)

// restoreCommand makes a store of a backup, in a folder or a keyspace, wherever the backup
// was made. No server may be using it.
type restoreCommand struct {
	Repository string `arg:"" help:"Where backups are: a folder, or s3://BUCKET/PREFIX." placeholder:"REPOSITORY"`
	To         string `arg:"" help:"Store to make: a folder that is empty or does not exist, or cassandra://HOST[:PORT][,HOST...]/KEYSPACE, which phyllo migrate has just made." placeholder:"STORE"`
	Backup     string `help:"Backup to restore; without it the newest." placeholder:"BACKUP"`
	Quiet      bool   `short:"q" help:"No progress bar."`

	repositoryFlags `embed:""`
	Cluster         copySide `embed:""`

	// What tests change: what is called after each chunk that was restored, to end the
	// restore there.
	restored func() error
}

// Run implements the command.
func (c *restoreCommand) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdout, os.Stderr, os.Environ())
}

func (c *restoreCommand) run(ctx context.Context, out, progress io.Writer, environ []string) error {
	err := c.restore(ctx, out, progress, environ)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: the same command goes on where it stopped (%w)", context.Cause(ctx))
	}
	return withHint(err)
}

func (c *restoreCommand) restore(ctx context.Context, out, progress io.Writer, environ []string) (err error) {
	begin := time.Now()
	r, release, err := c.reading(ctx, c.Repository)
	if err != nil {
		return err
	}
	defer func() { err = release(err) }()
	d, err := r.Backup(ctx, c.Backup)
	if err != nil {
		return err
	}
	s, err := openRestored(ctx, c.To, c.Cluster, environ, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if c.Quiet {
		progress = io.Discard
	}
	chunks, rows, bytes := backupContents(d)
	bar := newRowBar(progress, "restore "+d.Header.Name, rows)
	defer bar.end()
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = engine.Restore(ctx, s, engine.Restoring{Document: d, Chunk: r.ReadChunk, Done: func(done backup.Chunk) {
		bar.add(contentSum{rows: int64(done.Rows), bytes: done.Size})
		if c.restored != nil && failed == nil {
			if failed = c.restored(); failed != nil {
				cancel()
			}
		}
	}})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.To, err)
	}
	p := &printer{w: out}
	p.line("Restored %s into %s: %s, %s, %s in %s, in %v.", d.Header.Name, c.To, plural(int64(len(d.Catalog.Tables)), "table"), plural(rows, "row"),
		size(bytes), plural(int64(chunks), "chunk"), time.Since(begin).Round(time.Millisecond))
	return nil
}

// openRestored opens the store to restore into.
func openRestored(ctx context.Context, text string, side copySide, environ []string, log io.Writer) (store.Store, error) {
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var s store.Store
	var err error
	if strings.HasPrefix(text, cassandraScheme) {
		s, err = openCopyCluster(ctx, text, side, environ, logger)
	} else {
		s, err = openCopyFolder(text, side, copyRole{writes: true}, logger)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return s, nil
}
