// Command density compares the bytes that rows take, column by column, with those
// of the same rows in the same order in Parquet, DuckDB and ClickHouse.
//
// Our rows lie as those of a compacted table: sorted by key within slices, in
// chunks of 65,536 rows. Without --data it generates readings of CPUs as the Time
// Series Benchmark Suite does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/tools/testenv"
)

type options struct {
	Data []string `help:"File with rows: .csv, .csv.gz, .parquet, .timescaledb.gz (TSBS), or .csv and .bin with nothing but doubles in a folder named by path/. Options follow as ?key=a,b&time=c&slice=720h&types=a:text,b:real&name=n, &partitions=4 by hash of the key's first column, &header=none&delimiter=%09 of .csv, &kind=lines for a file of text, &table=t&tags=all of TSBS." sep:"none"`
	CPU  []string `name:"cpu" help:"Generated readings of 10 metrics as this type: double, bigint." default:"double"`
	Rows int      `help:"Rows of generated readings." default:"216000"`
	Seed uint64   `help:"Seed of generated readings." default:"42"`
	Peer []string `help:"Systems to compare with." default:"parquet,duckdb,clickhouse,clickhouse-zstd"`
	// The peers' sizes change only with their versions and the data.
	Sizes string `help:"File that keeps the peers' sizes from run to run." type:"path"`
	Nanos bool   `help:"Print the nanoseconds that reading a value takes, the least of several times, from the first chunks."`
	Why   bool   `help:"Print what the first chunk's blob of each column consists of, and what was considered for it."`
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("density"), kong.Description("Bytes a row in Phyllo, Parquet, DuckDB and ClickHouse."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, opt); err != nil {
		fmt.Fprintln(os.Stderr, "density:", err)
		os.Exit(1)
	}
}

// A dataset is one table: where its rows come from and what they take.
type dataset struct {
	name  string
	job   *job
	key   []string
	time  string
	slice time.Duration
	parts int // partitions by hash of the key's first column, 0 or 1: none
	rows  int
	ours  []column
	bloom int64 // of Bloom filters, which are no part of their columns
	total int64 // entries and filters included
	file  string
}

// job is an input that the Python program turns into an Arrow file.
type job struct {
	Path      string            `json:"path"`
	Kind      string            `json:"kind"`
	Types     map[string]string `json:"types,omitempty"`
	Delimiter string            `json:"delimiter,omitempty"`
	Header    string            `json:"header,omitempty"` // none: columns are f0, f1 …
	Table     string            `json:"table,omitempty"`  // of TSBS, the first if empty
	Tags      string            `json:"tags,omitempty"`   // all: every tag is a column
	Out       string            `json:"out"`
}

type column struct {
	name  string
	size  int64
	codec string
	nanos float64           // to read a value, if wanted
	why   []codec.Candidate // of the first chunk
	blob  chunk.BlobInfo
}

// sizes are those of a peer.
type sizes struct {
	Total   int64            `json:"total"`
	Columns map[string]int64 `json:"columns"`
}

func run(ctx context.Context, opt options) error {
	python, err := testenv.PythonPeers(ctx)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "density-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	script := filepath.Join(folder, "peers.py")
	if err := os.WriteFile(script, peersScript, 0o644); err != nil {
		return err
	}
	var sets []*dataset
	for _, s := range opt.Data {
		more, err := parse(s)
		if err != nil {
			return err
		}
		sets = append(sets, more...)
	}
	var jobs []*job
	for i, d := range sets {
		d.job.Out = filepath.Join(folder, fmt.Sprintf("in%d.arrow", i))
		jobs = append(jobs, d.job)
	}
	if len(jobs) > 0 {
		list := filepath.Join(folder, "jobs.json")
		b, err := json.Marshal(jobs)
		if err != nil {
			return err
		}
		if err := os.WriteFile(list, b, 0o644); err != nil {
			return err
		}
		if _, err := output(ctx, python, script, "read", list); err != nil {
			return err
		}
	}
	if len(opt.Data) == 0 {
		for _, typ := range opt.CPU {
			sets = append(sets, &dataset{name: "cpu " + typ, key: []string{"host", "time"}, time: "time"})
		}
	}
	for i, d := range sets {
		d.file = filepath.Join(folder, fmt.Sprintf("sorted%d.arrow", i))
		if err := encode(d, opt); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	peers, err := compare(ctx, opt, python, script, sets)
	if err != nil {
		return err
	}
	for _, d := range sets {
		report(d, opt, peers[d.name])
	}
	summary(sets, opt, peers)
	return nil
}

// parse reads a --data flag.
func parse(s string) ([]*dataset, error) {
	path, query, _ := strings.Cut(s, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	var files []string
	if strings.HasSuffix(path, "/") {
		for _, pattern := range []string{"*.csv", "*.bin"} {
			found, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
		var sets []*dataset
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))
			sets = append(sets, &dataset{name: name, job: &job{Path: f, Kind: "doubles"}})
		}
		return sets, nil
	}
	base, _, _ := strings.Cut(filepath.Base(path), ".")
	d := &dataset{name: base, time: q.Get("time"), job: &job{Path: path, Kind: "csv",
		Delimiter: q.Get("delimiter"), Header: q.Get("header"), Table: q.Get("table"), Tags: q.Get("tags")}}
	if q.Has("name") {
		d.name = q.Get("name")
	}
	switch {
	case strings.HasSuffix(path, ".parquet"):
		d.job.Kind = "parquet"
	case strings.HasSuffix(path, ".timescaledb.gz"):
		d.job.Kind = "readings"
		d.key, d.time = []string{"host", "time"}, "time"
	}
	if k := q.Get("key"); k != "" {
		d.key = strings.Split(k, ",")
	}
	if t := q.Get("types"); t != "" {
		d.job.Types = map[string]string{}
		for _, p := range strings.Split(t, ",") {
			name, typ, _ := strings.Cut(p, ":")
			d.job.Types[name] = typ
		}
	}
	if q.Has("kind") {
		d.job.Kind = q.Get("kind")
	}
	if p := q.Get("slice"); p != "" {
		if d.slice, err = time.ParseDuration(p); err != nil {
			return nil, err
		}
	}
	if p := q.Get("partitions"); p != "" {
		if d.parts, err = strconv.Atoi(p); err != nil || d.parts < 1 || len(d.key) == 0 {
			return nil, fmt.Errorf("%s: partitions want a number and a key", s)
		}
	}
	return []*dataset{d}, nil
}

// encode sorts and seals the rows of a dataset and writes them down for the peers.
func encode(d *dataset, opt options) error {
	var rows arrow.RecordBatch
	var err error
	if d.job == nil {
		rows = cpuRows(opt.Seed, opt.Rows, strings.HasSuffix(d.name, "bigint"))
	} else if rows, err = readArrow(d.job.Out); err != nil {
		return err
	}
	defer rows.Release()
	l, err := layoutOf(d, rows.Schema())
	if err != nil {
		return err
	}
	sorted, err := partitioned(d, l, rows)
	if err != nil {
		return err
	}
	w, err := newArrowFile(d.file, rows.Schema())
	if err != nil {
		return err
	}
	d.ours = make([]column, len(l.Columns))
	codecs := make([]map[string]int, len(l.Columns))
	for i, c := range l.Columns {
		d.ours[i].name = c.Name
		codecs[i] = map[string]int{}
	}
	ids := chunk.NewIDs(nil)
	for _, s := range sorted {
		sealed, err := chunk.Seal(l, chunk.SealOptions{Slice: s.Slice, IDs: ids}, s.Batch)
		if err != nil {
			return err
		}
		if err := w.write(s.Batch); err != nil {
			return err
		}
		s.Batch.Release()
		if opt.Nanos {
			if err := timed(l, sealed, d.ours); err != nil {
				return err
			}
		}
		for _, c := range sealed {
			d.rows += c.Entry.Rows
			d.total += int64(len(chunk.AppendEntry(nil, &c.Entry)))
			for i, e := range c.Entry.Columns {
				d.total += e.Size
				if i >= len(d.ours) {
					d.bloom += e.Size
					continue
				}
				d.ours[i].size += e.Size
				codecs[i][e.Codec] += int(e.Size)
				if opt.Why && d.ours[i].blob.SizeBytes == 0 {
					if d.ours[i].why, err = chunk.Explain(c.Blobs[i]); err != nil {
						return err
					}
					if d.ours[i].blob, err = chunk.Inspect(c.Blobs[i]); err != nil {
						return err
					}
				}
			}
		}
	}
	for i := range codecs {
		for name, n := range codecs[i] {
			if d.ours[i].codec == "" || n > codecs[i][d.ours[i].codec] {
				d.ours[i].codec = name
			}
		}
	}
	return w.close()
}

// timedChunks is how many chunks of a slice are read.
const timedChunks = 4

// timed notes of each column what a value takes to be read from chunks in memory, the least
// of several times and, of several slices, the last one's.
func timed(l *chunk.Layout, chunks []*chunk.Sealed, columns []column) error {
	chunks = chunks[:min(timedChunks, len(chunks))]
	room := chunk.NewRoom(memory.DefaultAllocator)
	for i, c := range l.Columns {
		spec := chunk.ScanSpec{Columns: []schema.ColumnID{c.ID}}
		least, rows := time.Hour, 0
		for range 20 {
			begin := time.Now()
			rows = 0
			for _, s := range chunks {
				n, err := scan(room, chunk.NewSplit(&s.Entry, l, spec, func(_ context.Context, i int) ([]byte, bool, error) { return s.Blobs[i], true, nil }))
				if err != nil {
					return err
				}
				rows += n
			}
			least = min(least, time.Since(begin))
		}
		columns[i].nanos = float64(least.Nanoseconds()) / float64(rows)
	}
	return nil
}

// scan reads a split and counts its rows.
func scan(room *chunk.Room, s chunk.Split) (rows int, err error) {
	var stats chunk.ScanStats
	r, err := s.Scan(context.Background(), room, &stats)
	if err != nil {
		return 0, err
	}
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return rows, r.Close()
		}
		if err != nil {
			return 0, errors.Join(err, r.Close())
		}
		rows += int(b.NumRows())
		b.Release()
	}
}

// compare measures what the peers need, unless a file knows it from before.
func compare(ctx context.Context, opt options, python, script string, sets []*dataset) (map[string]map[string]sizes, error) {
	known := map[string]map[string]sizes{}
	if opt.Sizes != "" {
		if b, err := os.ReadFile(opt.Sizes); err == nil {
			if err := json.Unmarshal(b, &known); err != nil {
				return nil, fmt.Errorf("%s: %w", opt.Sizes, err)
			}
		}
	}
	args := []string{script, "measure", strings.Join(opt.Peer, ",")}
	names := map[string]string{}
	for _, d := range sets {
		if !slices.ContainsFunc(opt.Peer, func(p string) bool { _, ok := known[d.name][p]; return !ok }) {
			continue
		}
		args = append(args, d.file)
		names[d.file] = d.name
	}
	if len(names) == 0 {
		return known, nil
	}
	out, err := output(ctx, python, args...)
	if err != nil {
		return nil, err
	}
	var got map[string]map[string]sizes
	if err := json.Unmarshal(out, &got); err != nil {
		return nil, fmt.Errorf("sizes of the peers: %w", err)
	}
	for file, s := range got {
		known[names[file]] = s
	}
	if opt.Sizes != "" {
		b, err := json.MarshalIndent(known, "", " ")
		if err != nil {
			return nil, err
		}
		return known, os.WriteFile(opt.Sizes, b, 0o644)
	}
	return known, nil
}

func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, program, args...)
	c.Stderr = os.Stderr
	return c.Output()
}

// report prints the bytes a row of each column, ours and the peers', and how ours
// compare with the first peer's.
func report(d *dataset, opt options, peers map[string]sizes) {
	fmt.Printf("\n%s: %d rows\n%-26s %9s", d.name, d.rows, "bytes a row", "phyllo")
	for _, p := range opt.Peer {
		fmt.Printf(" %15s", p)
	}
	fmt.Printf(" %6s  %s\n", "ratio", "mostly")
	line := func(name string, ours int64, theirs func(sizes) int64, nanos float64, codec string) {
		fmt.Printf("%-26s %9.3f", name, float64(ours)/float64(d.rows))
		for _, p := range opt.Peer {
			fmt.Printf(" %15.3f", float64(theirs(peers[p]))/float64(d.rows))
		}
		fmt.Printf(" %6s", ratioText(ours, theirs(peers[opt.Peer[0]])))
		if opt.Nanos {
			fmt.Printf(" %5.2f ns", nanos)
		}
		fmt.Printf("  %s\n", codec)
	}
	all := 0.0
	for _, c := range d.ours {
		all += c.nanos
		line(c.name, c.size, func(s sizes) int64 { return s.Columns[c.name] }, c.nanos, c.codec)
		if b := &c.blob; b.SizeBytes > 0 {
			fmt.Printf("    %d bytes: index %d, NULLs %d, values %d, unless packed together\n", b.SizeBytes, b.IndexBytes, b.MaskBytes, b.PayloadBytes)
			fmt.Print("    ", strings.ReplaceAll(strings.TrimSuffix(b.Tree, "\n"), "\n", "\n    "), "\n")
		}
		for _, w := range c.why {
			fmt.Printf("    %8d bytes, %5.2f ns a value, cost %8d  %s\n", w.Size, w.Nanos, w.Cost, w.Encoding)
		}
	}
	if d.bloom > 0 {
		line("Bloom filters", d.bloom, func(sizes) int64 { return 0 }, 0, "")
	}
	line("total", d.total, func(s sizes) int64 { return s.Total }, all, "")
}

// summary prints the ratio of each dataset to each peer, and the columns that are
// larger than the first peer's.
func summary(sets []*dataset, opt options, peers map[string]map[string]sizes) {
	fmt.Printf("\n%-30s", "ratio of totals to")
	for _, p := range opt.Peer {
		fmt.Printf(" %15s", p)
	}
	fmt.Println()
	for _, d := range sets {
		fmt.Printf("%-30s", d.name)
		for _, p := range opt.Peer {
			fmt.Printf(" %15.2f", ratio(d.total, peers[d.name][p].Total))
		}
		fmt.Println()
	}
	type loss struct {
		name  string
		ratio float64
		codec string
	}
	var losses []loss
	for _, d := range sets {
		for _, c := range d.ours {
			if r := ratio(c.size, peers[d.name][opt.Peer[0]].Columns[c.name]); r > 1.02 {
				losses = append(losses, loss{d.name + "." + c.name, r, c.codec})
			}
		}
	}
	sort.Slice(losses, func(i, j int) bool { return losses[i].ratio > losses[j].ratio })
	fmt.Printf("\n%d columns above 1.02 of %s\n", len(losses), opt.Peer[0])
	for _, l := range losses {
		fmt.Printf("%-50s %6.2f  %s\n", l.name, l.ratio, l.codec)
	}
}

func ratioText(a, b int64) string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", ratio(a, b))
}

func ratio(a, b int64) float64 { return float64(a) / float64(max(b, 1)) }
