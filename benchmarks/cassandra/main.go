// Command cassandra compares Phyllo on Cassandra with a regular CQL table on the
// same cluster, in one run on the same rows: bus positions with the primary key
// (vehicle_id, timestamp). It tells bytes on disk, as loaded and compacted,
// acknowledged ingest, scans of one column and of all, last positions and look-ups,
// and what is lost against the embedded store when warm, and against a plain loop
// over the blobs when cold. Answers are checked equal before anything is timed. What
// is compared is run in turn; a figure is the median, with the least and the greatest
// in brackets.
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
	Sync    []string `help:"Kinds of commitlog_sync to run with." default:"periodic,group"`
	Heap    int      `help:"Heap of Cassandra in MiB." default:"1024"`
	CPU     int      `name:"cpu" help:"Readings of CPUs whose bytes on disk are told as well; 0: none." default:"216000"`
	Density bool     `help:"Tell bytes on disk and nothing else."`
	Sort    bool     `help:"Load the rows sorted by key; else as they come, with chunks that overlap." default:"true" negatable:""`
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
	if err == nil && opt.Sort {
		data, err = sortByKey(data)
	}
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
	table    resultTable
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
	steps := []func(context.Context) error{b.ingest, b.density, b.equal, b.scans, b.lookups, b.cold, b.compacted}
	if opt.Density {
		steps = []func(context.Context) error{b.ingest, b.density, b.compacted}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return b.print(ctx, sync)
}

// loads is how often the rows are loaded; the last load stays.
const loads = 3

// ingest times the acknowledged load of all rows, in turn; the CQL table last has
// a warm server.
func (b *bench) ingest(ctx context.Context) error {
	rows := float64(len(b.cql.rows))
	load := func(s *side) (float64, error) {
		if _, err := s.conn.Exec(ctx, "DROP TABLE IF EXISTS positions"); err != nil {
			return 0, err
		}
		if _, err := s.conn.Exec(ctx, "CREATE TABLE positions "+keyed()+layout); err != nil {
			return 0, err
		}
		begin := time.Now()
		_, err := s.conn.PgConn().CopyFrom(ctx, bytes.NewReader(b.data), "COPY positions FROM STDIN (FORMAT csv, HEADER)")
		return rows / time.Since(begin).Seconds(), err
	}
	if err := b.cql.warm(ctx); err != nil {
		return err
	}
	var ours, embedded series
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
	cql := series{rows / time.Since(begin).Seconds()}
	b.table.add("ingest, acknowledged, rows/s", ours, "CQL", cql, ours.median()/cql.median(), ">= 12")
	b.table.add("", ours, "embedded", embedded, ours.median()/embedded.median(), "")
	return nil
}

// keyed are the columns with a primary key.
func keyed() string {
	return measure.Columns[:len(measure.Columns)-1] + ", PRIMARY KEY (vehicle_id, timestamp))"
}

// density tells bytes on disk after CHECKPOINT and compaction.
func (b *bench) density(ctx context.Context) error {
	for _, s := range []*side{b.ours, b.embedded} {
		if _, err := s.conn.Exec(ctx, "CHECKPOINT"); err != nil {
			return err
		}
	}
	var embedded int64
	if err := b.embedded.conn.QueryRow(ctx, "SELECT pg_total_relation_size('positions')").Scan(&embedded); err != nil {
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
	rows := float64(b.cql.distinct)
	per := func(bytes int64) series { return series{float64(bytes) / rows} }
	ours := per(chunks / loads)
	b.table.add("bytes on disk, of a row", ours, "CQL", per(cql), per(cql).median()/ours.median(), ">= 4")
	b.table.add("", ours, "embedded", per(embedded), ours.median()/per(embedded).median(), "")
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

// timed runs a query on both of ours in turn and returns the milliseconds of each.
// The first run fills the cache and does not count.
func (b *bench) timed(ctx context.Context, sql string) (ours, embedded series, err error) {
	for i := range b.opt.Runs + 1 {
		var answers [2][]string
		var ms [2]float64
		for k, s := range []*side{b.ours, b.embedded} {
			if answers[k], ms[k], err = measure.Fetch(ctx, s.conn, sql); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", sql, err)
			}
		}
		if err := measure.Same(answers[0], answers[1]); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", sql, err)
		}
		if i > 0 {
			ours, embedded = append(ours, ms[0]), append(embedded, ms[1])
		}
	}
	return ours, embedded, nil
}

// What scans do, on both sides, with each value of the columns: the CQL side has
// the driver decode it into a Go variable. Ours decodes it and computes with it.
// No bounds decide the filters: a value in the midst of the column, and the sum of
// two columns. Text is measured by its length.
const (
	oneColumn  = "SELECT avg(speed), count(*) FROM positions WHERE speed <> 7.25"
	allColumns = `SELECT sum(length(vehicle_id)), max(timestamp), avg(speed), sum(length(route_id)), sum(length(trip_id)), avg(latitude), avg(longitude),
		sum(length(trip_headsign)), count(*) FROM positions WHERE latitude + longitude < 1e9`
)

// cqlScans is how often the CQL table is scanned: it takes seconds.
const cqlScans = 3

// scans times one column and all columns of all rows.
func (b *bench) scans(ctx context.Context) error {
	for _, q := range []struct {
		name, sql, demand string
		columns           []string
	}{{"one column of all rows, ms", oneColumn, ">= 300", []string{"speed"}}, {"all columns of all rows, ms", allColumns, ">= 100", allNames}} {
		var cql series
		for range cqlScans {
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
		ours, embedded, err := b.timed(ctx, q.sql)
		if err != nil {
			return err
		}
		b.table.add(q.name, ours, "CQL", cql, cql.median()/ours.median(), q.demand)
		b.table.warm(ours, embedded)
	}
	return nil
}

// lookups times what is short.
func (b *bench) lookups(ctx context.Context) error {
	r := b.cql.rows[len(b.cql.rows)/2]
	point := fmt.Sprintf("SELECT * FROM positions WHERE vehicle_id = '%s' AND timestamp = '%s'", r.vehicle, r.at.UTC().Format(time.RFC3339Nano))
	last := "SELECT DISTINCT ON (vehicle_id) vehicle_id, timestamp FROM positions ORDER BY vehicle_id, timestamp DESC"
	for _, q := range []struct{ name, sql, demand string }{{"single key, ms", point, "< 3 ms"}, {"last position of each vehicle, ms", last, "< 20 ms"}} {
		ours, embedded, err := b.timed(ctx, q.sql)
		if err != nil {
			return err
		}
		b.table.add(q.name, ours, "", nil, 0, q.demand)
		b.table.warm(ours, embedded)
	}
	return nil
}

// coldRuns is how often a server is started for the scan of an empty cache.
const coldRuns = 5

// cold times the first scan of all columns of a server that has just started, and
// a plain loop of the driver, which has long been connected, that reads the blobs
// of the same table.
func (b *bench) cold(ctx context.Context) error {
	blobs, err := b.blobKeys(ctx)
	if err != nil {
		return err
	}
	var ours, loop series
	for i := range coldRuns + 1 {
		if err := b.ours.stop(); err != nil {
			return err
		}
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
		bytes, err := b.cql.readBlobs(ctx, blobs)
		if err != nil {
			return err
		}
		if i == 0 {
			continue // Cassandra compiles what these reads run
		}
		mib := float64(bytes) / (1 << 20)
		ours, loop = append(ours, mib/ms*1000), append(loop, mib/time.Since(begin).Seconds())
	}
	b.table.add("cold scan of all columns, MiB/s", ours, "plain loop", loop, ours.median()/loop.median(), ">= 0.7")
	return nil
}

// blobKeys returns the keys of the table's blobs that the scan of all columns reads.
func (b *bench) blobKeys(ctx context.Context) ([]blobKey, error) {
	var table int64
	if err := b.ours.conn.QueryRow(ctx, "SELECT relfilenode::bigint FROM pg_class WHERE relname = 'positions'").Scan(&table); err != nil {
		return nil, err
	}
	keys, err := b.cql.blobKeys(ctx, table, len(allNames))
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("table %d has no blobs", table)
	}
	return keys, err
}
