// Package measure is what the benchmarks have in common: the rows, timed queries,
// and the comparison of answers.
package measure

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/citybus"
)

// Columns are those of the bus positions, as CREATE TABLE has them.
const Columns = `(vehicle_id text, timestamp timestamptz, speed real, route_id text, trip_id text,
  latitude double precision, longitude double precision, trip_headsign text)`

// Options are the flags that the benchmarks have in common.
type Options struct {
	Program string `help:"The phyllo program." default:"bin/phyllo"`
	CSV     string `help:"CSV file (also .gz) with the columns of the history; by default a seeded one is made."`
	Rows    int    `help:"Rows of the made history." default:"600000"`
	Runs    int    `help:"Timed runs of each query." default:"11"`
	Seed    uint64 `help:"Seed of the made history." default:"42"`
}

// History returns bus positions as CSV with a header: the file's, or rows of a
// made city.
func (o Options) History() ([]byte, error) {
	var buf bytes.Buffer
	if o.CSV == "" {
		err := citybus.WriteHistory(&buf, o.Seed, o.Rows)
		return buf.Bytes(), err
	}
	f, err := os.Open(o.CSV)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var in io.Reader = bufio.NewReader(f)
	if strings.HasSuffix(o.CSV, ".gz") {
		if in, err = gzip.NewReader(in); err != nil {
			return nil, err
		}
	}
	_, err = io.Copy(&buf, in)
	return buf.Bytes(), err
}

// Fetch runs a query and returns its rows as sorted lines, and the milliseconds.
func Fetch(ctx context.Context, conn *pgx.Conn, sql string) ([]string, float64, error) {
	start := time.Now()
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	took := float64(time.Since(start).Microseconds()) / 1000
	if err != nil {
		return nil, 0, err
	}
	var lines []string
	for _, row := range results[0].Rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = string(c)
		}
		lines = append(lines, strings.Join(cells, "\x00"))
	}
	sort.Strings(lines)
	return lines, took, results[0].Err
}

// Same compares answers; floats may differ in the last places.
func Same(want, got []string) error {
	if len(want) != len(got) {
		return fmt.Errorf("answers differ: %d rows and %d", len(want), len(got))
	}
	for i := range want {
		if want[i] == got[i] {
			continue
		}
		w, g := strings.Split(want[i], "\x00"), strings.Split(got[i], "\x00")
		for j := range w {
			x, err1 := strconv.ParseFloat(w[j], 64)
			y, err2 := strconv.ParseFloat(g[j], 64)
			if w[j] != g[j] && (err1 != nil || err2 != nil || math.Abs(x-y) > 1e-5*math.Abs(x)) {
				return fmt.Errorf("answers differ: %q and %q", want[i], got[i])
			}
		}
	}
	return nil
}

// Median sorts values and returns the middle one.
func Median(v []float64) float64 {
	sort.Float64s(v)
	return v[len(v)/2]
}
