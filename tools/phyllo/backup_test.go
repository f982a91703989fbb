package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testenv"
	"github.com/phyllodb/phyllo/tools/testserver"
)

// sqlOn runs statements in a session of their own and returns the rows of the last one,
// as text.
func sqlOn(t testing.TB, p *testserver.Phyllo, statements ...string) string {
	t.Helper()
	conn, err := pgconn.Connect(context.Background(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	out := ""
	for _, sql := range statements {
		results, err := conn.Exec(context.Background(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		out = ""
		for _, r := range results {
			for _, row := range r.Rows {
				out += string(bytes.Join(row, []byte("|"))) + "\n"
			}
		}
	}
	return out
}

// serveFolder runs a server on a folder, whatever store the others are on.
func serveFolder(t testing.TB, dir string) *testserver.Phyllo {
	t.Helper()
	return testserver.Start(t, func(c *server.Config) { c.Data, c.Cassandra.Hosts = dir, "" })
}

// A repositoryPlace is where a test keeps backups.
type repositoryPlace struct {
	address string
	flags   repositoryFlags
}

func eachRepository(t *testing.T, f func(t *testing.T, at repositoryPlace)) {
	t.Run("folder", func(t *testing.T) { f(t, repositoryPlace{address: filepath.Join(t.TempDir(), "backups")}) })
	t.Run("s3", func(t *testing.T) {
		s := testenv.StartS3(t)
		f(t, repositoryPlace{"s3://bucket/backups", repositoryFlags{Endpoint: s.URL, Region: "us-east-1", PathStyle: true}})
	})
}

func (at repositoryPlace) backup(t testing.TB, p *testserver.Phyllo, uploaded func() error) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := backupCreate{Server: p.DSN(), Repository: at.address, Quiet: true, repositoryFlags: at.flags, uploaded: uploaded}
	err := c.run(context.Background(), &out, io.Discard)
	return out.String(), err
}

// mustBackup returns the name of the backup and how many chunks it copied.
func (at repositoryPlace) mustBackup(t testing.TB, p *testserver.Phyllo, uploaded func() error) (name string, copied int) {
	t.Helper()
	out, err := at.backup(t, p, uploaded)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`^Backup (\S+): .* copied .* in ([0-9,]+) chunks?,`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("backup said %q", out)
	}
	_, err = fmt.Sscan(strings.ReplaceAll(m[2], ",", ""), &copied)
	if err != nil {
		t.Fatal(err)
	}
	return m[1], copied
}

func (at repositoryPlace) restore(t testing.TB, name, to string, restored func() error) error {
	t.Helper()
	c := restoreCommand{Repository: at.address, To: to, Backup: name, Quiet: true, repositoryFlags: at.flags, restored: restored}
	return c.run(context.Background(), io.Discard, io.Discard, nil)
}

func (at repositoryPlace) verify(t testing.TB, name string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := (&backupVerify{Repository: at.address, Name: name, Quiet: true, repositoryFlags: at.flags}).verify(context.Background(), &out, io.Discard)
	return out.String(), err
}

func (at repositoryPlace) list(t testing.TB) string {
	t.Helper()
	var out bytes.Buffer
	if err := (&backupList{Repository: at.address, repositoryFlags: at.flags}).list(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// backedUp are statements that make one of everything, and what is asked of them later.
var backedUp = []string{
	`CREATE TABLE events (id int, ts timestamptz, gone text, n int, what text) PARTITION BY HASH (id) WITH (partitions = 2, slice = '1 day')`,
	`INSERT INTO events SELECT i, timestamptz '2026-01-01' + i * interval '1 minute', 'x', i, 'event ' || i FROM generate_series(1, 4000) i`,
	`CHECKPOINT`,
	`ALTER TABLE events DROP COLUMN gone`, `ALTER TABLE events ADD COLUMN added int DEFAULT 7`, `ALTER TABLE events ALTER COLUMN n TYPE bigint`,
	`ALTER TABLE events RENAME COLUMN what TO that`,
	`ALTER TABLE events SET (partitions = 3, slice = '2 days')`, `INSERT INTO events (id, ts, n, that) VALUES (5001, '2026-01-01', 1, 'event laid out anew')`,
	`DELETE FROM events WHERE id % 10 = 3`, `UPDATE events SET that = 'changed' WHERE id % 10 = 4`,
	`CREATE TABLE state (id int PRIMARY KEY, v numeric(10, 2), ts timestamptz)`,
	`INSERT INTO state SELECT i, i / 4.0, '2026-01-01' FROM generate_series(1, 500) i`, `CHECKPOINT`,
	`UPDATE state SET v = v + 1 WHERE id < 100`, `DELETE FROM state WHERE id BETWEEN 200 AND 220`,
	`CREATE SCHEMA more`, `CREATE TABLE more.empty (a text)`, `CREATE VIEW more.v AS SELECT count(*) AS n FROM events`,
	`COMMENT ON TABLE events IS 'of the city'`, `COMMENT ON COLUMN state.v IS 'a value'`, `COMMENT ON VIEW more.v IS 'how many'`,
	`CREATE TABLE listed (k text, ts timestamptz) PARTITION BY LIST (k) WITH (retention = '10000 days')`, `INSERT INTO listed VALUES ('a', now()), ('b', now()), (NULL, now())`,
}

var asked = []string{
	`SELECT * FROM events ORDER BY id`, `SELECT * FROM state ORDER BY id`, `SELECT * FROM more.v`, `SELECT * FROM more.empty`, `SELECT * FROM listed ORDER BY k`,
	`SELECT oid, relname, relkind, relnamespace, obj_description(oid, 'pg_class') FROM pg_class WHERE oid >= 16384 ORDER BY oid`,
	`SELECT attrelid, attnum, attname, atttypid, atthasdef, attisdropped, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid >= 16384 ORDER BY 1, 2`,
	`SELECT nspname, nspowner FROM pg_namespace ORDER BY 1`, `SELECT rolname FROM pg_roles ORDER BY 1`,
	`SELECT relname, reloptions FROM pg_class WHERE oid >= 16384 ORDER BY 1`,
}

func answers(t testing.TB, p *testserver.Phyllo) (out []string) {
	t.Helper()
	for _, sql := range asked {
		out = append(out, sqlOn(t, p, sql))
	}
	return out
}

func wantAnswers(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i, sql := range asked {
		if got[i] != want[i] {
			t.Errorf("%s: %s\n%.500s\nshould be\n%.500s", what, sql, got[i], want[i])
		}
	}
	if !strings.Contains(want[0], "|event ") || !strings.Contains(want[5], "of the city") {
		t.Fatalf("%s: too little was asked for", what)
	}
}

// TestBackup takes backups of a server while it changes, and restores each of them.
func TestBackup(t *testing.T) {
	eachRepository(t, func(t *testing.T, at repositoryPlace) {
		p := testserver.Start(t, func(*server.Config) {})
		sqlOn(t, p, backedUp...)
		sqlOn(t, p, `CREATE TABLE past (id int PRIMARY KEY, v int) WITH (history_retention = '1 day')`, `INSERT INTO past VALUES (1, 1), (2, 2)`)
		then := strings.TrimSpace(sqlOn(t, p, `SELECT clock_timestamp()`))
		sqlOn(t, p, `UPDATE past SET v = 5 WHERE id = 1`, `VACUUM FULL past`, `DELETE FROM past WHERE id = 2`)
		first := answers(t, p)
		one, copied := at.mustBackup(t, p, nil)
		if copied < 5 {
			t.Errorf("%d chunks were copied", copied)
		}
		// The second brings what is new, of a table that was compacted and one that is gone.
		again, none := at.mustBackup(t, p, nil)
		if none != 0 {
			t.Errorf("%d chunks were copied of a server that was not written to", none)
		}
		sqlOn(t, p, `DROP TABLE listed`, `CREATE TABLE listed (k text)`, `INSERT INTO state VALUES (1000, 1, '2026-01-01')`, `VACUUM FULL state`)
		second := answers(t, p)
		two, more := at.mustBackup(t, p, nil)
		if more < 1 || more > 2 {
			t.Errorf("%d chunks were copied the second time, %d the first time", more, copied)
		}
		sqlOn(t, p, `DROP VIEW more.v`, `DROP TABLE events, state, listed`)
		if list := at.list(t); strings.Count(list, "\n") != 4 || strings.Index(list, one) > strings.Index(list, two) {
			t.Errorf("list:\n%s", list)
		}
		if out, err := at.verify(t, ""); err != nil || !strings.HasPrefix(out, "3 backups") {
			t.Errorf("verify: %v\n%s", err, out)
		}
		for _, c := range []struct {
			name string
			want []string
		}{{one, first}, {again, first}, {two, second}} {
			dir := filepath.Join(t.TempDir(), "restored")
			if err := at.restore(t, c.name, dir, nil); err != nil {
				t.Fatal(err)
			}
			r := serveFolder(t, dir)
			wantAnswers(t, "backup "+c.name, answers(t, r), c.want)
			if got := sqlOn(t, r, `SELECT * FROM past AS OF '`+then+`' ORDER BY id`); got != "1|1\n2|2\n" {
				t.Errorf("backup %s: as of then:\n%s", c.name, got)
			}
			if got := sqlOn(t, r, `SELECT * FROM past`); got != "1|5\n" {
				t.Errorf("backup %s: now:\n%s", c.name, got)
			}
			if err := at.restore(t, c.name, dir, nil); err == nil {
				t.Error("a backup was restored into a store that is in use")
			}
			if _, n := at.mustBackup(t, r, nil); n != 0 {
				t.Errorf("%d chunks of a restored store were copied", n)
			}
			sqlOn(t, r, `VACUUM`, `INSERT INTO state VALUES (2000, 1, '2026-01-01')`, `CREATE TABLE fresh (a int)`)
		}
		// What only the first needed goes; the others stay whole.
		var out bytes.Buffer
		prune := backupPrune{Repository: at.address, Keep: 4, DryRun: true, repositoryFlags: at.flags}
		if err := prune.prune(t.Context(), &out); err != nil || !strings.HasPrefix(out.String(), "Would remove 2 backups and ") {
			t.Errorf("%v\n%s", err, out.String())
		}
		prune.DryRun = false
		if err := prune.prune(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if out, err := at.verify(t, ""); err != nil || !strings.HasPrefix(out, "4 backups") {
			t.Errorf("verify after prune: %v\n%s", err, out)
		}
		if err := at.restore(t, one, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "has no backup "+one) {
			t.Errorf("a backup that was pruned: %v", err)
		}
	})
}

// TestBackupBesideChanges has chunks merged, and a table dropped, while they are copied,
// and transactions that write to two tables.
func TestBackupBesideChanges(t *testing.T) {
	at := repositoryPlace{address: t.TempDir()}
	p := testserver.Start(t, func(*server.Config) {})
	sqlOn(t, p, `CREATE TABLE a (w int, i int)`, `CREATE TABLE b (w int, i int, PRIMARY KEY (w, i))`, `CREATE TABLE gone (i int)`)
	for i := range 8 {
		sqlOn(t, p, fmt.Sprintf(`INSERT INTO gone SELECT i FROM generate_series(1, 1000) i; INSERT INTO a VALUES (-1, %d); INSERT INTO b VALUES (-1, %[1]d)`, i), "CHECKPOINT")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var mu sync.Mutex
	acked := []int{0, 0, 0}
	for w := range acked {
		conn, err := pgconn.Connect(ctx, p.DSN())
		if err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			defer conn.Close(context.WithoutCancel(ctx))
			for i := 1; ctx.Err() == nil; i++ {
				sql := fmt.Sprintf("BEGIN; INSERT INTO a VALUES (%d, %d); INSERT INTO b VALUES (%[1]d, %[2]d); COMMIT", w, i)
				if err := conn.Exec(context.WithoutCancel(ctx), sql).Close(); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[w] = i
				mu.Unlock()
			}
		})
	}
	var once sync.Once
	before := []int{}
	for round := range 3 {
		mu.Lock()
		before = append(before[:0], acked...)
		mu.Unlock()
		_, copied := at.mustBackup(t, p, func() error {
			once.Do(func() { sqlOn(t, p, "VACUUM FULL a", "VACUUM FULL b", "DROP TABLE gone", "CHECKPOINT") })
			return nil
		})
		if copied == 0 {
			t.Error("nothing was copied")
		}
		dir := t.TempDir()
		if err := at.restore(t, "", dir, nil); err != nil {
			t.Fatal(err)
		}
		r := serveFolder(t, dir)
		if a, b := sqlOn(t, r, "SELECT w, i FROM a ORDER BY 1, 2"), sqlOn(t, r, "SELECT w, i FROM b ORDER BY 1, 2"); a != b {
			t.Fatalf("round %d: a transaction in part:\n%s\n%s", round, a, b)
		}
		got := sqlOn(t, r, "SELECT w, count(*) = max(i), max(i) FROM a WHERE w >= 0 GROUP BY w ORDER BY w")
		for w, n := range before {
			var whole string
			var most int
			for _, line := range strings.Split(got, "\n") {
				if rest, ok := strings.CutPrefix(line, fmt.Sprint(w, "|")); ok {
					whole, _, _ = strings.Cut(rest, "|")
					if _, err := fmt.Sscan(rest[2:], &most); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n > 0 && (whole != "t" || most < n) {
				t.Errorf("round %d: writer %d had %d acknowledged:\n%s", round, w, n, got)
			}
		}
		if round == 0 && sqlOn(t, r, "SELECT count(*) FROM gone") != "8000\n" {
			t.Error("rows of the table that was dropped meanwhile are missing")
		}
	}
	cancel()
	work.Wait()
}

var errStopped = errors.New("stopped on purpose")

// TestBackupInterrupted ends backups and restores early: there is no half of one, and the
// next copies only what is missing.
func TestBackupInterrupted(t *testing.T) {
	at := repositoryPlace{address: t.TempDir()}
	p := testserver.Start(t, func(*server.Config) {})
	sqlOn(t, p, backedUp...)
	want := answers(t, p)
	stopAfter := func(n int) func() error {
		var mu sync.Mutex
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			if n--; n < 0 {
				return errStopped
			}
			return nil
		}
	}
	if _, err := at.backup(t, p, stopAfter(3)); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	if list := at.list(t); !strings.Contains(list, "no complete backup") {
		t.Fatalf("half a backup is listed:\n%s", list)
	}
	if err := at.restore(t, "", filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Fatal("half a backup was restored")
	}
	_, copied := at.mustBackup(t, p, nil)
	total := strings.Count(strings.Join(files(t, filepath.Join(at.address, "chunks")), "\n"), "\n") + 1
	if copied >= total {
		t.Errorf("%d of %d chunks were copied again", copied, total)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	for n := range 4 {
		if err := at.restore(t, "", dir, stopAfter(2*n)); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		_, err := server.Start(t.Context(), func() server.Config {
			c := server.Default()
			c.Data, c.PG, c.HTTP = dir, "127.0.0.1:0", "127.0.0.1:0"
			return c
		}(), nil)
		if err == nil || !strings.Contains(err.Error(), "is being restored into this store") {
			t.Fatalf("half a restore was served: %v", err)
		}
	}
	if err := at.restore(t, "", dir, nil); err != nil {
		t.Fatal(err)
	}
	wantAnswers(t, "restored in several goes", answers(t, serveFolder(t, dir)), want)
}

func files(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBackupDamage flips a bit in each file in turn, and takes each away.
func TestBackupDamage(t *testing.T) {
	at := repositoryPlace{address: t.TempDir()}
	p := testserver.Start(t, func(*server.Config) {})
	sqlOn(t, p, `CREATE TABLE notes (a int, b text)`, `INSERT INTO notes VALUES (1, 'x'), (2, 'y')`, `CHECKPOINT`, `INSERT INTO notes VALUES (3, 'z')`)
	name, _ := at.mustBackup(t, p, nil)
	all := files(t, at.address)
	for _, path := range all {
		if strings.HasSuffix(path, "phyllo-backups.json") {
			continue
		}
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at2 := range []int{0, len(good) / 3, len(good) / 2, len(good) - 1, -1} {
			if at2 < 0 {
				err = os.Remove(path)
			} else {
				bad := bytes.Clone(good)
				bad[at2] ^= 1 << (at2 % 8)
				err = os.WriteFile(path, bad, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			isChunk := strings.Contains(path, "chunks")
			out, verr := at.verify(t, name)
			rerr := at.restore(t, name, filepath.Join(t.TempDir(), "restored"), nil)
			what := fmt.Sprintf("%s, byte %d", path, at2)
			switch {
			case verr == nil || rerr == nil:
				t.Errorf("%s: verify %v, restore %v", what, verr, rerr)
			case isChunk && (!strings.Contains(out, "table public.notes") || !strings.Contains(out, filepath.Base(path)) || !strings.Contains(rerr.Error(), filepath.Base(path))):
				t.Errorf("%s: verify %v\n%s\nrestore %v", what, verr, out, rerr)
			}
		}
		if strings.Contains(path, "chunks") { // what is gone comes with the next backup
			if _, n := at.mustBackup(t, p, nil); n < 1 {
				t.Errorf("%s was not copied again", path)
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := at.verify(t, name); err != nil {
		t.Error(err)
	}
}

// TestBackupRefuses hears what is wrong before anything is written.
func TestBackupRefuses(t *testing.T) {
	at := repositoryPlace{address: t.TempDir()}
	c := backupCreate{Server: "postgres://127.0.0.1:1/phyllo?connect_timeout=1", Repository: at.address, Quiet: true}
	if err := c.run(t.Context(), io.Discard, io.Discard); err == nil {
		t.Error("there is no server")
	}
	for _, err := range []error{
		(&backupList{Repository: filepath.Join(at.address, "none")}).list(t.Context(), io.Discard),
		(&backupPrune{Repository: at.address, Keep: 0}).prune(t.Context(), io.Discard),
		(&restoreCommand{Repository: at.address, To: "cassandra://user:secret@host/phyllo"}).run(t.Context(), io.Discard, io.Discard, nil),
	} {
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
}
