package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// inspectCommand shows what a store holds, level by level: folder (or keyspace), table,
// partition, chunk, column. It changes nothing and takes no lock.
type inspectCommand struct {
	Dir       string `arg:"" help:"Data folder, or cassandra://HOST[:PORT][,HOST...]/KEYSPACE; servers may be using it."`
	Table     string `arg:"" optional:"" help:"Table, or schema.table."`
	Partition string `arg:"" optional:"" help:"Partition: its number in the listing of the table, or its key in hexadecimal."`
	Chunk     string `arg:"" optional:"" help:"Chunk: its number in the listing of the partition, or the beginning of its ID."`
	Column    string `arg:"" optional:"" help:"Column of the chunk."`

	Why bool    `help:"Of a chunk or a column: the encodings that were weighed, their sizes and what they cost to decode."`
	Map bool    `help:"Of a table or a partition: draw its chunks over time and key."`
	SVG *string `name:"svg" help:"Draw them into an SVG file as well." placeholder:"FILE"`

	Verify bool `help:"Read everything and check every checksum and every value; the exit status is 1 if something is damaged."`
	JSON   bool `name:"json" help:"Print JSON, for programs."`
	ASCII  bool `name:"ascii" help:"Print plain ASCII; the default where the locale is not UTF-8."`

	copySide

	width int // of the terminal, 0 if there is none
}

// drawn says whether chunks are drawn, of which all are not needed at once.
func (c *inspectCommand) drawn() bool { return c.Map || c.SVG != nil }

// check refuses flags where they say nothing.
func (c *inspectCommand) check() error {
	switch {
	case c.Why && c.Chunk == "":
		return errors.New("--why explains the columns of a chunk: name a table, a partition and a chunk")
	case c.drawn() && (c.Table == "" || c.Chunk != ""):
		return errors.New("--map and --svg draw the chunks of a table, or of one of its partitions: name it, and no chunk")
	case c.Verify && (c.Why || c.drawn()):
		return errors.New("--verify checks and draws or explains nothing: run them one after the other")
	}
	return nil
}

// Run implements the command.
func (c *inspectCommand) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdout, os.Stderr, os.Getenv)
}

func (c *inspectCommand) run(ctx context.Context, out, progress io.Writer, env func(string) string) error {
	if err := c.check(); err != nil {
		return err
	}
	s := styleOf(out, env)
	s.ascii = s.ascii || c.ASCII
	c.width = s.width
	var buf bytes.Buffer
	r, err := c.report(ctx, progress)
	if r != nil {
		if c.JSON {
			e := json.NewEncoder(&buf)
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			err = errors.Join(err, e.Encode(r))
		} else {
			r.print(&printer{w: &buf, style: s})
		}
		if _, werr := out.Write(buf.Bytes()); werr != nil {
			return werr
		}
	}
	return withHint(err)
}

// A report is what one level shows: as JSON, or printed for people.
type report interface {
	print(p *printer)
}

// report looks at the folder. With an error that tells of damage there is a
// report as well, of what could be read.
func (c *inspectCommand) report(ctx context.Context, progress io.Writer) (report, error) {
	if c.Verify {
		return c.verify(ctx, progress)
	}
	var r report
	err := c.retry(ctx, func(f *folder) (err error) {
		r, err = c.level(ctx, f)
		return err
	})
	return r, err
}

// level makes the report that the arguments ask for.
func (c *inspectCommand) level(ctx context.Context, f *folder) (report, error) {
	p, err := f.find(c)
	switch {
	case err != nil:
		return nil, err
	case c.drawn():
		return f.mapReport(ctx, p, c.SVG, c.width)
	case c.Table == "":
		return f.report(ctx)
	case c.Why:
		return f.whyReport(ctx, p, c.Column != "")
	case c.Partition == "":
		return f.tableReport(p.table), f.damage()
	case c.Chunk == "":
		return f.partitionReport(p), p.partition.Err
	case c.Column == "":
		return f.chunkReport(p), nil
	}
	return f.columnReport(ctx, p)
}

// A folder that changes meanwhile is looked at again, at most so often and after
// pauses of at most so long: some two seconds in all.
const (
	inspectAttempts = 20
	longestPause    = 100 * time.Millisecond
)

// retry opens the folder and calls look, again if something seemed to be missing
// or damaged that a running server may just have replaced.
func (c *inspectCommand) retry(ctx context.Context, look func(f *folder) error) error {
	f, err := c.settle(ctx, look)
	if f != nil {
		err = errors.Join(err, f.close())
	}
	return err
}

// settle does what retry does, and returns the folder as look saw it last, still
// open; nil if there is none that look has a final word on. An error is believed
// if it comes back while nothing has changed.
func (c *inspectCommand) settle(ctx context.Context, look func(f *folder) error) (*folder, error) {
	var last error
	stamp := ""
	for attempt := range inspectAttempts {
		if attempt > 0 {
			if err := pause(ctx, min(longestPause, time.Duration(attempt)*10*time.Millisecond)); err != nil {
				return nil, err
			}
		}
		f, err := c.openFolder(ctx)
		if err != nil {
			return nil, err
		}
		now := f.stamp()
		err = look(f)
		if err == nil || !mayHaveMoved(err) {
			return f, notFoundAnyMore(err, last)
		}
		if last != nil && last.Error() == err.Error() && now == stamp {
			return f, err
		}
		if cerr := f.close(); cerr != nil {
			return nil, errors.Join(err, cerr)
		}
		last, stamp = err, now
	}
	return nil, fmt.Errorf("the folder changed each of the %d times that it was read: %w\nhint: A server is busy with it; try again", inspectAttempts, last)
}

// notFoundAnyMore explains that something is gone which was there at first.
func notFoundAnyMore(err, before error) error {
	var missing *notFoundError
	if before == nil || !errors.As(err, &missing) {
		return err
	}
	return fmt.Errorf("%w\nIt was there a moment ago: a server is using the folder and has removed it", err)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withHint adds the hint that an error carries.
func withHint(err error) error {
	var e *pgerr.Error
	if errors.As(err, &e) && e.Hint != "" {
		return fmt.Errorf("%w\nhint: %s", err, e.Hint)
	}
	return err
}
