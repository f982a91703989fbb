package clustertest

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// BenchmarkCommit measures what a transaction costs with both durabilities: its
// time, and how many conditional appends to logs it takes.
func BenchmarkCommit(b *testing.B) {
	for _, rows := range []int{1, 1000, 100_000} {
		for _, durability := range []string{"cluster", "local"} {
			b.Run(fmt.Sprintf("rows=%d/durability=%s", rows, durability), func(b *testing.B) {
				n := newNode(b, 0, "a", newKeyspace(b, theServer.get(b)), "PHYLLO_DURABILITY="+durability)
				if err := n.start(b.Context(), "a"); err != nil {
					b.Fatal(err)
				}
				conn, err := n.connect(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close(b.Context())
				if _, err := conn.Exec(b.Context(), tables[0]); err != nil {
					b.Fatal(err)
				}
				send := func() error { return sendRows(b, conn, rows) }
				if rows == 1 {
					send = func() error {
						_, err := conn.Exec(b.Context(), `INSERT INTO events VALUES (1, 1, 1, '2020-01-01Z', 0.5)`)
						return err
					}
				}
				if err := send(); err != nil { // which makes partitions
					b.Fatal(err)
				}
				before := appends(b, n)
				for b.Loop() {
					if err := send(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(appends(b, n)-before)/float64(b.N), "appends/op")
				b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// sendRows is a COPY in a transaction of its own.
func sendRows(b *testing.B, conn *pgx.Conn, rows int) error {
	start := time.Unix(1_700_000_000, 0)
	_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"events"}, []string{"batch", "size", "n", "ts", "value"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		return []any{int64(1), int32(rows), int32(i), start.Add(time.Duration(i) * time.Millisecond), float64(i)}, nil
	}))
	return err
}

// appends reads how many appends to logs a node has sent.
func appends(b *testing.B, n *node) int {
	resp, err := http.Get("http://" + n.current().HTTP + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), `phyllo_cassandra_requests_total{op="log_append"} `); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				b.Fatal(err)
			}
			return int(v)
		}
	}
	b.Fatal("the node does not count its appends")
	return 0
}
