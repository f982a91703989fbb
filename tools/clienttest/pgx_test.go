package clienttest

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

func connect(t *testing.T, mode pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(serve(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = mode
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 20 * time.Second}
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TestPgx uses pgx as its users do, in every mode of the protocol that it has.
func TestPgx(t *testing.T) {
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			conn := connect(t, mode)
			pgxTypes(t, conn)
			pgxBatch(t, conn)
			pgxCopy(t, conn)
			pgxErrors(t, conn)
			pgxCancel(t, conn)
		})
	}
}

func pgxTypes(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	ctx := t.Context()
	if _, err := conn.Exec(ctx, `CREATE TABLE types (id int PRIMARY KEY, b bool, i2 int2, i8 int8, r float4, d float8, n numeric(12, 3), s text, y bytea, da date, tz timestamptz, iv interval, u uuid, a int[], j jsonb)`); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2020, 1, 2, 3, 4, 5, 678901000, time.UTC)
	n := pgtype.Numeric{Int: big.NewInt(12345), Exp: -3, Valid: true}
	u := pgtype.UUID{Bytes: [16]byte{1, 2, 3}, Valid: true}
	iv := pgtype.Interval{Months: 1, Days: 2, Microseconds: 3, Valid: true}
	if _, err := conn.Exec(ctx, `INSERT INTO types VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		1, true, int16(-5), int64(1)<<62, float32(1.5), 0.1, n, "hé", []byte{0, 255}, at.Truncate(24*time.Hour), at, iv, u, []int32{1, 2}, `{"a": 1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, `INSERT INTO types (id) VALUES ($1)`, 2); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the cache
		var (
			id int
			b  bool
			i2 int16
			i8 int64
			r  float32
			d  float64
			gn pgtype.Numeric
			s  string
			y  []byte
			da time.Time
			tz time.Time
			gi pgtype.Interval
			gu pgtype.UUID
			a  []int32
			j  map[string]any
		)
		if err := conn.QueryRow(ctx, `SELECT * FROM types WHERE id = $1`, 1).Scan(&id, &b, &i2, &i8, &r, &d, &gn, &s, &y, &da, &tz, &gi, &gu, &a, &j); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(id, b, i2, i8, r, d, gn.Int, gn.Exp, s, y, da.Format(time.DateOnly), tz.UTC(), gi, gu.Bytes == u.Bytes, a, j)
		want := fmt.Sprint(1, true, -5, int64(1)<<62, 1.5, 0.1, 12345, -3, "hé", []byte{0, 255}, "2020-01-02", at, iv, true, []int32{1, 2}, map[string]any{"a": 1.0})
		if got != want {
			t.Errorf("row:\n got %s\nwant %s", got, want)
		}
	}
	rows, err := conn.Query(ctx, `SELECT * FROM types WHERE id = $1`, 2)
	if err != nil {
		t.Fatal(err)
	}
	nulls, err := pgx.CollectOneRow(rows, pgx.RowToMap)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range nulls {
		if name != "id" && v != nil {
			t.Errorf("%s is %v, not NULL", name, v)
		}
	}
}

// pgxBatch sends statements without waiting for answers.
func pgxBatch(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	ctx := t.Context()
	if _, err := conn.Exec(ctx, `CREATE TABLE numbers (n int, ts timestamptz)`); err != nil {
		t.Fatal(err)
	}
	batch := &pgx.Batch{}
	for i := range 200 {
		batch.Queue(`INSERT INTO numbers VALUES ($1, now())`, i)
	}
	batch.Queue(`SELECT count(*), sum(n) FROM numbers`).QueryRow(func(row pgx.Row) error {
		var count, sum int64
		if err := row.Scan(&count, &sum); err != nil {
			return err
		}
		if count != 200 || sum != 19900 {
			return fmt.Errorf("%d rows with sum %d", count, sum)
		}
		return nil
	})
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		t.Fatalf("batch: %v", err)
	}
	// A batch is one transaction: what comes before an error is undone.
	batch = &pgx.Batch{}
	batch.Queue(`INSERT INTO numbers VALUES ($1, now())`, 1000)
	batch.Queue(`SELECT 1 / (n - n) FROM numbers`)
	var pe *pgconn.PgError
	if err := conn.SendBatch(ctx, batch).Close(); !errors.As(err, &pe) || pe.Code != "22012" {
		t.Errorf("batch with an error: %v", err)
	}
	var count int
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM numbers`).Scan(&count); err != nil || count != 200 {
		t.Errorf("%d rows after a failed batch, %v", count, err)
	}
}

func pgxCopy(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	ctx := t.Context()
	const rows = 100_000
	n, err := conn.CopyFrom(ctx, pgx.Identifier{"numbers"}, []string{"ts", "n"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		return []any{time.Unix(int64(i), 0), int32(i)}, nil
	}))
	if err != nil || n != rows {
		t.Fatalf("CopyFrom: %d, %v", n, err)
	}
	var out strings.Builder
	tag, err := conn.PgConn().CopyTo(ctx, &out, `COPY (SELECT n FROM numbers WHERE ts < '1975-01-01') TO STDOUT`)
	if err != nil || tag.RowsAffected() != rows || strings.Count(out.String(), "\n") != rows {
		t.Errorf("CopyTo: %v, %v", tag, err)
	}
	broken := errors.New("no more")
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"numbers"}, []string{"n"}, pgx.CopyFromFunc(func() ([]any, error) { return nil, broken }))
	if err == nil {
		t.Error("a CopyFrom whose source fails succeeds")
	}
	var count int
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM numbers`).Scan(&count); err != nil || count != rows+200 {
		t.Errorf("%d rows after COPY, %v", count, err)
	}
}

func pgxErrors(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	ctx := t.Context()
	var pe *pgconn.PgError
	if _, err := conn.Exec(ctx, `INSERT INTO types (id) VALUES (1)`); !errors.As(err, &pe) || pe.Code != "23505" || pe.ConstraintName != "types_pkey" {
		t.Errorf("duplicate: %v", err)
	}
	if _, err := conn.Exec(ctx, `SELECT nope FROM types`); !errors.As(err, &pe) || pe.Code != "42703" || pe.Position != 8 {
		t.Errorf("unknown column: %v", err)
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	nested, err := tx.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nested.Exec(ctx, `SELECT 1/0`); err == nil {
		t.Error("1/0 succeeds")
	}
	if err := nested.Rollback(ctx); err != nil {
		t.Error(err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO types (id) VALUES (3)`); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
	var ids []int
	if err := conn.QueryRow(ctx, `SELECT array_agg(id ORDER BY id) FROM types`).Scan(&ids); err != nil || fmt.Sprint(ids) != "[1 2 3]" {
		t.Errorf("ids %v, %v", ids, err)
	}
	// A type that we do not have is an error, not a guess.
	if _, err := conn.Exec(ctx, `SELECT $1::inet`, netip.MustParseAddr("::1")); !errors.As(err, &pe) {
		t.Errorf("inet: %v", err)
	}
}

// pgxCancel has a context end a query by a cancel request.
func pgxCancel(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	other, err := pgx.ConnectConfig(t.Context(), conn.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	var pe *pgconn.PgError
	if _, err := other.Exec(ctx, `SELECT pg_sleep(60)`); !errors.As(err, &pe) || pe.Code != "57014" {
		t.Errorf("cancelled query: %v", err)
	}
	if _, err := other.Exec(t.Context(), `SELECT 1`); err != nil {
		t.Errorf("after the cancel: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("the cancel took %v", took)
	}
}

// TestPool has many sessions at work.
func TestPool(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), serve(t).DSN()+"&pool_max_conns=20")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), `CREATE TABLE counters (n int)`); err != nil {
		t.Fatal(err)
	}
	const workers, rounds = 20, 10
	failed := make(chan error, workers)
	for w := range workers {
		go func() {
			for r := range rounds {
				if _, err := pool.Exec(t.Context(), `INSERT INTO counters VALUES ($1)`, w*rounds+r); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range workers {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	var count, distinct int
	if err := pool.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT n) FROM counters`).Scan(&count, &distinct); err != nil || count != workers*rounds || distinct != count {
		t.Errorf("%d rows, %d of them different, %v", count, distinct, err)
	}
}
