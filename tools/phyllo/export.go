package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/tools/arrowfile"
)

// exportCommand writes a table or the rows of a query to a file.
type exportCommand struct {
	Args   []string `arg:"" name:"table file" help:"Table, or schema.table, and the file: .csv, .parquet, .arrow or .arrows, or - for standard output. With --query only the file."`
	Query  string   `help:"Write the rows of a query instead of a table." placeholder:"SQL"`
	Format string   `help:"csv, parquet, arrow (IPC file) or arrows (IPC stream); by default what the file's name says." enum:",csv,parquet,arrow,arrows" default:""`
	User   string   `help:"User, if the server wants one; the password comes from PHYLLO_PASSWORD."`
	Quiet  bool     `short:"q" help:"No progress bar."`
	Group  int      `name:"row-group-mib" default:"64" help:"Values of a row group of Parquet, in MiB: about what the command needs of memory." placeholder:"MIB"`

	sessionFlags `embed:""`

	stdout io.Writer // tests change it
}

// Run implements the command.
func (c *exportCommand) Run(ctx context.Context) error {
	if c.stdout == nil {
		c.stdout = os.Stdout
	}
	n, err := c.export(ctx)
	if err != nil {
		return withHint(explained(err))
	}
	if c.Args[len(c.Args)-1] != "-" {
		fmt.Printf("%s\n", plural(n, "row"))
	}
	return nil
}

func (c *exportCommand) export(ctx context.Context) (rows int64, err error) {
	query, path := c.Query, c.Args[len(c.Args)-1]
	switch {
	case query == "" && len(c.Args) != 2:
		return 0, fmt.Errorf("give a table and a file, or --query and a file")
	case query != "" && len(c.Args) != 1:
		return 0, fmt.Errorf("with --query give only a file")
	case query == "":
		query = "SELECT * FROM " + parseTablePath(c.Args[0]).sql()
	}
	if c.Group < 1 || c.Group > 1024 {
		return 0, fmt.Errorf("--row-group-mib %d: must be 1 to 1024", c.Group)
	}
	format, err := c.format(path)
	if err != nil {
		return 0, err
	}
	conn, err := c.connect(ctx, c.User, "phyllo export", 1)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	progress := io.Writer(os.Stderr)
	if c.Quiet || path == "-" {
		progress = io.Discard
	}
	e := &exporter{conn: conn, query: strings.TrimRight(strings.TrimSpace(query), ";"), format: format, groupBytes: int64(c.Group) << 20,
		bar: newRowBar(progress, filepath.Base(path), c.estimate(ctx, conn))}
	defer e.bar.end()
	if path == "-" {
		return e.write(ctx, c.stdout)
	}
	err = replaceFile(path, func(w io.Writer) (err error) { rows, err = e.write(ctx, w); return err })
	return rows, err
}

func (c *exportCommand) format(path string) (string, error) {
	if c.Format != "" {
		return c.Format, nil
	}
	if f := columnarFormat(path, ""); f != "" {
		return string(f), nil
	}
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		return "csv", nil
	}
	return "", fmt.Errorf("cannot tell the format from the name: use --format csv, parquet, arrow or arrows")
}

// estimate is how many rows a table has, for the bar; 0 if nobody knows.
func (c *exportCommand) estimate(ctx context.Context, conn *pgconn.PgConn) (n int64) {
	if c.Query != "" || c.Quiet {
		return 0
	}
	t := parseTablePath(c.Args[0])
	found, err := rows(ctx, conn, "SELECT c.reltuples::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2", t.schema, t.name)
	if err == nil && len(found) == 1 {
		_, _ = fmt.Sscan(found[0][0], &n) // a bar without a length will do
	}
	return max(n, 0)
}

// replaceFile writes a file under another name beside it, and gives it its name
// when all of it is on the disk. What is left after a crash is overwritten next time.
func replaceFile(path string, write func(w io.Writer) error) (err error) {
	partial := path + ".partial"
	f, err := os.Create(partial)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			err = errors.Join(err, os.Remove(partial))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is there; only a crash of the machine could undo its name
	}
	defer dir.Close()
	_ = dir.Sync() // not all file systems can
	return nil
}

// An exporter writes the rows of a query. It is used by one goroutine.
type exporter struct {
	conn       *pgconn.PgConn
	query      string
	format     string
	groupBytes int64
	bar        *rowBar
}

func (e *exporter) write(ctx context.Context, w io.Writer) (int64, error) {
	if err := run(ctx, e.conn, "BEGIN READ ONLY"); err != nil { // until the session ends
		return 0, err
	}
	if e.format == "csv" {
		e.bar.add(contentSum{rows: -1}) // the line of names is none
		tag, err := e.conn.CopyTo(ctx, &lineBar{w, e.bar}, "COPY ("+e.query+") TO STDOUT (FORMAT csv, HEADER)")
		return tag.RowsAffected(), err
	}
	binary := []int16{1}
	r := e.conn.ExecParams(ctx, e.query, nil, nil, nil, binary)
	n, err := e.columns(r, w)
	_, cerr := r.Close()
	if cerr != nil { // the cause, if there is one
		err = cerr
	}
	return n, err
}

// columns writes a result to a file of columns.
func (e *exporter) columns(r *pgconn.ResultReader, w io.Writer) (int64, error) {
	more := r.NextRow() // errors of the query come before descriptions that are none
	if !more && len(r.FieldDescriptions()) == 0 {
		return 0, fmt.Errorf("a file without columns cannot be written")
	}
	var columns []arrowfile.Column
	for _, f := range r.FieldDescriptions() {
		columns = append(columns, arrowfile.Column{Name: f.Name, Type: datum.Type{OID: datum.OID(f.DataTypeOID), Mod: f.TypeModifier}})
	}
	out, err := arrowfile.NewWriter(w, arrowfile.Format(e.format), columns, e.groupBytes)
	if err != nil {
		return 0, err
	}
	for ; more; more = r.NextRow() {
		values := r.Values()
		if err := out.Append(values); err != nil {
			return 0, err
		}
		s := contentSum{rows: 1}
		for _, v := range values {
			s.bytes += int64(len(v))
		}
		e.bar.add(s)
	}
	return out.Rows(), out.Close()
}

// A lineBar counts the lines of what passes as a bar's rows.
type lineBar struct {
	w   io.Writer
	bar *rowBar
}

func (l *lineBar) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	s := contentSum{bytes: int64(n)}
	for _, b := range p[:n] {
		if b == '\n' {
			s.rows++
		}
	}
	l.bar.add(s)
	return n, err
}
