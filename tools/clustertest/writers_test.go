package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// tables are what batches are written to. Each row says how many rows its batch
// has, so that any reader can tell whether it sees a batch whole.
var tables = []string{
	`CREATE TABLE IF NOT EXISTS events (batch bigint, size int, n int, ts timestamptz, value double precision) PARTITION BY HASH (n) WITH (partitions = 4, slice = '1 hour')`,
	`CREATE TABLE IF NOT EXISTS keyed (n int, ts timestamptz, batch bigint, size int, PRIMARY KEY (n, batch, ts)) PARTITION BY HASH (n) WITH (partitions = 2)`,
}

// A writer sends one batch and returns what it was told, and whether its commit
// may have been sent.
type writer struct {
	how  string
	send func(ctx context.Context, l *link, b *batch, rng *rand.Rand) (sent bool, err error)
	size func(rng *rand.Rand) int
}

var writers = []writer{
	{"COPY", copyBoth, func(rng *rand.Rand) int { return 2 + rng.IntN(300) }},
	{"INSERT", insertBoth, func(rng *rand.Rand) int { return 2 * (1 + rng.IntN(4)) }},
	{"one INSERT", insertOne, func(rng *rand.Rand) int { return 1 + rng.IntN(50) }},
	{"HTTP", post, func(rng *rand.Rand) int { return 1 + rng.IntN(100) }},
}

const (
	// sendLimit is how long a batch may take: longer than a node waits for the
	// cluster and than any pause of it.
	sendLimit = time.Minute
	// writerPause is between the batches of a writer: servers and tests share few
	// processors, and what is to be found is not a matter of throughput.
	writerPause = 100 * time.Millisecond
)

// write sends one batch and notes what became of it.
func (w writer) write(ctx context.Context, l *link, to *ledger, rng *rand.Rand) *batch {
	b := to.begin(w.how, l.to, w.size(rng))
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	sent, err := w.send(ctx, l, b, rng)
	to.end(b, judge(err, sent), err)
	return b
}

// rowTime spreads rows over slices, some of them late.
func rowTime(rng *rand.Rand) time.Time {
	return time.Unix(1_700_000_000+rng.Int64N(2*3600), 0).UTC()
}

// copyBoth writes two thirds of a batch to one table and the rest to the other,
// in one transaction.
func copyBoth(ctx context.Context, l *link, b *batch, rng *rand.Rand) (sent bool, err error) {
	conn, err := l.get(ctx)
	if err != nil {
		return false, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer rollback(tx)
	first := (b.rows + 1) * 2 / 3
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"events"}, []string{"batch", "size", "n", "ts", "value"}, pgx.CopyFromSlice(first, func(n int) ([]any, error) {
		return []any{b.id, int32(b.rows), int32(n), rowTime(rng), rng.Float64()}, nil
	}))
	if err != nil {
		return false, err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"keyed"}, []string{"n", "ts", "batch", "size"}, pgx.CopyFromSlice(b.rows-first, func(n int) ([]any, error) {
		return []any{int32(n), rowTime(rng), b.id, int32(b.rows)}, nil
	}))
	if err != nil {
		return false, err
	}
	return true, tx.Commit(ctx)
}

// insertBoth writes rows one by one, half of them into each table.
func insertBoth(ctx context.Context, l *link, b *batch, rng *rand.Rand) (sent bool, err error) {
	conn, err := l.get(ctx)
	if err != nil {
		return false, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer rollback(tx)
	for n := range b.rows / 2 {
		if _, err := tx.Exec(ctx, `INSERT INTO events VALUES ($1, $2, $3, $4, $5)`, b.id, b.rows, n, rowTime(rng), rng.Float64()); err != nil {
			return false, err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO keyed VALUES ($1, $2, $3, $4)`, n, rowTime(rng), b.id, b.rows); err != nil {
			return false, err
		}
	}
	return true, tx.Commit(ctx)
}

// rollback ends a transaction that was not committed.
func rollback(tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.Background(), sendLimit)
	defer cancel()
	_ = tx.Rollback(ctx) // an error means that it has ended, or the connection
}

// insertOne is one statement and its own transaction.
func insertOne(ctx context.Context, l *link, b *batch, rng *rand.Rand) (sent bool, err error) {
	conn, err := l.get(ctx)
	if err != nil {
		return false, err
	}
	_, err = conn.Exec(ctx, `INSERT INTO events SELECT $1::bigint, $2::int, g, $3::timestamptz + g * interval '1 second', 0.5 FROM generate_series(1, $2::int) AS g`,
		b.id, b.rows, rowTime(rng))
	return true, err
}

// An httpError is an answer other than 200.
type httpError struct {
	Code   string `json:"code"`
	Text   string `json:"error"`
	status string
}

func (e *httpError) Error() string { return fmt.Sprintf("HTTP %s: %s (%s)", e.status, e.Text, e.Code) }

// busy is the code of an answer 429, which has none.
const busy = "53200"

// postClient keeps no connection: one that was kept may be sent to again by itself.
var postClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// post sends a batch to the ingest API.
func post(ctx context.Context, l *link, b *batch, rng *rand.Rand) (sent bool, err error) {
	var body bytes.Buffer
	for n := range b.rows {
		fmt.Fprintf(&body, `{"batch":%d,"size":%d,"n":%d,"ts":%q,"value":%g}`+"\n", b.id, b.rows, n, rowTime(rng).Format(time.RFC3339), rng.Float64())
	}
	l.process = l.to.current()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.process.HTTP+"/api/v1/ingest/events", &body)
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := postClient.Do(req)
	if err != nil {
		var ne *net.OpError
		return !errors.As(err, &ne) || ne.Op != "dial", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusOK {
		return true, err
	}
	failure := &httpError{status: resp.Status}
	if err := json.Unmarshal(text, failure); err != nil {
		return true, fmt.Errorf("HTTP %s: %q: %w", resp.Status, text, err)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		failure.Code = busy
	}
	return true, failure
}
