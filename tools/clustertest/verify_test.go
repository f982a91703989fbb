package clustertest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// A found is what a node has of a batch.
type found struct{ rows, different int }

const foundSQL = `SELECT batch, sum(times)::int, count(*)::int
	FROM (SELECT batch, part, n, count(*) AS times
		FROM (SELECT batch, 0 AS part, n FROM events UNION ALL SELECT batch, 1, n FROM keyed) AS u GROUP BY batch, part, n) AS r
	GROUP BY batch`

// find reads all rows that a node has.
func find(ctx context.Context, n *node) (map[int64]found, error) {
	l := &link{to: n, settings: latest}
	defer l.close()
	conn, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, foundSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]found{}
	for rows.Next() {
		var id int64
		var f found
		if err := rows.Scan(&id, &f.rows, &f.different); err != nil {
			return nil, err
		}
		out[id] = f
	}
	return out, rows.Err()
}

// wholeLimit is how long a node with cold caches may take to read thousands of small
// chunks beside everything else.
const wholeLimit = 5 * time.Minute

// verify reads back every batch on every node: an acknowledged one is there
// whole, and so is one that a reader has seen; one that failed is not there; any
// other whole or not at all; and none more than once.
func verify(t *testing.T, l *ledger, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		ctx, cancel := context.WithTimeout(t.Context(), wholeLimit)
		got, err := find(ctx, n)
		cancel()
		if err != nil {
			t.Fatalf("reading all on %v: %v", n, err)
		}
		wrong := l.compare(got)
		for i, text := range wrong {
			if i == maxWrong {
				t.Errorf("and %d more", len(wrong)-i)
				break
			}
			t.Errorf("%s on %v: %s", time.Now().Format("15:04:05.000"), n, text)
		}
	}
}

// maxWrong is how many wrong batches are printed.
const maxWrong = 20

// compare returns what is wrong with what was found.
func (l *ledger) compare(got map[int64]found) (wrong []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, b := range l.batches {
		f := got[id]
		switch {
		case f.rows != f.different:
			wrong = append(wrong, fmt.Sprintf("%v: %d rows are there, %d of them different", b, f.rows, f.different))
		case f.rows != 0 && f.rows != b.rows:
			wrong = append(wrong, fmt.Sprintf("%v: %d rows are there", b, f.rows))
		case f.rows == 0 && (b.outcome == acked || b.seen):
			wrong = append(wrong, fmt.Sprintf("%v: it is not there; seen before: %t", b, b.seen))
		case f.rows != 0 && b.outcome == failed:
			wrong = append(wrong, fmt.Sprintf("%v: it is there", b))
		case f.rows != 0:
			b.seen = true
		}
	}
	return wrong
}
