package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testserver"
	"golang.org/x/sync/errgroup"
)

func connect(t testing.TB, p *testserver.Phyllo) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func folderOf(t testing.TB, dir string) folderReport {
	t.Helper()
	text, err := inspect(t, utf8Locale, dir, "--json")
	var r folderReport
	if err := errors.Join(err, json.Unmarshal([]byte(text), &r)); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

// TestInspectRunningServer looks at the folder of a server that is idle: it sees
// all that was committed and changes nothing.
func TestInspectRunningServer(t *testing.T) {
	p := testserver.Start(t, func(c *server.Config) { c.Seal.Age = time.Hour })
	dir, conn := p.Config.Data, connect(t, p)
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec("CREATE TABLE readings (sensor text, ts timestamptz, v real) PARTITION BY LIST (sensor)")
	exec("INSERT INTO readings SELECT 'sensor ' || i % 3, timestamptz '2024-03-01' + i * interval '1 minute', i FROM generate_series(1, 900) i")
	exec("CHECKPOINT")
	exec("INSERT INTO readings SELECT 'sensor ' || i % 4, timestamptz '2024-03-01' + i * interval '1 minute', i FROM generate_series(1, 40) i")
	before := contents(t, dir)
	r := folderOf(t, dir)
	if len(r.Tables) != 1 || r.Tables[0].Rows != 900 || r.Tables[0].WaitingRows != 40 || r.Tables[0].Partitions != 4 {
		t.Errorf("%+v", r.Tables)
	}
	for _, args := range [][]string{{"readings"}, {"readings", "0"}, {"readings", "0", "0"}, {"readings", "0", "0", "v"}, {"--verify"}} {
		if _, err := inspect(t, utf8Locale, append([]string{dir}, args...)...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Error("the folder was changed")
	}

	// The catalogue of the server says the same as the folder.
	var sql, tool []string
	rows, err := conn.Query(context.Background(), "SELECT format('%s %s %s %s', partition, rows, buffered_rows, bytes) FROM phyllo_catalog.partitions ORDER BY partition")
	if err == nil {
		sql, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	text, err2 := inspect(t, utf8Locale, dir, "readings", "--json")
	var table tableReport
	if err := errors.Join(err, err2, json.Unmarshal([]byte(text), &table)); err != nil {
		t.Fatal(err)
	}
	for _, s := range table.List {
		tool = append(tool, fmt.Sprint(s.Partition, " ", s.Rows, " ", s.WaitingRows, " ", s.Bytes))
	}
	if len(sql) != 4 || !slices.Equal(sql, tool) {
		t.Errorf("phyllo_catalog.partitions: %q, inspect: %q", sql, tool)
	}
}

// TestInspectBusyServer looks at a folder again and again while a server writes,
// flushes, truncates and drops: every look succeeds, and none sees less of the
// table that only grows than the one before.
func TestInspectBusyServer(t *testing.T) {
	p := testserver.Start(t, func(c *server.Config) { c.Seal.Age = 50 * time.Millisecond })
	dir, conn := p.Config.Data, connect(t, p)
	if _, err := conn.Exec(context.Background(), "CREATE TABLE grows (k text, ts timestamptz, v bigint) PARTITION BY LIST (k)"); err != nil {
		t.Fatal(err)
	}
	var inserted atomic.Int64
	stop := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return nil
			default:
			}
			checkpoint := "CHECKPOINT"
			if i%4 > 0 { // each takes away what a look may be about to read
				checkpoint = "SELECT 1"
			}
			for _, sql := range []string{
				fmt.Sprintf("INSERT INTO grows SELECT 'k' || i %% 3, timestamptz '2024-03-01' + i * interval '1 hour', i FROM generate_series(%d, %d) i", i*10, i*10+9),
				"CREATE TABLE comes (v bigint)", "INSERT INTO comes VALUES (1), (2)", checkpoint, "TRUNCATE comes", "INSERT INTO comes VALUES (3)", "DROP TABLE comes",
			} {
				if _, err := conn.Exec(context.Background(), sql); err != nil {
					return fmt.Errorf("%s: %w", sql, err)
				}
				if strings.HasPrefix(sql, "INSERT INTO grows") {
					inserted.Add(10)
				}
			}
		}
	})
	looks := 40
	if testing.Short() {
		looks = 10
	}
	for range looks {
		least := inserted.Load()
		text, err := inspect(t, utf8Locale, dir, "grows", "--json")
		var table tableReport
		if err := errors.Join(err, json.Unmarshal([]byte(text), &table)); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if most := inserted.Load() + 10; table.Rows+table.WaitingRows < least || table.Rows+table.WaitingRows > most {
			t.Errorf("%d rows in chunks and %d waiting; %d to %d were inserted", table.Rows, table.WaitingRows, least, most)
		}
		if text, err := inspect(t, utf8Locale, dir, "--verify"); err != nil {
			t.Errorf("verify: %v\n%s", err, text)
		}
		folderOf(t, dir)
	}
	close(stop)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// truncate empties a table as a server does that is stopped and started again
// then, which frees the chunks.
func truncate(t *testing.T, dir, table string) {
	t.Helper()
	for step := range 2 {
		db, closeAll, err := openEngine(dir)
		if err != nil {
			t.Fatal(err)
		}
		if step == 0 {
			err = inTxn(db, func(tx *engine.Txn) error {
				for oid, def := range tx.Catalog().Tables {
					if def.Name == table {
						return tx.Truncate(context.Background(), datum.OID(oid))
					}
				}
				return fmt.Errorf("no table %s", table)
			})
		}
		if err := errors.Join(err, closeAll()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInspectChunkRemoved takes away a chunk while it is being looked at.
func TestInspectChunkRemoved(t *testing.T) {
	dir := fixture(t)
	c := &inspectCommand{Dir: dir, Table: "readings", Partition: "1", Chunk: "0", Column: "value"}
	looks := 0
	err := c.retry(t.Context(), func(f *folder) error {
		if looks++; looks == 1 {
			truncate(t, dir, "readings")
		}
		_, err := c.level(t.Context(), f)
		if looks == 1 && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the first look: %v", err)
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "has no partition 1") || !strings.Contains(err.Error(), "It was there a moment ago") {
		t.Errorf("after %d looks: %v", looks, err)
	}
}

// TestVerifyChunksRemoved takes away a table's chunks between the reading of the
// logs and that of the chunks: they are counted, and are no damage.
func TestVerifyChunksRemoved(t *testing.T) {
	dir := fixture(t)
	v := &verifier{command: &inspectCommand{Dir: dir, Verify: true}, report: &verifyReport{}, bad: map[blobPlace]bool{}}
	f, err := v.command.openSettled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	truncate(t, dir, "readings")
	if err := errors.Join(v.first(t.Context(), f, io.Discard), f.close(), v.missing(t.Context())); err != nil {
		t.Fatal(err)
	}
	if r := v.report; r.Removed != 4 || r.Chunks != 10 || len(r.Damage) > 0 {
		t.Errorf("%+v", r)
	}
}
