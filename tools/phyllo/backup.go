package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/tools/backuprepo"
)

// backupCommand makes backups of a running server and looks after them.
type backupCommand struct {
	Create backupCreate `cmd:"" default:"withargs" help:"Back up a running server, or the cluster that it is a node of: phyllo backup URL REPOSITORY. Only chunks that no earlier backup brought are copied."`
	List   backupList   `cmd:"" help:"List backups."`
	Verify backupVerify `cmd:"" help:"Read backups and check every byte of them."`
	Prune  backupPrune  `cmd:"" help:"Remove old backups, and the chunks that only they need."`
}

// repositoryFlags say how to reach a repository in S3.
type repositoryFlags struct {
	Endpoint  string `name:"s3-endpoint" help:"URL of an S3-compatible store; without it AWS. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the file of AWS's tools, or the machine's role." env:"PHYLLO_S3_ENDPOINT" placeholder:"URL"`
	Region    string `name:"s3-region" help:"Region of the bucket." env:"AWS_REGION" placeholder:"NAME"`
	PathStyle bool   `name:"s3-path-style" help:"Put the bucket into the path, not into the host's name, as stores that are not AWS want it." env:"PHYLLO_S3_PATH_STYLE"`
}

// open opens a repository; what comes from the environment is for S3 only.
func (f repositoryFlags) open(address string) (*backuprepo.Repository, error) {
	o := backuprepo.Options{S3: backuprepo.S3Options{Endpoint: f.Endpoint, Region: f.Region, PathStyle: f.PathStyle}}
	if !strings.HasPrefix(address, backuprepo.S3Scheme) {
		o.S3 = backuprepo.S3Options{}
	}
	return backuprepo.Open(address, o)
}

// existing opens a repository that there is.
func (f repositoryFlags) existing(ctx context.Context, address string) (*backuprepo.Repository, error) {
	r, err := f.open(address)
	if err != nil {
		return nil, err
	}
	return r, r.Check(ctx)
}

// backupList lists backups.
type backupList struct {
	Repository string `arg:"" help:"Folder, or s3://BUCKET/PREFIX." placeholder:"REPOSITORY"`

	repositoryFlags `embed:""`
}

// Run implements the command.
func (c *backupList) Run(ctx context.Context) error { return withHint(c.list(ctx, os.Stdout)) }

func (c *backupList) list(ctx context.Context, out io.Writer) error {
	r, err := c.existing(ctx, c.Repository)
	if err != nil {
		return err
	}
	list, err := r.Backups(ctx)
	if err != nil {
		return err
	}
	p := &printer{w: out}
	if len(list) == 0 {
		p.line("%s has no complete backup.", c.Repository)
		return nil
	}
	g := &grid{columns: []gridColumn{{"backup", false}, {"snapshot of", false}, {"tables", true}, {"rows", true}, {"chunks", true}, {"size", true}, {"of that new", true}}}
	damaged := 0
	for _, l := range list {
		if l.Err != nil {
			damaged++
			g.add(p.clean(l.Name, 0), "DAMAGED", "", "", "", "", "")
			continue
		}
		h := l.Header
		g.add(p.clean(l.Name, 0), h.Taken.UTC().Format(time.DateTime), count(int64(h.Tables)), count(h.Rows), count(int64(h.Chunks)), size(h.Bytes), size(h.NewBytes))
	}
	p.grid(g)
	if damaged > 0 {
		return fmt.Errorf("%s damaged", plural(int64(damaged), "backup")+" "+isAre(int64(damaged)))
	}
	return nil
}

// backupPrune removes old backups.
type backupPrune struct {
	Repository string `arg:"" help:"Folder, or s3://BUCKET/PREFIX." placeholder:"REPOSITORY"`
	Keep       int    `required:"" help:"How many of the newest backups stay." placeholder:"N"`
	DryRun     bool   `help:"Only say what would be removed."`

	repositoryFlags `embed:""`
}

// Run implements the command.
func (c *backupPrune) Run(ctx context.Context) error { return withHint(c.prune(ctx, os.Stdout)) }

func (c *backupPrune) prune(ctx context.Context, out io.Writer) (err error) {
	if c.Keep < 1 {
		return fmt.Errorf("--keep %d: at least one backup has to stay", c.Keep)
	}
	r, err := c.existing(ctx, c.Repository)
	if err != nil {
		return err
	}
	lock, err := r.Lock(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = releaseLock(ctx, lock, err) }()
	list, err := r.Backups(ctx)
	if err != nil {
		return err
	}
	old := map[string]bool{}
	for _, l := range list[:max(0, len(list)-c.Keep)] {
		old[l.Name] = true
	}
	var g *backuprepo.Garbage
	word := "Removed"
	if c.DryRun {
		word = "Would remove"
		g, err = r.FindGarbage(ctx, old)
	} else {
		g, err = r.Prune(ctx, lock, old)
	}
	if err != nil {
		return err
	}
	p := &printer{w: out}
	p.line("%s %s and %s (%s); kept %s.", word, plural(int64(len(old)), "backup"), plural(int64(len(g.Names)), "chunk"), size(g.Bytes),
		plural(int64(len(list)-len(old)), "backup"))
	return nil
}

// reading opens a repository that there is and keeps it from being pruned while it is read;
// release gives it free. Where nothing can be written, as with keys that may only read, it goes without: what is
// pruned meanwhile is missing, which is noticed.
func (f repositoryFlags) reading(ctx context.Context, address string) (r *backuprepo.Repository, release func(err error) error, err error) {
	if r, err = f.existing(ctx, address); err != nil {
		return nil, nil, err
	}
	lock, err := r.Lock(ctx, false)
	switch {
	case err == nil:
		return r, func(err error) error { return releaseLock(ctx, lock, err) }, nil
	case errors.Is(err, backuprepo.ErrInUse) || ctx.Err() != nil:
		return nil, nil, err
	}
	return r, func(err error) error { return err }, nil
}

// releaseLock gives a lock back; an error before it is the more important one.
func releaseLock(ctx context.Context, lock *backuprepo.Lock, err error) error {
	rerr := lock.Release(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	return rerr
}

// backupContents sums up the chunks of a backup.
func backupContents(d *backup.Document) (chunks int, rows, bytes int64) {
	for _, p := range d.Parts {
		for _, c := range p.Chunks {
			chunks++
			rows += int64(c.Rows)
			bytes += c.Size
		}
	}
	return chunks, rows, bytes
}
