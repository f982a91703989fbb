package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/tools/backuprepo"
	"golang.org/x/sync/errgroup"
)

// How phyllo backup works. A transaction on the server keeps a snapshot. The server names its
// chunks, of which those are asked for that the repository lacks, and sends the rest at
// once: the catalogue, and rows that are in no chunk yet, as chunks. Each is uploaded as it
// comes. The document that makes a backup of them is written last.
//
// The server keeps chunks that are removed meanwhile for the lifetime of snapshots, an
// hour, whoever dies. If one is gone (72000) there is a new snapshot, of which those are
// copied that are still missing: what is old and stays is there by then. The newest are
// asked for first, for those are merged, and so removed, the soonest.

// backupCreate makes a backup.
type backupCreate struct {
	Server     string `arg:"" help:"Where the server is: a URL of PostgreSQL's. The password comes from PHYLLO_PASSWORD, if not from there." placeholder:"URL"`
	Repository string `arg:"" help:"Where backups are: a folder, which is made, or s3://BUCKET/PREFIX." placeholder:"REPOSITORY"`
	User       string `help:"User, if the server wants one and the URL does not say."`
	Quiet      bool   `short:"q" help:"No progress bar."`

	repositoryFlags `embed:""`

	// What tests change: what is called after each chunk that was uploaded, to end the
	// backup there.
	uploaded func() error
}

// Run implements the command.
func (c *backupCreate) Run(ctx context.Context) error { return c.run(ctx, os.Stdout, os.Stderr) }

func (c *backupCreate) run(ctx context.Context, out, progress io.Writer) error {
	err := c.create(ctx, out, progress)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: what was copied is kept, and serves the next backup (%w)", context.Cause(ctx))
	}
	return withHint(explained(err))
}

// maxPasses bounds how often a backup begins anew without having brought anything.
const maxPasses = 3

func (c *backupCreate) create(ctx context.Context, out, progress io.Writer) (err error) {
	begin := time.Now()
	r, err := c.open(c.Repository)
	if err != nil {
		return err
	}
	if err := r.Create(ctx); err != nil {
		return err
	}
	lock, err := r.Lock(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = releaseLock(ctx, lock, err) }()
	if c.Quiet {
		progress = io.Discard
	}
	j := &backupJob{command: c, repository: r, progress: progress}
	if j.have, err = r.Chunks(ctx); err != nil {
		return err
	}
	var d *backup.Document
	for idle := 0; ; {
		before := j.newChunks
		d, err = j.pass(ctx)
		if sqlState(err) != pgerr.SnapshotTooOld {
			break
		}
		if idle++; j.newChunks > before {
			idle = 0
		}
		if idle == maxPasses {
			break
		}
	}
	if err != nil {
		return err
	}
	d.Header.Finished = time.Now().UTC()
	d.Header.NewChunks, d.Header.NewRows, d.Header.NewBytes = j.newChunks, j.newRows, j.newBytes
	if err := lock.Held(); err != nil {
		return err
	}
	if err := r.PutBackup(ctx, d); err != nil {
		return err
	}
	h := &d.Header
	p := &printer{w: out}
	p.line("Backup %s: %s, %s, %s in %s; copied %s in %s, in %v.", h.Name, plural(int64(h.Tables), "table"), plural(h.Rows, "row"),
		size(h.Bytes), plural(int64(h.Chunks), "chunk"), size(h.NewBytes), plural(int64(h.NewChunks), "chunk"), time.Since(begin).Round(time.Millisecond))
	return nil
}

// A backupJob is one run of the command.
type backupJob struct {
	command    *backupCreate
	repository *backuprepo.Repository
	progress   io.Writer

	mu                sync.Mutex // guards the fields below
	have              map[chunk.ID]backuprepo.Stored
	newChunks         int
	newRows, newBytes int64
}

// pass takes a snapshot and brings what is missing of it.
func (j *backupJob) pass(ctx context.Context) (*backup.Document, error) {
	conn, err := sessionFlags{Database: j.command.Server}.connect(ctx, j.command.User, "phyllo backup", 10)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // ends the transaction
	version, err := beginBackup(ctx, conn)
	if err != nil {
		return nil, err
	}
	work, working := errgroup.WithContext(ctx)
	u := &uploads{job: j, work: work, begun: map[chunk.ID]bool{}}
	work.SetLimit(backupUploads)
	d, err := j.snapshot(working, conn, u)
	if err == nil {
		d.Header.Server = version
		err = j.bring(working, conn, u, d)
	}
	if werr := work.Wait(); werr != nil {
		err = werr // the stream ended since an upload failed
	}
	if err != nil {
		return nil, err
	}
	return d, j.complete(d)
}

// beginBackup takes a snapshot that has all that was acknowledged, by any node, with as
// much of it in chunks as can be.
func beginBackup(ctx context.Context, conn *pgconn.PgConn) (version string, err error) {
	for _, sql := range []string{"SET statement_timeout = 0", "SET idle_in_transaction_session_timeout = 0", "SET phyllo.freshness = 'latest'",
		"CHECKPOINT", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"} {
		if err := run(ctx, conn, sql); err != nil {
			return "", err
		}
	}
	found, err := rows(ctx, conn, "SELECT version()")
	if err != nil {
		return "", err
	}
	return found[0][0], nil
}

// frames runs a statement that sends a stream, and calls do with each frame.
func frames(ctx context.Context, conn *pgconn.PgConn, sql string, do func(*backup.Frame) error) error {
	in, out := io.Pipe()
	sent := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, err := conn.CopyTo(ctx, out, sql)
		out.CloseWithError(err) // nil is io.EOF
		sent <- err
	}()
	r := backup.NewReader(in)
	var err error
	for err == nil {
		var f *backup.Frame
		if f, err = r.Next(); err == nil {
			err = do(f)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	} else {
		cancel() // nobody reads any more
	}
	in.CloseWithError(err)
	if serr := <-sent; err == nil || sqlState(serr) != "" {
		err = serr // what the server says is the cause
	}
	return err
}

// snapshot asks for what there is. Chunks that come at once are uploaded.
func (j *backupJob) snapshot(ctx context.Context, conn *pgconn.PgConn, u *uploads) (*backup.Document, error) {
	d := &backup.Document{}
	parts := map[chunk.PartitionID]int{}
	err := frames(ctx, conn, "BACKUP TO STDOUT", func(f *backup.Frame) error {
		switch {
		case f.Header != nil:
			d.Header = *f.Header
			d.Header.Name = backuprepo.NewName(f.Header.Taken)
		case f.Catalog != nil:
			d.Catalog = f.Catalog
		case f.Ref != nil:
			at, ok := parts[f.Ref.Part]
			if !ok {
				at = len(d.Parts)
				parts[f.Ref.Part] = at
				d.Parts = append(d.Parts, backup.Part{ID: f.Ref.Part})
			}
			d.Parts[at].Chunks = append(d.Parts[at].Chunks, backup.Chunk{ID: f.Ref.ID, Size: f.Ref.Size, Rows: f.Ref.Rows})
		}
		if f.Object != nil {
			return u.add(ctx, *f.Ref, f.Object)
		}
		return nil
	})
	if err == nil && (d.Catalog == nil || d.Header.Format == 0) {
		err = fmt.Errorf("the server sent no catalogue")
	}
	return d, err
}

const (
	backupUploads     = 4        // at a time
	backupGroupChunks = 256      // chunks that are asked for at once
	backupGroupBytes  = 64 << 20 // of these, unless one is larger
)

// bring asks for the chunks that are missing, the newest first.
func (j *backupJob) bring(ctx context.Context, conn *pgconn.PgConn, u *uploads, d *backup.Document) error {
	var missing []backup.Ref
	rows := int64(0)
	j.mu.Lock()
	for _, p := range d.Parts {
		for _, c := range p.Chunks {
			if have, ok := j.have[c.ID]; (!ok || have.Size != c.Size) && !u.has(c.ID) {
				missing = append(missing, backup.Ref{Part: p.ID, ID: c.ID, Size: c.Size, Rows: c.Rows})
				rows += int64(c.Rows)
			}
		}
	}
	j.mu.Unlock()
	slices.SortFunc(missing, func(a, b backup.Ref) int { return slices.Compare(b.ID[:], a.ID[:]) })
	bar := newRowBar(j.progress, "backup", rows)
	defer bar.end()
	for len(missing) > 0 {
		var names []byte
		group := map[chunk.ID]bool{}
		bytes := int64(0)
		for len(missing) > 0 && len(group) < backupGroupChunks && (len(group) == 0 || bytes+missing[0].Size <= backupGroupBytes) {
			names = backup.AppendName(names, missing[0])
			group[missing[0].ID] = true
			bytes += missing[0].Size
			missing = missing[1:]
		}
		err := frames(ctx, conn, "BACKUP '"+base64.StdEncoding.EncodeToString(names)+"' TO STDOUT", func(f *backup.Frame) error {
			if f.Object == nil || !group[f.Ref.ID] {
				return fmt.Errorf("the server sent something else than the chunks that were asked for")
			}
			delete(group, f.Ref.ID)
			if err := u.add(ctx, *f.Ref, f.Object); err != nil {
				return err
			}
			bar.add(contentSum{rows: int64(f.Ref.Rows), bytes: f.Ref.Size})
			return nil
		})
		if err != nil {
			return err
		}
		if len(group) > 0 {
			return fmt.Errorf("the server did not send %s that were asked for", plural(int64(len(group)), "chunk"))
		}
	}
	return nil
}

// complete fills in the hashes of the chunks, which are all uploaded.
func (j *backupJob) complete(d *backup.Document) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range d.Parts {
		for i := range p.Chunks {
			c := &p.Chunks[i]
			stored, ok := j.have[c.ID]
			if !ok || stored.Size != c.Size {
				return fmt.Errorf("backup: bug: chunk %v was not uploaded", c.ID)
			}
			c.Hash = stored.Hash
		}
	}
	d.Header.Tables = len(d.Catalog.Tables)
	d.Header.Chunks, d.Header.Rows, d.Header.Bytes = backupContents(d)
	return nil
}

// uploads are under way. add and has are for one goroutine.
type uploads struct {
	job   *backupJob
	work  *errgroup.Group
	begun map[chunk.ID]bool // chunks that were added
}

func (u *uploads) has(id chunk.ID) bool { return u.begun[id] }

// add takes an object over and uploads it while the next ones come.
func (u *uploads) add(ctx context.Context, ref backup.Ref, object io.Reader) error {
	spool, err := backuprepo.NewSpool(object, ref.Size)
	if err != nil {
		return err
	}
	u.begun[ref.ID] = true
	u.work.Go(func() error {
		j := u.job
		err := j.repository.PutChunk(ctx, ref.ID, spool)
		if err = errors.Join(err, spool.Close()); err != nil {
			return err
		}
		j.mu.Lock()
		j.have[ref.ID] = backuprepo.Stored{Hash: spool.Hash(), Size: ref.Size}
		j.newChunks++
		j.newRows += int64(ref.Rows)
		j.newBytes += ref.Size
		j.mu.Unlock()
		if j.command.uploaded != nil {
			return j.command.uploaded()
		}
		return nil
	})
	return nil
}
