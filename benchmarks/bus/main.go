// Command bus compares Phyllo with PostgreSQL on positions of city buses, in one
// run on the same rows: durable COPY, a filtered average, a point lookup, the
// last position of every vehicle, bytes on disk. Answers are checked equal
// before anything is timed. Timed runs alternate between the two.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/benchmarks/measure"
	"github.com/phyllodb/phyllo/tools/testenv"
)

type options struct {
	measure.Options
	Copies int `help:"How often the rows are loaded for the scan, each copy under other vehicle IDs." default:"10"`
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("bus"), kong.Description("Phyllo and PostgreSQL on bus positions."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, opt); err != nil {
		fmt.Fprintln(os.Stderr, "bus:", err)
		os.Exit(1)
	}
}

const layout = ` PARTITION BY HASH (vehicle_id) WITH (partitions = 4, slice = '30 days')`

func run(ctx context.Context, opt options) error {
	data, err := opt.History()
	if err != nil {
		return err
	}
	pgServer, err := testenv.StartPostgres(ctx, "shared_buffers=1GB", "max_wal_size=8GB", "checkpoint_timeout=1h")
	if err != nil {
		return err
	}
	defer pgServer.Stop()
	ours, err := startPhyllo(ctx, opt.Program)
	if err != nil {
		return err
	}
	defer ours.stop()
	pg, err := pgx.Connect(ctx, pgServer.DSN("postgres"))
	if err != nil {
		return err
	}
	defer pg.Close(context.Background())
	ph, err := pgx.Connect(ctx, ours.dsn())
	if err != nil {
		return err
	}
	defer ph.Close(context.Background())
	b := &bench{opt: opt, data: data, pg: pg, ph: ph, ours: ours}
	for _, step := range []func(context.Context) error{b.versions, b.load, b.density, b.scale, b.queries} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	opt    options
	data   []byte
	pg, ph *pgx.Conn
	ours   *phyllo
	rows   int64
}

func (b *bench) versions(ctx context.Context) error {
	var v string
	if err := b.pg.QueryRow(ctx, "SELECT version()").Scan(&v); err != nil {
		return err
	}
	fmt.Println("peer:", v)
	if err := b.ph.QueryRow(ctx, "SELECT version()").Scan(&v); err != nil {
		return err
	}
	fmt.Println("ours:", v)
	fmt.Println()
	return nil
}

// load times COPY, fsync and all, three times each in turn into new tables.
func (b *bench) load(ctx context.Context) error {
	var pgTime, phTime []float64
	for i := range 3 {
		table := fmt.Sprintf("load_%d", i)
		for _, side := range []struct {
			conn   *pgx.Conn
			suffix string
			times  *[]float64
		}{{b.pg, "", &pgTime}, {b.ph, layout, &phTime}} {
			if _, err := side.conn.Exec(ctx, "CREATE TABLE "+table+" "+measure.Columns+side.suffix); err != nil {
				return err
			}
			start := time.Now()
			tag, err := side.conn.PgConn().CopyFrom(ctx, bytes.NewReader(b.data), "COPY "+table+" FROM STDIN (FORMAT csv, HEADER)")
			if err != nil {
				return err
			}
			*side.times = append(*side.times, time.Since(start).Seconds())
			b.rows = tag.RowsAffected()
		}
	}
	p, o := measure.Median(pgTime), measure.Median(phTime)
	fmt.Printf("COPY of %d rows, durable: postgresql %.0f rows/s, phyllo %.0f rows/s, ratio %.2f\n", b.rows, float64(b.rows)/p, float64(b.rows)/o, p/o)
	return nil
}

// density tells bytes a row after CHECKPOINT.
func (b *bench) density(ctx context.Context) error {
	if _, err := b.ph.Exec(ctx, "CHECKPOINT"); err != nil {
		return err
	}
	var ours, pgs int64
	if err := b.ph.QueryRow(ctx, "SELECT pg_total_relation_size('load_0')").Scan(&ours); err != nil {
		return err
	}
	if err := b.pg.QueryRow(ctx, "SELECT pg_total_relation_size('load_0')").Scan(&pgs); err != nil {
		return err
	}
	fmt.Printf("on disk: postgresql %.1f, phyllo %.2f bytes a row\n\n", float64(pgs)/float64(b.rows), float64(ours)/float64(b.rows))
	return nil
}

// scale makes the tables that queries run over.
func (b *bench) scale(ctx context.Context) error {
	insert := fmt.Sprintf(`INSERT INTO positions SELECT (vehicle_id::int + 10000 * k)::text, timestamp, speed, route_id, trip_id, latitude, longitude, trip_headsign
		FROM load_0, generate_series(0, %d) k`, b.opt.Copies-1)
	for _, sql := range []string{"CREATE TABLE positions " + measure.Columns, insert, "CREATE INDEX ON positions (vehicle_id, timestamp)", "VACUUM ANALYZE positions", "CHECKPOINT"} {
		if _, err := b.pg.Exec(ctx, sql); err != nil {
			return fmt.Errorf("postgresql: %s: %w", sql, err)
		}
	}
	for _, sql := range []string{"CREATE TABLE positions " + measure.Columns + layout, insert, "CHECKPOINT"} {
		if _, err := b.ph.Exec(ctx, sql); err != nil {
			return fmt.Errorf("phyllo: %s: %w", sql, err)
		}
	}
	return nil
}

// queries times the queries of which the project promises something.
func (b *bench) queries(ctx context.Context) error {
	var vehicle string
	var from time.Time
	if err := b.pg.QueryRow(ctx, "SELECT vehicle_id, timestamp FROM load_0 ORDER BY timestamp, vehicle_id OFFSET 200000 LIMIT 1").Scan(&vehicle, &from); err != nil {
		return err
	}
	minute := from.UTC().Truncate(time.Minute)
	fmt.Printf("%-28s %14s %14s %8s\n", fmt.Sprintf("%d rows", b.rows*int64(b.opt.Copies)), "postgresql ms", "phyllo ms", "ratio")
	for _, q := range []struct{ name, sql string }{
		{"filtered average", "SELECT avg(speed) FROM positions WHERE latitude > 30.27"},
		{"point: a vehicle's minute", fmt.Sprintf("SELECT * FROM positions WHERE vehicle_id = '%s' AND timestamp >= '%s' AND timestamp < '%s'",
			vehicle, minute.Format(time.RFC3339), minute.Add(time.Minute).Format(time.RFC3339))},
		{"last position, one copy", "SELECT DISTINCT ON (vehicle_id) vehicle_id, timestamp FROM load_0 ORDER BY vehicle_id, timestamp DESC"},
		{"speed by route and hour", "SELECT route_id, date_trunc('hour', timestamp), avg(speed), count(*) FROM positions GROUP BY 1, 2"},
		{"count distinct", "SELECT count(DISTINCT vehicle_id) FROM positions"},
	} {
		if err := b.query(ctx, q.name, q.sql); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return nil
}

func (b *bench) query(ctx context.Context, name, sql string) error {
	want, _, err := measure.Fetch(ctx, b.pg, sql)
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	got, _, err := measure.Fetch(ctx, b.ph, sql)
	if err != nil {
		return fmt.Errorf("phyllo: %w", err)
	}
	if err := measure.Same(want, got); err != nil {
		return err
	}
	var pgTime, phTime []float64
	for range b.opt.Runs {
		_, p, err := measure.Fetch(ctx, b.pg, sql)
		if err != nil {
			return err
		}
		_, o, err := measure.Fetch(ctx, b.ph, sql)
		if err != nil {
			return err
		}
		pgTime, phTime = append(pgTime, p), append(phTime, o)
	}
	p, o := measure.Median(pgTime), measure.Median(phTime)
	fmt.Printf("%-28s %14.2f %14.2f %8.1f   (phyllo min %.2f max %.2f)\n", name, p, o, p/o, phTime[0], phTime[len(phTime)-1])
	return nil
}
