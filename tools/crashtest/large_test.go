package crashtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	largeRows     = 10_000_000
	maxServerKiB  = 512 << 10
	largeVehicles = 500
)

// TestLargeCopy loads ten million rows in one COPY, and again with a bad last
// row: the first is there whole, the second not at all, and the server's memory
// stays in its bounds.
func TestLargeCopy(t *testing.T) {
	ctx := context.Background()
	p := start(t, newStore(t))
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec(`CREATE TABLE large (vehicle int, ts timestamptz, speed real, note text) PARTITION BY HASH (vehicle) WITH (partitions = 4)`)
	const copySQL = `COPY large FROM STDIN (FORMAT csv)`
	tag, err := conn.PgConn().CopyFrom(ctx, &largeCSV{rows: largeRows}, copySQL)
	if err != nil || tag.RowsAffected() != largeRows {
		t.Fatalf("COPY: %v, %v", tag, err)
	}
	good := "SELECT count(*), count(DISTINCT vehicle), sum(speed::int)::bigint FROM large"
	want := []int64{largeRows, largeVehicles, largeRows / 100 * (99 * 100 / 2)}
	check := func(what string) {
		t.Helper()
		got := make([]int64, 3)
		if err := conn.QueryRow(ctx, good).Scan(&got[0], &got[1], &got[2]); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("after COPY")
	_, err = conn.PgConn().CopyFrom(ctx, &largeCSV{rows: largeRows, last: "7,never,1,x\n"}, copySQL)
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "22007" || !strings.Contains(pe.Where, strconv.Itoa(largeRows+1)) {
		t.Errorf("COPY with a bad last row: %v; want 22007 in line %d", err, largeRows+1)
	}
	check("after a COPY that failed")
	exec("CHECKPOINT")
	peak := p.peakKiB()
	t.Logf("peak memory %d MiB", peak>>10)
	if peak > maxServerKiB {
		t.Errorf("peak memory %d KiB, the bound is %d", peak, maxServerKiB)
	}
	p.Kill()
}

// peakKiB is the most memory that the process has had (VmHWM).
func (p *process) peakKiB() int {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID()))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		p.t.Fatal("no VmHWM in the process's status")
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// largeCSV makes rows as they are read, and at the end a last line.
type largeCSV struct {
	rows, next int
	last       string
	buf        bytes.Buffer
}

func (c *largeCSV) Read(p []byte) (int, error) {
	for c.buf.Len() < len(p) && c.next < c.rows {
		n := c.next
		c.next++
		b := c.buf.AvailableBuffer()
		b = strconv.AppendInt(b, int64(n%largeVehicles), 10)
		b = append(b, ",2026-01-"...)
		b = append(b, byte('0'+(n/86400/10+1)%3), byte('1'+n/86400%9))
		for i, x := range [3]int{n / 3600 % 24, n / 60 % 60, n % 60} {
			b = append(b, " ::"[i], byte('0'+x/10), byte('0'+x%10))
		}
		b = append(b, "Z,"...)
		b = strconv.AppendInt(b, int64(n%100), 10)
		b = append(b, ",on route\n"...)
		c.buf.Write(b)
	}
	if c.next == c.rows && c.last != "" {
		c.buf.WriteString(c.last)
		c.last = ""
	}
	if c.buf.Len() == 0 {
		return 0, io.EOF
	}
	return c.buf.Read(p)
}
