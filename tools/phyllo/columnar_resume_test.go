package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/tools/arrowfile"
)

var importSeed = flag.Uint64("import.seed", 0, "seed of the random interruptions of imports; 0: a new one")

// numbers is a file of rows with their numbers, in row groups of about 16 KiB.
func numbers(t testing.TB, path string, rows int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := arrowfile.NewWriter(f, columnarFormat(path, ""), []arrowfile.Column{{Name: "id", Type: datum.Of(datum.Int8)}, {Name: "note", Type: datum.Of(datum.Text)}}, 16<<10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		id := datum.AppendBinary(nil, datum.Of(datum.Int8), int64(i), nil)
		if err := w.Append([][]byte{id, fmt.Appendf(nil, "row %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Sync()); err != nil {
		t.Fatal(err)
	}
}

const once = "SELECT count(*), count(DISTINCT id), min(id), max(id), count(*) FILTER (WHERE note = 'row ' || id) FROM "

// TestImportInterrupted ends imports at random points, before a commit, after it,
// and anywhere by the context, until they are through: each row is there once, in
// a table without a key.
func TestImportInterrupted(t *testing.T) {
	seed := *importSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-import.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p, conn := startServer(t)
	const rows = 20000
	for _, f := range formats {
		path := filepath.Join(t.TempDir(), "numbers."+f)
		numbers(t, path, rows)
		ended, left, done := errors.New("ended by the test"), 0, false
		for try := 0; try < 500 && !done; try++ {
			ctx, cancel := context.WithCancelCause(t.Context())
			left = 1 + random.IntN(12)
			byContext := random.IntN(3) == 0
			c := importCommand{Table: "numbers_" + f, Quiet: true, Attempts: 1, sessionFlags: sessionFlags{Database: p.DSN()}}
			c.Create, c.TxnMiB, c.txnBytes = true, 1, 1+random.IntN(32<<10)
			c.interrupt = func() error {
				if left--; left > 0 {
					return nil
				}
				if byContext {
					cancel(ended)
					return nil
				}
				return ended
			}
			n, err := c.one(ctx, path)
			cancel(nil)
			if err == nil && n != rows {
				t.Fatalf("%s: %d rows", f, n)
			}
			if err != nil && !errors.Is(err, ended) {
				t.Fatalf("%s: %v", f, err)
			}
			done = err == nil
		}
		want := fmt.Sprintf("[\"%d\" \"%d\" \"0\" \"%d\" \"%d\"]\n", rows, rows, rows-1, rows)
		if got := textOf(t, conn, once+"numbers_"+f); got != want || !done {
			t.Errorf("%s: %s, want %s", f, got, want)
		}
		// Once more changes nothing; --again does.
		for _, again := range []bool{false, true} {
			if n, err := importFrom(t, p, "numbers_"+f, path, func(c *importCommand) { c.Again = again }); err != nil || n != rows {
				t.Fatalf("%s: %d rows, %v", f, n, err)
			}
			want := fmt.Sprintf("[\"%d\" \"%d\"]\n", map[bool]int{false: 1, true: 2}[again]*rows, rows)
			if got := textOf(t, conn, "SELECT count(*), count(DISTINCT id) FROM numbers_"+f); got != want {
				t.Errorf("%s, again %v: %s, want %s", f, again, got, want)
			}
		}
	}
}

// TestImportChangedFile begins an import and changes the file.
func TestImportChangedFile(t *testing.T) {
	p, conn := startServer(t)
	execute(t, conn, "CREATE TABLE numbers (id bigint, note text)")
	path := filepath.Join(t.TempDir(), "numbers.parquet")
	begin := func() {
		t.Helper()
		numbers(t, path, 5000)
		left := 2
		_, err := importFrom(t, p, "numbers", path, func(c *importCommand) {
			c.txnBytes = 4 << 10
			c.interrupt = func() error {
				if left--; left == 0 {
					return context.Canceled
				}
				return nil
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	begin()
	numbers(t, path, 5001)
	_, err := importFrom(t, p, "numbers", path, nil)
	if err == nil || !strings.Contains(err.Error(), "the file has changed since") {
		t.Fatalf("a changed file: %v", err)
	}
	// A table that was dropped and made again has nothing of the file.
	execute(t, conn, "DROP TABLE numbers", "CREATE TABLE numbers (id bigint, note text)")
	if n, err := importFrom(t, p, "numbers", path, nil); err != nil || n != 5001 {
		t.Fatalf("after the table was made again: %d, %v", n, err)
	}
	if got := textOf(t, conn, "SELECT count(*), count(DISTINCT id) FROM numbers"); got != "[\"5001\" \"5001\"]\n" {
		t.Error(got)
	}
}

// TestImportTwoAtOnce lets imports of one file loose on each other.
func TestImportTwoAtOnce(t *testing.T) {
	p, conn := startServer(t)
	execute(t, conn, "CREATE TABLE numbers (id bigint, note text)")
	path := filepath.Join(t.TempDir(), "numbers.parquet")
	const rows = 20000
	numbers(t, path, rows)
	results := make(chan error)
	for range 3 {
		go func() {
			c := importCommand{Table: "numbers", Quiet: true, Attempts: 5, sessionFlags: sessionFlags{Database: p.DSN()}}
			c.TxnMiB, c.txnBytes = 1, 16<<10
			_, err := c.one(t.Context(), path)
			results <- err
		}()
	}
	for range 3 {
		if err := <-results; err != nil && !errors.Is(err, errMoved) {
			t.Error(err)
		}
	}
	if n, err := importFrom(t, p, "numbers", path, nil); err != nil || n != rows {
		t.Fatalf("%d rows, %v", n, err)
	}
	want := fmt.Sprintf("[\"%d\" \"%d\"]\n", rows, rows)
	if got := textOf(t, conn, "SELECT count(*), count(DISTINCT id) FROM numbers"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
