package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func testConfig(t *testing.T) Config {
	c := Default()
	c.Data, c.PG, c.HTTP = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	return c
}

func startTest(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Start(context.Background(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stopTest(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// get returns status and body of a GET.
func get(t *testing.T, url, user, password string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func ask(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://tester@%s/phyllo?sslmode=disable", s.PGAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func TestServe(t *testing.T) {
	c := testConfig(t)
	c.MaxConnections, c.TimeZone = 7, "Europe/Berlin"
	s := startTest(t, c)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if status, body := get(t, "http://"+s.HTTPAddr()+path, "", ""); status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	status, body := get(t, "http://"+s.HTTPAddr()+"/metrics", "", "")
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", "phyllo_sql_connections 0", "phyllo_sql_connections_refused_total 0"} {
		if status != 200 || !strings.Contains(body, name) {
			t.Errorf("/metrics: %d, no %s", status, name)
		}
	}
	if status, _ := get(t, "http://"+s.HTTPAddr()+"/nowhere", "", ""); status != 404 {
		t.Errorf("/nowhere: %d", status)
	}
	for sql, want := range map[string]string{"SHOW max_connections": "7", "SHOW TimeZone": "Europe/Berlin"} {
		if got := ask(t, s, sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	stopTest(t, s)
	// What was stopped can be started again on the same folder.
	stopTest(t, startTest(t, c))
}

// TestReadiness looks at a server that has not finished its start.
func TestReadiness(t *testing.T) {
	s := startTest(t, testConfig(t))
	defer stopTest(t, s)
	s.ready.Store(false)
	if status, _ := get(t, "http://"+s.HTTPAddr()+"/readyz", "", ""); status != 503 {
		t.Errorf("/readyz: %d", status)
	}
	if status, _ := get(t, "http://"+s.HTTPAddr()+"/healthz", "", ""); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	resp, err := http.Post("http://"+s.HTTPAddr()+"/api/v1/ingest/nosuch", "text/csv", strings.NewReader("a\n1\n"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("ingest: %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

func TestHTTPPassword(t *testing.T) {
	c := testConfig(t)
	c.User, c.Password = "me", "secret"
	s := startTest(t, c)
	defer stopTest(t, s)
	url := "http://" + s.HTTPAddr()
	for _, test := range []struct {
		path, user, password string
		want                 int
	}{
		{"/metrics", "", "", 401}, {"/metrics", "me", "wrong", 401}, {"/metrics", "you", "secret", 401}, {"/metrics", "me", "secret", 200},
		{"/healthz", "", "", 200}, {"/readyz", "", "", 200},
	} {
		if status, _ := get(t, url+test.path, test.user, test.password); status != test.want {
			t.Errorf("%s as %q %q: %d, want %d", test.path, test.user, test.password, status, test.want)
		}
	}
	if _, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://me:wrong@%s/phyllo?sslmode=disable", s.PGAddr())); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("wrong password: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://me:secret@%s/phyllo?sslmode=disable", s.PGAddr()))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
}

// TestStartErrors names what is in the way.
func TestStartErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	running := testConfig(t)
	s := startTest(t, running)
	defer stopTest(t, s)
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"pg", func(c *Config) { c.PG = taken.Addr().String() }, "pg = " + taken.Addr().String()},
		{"http", func(c *Config) { c.HTTP = taken.Addr().String() }, "http = " + taken.Addr().String()},
		{"folder", func(c *Config) { c.Data = running.Data }, "in use by another process"},
		{"certificate", func(c *Config) { c.TLS.Cert, c.TLS.Key = "nosuch.pem", "nosuch.key" }, "tls.cert"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := testConfig(t)
			test.change(&c)
			s, err := Start(t.Context(), c, slog.New(slog.DiscardHandler))
			if err == nil {
				stopTest(t, s)
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q is not in: %v", test.want, err)
			}
		})
	}
}

// TestRun ends with its context, as on SIGTERM.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		done <- Run(ctx, testConfig(t), slog.New(readyHandler{slog.DiscardHandler, ready}))
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("Run ended: %v", err)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Run does not end")
	}
}

// readyHandler closes a channel when the server says that it is ready.
type readyHandler struct {
	slog.Handler
	ready chan struct{}
}

func (h readyHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h readyHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "ready" {
		close(h.ready)
	}
	return nil
}

// notices runs a statement and returns the notices that come with it.
func notices(t *testing.T, s *Server, sql string) (out []string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(fmt.Sprintf("postgres://tester@%s/phyllo?sslmode=disable", s.PGAddr()))
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { out = append(out, n.Severity+": "+n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// TestVacuum compacts through SQL.
func TestVacuum(t *testing.T) {
	c := testConfig(t)
	c.Compaction.Paused = true
	s := startTest(t, c)
	defer stopTest(t, s)
	notices(t, s, "CREATE TABLE bus (id int, ts timestamptz, v int, PRIMARY KEY (id, ts)) PARTITION BY HASH (id) WITH (partitions = 2); CREATE VIEW now AS SELECT 1")
	for i := range 5 {
		notices(t, s, fmt.Sprintf("INSERT INTO bus SELECT i, '2026-01-01'::timestamptz + i %% 2 * interval '1 day', %d FROM generate_series(1, 100) i", i))
		notices(t, s, "CHECKPOINT")
	}
	const chunks = "SELECT count(*)::text || ' ' || sum(rows)::text FROM phyllo_catalog.chunks WHERE table_name = 'bus'"
	if got := ask(t, s, chunks); got != "20 500" {
		t.Errorf("chunks and rows before: %s", got)
	}
	size := ask(t, s, "SELECT pg_table_size('bus')::text")
	got := strings.Join(notices(t, s, "VACUUM (VERBOSE, FULL false) bus, now"), "\n")
	for _, want := range []string{`WARNING: skipping "now"`, `INFO: vacuuming "phyllo.public.bus"`, "chunks: 20 before, 4 now; rows: 500 before, 100 now"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q among the notices:\n%s", want, got)
		}
	}
	if got := ask(t, s, chunks); got != "4 100" {
		t.Errorf("chunks and rows after: %s", got)
	}
	if got := ask(t, s, "SELECT count(*)::text || ' ' || sum(v)::text FROM bus"); got != "100 400" {
		t.Errorf("rows and their sum: %s", got)
	}
	if got := ask(t, s, "SELECT pg_table_size('bus')::text"); len(got) > len(size) || len(got) == len(size) && got >= size {
		t.Errorf("%s bytes before and %s after", size, got)
	}
	const done = "SELECT string_agg(DISTINCT kind || ' ' || state || ' ' || chunks_in || ' ' || chunks_out || ' ' || (ended_at >= started_at), ',') FROM phyllo_catalog.compactions WHERE table_name = 'bus'"
	if got := ask(t, s, done); got != "compaction done 5 1 true" {
		t.Errorf("compactions: %s", got)
	}
	if got := notices(t, s, "VACUUM FULL VERBOSE"); len(got) != 2 || !strings.Contains(got[1], "0 compactions") {
		t.Errorf("a second one: %q", got)
	}
	for _, step := range []struct{ sql, want string }{
		{"SELECT phyllo_catalog.resume_compaction()::text", "true"}, {"SELECT phyllo_catalog.resume_compaction()::text", "false"},
		{"SELECT phyllo_catalog.pause_compaction()::text", "true"}, {"SELECT phyllo_catalog.pause_compaction()::text", "false"},
	} {
		if got := ask(t, s, step.sql); got != step.want {
			t.Errorf("%s = %s, want %s", step.sql, got, step.want)
		}
	}
}
