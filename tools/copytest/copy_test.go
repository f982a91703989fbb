// Package copytest holds the tests of phyllo copy, inspect, doctor and the warnings
// of phyllo serve on a real cluster: at PHYLLO_TEST_CASSANDRA.
package copytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

// program is built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(testprocess.Main(m, &program)) }

func address(t *testing.T) string {
	t.Helper()
	a := os.Getenv("PHYLLO_TEST_CASSANDRA")
	if a == "" {
		t.Fatal("PHYLLO_TEST_CASSANDRA is not set: the address, host:port, of an Apache Cassandra 5 server (make cassandra starts one)")
	}
	return a
}

// newKeyspace makes the tables in a keyspace of its own.
func newKeyspace(t *testing.T, replication string) cassandra.Options {
	t.Helper()
	opts := cassandra.Options{Hosts: strings.Split(address(t), ","), Keyspace: fmt.Sprintf("copy_%x", rand.Uint64())}
	if err := cassandra.Migrate(t.Context(), opts, cassandra.MigrateOptions{Replication: replication}, nil); err != nil {
		t.Fatal(err)
	}
	return opts
}

func url(opts cassandra.Options) string {
	return "cassandra://" + strings.Join(opts.Hosts, ",") + "/" + opts.Keyspace
}

// phyllo returns a command that dies with the test.
func phyllo(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PHYLLO_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	return cmd
}

// A logBuffer is a log that is written by several goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// serve runs a server, in a folder or in a keyspace, until stop is called.
func serve(t *testing.T, dir string, opts *cassandra.Options, log io.Writer) (conn *pgx.Conn, stop func()) {
	t.Helper()
	c := server.Default()
	c.Data, c.PG, c.HTTP = dir, "127.0.0.1:0", "127.0.0.1:0"
	if opts != nil {
		c.Cassandra.Hosts, c.Cassandra.Keyspace, c.Node = strings.Join(opts.Hosts, ","), opts.Keyspace, "live"
	}
	s, err := server.Start(t.Context(), c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(s.PGAddr())
	conn, err = pgx.Connect(t.Context(), fmt.Sprintf("postgres://ann@%s:%s/phyllo?sslmode=disable", host, port))
	if err != nil {
		t.Fatal(err)
	}
	return conn, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		conn.Close(ctx)
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stopping the server: %v", err)
		}
	}
}

const rows = 60000

var statements = []string{
	`CREATE TABLE keyed (k text, ts timestamptz, v double precision, note text, PRIMARY KEY (k, ts)) PARTITION BY HASH (k) WITH (partitions = 4, slice = '1 day')`,
	`CREATE SCHEMA other`,
	`CREATE TABLE other.events (ts timestamp, n bigint, label text) PARTITION BY LIST (date_trunc('month', ts)) WITH (slice = '1 day')`,
	fmt.Sprintf(`INSERT INTO keyed SELECT 'key ' || g %% 7, timestamptz '2024-01-01' + g * interval '1 minute', g * 0.5, CASE WHEN g %% 3 > 0 THEN 'note ' || g END FROM generate_series(1, %d) g`, rows),
	// Newer versions of some rows.
	fmt.Sprintf(`INSERT INTO keyed SELECT 'key ' || g %% 7, timestamptz '2024-01-01' + g * interval '1 minute', -g, 'newer' FROM generate_series(1, %d, 10) g`, rows),
	fmt.Sprintf(`INSERT INTO other.events SELECT CASE WHEN g %% 100 > 0 THEN timestamp '2024-01-01' + g * interval '1 minute' END, g / 4, 'label ' || g %% 50 FROM generate_series(1, %d) g`, rows),
	`INSERT INTO keyed VALUES ('odd', 'infinity', 'NaN', NULL), ('odd', '-infinity', '-Infinity', ''), ('odd', '1999-01-01', '-0', 'minus')`,
	`INSERT INTO other.events VALUES ('infinity', NULL, NULL), ('-infinity', -9223372036854775808, ''), (NULL, NULL, NULL), (NULL, NULL, NULL)`,
}

// questions are asked of every copy, and must be answered alike.
var questions = []string{
	`SELECT count(*)::text, count(note)::text, sum(v) FILTER (WHERE k <> 'odd')::text, min(ts)::text, max(ts)::text, count(*) FILTER (WHERE note = 'newer')::text FROM keyed`,
	`SELECT count(*)::text, count(ts)::text, sum(n)::text, count(DISTINCT label)::text, min(ts)::text, max(ts)::text FROM other.events`,
	`SELECT string_agg(k || ts || coalesce(v::text, '-') || coalesce(note, 'NULL'), ',' ORDER BY ts), '', '', '', '', '' FROM keyed WHERE k = 'odd'`,
}

func answers(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	var out []string
	for _, q := range questions {
		got := make([]string, 6)
		if err := conn.QueryRow(t.Context(), q).Scan(&got[0], &got[1], &got[2], &got[3], &got[4], &got[5]); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		out = append(out, strings.Join(got, " "))
	}
	return out
}

func wantAnswers(t *testing.T, want, got []string) {
	t.Helper()
	for i := range want {
		if want[i] != got[i] {
			t.Errorf("%s\n got:  %s\n want: %s", questions[i], got[i], want[i])
		}
	}
}

// exec runs statements.
func execute(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// copied runs phyllo copy to its end and returns the checksums that it reports.
func copied(t *testing.T, from, to string) []string {
	t.Helper()
	out, err := phyllo("copy", "--from", from, "--to", to).CombinedOutput()
	if err != nil {
		t.Fatalf("phyllo copy --from %s --to %s: %v\n%s", from, to, err, out)
	}
	if !strings.Contains(string(out), "are the same in both stores") {
		t.Fatalf("phyllo copy says:\n%s", out)
	}
	return regexp.MustCompile(`\b[0-9a-f]{32}\b`).FindAllString(string(out), -1)
}

// copyUntil runs phyllo copy and kills it when it has made so many commits.
func copyUntil(t *testing.T, opts cassandra.Options, from string, commits uint64) (ended bool) {
	t.Helper()
	st, err := cassandra.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	made := func() (n uint64) {
		logs, err := st.List(t.Context(), store.SourceLog)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range logs {
			if !strings.HasPrefix(l.Key, "phyllo-copy") {
				continue
			}
			head, err := st.Head(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			n += head
		}
		return n
	}
	before := made()
	cmd := phyllo("copy", "--transaction-mib", "1", "--from", from, "--to", url(opts))
	var out logBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("phyllo copy: %v\n%s", err, out.String())
			}
			return true
		case <-tick.C:
			if made() < before+commits {
				continue
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-done
			return false
		}
	}
}

// TestCopyThereAndBack copies a folder to a cluster, killed in the middle twice,
// and from there to another folder, while a node of the cluster has rows that are
// in no chunk.
func TestCopyThereAndBack(t *testing.T) {
	from, back := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "back")
	conn, stop := serve(t, from, nil, io.Discard)
	execute(t, conn, statements...)
	want := answers(t, conn)
	stop()

	opts := newKeyspace(t, "")
	for i, commits := range []uint64{4, 2} {
		if copyUntil(t, opts, from, commits) {
			t.Errorf("run %d came to its end before it was killed", i+1)
		}
	}
	sums := copied(t, from, url(opts))
	if again := copied(t, from, url(opts)); len(sums) != 2 || fmt.Sprint(again) != fmt.Sprint(sums) {
		t.Errorf("checksums %v, and %v when it is repeated", sums, again)
	}

	conn, stop = serve(t, filepath.Join(t.TempDir(), "node"), &opts, io.Discard)
	wantAnswers(t, want, answers(t, conn))
	var left int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_class WHERE relname = 'phyllo_copy'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("the table of progress: %d, %v", left, err)
	}
	execute(t, conn, `INSERT INTO other.events VALUES ('2025-01-01', 1, 'late'), ('2025-01-01', 1, 'late')`, `INSERT INTO keyed VALUES ('odd', '1999-01-01', 7, 'newest')`)
	want = answers(t, conn)
	late := copied(t, url(opts), back)
	if len(late) != 2 || late[0] == sums[0] || late[1] == sums[1] {
		t.Errorf("checksums %v, %v before two tables were changed", late, sums)
	}
	stop()
	conn, stop = serve(t, back, nil, io.Discard)
	defer stop()
	wantAnswers(t, want, answers(t, conn))
}

// TestCopyWithoutTables names what is to be done first.
func TestCopyWithoutTables(t *testing.T) {
	out, err := phyllo("copy", "--from", "cassandra://"+address(t)+"/nowhere", "--to", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "phyllo migrate") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDoctorProgram looks at the exit status and the lines.
func TestDoctorProgram(t *testing.T) {
	run := func(keyspace string) (string, int) {
		cmd := phyllo("doctor", "--cassandra", address(t), "--keyspace", keyspace)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	opts := newKeyspace(t, "")
	out, status := run(opts.Keyspace)
	if status != 0 || !strings.Contains(out, "ok       schema version") || !strings.Contains(out, " 0 bad, ") {
		t.Errorf("a keyspace that is well: status %d\n%s", status, out)
	}
	out, status = run("nowhere")
	if status != 1 || !strings.Contains(out, "bad      schema version") || !strings.Contains(out, "-> Run: phyllo migrate --cassandra") {
		t.Errorf("a keyspace that is missing: status %d\n%s", status, out)
	}
}

// TestServeWarnsOfOneReplica starts a node on a keyspace with one replica.
func TestServeWarnsOfOneReplica(t *testing.T) {
	first := newKeyspace(t, "")
	st, err := cassandra.Open(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	dc := st.DataCentre()
	st.Close()
	opts := newKeyspace(t, dc+":1")
	var log logBuffer
	_, stop := serve(t, filepath.Join(t.TempDir(), "node"), &opts, &log)
	stop()
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "1 replica in "+dc) || !strings.Contains(text, "phyllo doctor") {
		t.Errorf("the log:\n%s", text)
	}
}
