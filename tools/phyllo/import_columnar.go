package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/internal/copyformat"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/tools/arrowfile"
	"golang.org/x/sync/errgroup"
)

// How Parquet and Arrow are imported.
//
// Problem: files of any size come in, in bounded memory, and every row is there
// once also if the command or the server is killed in between.
//
// Options: send the file to the HTTP server (which would have to hold a Parquet
// file as a whole, for it begins at its end, and one transaction a file starts
// again from the beginning); or read the file here and send rows by COPY.
//
// Choice: the latter, in transactions of bounded size, each with a step of
// progress beside the rows (import_progress.go). The rows of a file have an order,
// so the number of rows that are done says where to go on, if the file is the
// same: its size and the hash of its beginning and end are kept with the steps.

// columnarFlags are the flags of imports of Parquet and Arrow.
type columnarFlags struct {
	Create      bool     `help:"Make the table from the file's columns." group:"Parquet and Arrow"`
	PrimaryKey  []string `help:"Columns of the primary key of a table that is made." placeholder:"COLUMN" group:"Parquet and Arrow"`
	PartitionBy string   `help:"How a table that is made is partitioned, such as 'HASH (sensor)'." placeholder:"CLAUSE" group:"Parquet and Arrow"`
	Partitions  int      `help:"Number of partitions of a table that is made, with HASH." group:"Parquet and Arrow"`
	TimeColumn  string   `help:"Time column of a table that is made." placeholder:"COLUMN" group:"Parquet and Arrow"`
	Slice       string   `help:"Slice of a table that is made, such as '1 day'." placeholder:"INTERVAL" group:"Parquet and Arrow"`
	Retention   string   `help:"Retention of a table that is made." placeholder:"INTERVAL" group:"Parquet and Arrow"`
	OnDuplicate string   `help:"What a table that is made does with a key that is there: replace, error or ignore." enum:",replace,error,ignore" default:"" group:"Parquet and Arrow"`
	Skip        []string `help:"Columns of the file that are left out." placeholder:"COLUMN" group:"Parquet and Arrow"`
	Partial     bool     `help:"Columns of the table that the file does not have take their defaults." group:"Parquet and Arrow"`
	RoundTimes  bool     `help:"Round times that are finer than microseconds instead of refusing them." group:"Parquet and Arrow"`
	Again       bool     `help:"Import a file from its beginning that was imported before, or whose import was interrupted." group:"Parquet and Arrow"`
	TxnMiB      int      `name:"transaction-mib" default:"32" help:"Rows of a transaction, in MiB: about what an interruption costs." placeholder:"MIB" group:"Parquet and Arrow"`

	// What tests change: rows of a transaction in bytes, if not 0, and what is called
	// before each commit and after it to end the import there.
	txnBytes  int
	interrupt func() error
}

// columnarFormat says which format of columns a file has, "" for none.
func columnarFormat(path, format string) arrowfile.Format {
	switch format {
	case "parquet", "arrow", "arrows":
		return arrowfile.Format(format)
	case "":
	default:
		return ""
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".parquet", ".pq":
		return arrowfile.Parquet
	case ".arrow", ".feather", ".ipc":
		return arrowfile.Arrow
	case ".arrows":
		return arrowfile.Stream
	}
	return ""
}

// A columnarImport is the import of one file. It is used by one goroutine.
type columnarImport struct {
	*importCommand
	path     string
	reader   *arrowfile.Reader
	conn     *pgconn.PgConn
	table    tablePath
	progress *importProgress
	encoder  *arrowfile.Encoder
	targets  []arrowfile.Target
	at       importStep // the last one that is done
	bar      *rowBar
}

// importMoves is how often an import that finds another at work looks again.
const importMoves = 3

// columnar imports a file and returns how many rows it has.
func (c *importCommand) columnar(ctx context.Context, path string, f arrowfile.Format) (n int64, err error) {
	if c.TxnMiB < 1 || c.TxnMiB > 1024 {
		return 0, fmt.Errorf("--transaction-mib %d: must be 1 to 1024", c.TxnMiB)
	}
	for try := 1; ; try++ {
		n, err = c.columnarOnce(ctx, path, f)
		if !errors.Is(err, errMoved) || try == importMoves {
			break
		}
	}
	if ctx.Err() != nil {
		return n, fmt.Errorf("interrupted: the same command goes on where it stopped (%w)", context.Cause(ctx))
	}
	return n, explained(err)
}

func (c *importCommand) columnarOnce(ctx context.Context, path string, f arrowfile.Format) (n int64, err error) {
	j := &columnarImport{importCommand: c, path: path, table: parseTablePath(c.Table)}
	if j.reader, err = arrowfile.Open(path, f); err != nil {
		return 0, err
	}
	defer j.reader.Close()
	if j.conn, err = c.connect(ctx, c.User, "phyllo import", c.Attempts); err != nil {
		return 0, err
	}
	defer j.conn.Close(context.WithoutCancel(ctx))
	finished, err := j.prepare(ctx)
	if err != nil {
		return 0, err
	}
	if finished && !c.Quiet {
		fmt.Fprintf(os.Stderr, "%s was imported before, %s: nothing is to be done. --again imports it once more.\n", path, plural(j.at.rows, "row"))
	}
	if finished {
		return j.at.rows, nil
	}
	out := io.Writer(os.Stderr)
	if c.Quiet {
		out = io.Discard
	}
	j.bar = newRowBar(out, filepath.Base(path), j.reader.Rows())
	defer j.bar.end()
	return j.at.rows, j.send(ctx)
}

// prepare finds how far the file has come, makes the table if it is to be made,
// and matches columns.
func (j *columnarImport) prepare(ctx context.Context) (finished bool, err error) {
	print, err := fingerprintOf(j.path)
	if err != nil {
		return false, err
	}
	if j.progress, err = newImportProgress(j.conn, j.table, j.path); err != nil {
		return false, err
	}
	columns, oid, err := j.columns(ctx)
	if err != nil {
		return false, err
	}
	if oid == "" && !j.Create {
		return false, pgerr.New(pgerr.UndefinedTable, "relation %q does not exist\nhint: --create makes it from the file's columns", j.table)
	}
	if oid != "" { // what can be refused is refused before anything is made
		if err := j.match(columns); err != nil {
			return false, err
		}
	}
	definition := ""
	if j.Create {
		if definition, err = j.definition(); err != nil {
			return false, err
		}
	}
	if err := j.progress.make(ctx); err != nil {
		return false, err
	}
	last, err := j.progress.last(ctx)
	if err != nil {
		return false, err
	}
	j.at = importStep{run: 1, fingerprint: print, oid: oid}
	ours := last != nil && last.oid == oid
	if last != nil {
		j.at.run = last.run + 1
		switch {
		case !ours || j.Again: // the table was dropped meanwhile
		case last.finished && last.fingerprint == print:
			j.at = *last
			return true, nil
		case last.finished, last.rows == 0 && last.fingerprint != print:
		case last.fingerprint != print:
			return false, fmt.Errorf("the file has changed since %s of it were imported, and cannot be gone on with\nhint: Put the old one back, or import this one from its beginning with --again", plural(last.rows, "row"))
		default:
			j.at = *last
			return false, nil
		}
	}
	if !j.Create || ours {
		return false, nil
	}
	if oid != "" {
		return false, pgerr.New(pgerr.DuplicateTable, "relation %q already exists\nhint: Without --create the rows are added to it", j.table)
	}
	return false, j.create(ctx, definition)
}

// columns reads the table's columns, and its OID, "" if there is no such table.
func (j *columnarImport) columns(ctx context.Context) (columns []importColumn, oid string, err error) {
	found, err := rows(ctx, j.conn, `SELECT c.oid, a.attname, a.atttypid, a.atttypmod, a.attnotnull FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, j.table.schema, j.table.name)
	if err != nil {
		return nil, "", err
	}
	for _, r := range found {
		id, err1 := strconv.ParseUint(r[2], 10, 32)
		mod, err2 := strconv.ParseInt(r[3], 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, "", err
		}
		oid = r[0]
		columns = append(columns, importColumn{r[1], datum.Type{OID: datum.OID(id), Mod: int32(mod)}, r[4] == "t"})
	}
	return columns, oid, nil
}

type importColumn struct {
	name    string
	t       datum.Type
	notNull bool
}

// match finds the field of each column by its name.
func (j *columnarImport) match(columns []importColumn) error {
	fields, err := j.fields()
	if err != nil {
		return err
	}
	j.targets = nil
	for _, c := range columns {
		i, ok := fields[c.name]
		if ok {
			j.targets = append(j.targets, arrowfile.Target{Name: c.name, Type: c.t, NotNull: c.notNull, Field: i})
			delete(fields, c.name)
		} else if !j.Partial {
			return pgerr.New(pgerr.UndefinedColumn, "column %q of the table is missing from the file\nhint: With --partial it takes its default", c.name)
		}
	}
	for _, f := range j.reader.Schema().Fields() {
		if _, ok := fields[f.Name]; ok {
			names := make([]string, len(columns))
			for i, c := range columns {
				names[i] = c.name
			}
			return pgerr.New(pgerr.UndefinedColumn, "column %q of the file does not exist in relation %q, whose columns are %s\nhint: --skip %s leaves it out", f.Name, j.table, strings.Join(names, ", "), f.Name)
		}
	}
	j.encoder, err = arrowfile.NewEncoder(j.reader.Schema(), j.targets, arrowfile.Options{RoundTimes: j.RoundTimes})
	return err
}

// fields returns the file's fields that are to be imported by name.
func (j *columnarImport) fields() (map[string]int, error) {
	out := map[string]int{}
	for i, f := range j.reader.Schema().Fields() {
		if _, twice := out[f.Name]; twice {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q is there more than once in the file", f.Name)
		}
		out[f.Name] = i
	}
	for _, name := range j.Skip {
		if _, ok := out[name]; !ok {
			return nil, pgerr.New(pgerr.UndefinedColumn, "--skip: the file has no column %q", name)
		}
		delete(out, name)
	}
	return out, nil
}

// definition is the statement that makes the table.
func (j *columnarImport) definition() (string, error) {
	fields, err := j.fields()
	if err != nil {
		return "", err
	}
	var parts, names []string
	for _, f := range j.reader.Schema().Fields() {
		if _, ok := fields[f.Name]; !ok {
			continue
		}
		t, err := arrowfile.TypeOf(f)
		if err != nil {
			return "", err
		}
		names = append(names, f.Name)
		parts = append(parts, idents([]string{f.Name})+" "+t.String())
	}
	for flag, columns := range map[string][]string{"--primary-key": j.PrimaryKey, "--time-column": nonEmpty(j.TimeColumn)} {
		for _, c := range columns {
			if !slices.Contains(names, c) {
				return "", pgerr.New(pgerr.UndefinedColumn, "%s: the file has no column %q; its columns are %s", flag, c, strings.Join(names, ", "))
			}
		}
	}
	if len(j.PrimaryKey) > 0 {
		parts = append(parts, "PRIMARY KEY ("+idents(j.PrimaryKey)+")")
	}
	sql := "CREATE TABLE " + j.table.sql() + " (" + strings.Join(parts, ", ") + ")"
	if j.PartitionBy != "" {
		sql += " PARTITION BY " + j.PartitionBy
	}
	var with []string
	if j.Partitions != 0 {
		with = append(with, fmt.Sprintf("partitions = %d", j.Partitions))
	}
	for _, o := range [][2]string{{"time_column", j.TimeColumn}, {"slice", j.Slice}, {"retention", j.Retention}, {"on_duplicate", j.OnDuplicate}} {
		if o[1] != "" {
			with = append(with, o[0]+" = '"+strings.ReplaceAll(o[1], "'", "''")+"'")
		}
	}
	if len(with) > 0 {
		sql += " WITH (" + strings.Join(with, ", ") + ")"
	}
	return sql, nil
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// create makes the table, and the first step with it.
func (j *columnarImport) create(ctx context.Context, definition string) error {
	if err := run(ctx, j.conn, "BEGIN"); err != nil {
		return err
	}
	if err := run(ctx, j.conn, definition); err != nil {
		return fmt.Errorf("%w\nin: %s", explained(err), definition)
	}
	columns, oid, err := j.columns(ctx)
	if err == nil {
		err = j.match(columns)
	}
	if err != nil {
		return err
	}
	next := j.at
	next.oid = oid
	if err := j.progress.put(ctx, &next); err != nil {
		return err
	}
	if err := run(ctx, j.conn, "COMMIT"); err != nil {
		return err
	}
	j.at = next
	return nil
}

// A piece is the rows of a transaction as COPY's binary format has them.
type piece struct {
	data   []byte
	rows   int64
	values int64 // bytes of data that are of rows
	last   bool
}

// send sends what is not done yet, and reads the next transaction's rows while one
// is on its way.
func (j *columnarImport) send(ctx context.Context) error {
	j.bar.skip(j.at.rows)
	pieces := make(chan piece)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pieces)
		return j.read(gctx, j.at.rows, pieces)
	})
	g.Go(func() error {
		for p := range pieces {
			if err := j.transaction(gctx, p); err != nil {
				return err
			}
			j.bar.add(contentSum{rows: p.rows, bytes: p.values})
		}
		return nil
	})
	return g.Wait()
}

// read encodes the rows from a row on.
func (j *columnarImport) read(ctx context.Context, from int64, pieces chan<- piece) error {
	binary := copyformat.DefaultOptions(copyformat.Binary)
	most := j.txnBytes
	if most == 0 {
		most = j.TxnMiB << 20
	}
	begin := func() piece { return piece{data: binary.AppendHeader(nil, nil)} }
	p := begin()
	give := func() error {
		p.values = int64(len(p.data))
		p.data = binary.AppendTrailer(p.data)
		select {
		case pieces <- p:
			p = begin()
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	batch, err := j.reader.Skip(ctx, from)
	if batch == nil && err == nil {
		batch, err = j.reader.Next(ctx)
	}
	for ; err == nil; batch, err = j.reader.Next(ctx) {
		if err := j.encode(batch, &p, most, give); err != nil {
			return err
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	p.last = true
	return give()
}

// encode encodes a batch, which it releases.
func (j *columnarImport) encode(batch arrow.RecordBatch, p *piece, most int, give func() error) error {
	defer batch.Release()
	first := j.reader.Row() - batch.NumRows()
	encoder, err := j.encoder.Bind(batch)
	if err != nil {
		return fmt.Errorf("%s: %w", j.reader.Where(), err)
	}
	for row := 0; row < int(batch.NumRows()); {
		data, next, err := encoder.Append(p.data, row, int(batch.NumRows()), most)
		var bad *arrowfile.ValueError
		if errors.As(err, &bad) {
			where := fmt.Sprintf("%s, row %d, column %q", j.reader.Where(), first+int64(bad.Row)+1, j.targets[bad.Column].Name)
			if bad.Value != "" {
				where += fmt.Sprintf(", value %q", bad.Value)
			}
			return fmt.Errorf("%s: %w", where, withHint(err))
		}
		if err != nil {
			return err
		}
		p.data, p.rows, row = data, p.rows+int64(next-row), next
		if len(p.data) >= most {
			if err := give(); err != nil {
				return err
			}
		}
	}
	return nil
}

// transaction sends a piece with its step, again while the server says that it is
// busy: what was refused has changed nothing.
func (j *columnarImport) transaction(ctx context.Context, p piece) error {
	for attempt := 1; ; attempt++ {
		err := j.try(ctx, p)
		if err == nil || !isBusy(err) || attempt >= j.Attempts {
			return err
		}
		if err := run(ctx, j.conn, "ROLLBACK"); err != nil {
			return err
		}
		if err := breath(ctx); err != nil {
			return err
		}
	}
}

func (j *columnarImport) try(ctx context.Context, p piece) error {
	if err := run(ctx, j.conn, "BEGIN"); err != nil {
		return err
	}
	if p.rows > 0 {
		names := make([]string, len(j.targets))
		for i, t := range j.targets {
			names[i] = t.Name
		}
		sql := "COPY " + j.table.sql() + " (" + idents(names) + ") FROM STDIN (FORMAT binary)"
		if _, err := j.conn.CopyFrom(ctx, bytes.NewReader(p.data), sql); err != nil {
			return located(err, j.at.rows)
		}
	}
	next := j.at
	next.rows, next.finished = next.rows+p.rows, p.last
	if err := j.progress.put(ctx, &next); err != nil {
		return err
	}
	if j.interrupt != nil {
		if err := j.interrupt(); err != nil {
			return err
		}
	}
	if err := run(ctx, j.conn, "COMMIT"); err != nil {
		if sqlState(err) == "" {
			err = fmt.Errorf("%w\nIt is not known whether the last transaction was committed: the same command finds out and goes on", err)
		}
		return err
	}
	j.at = next
	if j.interrupt != nil {
		return j.interrupt()
	}
	return nil
}

var copyLine = regexp.MustCompile(`, line (\d+)(?:, column ([^:]+))?`)

// located says which row of the file a server's error is about; before is the
// number of rows before those of the COPY.
func located(err error, before int64) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	m := copyLine.FindStringSubmatch(e.Where)
	if m == nil {
		return err
	}
	line, perr := strconv.ParseInt(m[1], 10, 64)
	if perr != nil {
		return err
	}
	where := fmt.Sprintf("row %d", before+line)
	if m[2] != "" {
		where += fmt.Sprintf(", column %q", m[2])
	}
	return fmt.Errorf("%s: %w", where, explained(err))
}
