package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/tools/backuprepo"
	"golang.org/x/sync/errgroup"
)

// backupVerify checks backups without restoring them.
type backupVerify struct {
	Repository string `arg:"" help:"Folder, or s3://BUCKET/PREFIX." placeholder:"REPOSITORY"`
	Name       string `arg:"" optional:"" help:"Backup to check; without it all." placeholder:"BACKUP"`
	Quiet      bool   `short:"q" help:"No progress bar."`

	repositoryFlags `embed:""`
}

// Run implements the command.
func (c *backupVerify) Run(ctx context.Context) error {
	return withHint(c.verify(ctx, os.Stdout, os.Stderr))
}

// verifyReads is how many chunks are read and checked at a time.
const verifyReads = 4

func (c *backupVerify) verify(ctx context.Context, out, progress io.Writer) (err error) {
	r, release, err := c.reading(ctx, c.Repository)
	if err != nil {
		return err
	}
	defer func() { err = release(err) }()
	v := &backupVerifier{repository: r, chunks: map[chunk.ID]*verifiedChunk{}, out: &printer{w: out}}
	if err := v.load(ctx, c.Name); err != nil {
		return err
	}
	if c.Quiet {
		progress = io.Discard
	}
	if err := v.check(ctx, progress); err != nil {
		return err
	}
	return v.report()
}

// A backupVerifier checks each chunk once, whichever backups have it.
type backupVerifier struct {
	repository *backuprepo.Repository
	out        *printer
	backups    []*backup.Document
	chunks     map[chunk.ID]*verifiedChunk
	damage     []error // of documents
}

type verifiedChunk struct {
	backup.Chunk
	part chunk.PartitionID
	err  error
}

// load reads the documents.
func (v *backupVerifier) load(ctx context.Context, name string) error {
	names := []string{name}
	if name == "" {
		list, err := v.repository.Backups(ctx)
		if err != nil {
			return err
		}
		names = nil
		for _, l := range list {
			names = append(names, l.Name)
		}
	}
	for _, name := range names {
		d, err := v.repository.Backup(ctx, name)
		if errors.Is(err, chunk.ErrCorrupt) {
			v.damage = append(v.damage, err)
			continue
		}
		if err != nil {
			return err
		}
		v.backups = append(v.backups, d)
		for _, p := range d.Parts {
			for _, c := range p.Chunks {
				v.chunks[c.ID] = &verifiedChunk{Chunk: c, part: p.ID}
			}
		}
	}
	return nil
}

// check reads all chunks.
func (v *backupVerifier) check(ctx context.Context, progress io.Writer) error {
	rows := int64(0)
	for _, c := range v.chunks {
		rows += int64(c.Rows)
	}
	bar := newRowBar(progress, "verify", rows)
	defer bar.end()
	var mu sync.Mutex // of the bar
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(verifyReads)
	for _, c := range v.chunks {
		work.Go(func() error {
			c.err = v.chunk(ctx, c)
			if c.err != nil && !errors.Is(c.err, chunk.ErrCorrupt) {
				return c.err
			}
			mu.Lock()
			defer mu.Unlock()
			bar.add(contentSum{rows: int64(c.Rows), bytes: c.Size})
			return nil
		})
	}
	return work.Wait()
}

// chunk checks the bytes of a chunk, and decodes all its columns.
func (v *backupVerifier) chunk(ctx context.Context, c *verifiedChunk) error {
	data, err := v.repository.ReadChunk(ctx, c.Chunk)
	if err != nil {
		return err
	}
	part, sealed, err := backup.DecodeObject(data)
	if err != nil {
		return fmt.Errorf("chunk %v: %w", c.ID, err)
	}
	if part != c.part || sealed.Entry.ID != c.ID || sealed.Entry.Rows != c.Rows {
		return fmt.Errorf("%w: the object of chunk %v is of another one", chunk.ErrCorrupt, c.ID)
	}
	return chunk.Verify(ctx, &sealed.Entry, func(_ context.Context, column int) ([]byte, bool, error) {
		return sealed.Blobs[column], false, nil
	})
}

// report says what is damaged, and which backups and tables need it.
func (v *backupVerifier) report() error {
	bad := int64(len(v.damage))
	for _, err := range v.damage {
		v.out.line("DAMAGED  %v", err)
	}
	var rows, bytes int64
	for _, c := range v.chunks {
		rows, bytes = rows+int64(c.Rows), bytes+c.Size
		if c.err != nil {
			bad++
		}
	}
	for _, d := range v.backups {
		for _, p := range d.Parts {
			for _, c := range p.Chunks {
				if err := v.chunks[c.ID].err; err != nil {
					v.out.line("DAMAGED  backup %s, table %s, partition %x, chunk %v: %v", d.Header.Name, tableOf(d, p.ID), p.ID.Key, c.ID, err)
				}
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%s damaged\nhint: Remove the objects of damaged chunks: the next backup brings those anew that the server still has", plural(bad, "part")+" "+isAre(bad))
	}
	v.out.line("%s: %s, %s, %s are as they were written.", plural(int64(len(v.backups)), "backup"), plural(int64(len(v.chunks)), "chunk"), plural(rows, "row"), size(bytes))
	return nil
}

// tableOf names the table that a partition is of.
func tableOf(d *backup.Document, id chunk.PartitionID) string {
	for _, t := range d.Catalog.Tables {
		if t.Storage == id.Table {
			if ns := d.Catalog.Namespaces[t.Namespace]; ns != nil {
				if db := d.Catalog.Databases[ns.Database]; db != nil {
					return db.Name + "." + ns.Name + "." + t.Name
				}
				return ns.Name + "." + t.Name
			}
			return t.Name
		}
	}
	return fmt.Sprintf("with storage %d", id.Table)
}
