package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
)

// A series is what repetitions of one measurement gave.
type series []float64

func (s series) sorted() series  { return slices.Sorted(slices.Values(s)) }
func (s series) median() float64 { return s.sorted()[len(s)/2] }
func (s series) least() float64  { return s.sorted()[0] }

// String is the median and, in brackets, the least and the greatest value.
func (s series) String() string {
	if len(s) == 0 {
		return ""
	}
	if len(s) == 1 {
		return digits(s[0])
	}
	v := s.sorted()
	return fmt.Sprintf("%s (%s..%s)", digits(s.median()), digits(v[0]), digits(v[len(v)-1]))
}

// digits has three significant places, and all of those before the point.
func digits(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// A resultTable is what is printed of a run.
type resultTable struct{ rows [][5]string }

// add adds a row. Without another side there is no ratio.
func (t *resultTable) add(name string, ours series, than string, other series, ratio float64, demand string) {
	row := [5]string{name, ours.String(), "", "", demand}
	if other != nil {
		row[2], row[3] = than+" "+other.String(), digits(ratio)
	}
	t.rows = append(t.rows, row)
}

// warm adds the row of a warm query beside the embedded store, whose ratio is also
// that of the least times: they are less noisy than medians.
func (t *resultTable) warm(ours, embedded series) {
	t.add("    warm, and embedded", ours, "embedded", embedded, ours.median()/embedded.median(), "<= 1.2")
	row := &t.rows[len(t.rows)-1]
	row[3] += fmt.Sprintf(" (of the least %s)", digits(ours.least()/embedded.least()))
}

// print writes what was run, and the table.
func (b *bench) print(ctx context.Context, sync string) error {
	var ours string
	if err := b.ours.conn.QueryRow(ctx, "SELECT version()").Scan(&ours); err != nil {
		return err
	}
	cassandra, err := b.cql.version(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("commitlog_sync %s; %s; Cassandra %s; %s; %d CPUs; %d rows, %d by key\n", sync, ours, cassandra, runtime.Version(), runtime.NumCPU(), len(b.cql.rows), b.cql.distinct)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tPHYLLO\tBESIDE\tRATIO\tDEMAND")
	for _, r := range b.table.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r[0], r[1], r[2], r[3], r[4])
	}
	fmt.Fprintln(w)
	return w.Flush()
}
