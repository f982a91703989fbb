package copytest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/server"
)

// backup makes one and returns its name.
func backup(t *testing.T, dsn, repository string) string {
	t.Helper()
	out, err := phyllo("backup", "-q", dsn, repository).CombinedOutput()
	m := regexp.MustCompile(`^Backup (\S+):`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	return string(m[1])
}

func restore(t *testing.T, repository, name, to string) {
	t.Helper()
	if out, err := phyllo("restore", "-q", repository, to, "--backup", name).CombinedOutput(); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
}

func dsn(c *pgx.Conn) string { return c.Config().ConnString() }

// TestBackupBetweenStores restores a backup of a folder into a keyspace, and one of that
// into a folder again. The chunks are the same everywhere, so only the first copies any.
func TestBackupBetweenStores(t *testing.T) {
	t.Parallel()
	repository := filepath.Join(t.TempDir(), "backups")
	conn, stop := serve(t, t.TempDir(), nil, io.Discard)
	execute(t, conn, statements...)
	execute(t, conn, `DELETE FROM keyed WHERE note = 'note 14'`, `UPDATE other.events SET label = 'changed' WHERE n = 7`, `ALTER TABLE keyed ADD COLUMN more int DEFAULT 5`)
	want := answers(t, conn)
	name := backup(t, dsn(conn), repository)
	stop()

	keyspace := newKeyspace(t, "")
	restore(t, repository, name, url(keyspace))
	if out, err := phyllo("restore", "-q", repository, url(keyspace), "--backup", name).CombinedOutput(); err == nil || !strings.Contains(string(out), "is not empty") {
		t.Errorf("a backup was restored over another: %v\n%s", err, out)
	}
	conn, stop = serve(t, t.TempDir(), &keyspace, io.Discard)
	wantAnswers(t, want, answers(t, conn))
	again := backup(t, dsn(conn), repository)
	list, err := phyllo("backup", "list", repository).CombinedOutput()
	if err != nil || !regexp.MustCompile(regexp.QuoteMeta(again)+`.* 0 B\n`).Match(list) {
		t.Errorf("list: %v\n%s", err, list)
	}
	execute(t, conn, `INSERT INTO keyed (k, ts, v) VALUES ('after', '2024-01-01', 1)`, `VACUUM keyed`)
	want = answers(t, conn)
	last := backup(t, dsn(conn), repository)
	stop()

	dir := filepath.Join(t.TempDir(), "restored")
	restore(t, repository, last, dir)
	conn, stop = serve(t, dir, nil, io.Discard)
	wantAnswers(t, want, answers(t, conn))
	stop()
	if out, err := phyllo("backup", "verify", "-q", repository).CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// TestBackupOfCluster takes backups of two nodes, one of which has its commits on its own
// disk first, while both write, and one merges chunks.
func TestBackupOfCluster(t *testing.T) {
	t.Parallel()
	keyspace, repository := newKeyspace(t, ""), filepath.Join(t.TempDir(), "backups")
	nodes := make([]string, 2)
	for i, durability := range []string{"local", "cluster"} {
		c := server.Default()
		c.Data, c.PG, c.HTTP = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
		c.Cassandra.Hosts, c.Cassandra.Keyspace, c.Node = strings.Join(keyspace.Hosts, ","), keyspace.Keyspace, fmt.Sprint("node", i)
		c.Durability, c.Seal.Age = durability, 300*time.Millisecond
		s, err := server.Start(t.Context(), c, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := s.Stop(ctx); err != nil {
				t.Error(err)
			}
		}()
		host, port, _ := net.SplitHostPort(s.PGAddr())
		nodes[i] = fmt.Sprintf("postgres://ann@%s:%s/phyllo?sslmode=disable", host, port)
	}
	first, err := pgx.Connect(t.Context(), nodes[1])
	if err != nil {
		t.Fatal(err)
	}
	execute(t, first, `CREATE TABLE a (w int, i int)`, `CREATE TABLE b (w int, i int, PRIMARY KEY (w, i)) WITH (on_duplicate = 'replace')`)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var mu sync.Mutex
	acked := make([]int, 4)
	for w := range acked {
		work.Go(func() {
			conn, err := pgx.Connect(ctx, nodes[w%2])
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			for i := 1; ctx.Err() == nil; i++ {
				if _, err := conn.Exec(context.Background(), fmt.Sprintf("BEGIN; INSERT INTO a VALUES (%d, %d); INSERT INTO b VALUES (%[1]d, %[2]d); COMMIT", w, i)); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[w] = i
				mu.Unlock()
			}
		})
	}
	work.Go(func() {
		for ctx.Err() == nil {
			_, _ = first.Exec(ctx, "VACUUM a") // it is cancelled at the end
		}
	})
	type made struct {
		name  string
		acked []int
	}
	var backups []made
	for i := range 4 {
		for enough := false; !enough; { // some more rows each time
			mu.Lock()
			enough = min(acked[0], acked[1], acked[2], acked[3]) > 5*i
			mu.Unlock()
			select {
			case <-time.After(10 * time.Millisecond):
			case <-t.Context().Done():
				t.Fatal("the writers stand still")
			}
		}
		mu.Lock()
		before := append([]int(nil), acked...)
		mu.Unlock()
		backups = append(backups, made{backup(t, nodes[i%2], repository), before})
	}
	cancel()
	work.Wait()
	first.Close(context.Background())
	for i, b := range backups {
		dir := filepath.Join(t.TempDir(), "restored")
		restore(t, repository, b.name, dir)
		conn, stop := serve(t, dir, nil, io.Discard)
		for w, n := range b.acked {
			var inA, inB, most int
			err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM a WHERE w = $1), (SELECT count(*) FROM b WHERE w = $1), (SELECT coalesce(max(i), 0) FROM a WHERE w = $1)`, w).Scan(&inA, &inB, &most)
			if err != nil {
				t.Fatal(err)
			}
			if inA != inB || inA != most || most < n {
				t.Errorf("backup %d: writer %d had %d acknowledged; there are %d rows in a, up to %d, and %d in b", i, w, n, inA, most, inB)
			}
		}
		stop()
	}
}
