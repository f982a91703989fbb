// Command cassandra compares Phyllo on Cassandra with a regular CQL table on the
// same cluster, in one run on the same rows: bus positions with the primary key
// (vehicle_id, timestamp). It tells bytes on disk, acknowledged ingest, scans of one
// column and of all, last positions and look-ups, and what is lost against the
// embedded store when warm, and against a plain loop over the blobs when cold.
// Answers are checked equal before anything is timed.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/benchmarks/measure"
	"github.com/phyllodb/phyllo/tools/testenv"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

type options struct {
	measure.Options
	Sync []string `help:"Kinds of commitlog_sync to run with." default:"periodic,group"`
	Heap int      `help:"Heap of Cassandra in MiB." default:"1024"`
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("cassandra"), kong.Description("Phyllo on Cassandra and a CQL table on bus positions."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := runAll(ctx, opt); err != nil {
		fmt.Fprintln(os.Stderr, "cassandra:", err)
		os.Exit(1)
	}
}

func runAll(ctx context.Context, opt options) error {
	data, err := opt.History()
	if err != nil {
		return err
	}
	for _, sync := range opt.Sync {
		if err := run(ctx, opt, sync, data); err != nil {
			return fmt.Errorf("commitlog_sync %s: %w", sync, err)
		}
	}
	return nil
}

const layout = ` PARTITION BY HASH (vehicle_id) WITH (partitions = 4, slice = '30 days')`

// bench is one run on one cluster.
type bench struct {
	opt      options
	data     []byte
	cluster  *testenv.Cassandra
	cql      *cqlTable
	embedded *side
	ours     *side
	program  []string // arguments of ours
}

// A side is a Phyllo server and a connection to it.
type side struct {
	process *testprocess.Process
	conn    *pgx.Conn
}

func start(ctx context.Context, program string, args ...string) (*side, error) {
	p, err := testprocess.Start(testprocess.Options{Program: program, Args: args, Env: []string{"PHYLLO_LOG_LEVEL=warn"}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w (run make build first)", program, err)
	}
	if err := p.Ready(ctx); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return nil, err
	}
	return &side{p, conn}, nil
}

func (s *side) stop() error {
	return errors.Join(s.conn.Close(context.Background()), s.process.Stop(time.Minute))
}

func run(ctx context.Context, opt options, sync string, data []byte) (err error) {
	fmt.Printf("commitlog_sync: %s\n", sync)
	b := &bench{opt: opt, data: data}
	if b.cluster, err = testenv.StartCassandra(ctx, testenv.CassandraOptions{HeapMiB: opt.Heap, CommitLogSync: sync, FullJIT: true}); err != nil {
		return err
	}
	defer b.cluster.Stop()
	if b.cql, err = openCQL(ctx, b.cluster, data); err != nil {
		return err
	}
	defer b.cql.close()
	folders, err := os.MkdirTemp("", "phyllo-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folders)
	if b.embedded, err = start(ctx, opt.Program, "--data", folders+"/embedded", "--memory-cache-mib", "256"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.embedded.stop()) }()
	if err := b.cql.migrate(ctx); err != nil {
		return err
	}
	b.program = []string{"--data", folders + "/node", "--memory-cache-mib", "256", "--cassandra", b.cql.address(), "--keyspace", keyspace, "--node", "bench"}
	if b.ours, err = start(ctx, opt.Program, b.program...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.ours.stop()) }()
	for _, step := range []func(context.Context) error{b.ingest, b.density, b.equal, b.scans, b.lookups, b.cold} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

// loads is how often the rows are loaded; the last load stays.
const loads = 3

// ingest times the acknowledged load of all rows, in turn; the CQL table last has
// a warm server.
func (b *bench) ingest(ctx context.Context) error {
	load := func(s *side) (float64, error) {
		if _, err := s.conn.Exec(ctx, "DROP TABLE IF EXISTS positions"); err != nil {
			return 0, err
		}
		if _, err := s.conn.Exec(ctx, "CREATE TABLE positions "+keyed()+layout); err != nil {
			return 0, err
		}
		begin := time.Now()
		_, err := s.conn.PgConn().CopyFrom(ctx, bytes.NewReader(b.data), "COPY positions FROM STDIN (FORMAT csv, HEADER)")
		return time.Since(begin).Seconds(), err
	}
	if err := b.cql.warm(ctx); err != nil {
		return err
	}
	var ours, embedded []float64
	for range loads {
		o, err := load(b.ours)
		if err != nil {
			return err
		}
		e, err := load(b.embedded)
		if err != nil {
			return err
		}
		ours, embedded = append(ours, o), append(embedded, e)
	}
	begin := time.Now()
	if err := b.cql.load(ctx); err != nil {
		return err
	}
	rows := float64(len(b.cql.rows))
	cql, o, e := rows/time.Since(begin).Seconds(), rows/measure.Median(ours), rows/measure.Median(embedded)
	fmt.Printf("ingest, acknowledged at LOCAL_QUORUM: CQL %.0f rows/s, phyllo %.0f rows/s, ratio %.1f (embedded %.0f)\n", cql, o, o/cql, e)
	return nil
}

// keyed are the columns with a primary key.
func keyed() string {
	return measure.Columns[:len(measure.Columns)-1] + ", PRIMARY KEY (vehicle_id, timestamp))"
}

// density tells bytes on disk after CHECKPOINT and compaction.
func (b *bench) density(ctx context.Context) error {
	var embedded int64
	for _, s := range []*side{b.ours, b.embedded} {
		if _, err := s.conn.Exec(ctx, "CHECKPOINT"); err != nil {
			return err
		}
	}
	if err := b.embedded.conn.QueryRow(ctx, "SELECT pg_total_relation_size('positions')").Scan(&embedded); err != nil {
		return err
	}
	var blobs int64
	if err := b.ours.conn.QueryRow(ctx, "SELECT pg_total_relation_size('positions')").Scan(&blobs); err != nil {
		return err
	}
	cql, err := b.cql.bytesOnDisk(ctx, plainKeyspace, "positions")
	if err != nil {
		return err
	}
	// Tables that were dropped are freed an hour later: the files hold all loads.
	chunks, err := b.cql.bytesOnDisk(ctx, keyspace, "chunks")
	if err != nil {
		return err
	}
	chunks /= loads
	n := float64(b.cql.distinct)
	fmt.Printf("bytes a row (%d rows): CQL %.2f, phyllo %.2f on Cassandra's disk (%.2f of blobs), ratio %.1f; embedded %.2f, of it %.2f times\n", b.cql.distinct,
		float64(cql)/n, float64(chunks)/n, float64(blobs)/n, float64(cql)/float64(chunks), float64(embedded)/n, float64(chunks)/float64(embedded))
	return nil
}

// equal compares counts and sums.
func (b *bench) equal(ctx context.Context) error {
	const sql = "SELECT count(*), count(speed), sum(speed::float8), sum(latitude), count(DISTINCT vehicle_id) FROM positions"
	want, err := b.cql.sums(ctx)
	if err != nil {
		return err
	}
	for _, s := range []*side{b.ours, b.embedded} {
		got, _, err := measure.Fetch(ctx, s.conn, sql)
		if err == nil {
			err = measure.Same(want, got)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// timed runs a query on a side and returns the median milliseconds.
func (b *bench) timed(ctx context.Context, s *side, sql string) (float64, error) {
	var times []float64
	for range b.opt.Runs + 1 {
		_, ms, err := measure.Fetch(ctx, s.conn, sql)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", sql, err)
		}
		times = append(times, ms)
	}
	return measure.Median(times[1:]), nil
}

const (
	oneColumn  = "SELECT avg(speed) FROM positions WHERE speed < 1e9"
	allColumns = `SELECT sum(length(vehicle_id)), max(timestamp), avg(speed), sum(length(route_id)), sum(length(trip_id)), avg(latitude), avg(longitude),
		sum(length(trip_headsign)) FROM positions WHERE latitude + longitude < 1e9`
)

// scans times one column and all columns of all rows.
func (b *bench) scans(ctx context.Context) error {
	for _, q := range []struct {
		name, sql string
		columns   []string
	}{{"one column", oneColumn, []string{"speed"}}, {"all columns", allColumns, allNames}} {
		var cql []float64
		for range 3 {
			begin := time.Now()
			n, err := b.cql.scan(ctx, q.columns)
			if err != nil {
				return err
			}
			if n != b.cql.distinct {
				return fmt.Errorf("the CQL scan read %d rows of %d", n, b.cql.distinct)
			}
			cql = append(cql, time.Since(begin).Seconds()*1000)
		}
		ours, err := b.timed(ctx, b.ours, q.sql)
		if err != nil {
			return err
		}
		embedded, err := b.timed(ctx, b.embedded, q.sql)
		if err != nil {
			return err
		}
		c := measure.Median(cql)
		fmt.Printf("scan of %s: CQL %.0f ms, phyllo warm %.2f ms, ratio %.0f; embedded %.2f ms, of it %.2f times\n", q.name, c, ours, c/ours, embedded, ours/embedded)
	}
	return nil
}

// lookups times what is short.
func (b *bench) lookups(ctx context.Context) error {
	r := b.cql.rows[len(b.cql.rows)/2]
	point := fmt.Sprintf("SELECT * FROM positions WHERE vehicle_id = '%s' AND timestamp = '%s'", r.vehicle, r.at.UTC().Format(time.RFC3339Nano))
	last := "SELECT DISTINCT ON (vehicle_id) vehicle_id, timestamp FROM positions ORDER BY vehicle_id, timestamp DESC"
	for _, q := range []struct{ name, sql string }{{"single key", point}, {"last position per vehicle", last}} {
		ours, err := b.timed(ctx, b.ours, q.sql)
		if err != nil {
			return err
		}
		embedded, err := b.timed(ctx, b.embedded, q.sql)
		if err != nil {
			return err
		}
		fmt.Printf("%s: phyllo warm %.2f ms, embedded %.2f ms\n", q.name, ours, embedded)
	}
	return nil
}

// cold times the first scan of all columns of a server that has just started, and
// a plain loop that reads the same blobs.
func (b *bench) cold(ctx context.Context) error {
	var ours, loop []float64
	var bytes int64
	for range 3 {
		if err := b.ours.stop(); err != nil {
			return err
		}
		var err error
		if b.ours, err = start(ctx, b.opt.Program, b.program...); err != nil {
			return err
		}
		// The catalogue and the manifests are read by what is answered from them.
		if _, _, err := measure.Fetch(ctx, b.ours.conn, "SELECT count(*) FROM positions"); err != nil {
			return err
		}
		_, ms, err := measure.Fetch(ctx, b.ours.conn, allColumns)
		if err != nil {
			return err
		}
		begin := time.Now()
		if bytes, err = b.cql.readBlobs(ctx); err != nil {
			return err
		}
		ours, loop = append(ours, ms), append(loop, time.Since(begin).Seconds()*1000)
	}
	mib := float64(bytes) / (1 << 20)
	o, l := measure.Median(ours), measure.Median(loop)
	fmt.Printf("cold scan of all columns, %.1f MiB: phyllo %.1f ms = %.0f MiB/s, a plain loop over the blobs %.1f ms = %.0f MiB/s, %.0f %%\n",
		mib, o, mib/o*1000, l, mib/l*1000, 100*l/o)
	return nil
}
