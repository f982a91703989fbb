package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
)

// How phyllo copy works.
//
// Problem: tables of any size go from one store to another, in bounded memory,
// exactly once, also if the process, either machine or the network fails in
// between, and it is known at the end that they are the same.
//
// Options: copy the store's files (nothing to do with each other in a folder and
// in Cassandra); COPY out of one server into another (one transaction, or else
// nobody knows where it stopped); open both engines here and let transactions
// carry rows and progress together.
//
// Choice: the last. The source is read under one snapshot, table by table, in
// the order of its scan. What is read goes to the destination in transactions of
// bounded size, and each inserts, beside the rows, a row into a table of progress,
// public.phyllo_copy (copy_progress.go): how far it has come, and the number and
// the checksum of all rows so far. A transaction is there as a whole or not at
// all, so the last row of progress is always true. Its key is the table and the
// number of the step, and duplicates are refused: if a commit of an interrupted
// run comes through late, or two runs are at work, one step is done by one of
// them and the other fails. The engine's claims on tables whose duplicates are
// refused see to it that progress is read only when no earlier run can commit any
// more.
//
// Going on needs the scan to come in the same order. A table whose rows are all
// in chunks is scanned in an order that its chunks determine, and chunks never
// change; their IDs and the definition make a fingerprint. If that is the same,
// as many rows as are done are skipped and the rest is copied; if it is not (the
// source was written to), or if there was none (rows of other nodes were not in
// chunks yet), the unfinished table is emptied and copied from its beginning.
//
// At the end the destination's tables are read back, and the number and the
// checksum of their rows compared with what was read from the source
// (copy_sum.go). The table of progress goes when all are the same.

// copyCommand copies tables from one store to another.
type copyCommand struct {
	From   string   `required:"" help:"Store to read: a folder, or cassandra://HOST[:PORT][,HOST...]/KEYSPACE." placeholder:"STORE"`
	To     string   `required:"" help:"Store to write to; a folder is made if it does not exist, a keyspace by phyllo migrate." placeholder:"STORE"`
	Tables []string `arg:"" optional:"" name:"table" help:"Tables, or schema.table; without any all of them."`

	FromSide copySide `embed:"" prefix:"from-"`
	ToSide   copySide `embed:"" prefix:"to-"`
	Quiet    bool     `short:"q" help:"No progress bar."`
	TxnMiB   int      `name:"transaction-mib" default:"32" help:"Rows of a transaction, in MiB: about what an interruption costs." placeholder:"MIB"`

	// What tests change: rows of a transaction in bytes, if not 0, and what is called
	// before each commit to end the copy there.
	txnBytes  int64
	interrupt func() error
}

// Run implements the command.
func (c *copyCommand) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdout, os.Stderr, os.Environ())
}

func (c *copyCommand) run(ctx context.Context, out, progress io.Writer, environ []string) error {
	if c.From == c.To {
		return fmt.Errorf("--from and --to are the same store")
	}
	if c.TxnMiB < 1 || c.TxnMiB > 1024 {
		return fmt.Errorf("--transaction-mib %d: must be 1 to 1024", c.TxnMiB)
	}
	if c.txnBytes == 0 {
		c.txnBytes = int64(c.TxnMiB) << 20
	}
	err := c.copy(ctx, out, progress, environ)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: the same command goes on where it stopped (%w)", context.Cause(ctx))
	}
	return withHint(err)
}

// A copyJob is one run of the command.
type copyJob struct {
	command  *copyCommand
	from, to *copyStore
	snapshot *engine.Txn // of the source
	progress *copyProgress
	tables   []*tableCopy
	out      *printer
	bar      func(name string, rows int64) *rowBar
}

func (c *copyCommand) copy(ctx context.Context, out, progress io.Writer, environ []string) (err error) {
	begin := time.Now()
	j := &copyJob{command: c, out: &printer{w: out}}
	j.bar = func(name string, rows int64) *rowBar {
		if c.Quiet {
			return newRowBar(io.Discard, name, rows)
		}
		return newRowBar(progress, name, rows)
	}
	if j.from, err = openCopyStore(ctx, c.From, c.FromSide, copyRole{}, environ, progress); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.from.close()) }()
	if j.to, err = openCopyStore(ctx, c.To, c.ToSide, copyRole{writes: true}, environ, progress); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.to.close()) }()
	if err := j.openSource(ctx); err != nil {
		return err
	}
	defer j.snapshot.Rollback()
	if j.progress, err = openCopyProgress(ctx, j.to.db, j.from.name); err != nil {
		return err
	}
	// All that is refused is refused before anything is copied.
	for _, t := range j.tables {
		if err := j.plan(ctx, t); err != nil {
			return errors.Join(err, j.progress.dropUnused(ctx))
		}
	}
	if err := j.copyTables(ctx); err != nil {
		return fmt.Errorf("%w\nWhat was copied is kept: the same command goes on from there", err)
	}
	if err := j.verifyTables(ctx); err != nil {
		return err
	}
	if err := j.progress.drop(ctx); err != nil {
		return err
	}
	j.report(time.Since(begin))
	return nil
}

// openSource takes a snapshot of the source, with as much of it in chunks as
// can be, and finds the tables.
func (j *copyJob) openSource(ctx context.Context) (err error) {
	if err := j.from.db.Checkpoint(ctx); err != nil {
		return fmt.Errorf("%s: %w", j.from.name, err)
	}
	// What nodes have committed to their own disks belongs to it.
	now := reading.With(ctx, reading.Options{Latest: true})
	if j.snapshot, err = j.from.db.Begin(now, engine.TxnOptions{RepeatableRead: true, ReadOnly: true}); err != nil {
		return err
	}
	err = j.snapshot.Snapshot(ctx)
	if err == nil {
		err = j.findTables(ctx)
	}
	if err != nil {
		j.snapshot.Rollback()
	}
	return err
}

// findTables finds what is to be copied, in the order of names.
func (j *copyJob) findTables(ctx context.Context) error {
	c := j.snapshot.Catalog()
	if n := len(c.Databases); n > 0 && len(j.command.Tables) == 0 {
		return fmt.Errorf("the store has databases beside %s, which are not copied\nhint: Name the tables of %s to copy, or use phyllo backup and phyllo restore, which have all databases.", c.Database, c.Database)
	}
	wanted := map[string]bool{}
	for _, name := range j.command.Tables {
		if !strings.Contains(name, ".") {
			name = "public." + name
		}
		wanted[name] = true
	}
	all := len(wanted) == 0
	views := len(c.Views)
	for _, def := range c.Tables {
		ns := c.Namespaces[def.Namespace]
		if ns == nil || isCopyProgress(ns.Name, def.Name) {
			continue
		}
		if def.Materialized != nil {
			views++
			continue
		}
		name := ns.Name + "." + def.Name
		if all || wanted[name] {
			if q := sequenceOf(c, def); q != nil {
				return fmt.Errorf("%s takes values from sequence %s, which is not copied\nhint: Copy other tables, or use phyllo backup and phyllo restore, which have sequences.", name, q.Name)
			}
			if def.UsesTypes() {
				return fmt.Errorf("%s has columns of types that users have defined, which are not copied\nhint: Copy other tables, or use phyllo backup and phyllo restore, which have types.", name)
			}
			print, err := fingerprint(ctx, j.snapshot, def)
			if err != nil {
				return err
			}
			j.tables = append(j.tables, &tableCopy{name: name, namespace: ns.Name, def: def, fingerprint: print})
		}
		delete(wanted, name)
	}
	for name := range wanted {
		return fmt.Errorf("%s has no table %s", j.from.name, name)
	}
	slices.SortFunc(j.tables, func(a, b *tableCopy) int { return strings.Compare(a.name, b.name) })
	if all && views > 0 {
		j.out.line("Views are not copied: %s. Their definitions are in pg_views and pg_matviews.", plural(int64(views), "view"))
	}
	return nil
}

// plan decides what is to be done for a table.
func (j *copyJob) plan(ctx context.Context, t *tableCopy) error {
	there, rows, err := j.to.find(ctx, t.namespace, t.def.Name)
	if err != nil {
		return err
	}
	t.done = j.progress.last(t.name)
	if t.done != nil && there != nil && t.done.oid != there.OID {
		t.done = nil // it was dropped, and made again by somebody else
	}
	t.target = there
	t.from = t.done
	switch {
	case there == nil:
		t.do, t.from = copyCreate, nil
		return nil
	case t.done != nil && !sameDefinition(t.def, there, ignoreRetention), t.done == nil && !sameDefinition(t.def, there):
		return fmt.Errorf("%s has a table %s that is defined differently: %s", j.to.name, t.name, difference(t.def, there))
	case t.done == nil && rows == 0:
		t.do = copyInto
	case t.done == nil:
		t.do = copyCompare
		return j.compareFirst(ctx, t)
	case t.done.finished && t.done.fingerprint == t.fingerprint && t.fingerprint != "":
		t.do, t.source = copyVerify, t.done.sum
	case t.done.finished:
		t.do = copyVerify
		if t.source, err = j.sum(ctx, "reading "+t.name, j.snapshot, t.def); err != nil {
			return err
		}
		if t.source != t.done.sum {
			return fmt.Errorf("%s was copied completely by an earlier run, and is different now in %s: drop it in %s to copy it again", t.name, j.from.name, j.to.name)
		}
	case t.fingerprint != "" && t.done.fingerprint == t.fingerprint:
		t.do = copyResume
	default:
		t.do, t.from = copyAgain, nil
	}
	return nil
}

// compareFirst looks whether a table that was there before any copy is the same,
// and refuses it if it is not.
func (j *copyJob) compareFirst(ctx context.Context, t *tableCopy) (err error) {
	if t.source, err = j.sum(ctx, "reading "+t.name, j.snapshot, t.def); err != nil {
		return err
	}
	if err := j.verify(ctx, t); err != nil {
		return fmt.Errorf("%s has a table %s with other content, which no copy left there: %w\nhint: Drop it, or rename one of the two", j.to.name, t.name, err)
	}
	return nil
}

// copyTables copies what has to be copied.
func (j *copyJob) copyTables(ctx context.Context) error {
	for _, t := range j.tables {
		if t.do == copyCompare || t.do == copyVerify {
			continue
		}
		if err := j.start(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if err := j.copyRows(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if err := j.finish(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// verifyTables reads everything back, from the store, not from buffers.
func (j *copyJob) verifyTables(ctx context.Context) error {
	if err := j.to.db.Checkpoint(ctx); err != nil {
		return fmt.Errorf("%s: %w", j.to.name, err)
	}
	var errs []error
	for _, t := range j.tables {
		if t.do == copyCompare {
			continue // done before
		}
		err := j.verify(ctx, t)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s is not the same in %s: %w\nhint: Was it written to meanwhile? Drop it there and copy it again", t.name, j.to.name, err))
		}
	}
	return errors.Join(errs...)
}

// verify reads the destination's table and compares it.
func (j *copyJob) verify(ctx context.Context, t *tableCopy) error {
	tx, err := j.to.db.Begin(ctx, engine.TxnOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		return err
	}
	def := findTable(tx.Catalog(), t.namespace, t.def.Name)
	if def == nil {
		return fmt.Errorf("it is gone")
	}
	if t.copied, err = j.sum(ctx, "checking "+t.name, tx, def); err != nil {
		return err
	}
	if t.copied != t.source {
		return fmt.Errorf("%s with checksum %s, in %s %s with checksum %s", plural(t.copied.rows, "row"), t.copied.hash(),
			j.from.name, plural(t.source.rows, "row"), t.source.hash())
	}
	return nil
}

// sum reads a whole table.
func (j *copyJob) sum(ctx context.Context, what string, tx *engine.Txn, def *schema.Table) (contentSum, error) {
	bar := j.bar(what, tx.TableRows(def.OID))
	defer bar.end()
	var total contentSum
	err := readTable(ctx, tx, def, position{}, func(b readBatch) error {
		defer b.batch.Release()
		total.add(b.sum)
		bar.add(b.sum)
		return nil
	})
	return total, err
}

// report prints what was done and what was compared.
func (j *copyJob) report(took time.Duration) {
	g := &grid{columns: []gridColumn{{"table", false}, {"rows", true}, {"values", true}, {"checksum", false}, {"", false}}}
	var rows, bytes int64
	for _, t := range j.tables {
		g.add(j.out.clean(t.name, 0), count(t.copied.rows), size(t.copied.bytes), t.copied.hash(), t.do.String())
		rows += t.copied.rows
		bytes += t.copied.bytes
	}
	if len(j.tables) == 0 {
		j.out.line("%s has no tables.", j.from.name)
		return
	}
	j.out.grid(g)
	j.out.line("%s, %s of values, are the same in both stores, in %v.", plural(rows, "row"), size(bytes), took.Round(time.Millisecond))
	j.out.line("Compared: the number of rows, and a 128-bit sum of hashes of all rows, each column bit for bit, in any order.")
}
