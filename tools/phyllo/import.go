package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

type importCommand struct {
	Table    string   `arg:"" help:"Table, or schema.table."`
	Files    []string `arg:"" type:"existingfile" help:"Files: .csv (with a header line) or .ndjson, .jsonl, also with .gz or .zst, each one transaction; .parquet, .arrow, .arrows, which are gone on with after an interruption."`
	Server   string   `help:"The server's HTTP address, for CSV and NDJSON." default:"http://127.0.0.1:8080" env:"PHYLLO_SERVER"`
	Format   string   `help:"csv, ndjson, parquet, arrow or arrows; by default what the file's name says." enum:",csv,ndjson,parquet,arrow,arrows" default:""`
	User     string   `help:"User, if the server wants one; the password comes from PHYLLO_PASSWORD."`
	Quiet    bool     `short:"q" help:"No progress bar."`
	Attempts int      `help:"How often a file is tried while the server is busy." default:"60"`

	sessionFlags  `embed:""`
	columnarFlags `embed:""`
}

// Run sends the files one after the other.
func (c *importCommand) Run(ctx context.Context) error {
	var total int64
	for _, path := range c.Files {
		n, err := c.one(ctx, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		total += n
	}
	fmt.Printf("%d rows\n", total)
	return nil
}

// one imports one file.
func (c *importCommand) one(ctx context.Context, path string) (int64, error) {
	if f := columnarFormat(path, c.Format); f != "" {
		return c.columnar(ctx, path, f)
	}
	if c.Create {
		return 0, fmt.Errorf("--create: only Parquet and Arrow say what their columns are")
	}
	return c.file(ctx, path)
}

// file sends one file, again while the server says that it is busy: a request
// that was refused has changed nothing.
func (c *importCommand) file(ctx context.Context, path string) (int64, error) {
	for attempt := 1; ; attempt++ {
		n, busy, err := c.send(ctx, path)
		if err == nil || !busy || attempt >= c.Attempts {
			return n, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (c *importCommand) send(ctx context.Context, path string) (rows int64, busy bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	var lines atomic.Int64
	progress, done := c.progress(filepath.Base(path), info.Size(), f, &lines)
	defer done()
	body, format, err := c.open(path, progress)
	if err != nil {
		return 0, false, err
	}
	target := strings.TrimSuffix(c.Server, "/") + "/api/v1/ingest/" + url.PathEscape(c.Table) + "?format=" + format
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, &lineCounter{src: body, lines: &lines})
	if err != nil {
		return 0, false, err
	}
	if c.User != "" {
		req.SetBasicAuth(c.User, os.Getenv("PHYLLO_PASSWORD"))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	return answer(resp)
}

// answer reads what the server said.
func answer(resp *http.Response) (rows int64, busy bool, err error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, false, err
	}
	var out struct {
		Rows  int64  `json:"rows"`
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return 0, false, fmt.Errorf("%s: %s", resp.Status, text)
	}
	if resp.StatusCode == http.StatusOK {
		return out.Rows, false, nil
	}
	busy = resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
	if out.Hint != "" {
		out.Error += "\nhint: " + out.Hint
	}
	return 0, busy, fmt.Errorf("%s: %s", resp.Status, out.Error)
}

// open unpacks a file by its name and tells its format.
func (c *importCommand) open(path string, src io.Reader) (io.Reader, string, error) {
	name := strings.ToLower(path)
	switch {
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, "", err
		}
		src, name = z, strings.TrimSuffix(name, ".gz")
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewReader(src)
		if err != nil {
			return nil, "", err
		}
		src, name = z, strings.TrimSuffix(name, ".zst")
	}
	if c.Format != "" {
		return src, c.Format, nil
	}
	switch filepath.Ext(name) {
	case ".csv":
		return src, "csv", nil
	case ".ndjson", ".jsonl", ".json":
		return src, "ndjson", nil
	}
	return nil, "", fmt.Errorf("cannot tell the format from the name: use --format csv or --format ndjson")
}

// A lineCounter counts the lines that pass, as a figure for people.
type lineCounter struct {
	src   io.Reader
	lines *atomic.Int64
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.src.Read(p)
	l.lines.Add(int64(bytes.Count(p[:n], []byte{'\n'})))
	return n, err
}

// progress wraps a file in a bar: rows, MB/s of the file and the time left.
func (c *importCommand) progress(name string, size int64, f io.Reader, lines *atomic.Int64) (io.Reader, func()) {
	if c.Quiet || !term.IsTerminal(int(os.Stderr.Fd())) {
		return f, func() {}
	}
	p := mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(40))
	bar := p.AddBar(size,
		mpb.PrependDecorators(decor.Name(name+" "), decor.Any(func(decor.Statistics) string { return fmt.Sprintf("%d rows", lines.Load()) })),
		mpb.AppendDecorators(decor.Percentage(), decor.AverageSpeed(decor.SizeB1000(0), "  % .1f"), decor.Name("  left "), decor.AverageETA(decor.ET_STYLE_GO)))
	end := func() {
		if !bar.Completed() {
			bar.Abort(false)
		}
		p.Wait()
	}
	in, err := bar.ProxyReader(f)
	if err != nil { // the bar has been ended already; the file can do without
		return f, end
	}
	return in, end
}
