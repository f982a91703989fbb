package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/errgroup"
)

// verifyReport is what --verify found.
type verifyReport struct {
	Folder  string         `json:"folder"`
	Files   int            `json:"files"`
	Bytes   int64          `json:"bytes"`
	Chunks  int            `json:"chunks"`
	Columns int            `json:"columns"`
	Rows    int64          `json:"rows"`
	Removed int            `json:"chunks_removed_meanwhile"`
	Damage  []damageReport `json:"damage"`
}

// A verifier checks a folder, or a part of one.
type verifier struct {
	command  *inspectCommand
	progress *progressBar

	mu     sync.Mutex // guards the fields below
	report *verifyReport
	bad    map[blobPlace]bool // blobs that were reported already
	gone   map[chunk.ID]bool  // chunks that were not there
}

type blobPlace struct {
	chunk  chunk.ID
	column int
}

// verify checks what the arguments name: the whole folder or keyspace, or the chunks of a
// part of it. If something is damaged there is an error as well, which says so.
func (c *inspectCommand) verify(ctx context.Context, out io.Writer) (report, error) {
	v := &verifier{command: c, report: &verifyReport{Folder: c.Dir, Damage: []damageReport{}}, bad: map[blobPlace]bool{}}
	f, err := c.openSettled(ctx)
	if err != nil {
		return nil, err
	}
	err = v.first(ctx, f, out)
	if err = errors.Join(err, f.close()); err != nil {
		return nil, err
	}
	if err := v.missing(ctx); err != nil {
		return nil, err
	}
	v.report.sort()
	if n := len(v.report.Damage); n > 0 {
		return v.report, fmt.Errorf("%s damaged", plural(int64(n), "part")+" "+isAre(int64(n)))
	}
	return v.report, nil
}

// openSettled opens the folder; what seems damaged in its logs then is.
func (c *inspectCommand) openSettled(ctx context.Context) (*folder, error) {
	f, err := c.settle(ctx, (*folder).damage)
	switch {
	case f == nil:
		return nil, err
	case err != nil && !mayHaveMoved(err):
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// first checks all files and all chunks.
func (v *verifier) first(ctx context.Context, f *folder, out io.Writer) error {
	at, err := f.find(v.command)
	if err != nil && !mayHaveMoved(err) {
		return err
	}
	v.progress = newProgressBar(out, v.command.Dir)
	defer v.progress.end()
	whole := v.command.Table == ""
	if whole && f.local != nil {
		files, err := f.local.Files(ctx)
		if err != nil {
			return err
		}
		for _, file := range files {
			v.report.Files++
			v.report.Bytes += file.SizeBytes
			v.progress.grow(file.LiveBytes)
		}
	}
	f.eachChunk(at, func(_ *engine.TableView, _ *engine.PartitionView, e *chunk.Entry) { v.progress.grow(entryBytes(e)) })
	if whole && f.local != nil {
		if err := v.files(ctx, f); err != nil {
			return err
		}
	}
	if whole {
		v.contents(f)
	}
	return v.chunks(ctx, f, at, nil)
}

// files checks every checksum of every file, and what the logs hold.
func (v *verifier) files(ctx context.Context, f *folder) error {
	var logs []*local.Damage
	err := f.local.VerifyWith(ctx, func(d *local.Damage) {
		if d.Entry > 0 {
			logs = append(logs, d)
			return
		}
		v.damaged(f.describe(d))
		if d.Column >= 0 {
			v.bad[blobPlace{d.Chunk, d.Column}] = true
		}
	}, v.progress.add)
	if err != nil {
		return err
	}
	return v.entries(ctx, f, logs)
}

// contents reports what the logs hold that makes no sense, unless it was
// reported already as bytes that are not what was written.
func (v *verifier) contents(f *folder) {
	report := func(d damageReport, err error) {
		if err == nil {
			return
		}
		d.Problem = err.Error()
		if !slices.ContainsFunc(v.report.Damage, func(known damageReport) bool { return strings.Contains(d.Problem, known.Problem) }) {
			v.damaged(d)
		}
	}
	report(damageReport{Log: "catalogue"}, f.catalogueErr)
	for _, t := range f.view.Tables {
		for _, p := range t.Partitions {
			d := f.wherePartition(p.ID)
			d.Log = "commit log"
			report(d, p.Err)
		}
	}
	for _, s := range f.view.Sources {
		report(damageReport{Log: "source log " + s.Source.String()}, s.Err)
	}
}

// entries looks again at entries of logs that were bad: the last one may have
// been on its way to the disk.
func (v *verifier) entries(ctx context.Context, f *folder, logs []*local.Damage) error {
	if len(logs) == 0 {
		return nil
	}
	again, err := v.command.openSettled(ctx)
	if err != nil {
		return err
	}
	for _, d := range logs {
		for _, err := range again.store.Read(ctx, d.Log, d.Entry) {
			if err != nil && !errors.Is(err, store.ErrTrimmed) {
				v.damaged(f.describe(d))
			}
			break
		}
	}
	return again.close()
}

// eachChunk calls f for the chunks of a part of the folder.
func (f *folder) eachChunk(at *place, do func(*engine.TableView, *engine.PartitionView, *chunk.Entry)) {
	for _, t := range f.view.Tables {
		if at.table != nil && at.table != t {
			continue
		}
		for _, p := range t.Partitions {
			if at.partition != nil && at.partition != p {
				continue
			}
			for _, e := range p.Chunks {
				if at.entry == nil || at.entry == e {
					do(t, p, e)
				}
			}
		}
	}
}

// chunks decodes the chunks of a part of the folder; only, if not nil, says which.
func (v *verifier) chunks(ctx context.Context, f *folder, at *place, only map[chunk.ID]bool) error {
	v.gone = map[chunk.ID]bool{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	f.eachChunk(at, func(t *engine.TableView, p *engine.PartitionView, e *chunk.Entry) {
		if only == nil || only[e.ID] {
			g.Go(func() error { return v.chunk(ctx, f, t, p, e) })
		}
	})
	return g.Wait()
}

// chunk decodes one chunk. Its columns are checked one by one, so that a bad one
// does not hide others.
func (v *verifier) chunk(ctx context.Context, f *folder, t *engine.TableView, p *engine.PartitionView, e *chunk.Entry) error {
	where := f.whereChunk(p, e)
	if err := chunk.VerifyEntry(e); err != nil {
		where.Problem = err.Error()
		v.damaged(where)
	}
	fetch := f.view.Fetch(p.ID, e)
	offset := e.Location.Offset
	for i := range e.Columns {
		blob, _, err := fetch(ctx, i)
		if errors.Is(err, store.ErrNotFound) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.gone[e.ID] = true
			return nil
		}
		if err == nil {
			err = chunk.VerifyColumn(ctx, e, i, blob)
		}
		if of, ok := chunk.BloomOf(e.Columns[i].ID); ok && err == nil {
			err = verifyBloom(ctx, e, i, blob, of, fetch)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !v.reported(blobPlace{e.ID, i}) {
			d := where
			d.Column, d.Problem = storedName(t.Table, &e.Columns[i]), reason(err)
			if at := offset; f.local != nil {
				d.Offset = &at
			}
			v.damaged(d)
		}
		offset += e.Columns[i].Size
		v.progress.add(e.Columns[i].Size)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Chunks++
	v.report.Columns += len(e.Columns)
	v.report.Rows += int64(e.Rows)
	return nil
}

// verifyBloom compares a Bloom filter with the column that it is of. If that is damaged it is
// reported as itself.
func verifyBloom(ctx context.Context, e *chunk.Entry, column int, blob []byte, of schema.ColumnID, fetch chunk.Fetch) error {
	i := slices.IndexFunc(e.Columns, func(c chunk.ColumnEntry) bool { return c.ID == of })
	if i < 0 {
		return fmt.Errorf("%w: a Bloom filter of a column that the chunk does not have", chunk.ErrCorrupt)
	}
	values, _, err := fetch(ctx, i)
	if err != nil || !chunk.ChecksumHolds(values) {
		return nil
	}
	return chunk.VerifyBloom(ctx, e, column, blob, values)
}

func (v *verifier) reported(b blobPlace) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bad[b]
}

func (v *verifier) damaged(d damageReport) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Damage = append(v.report.Damage, d)
}

// missing looks for the chunks that were not there. A server may have removed
// them since the logs were read; those that the logs of now still name are
// missing, unless they go while that is being found out.
func (v *verifier) missing(ctx context.Context) error {
	for attempt := 0; len(v.gone) > 0; attempt++ {
		before := v.gone
		f, err := v.command.openSettled(ctx)
		if err != nil {
			return err
		}
		named := 0
		f.eachChunk(&place{}, func(t *engine.TableView, p *engine.PartitionView, e *chunk.Entry) {
			if !before[e.ID] {
				return
			}
			named++
			if attempt == inspectAttempts {
				d := f.whereChunk(p, e)
				d.Problem = "the commit log names the chunk, and it is not there"
				v.damaged(d)
			}
		})
		v.report.Removed += len(before) - named
		if attempt == inspectAttempts {
			return f.close()
		}
		if err := errors.Join(v.chunks(ctx, f, &place{}, before), f.close()); err != nil {
			return err
		}
	}
	return nil
}

// sort puts the damage in order, whichever was found first.
func (r *verifyReport) sort() {
	slices.SortStableFunc(r.Damage, func(a, b damageReport) int {
		return slices.Compare([]string{a.Table, a.PartitionKey, a.Chunk, a.File}, []string{b.Table, b.PartitionKey, b.Chunk, b.File})
	})
}

func (r *verifyReport) print(p *printer) {
	for _, d := range r.Damage {
		for i, l := range d.lines() {
			prefix := "DAMAGED  "
			if i > 0 {
				prefix = "         "
			}
			p.line("%s%s", prefix, p.clean(l, 0))
		}
	}
	if len(r.Damage) > 0 {
		p.line("")
	}
	var parts []string
	if r.Files > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s)", plural(int64(r.Files), "file"), size(r.Bytes)))
	}
	parts = append(parts, fmt.Sprintf("%s (%s, %s)", plural(int64(r.Chunks), "chunk"), plural(int64(r.Columns), "column"), plural(r.Rows, "row")))
	p.line("checked %s", strings.Join(parts, " and "))
	if r.Removed > 0 {
		p.line("%s removed by a server meanwhile", plural(int64(r.Removed), "chunk")+" "+wasWere(r.Removed))
	}
	if len(r.Damage) == 0 {
		p.line("all is as it was written")
	}
}

func wasWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
