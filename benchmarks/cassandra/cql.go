package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/benchmarks/measure"
	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/tools/testenv"
	"golang.org/x/sync/errgroup"
)

const (
	plainKeyspace = "plain"  // of the CQL table
	keyspace      = "phyllo" // of ours
	inFlight      = 128      // inserts
	ranges        = 64       // of tokens, of a scan
	readers       = 8
	pageSize      = 5000
)

var allNames = []string{"vehicle_id", "timestamp", "speed", "route_id", "trip_id", "latitude", "longitude", "trip_headsign"}

// A row is one position; nil is NULL.
type row struct {
	vehicle             string
	at                  time.Time
	speed               *float32
	route, trip         *string
	latitude, longitude *float64
	headsign            *string
}

func (r *row) values() []any {
	return []any{r.vehicle, r.at, r.speed, r.route, r.trip, r.latitude, r.longitude, r.headsign}
}

// cqlTable is a regular table with the rows, and the driver.
type cqlTable struct {
	cluster  *testenv.Cassandra
	session  *gocql.Session
	rows     []row
	distinct int64 // by key
}

func openCQL(ctx context.Context, c *testenv.Cassandra, data []byte) (*cqlTable, error) {
	t := &cqlTable{cluster: c}
	if err := t.parse(data); err != nil {
		return nil, err
	}
	cfg := gocql.NewCluster(c.Hosts()...)
	cfg.Port, cfg.ProtoVersion, cfg.NumConns = c.Port, 4, 2
	cfg.Timeout, cfg.WriteTimeout, cfg.Consistency = time.Minute, time.Minute, gocql.LocalQuorum
	cfg.PageSize = pageSize
	cfg.RetryPolicy = again{}
	cfg.Logger = gocql.NewLogger(gocql.LogLevelNone)
	var err error
	if t.session, err = cfg.CreateSession(); err != nil {
		return nil, err
	}
	for _, cql := range []string{
		"CREATE KEYSPACE " + plainKeyspace + " WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}",
		t.create("positions"), t.create("warm"),
	} {
		if err := t.session.Query(cql).WithContext(ctx).Exec(); err != nil {
			return nil, fmt.Errorf("%s: %w", cql, err)
		}
	}
	return t, nil
}

// again sends a request once more to the only server, which gives up before the
// client does if the machine is busy.
type again struct{}

// Attempt implements gocql.RetryPolicy.
func (again) Attempt(q gocql.RetryableQuery) bool { return q.Attempts() <= 5 }

// GetRetryType implements gocql.RetryPolicy.
func (again) GetRetryType(error) gocql.RetryType { return gocql.Retry }

func (t *cqlTable) create(name string) string {
	return "CREATE TABLE " + plainKeyspace + "." + name + ` (vehicle_id text, timestamp timestamp, speed float, route_id text, trip_id text,
		latitude double, longitude double, trip_headsign text, PRIMARY KEY ((vehicle_id), timestamp))`
}

func (t *cqlTable) close() { t.session.Close() }

func (t *cqlTable) address() string {
	return fmt.Sprintf("%s:%d", t.cluster.Hosts()[0], t.cluster.Port)
}

func (t *cqlTable) migrate(ctx context.Context) error {
	return cassandra.Migrate(ctx, cassandra.Options{Hosts: []string{t.address()}, Keyspace: keyspace}, cassandra.MigrateOptions{Replication: "datacenter1:1"}, nil)
}

// parse reads the CSV. The timestamp may be in any of PostgreSQL's usual forms.
func (t *cqlTable) parse(data []byte) error {
	in := csv.NewReader(bytes.NewReader(data))
	if _, err := in.Read(); err != nil {
		return err
	}
	type key struct {
		vehicle string
		at      int64
	}
	seen := map[key]bool{}
	for line := 2; ; line++ {
		f, err := in.Read()
		if errors.Is(err, io.EOF) {
			t.distinct = int64(len(seen))
			return nil
		}
		if err != nil {
			return err
		}
		r := row{vehicle: f[0], route: text(f[3]), trip: text(f[4]), headsign: text(f[7])}
		if r.at, err = parseTime(f[1]); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if v := number(f[2], 32); v != nil {
			s := float32(*v)
			r.speed = &s
		}
		r.latitude, r.longitude = number(f[5], 64), number(f[6], 64)
		t.rows = append(t.rows, r)
		seen[key{r.vehicle, r.at.UnixMicro()}] = true
	}
}

func parseTime(s string) (at time.Time, err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999Z07", "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999"} {
		if at, err = time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return at, err
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func number(s string, bits int) *float64 {
	v, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return nil
	}
	return &v
}

// warm lets the server compile what the load runs.
func (t *cqlTable) warm(ctx context.Context) error {
	return t.insert(ctx, "warm", t.rows[:min(100_000, len(t.rows))])
}

// loadReadings makes and fills a regular table of readings of CPUs.
func (t *cqlTable) loadReadings(ctx context.Context, seed uint64, rows int) error {
	create := "CREATE TABLE " + plainKeyspace + ".cpu (host text, time timestamp, " + strings.Join(measure.Metrics, " double, ") + " double, PRIMARY KEY ((host), time))"
	if err := t.session.Query(create).WithContext(ctx).Exec(); err != nil {
		return err
	}
	cql := "INSERT INTO " + plainKeyspace + ".cpu (host, time, " + strings.Join(measure.Metrics, ", ") + ") VALUES (?, ?" + strings.Repeat(", ?", len(measure.Metrics)) + ")"
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for r := range measure.Readings(seed, rows) {
		values := []any{r.Host, r.At}
		for _, x := range r.Values {
			values = append(values, float64(x))
		}
		g.Go(func() error { return t.session.Query(cql, values...).WithContext(ctx).Idempotent(true).Exec() })
	}
	return g.Wait()
}

func (t *cqlTable) load(ctx context.Context) error { return t.insert(ctx, "positions", t.rows) }

// insert writes rows by prepared statements, many in flight.
func (t *cqlTable) insert(ctx context.Context, table string, rows []row) error {
	cql := "INSERT INTO " + plainKeyspace + "." + table + " (" + strings.Join(allNames, ", ") + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range inFlight {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(rows) {
					return nil
				}
				if err := t.session.Query(cql, rows[i].values()...).WithContext(ctx).Idempotent(true).Exec(); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// eachRange runs f on ranges of tokens, several at a time.
func eachRange(ctx context.Context, f func(ctx context.Context, from, to int64) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	step := uint64(math.MaxUint64) / ranges
	for i := range uint64(ranges) {
		from := int64(math.MinInt64 + int64(i*step))
		to := int64(math.MaxInt64)
		if i < ranges-1 {
			to = int64(math.MinInt64 + int64((i+1)*step))
		}
		g.Go(func() error { return f(ctx, from, to) })
	}
	return g.Wait()
}

// scan reads columns of all rows by token ranges and counts them.
func (t *cqlTable) scan(ctx context.Context, columns []string) (int64, error) {
	var n atomic.Int64
	cql := "SELECT " + strings.Join(columns, ", ") + " FROM " + plainKeyspace + ".positions WHERE token(vehicle_id) > ? AND token(vehicle_id) <= ?"
	err := eachRange(ctx, func(ctx context.Context, from, to int64) error {
		it := t.session.Query(cql, from, to).WithContext(ctx).Idempotent(true).Iter()
		var r row
		into := map[string]any{"vehicle_id": &r.vehicle, "timestamp": &r.at, "speed": &r.speed, "route_id": &r.route, "trip_id": &r.trip,
			"latitude": &r.latitude, "longitude": &r.longitude, "trip_headsign": &r.headsign}
		dest := make([]any, len(columns))
		for i, c := range columns {
			dest[i] = into[c]
		}
		count := int64(0)
		for it.Scan(dest...) {
			count++
		}
		n.Add(count)
		return it.Close()
	})
	return n.Load(), err
}

// sums returns what bench.equal asks of the others.
func (t *cqlTable) sums(ctx context.Context) ([]string, error) {
	newest := map[string]map[int64]*row{}
	for i := range t.rows {
		r := &t.rows[i]
		if newest[r.vehicle] == nil {
			newest[r.vehicle] = map[int64]*row{}
		}
		newest[r.vehicle][r.at.UnixMicro()] = r
	}
	var count, speeds int64
	var speed, latitude float64
	for _, rows := range newest {
		for _, r := range rows {
			count++
			if r.speed != nil {
				speeds++
				speed += float64(*r.speed)
			}
			if r.latitude != nil {
				latitude += *r.latitude
			}
		}
	}
	n, err := t.scan(ctx, []string{"speed"})
	if err == nil && n != count {
		err = fmt.Errorf("the CQL table has %d rows, %d were loaded", n, count)
	}
	return []string{strings.Join([]string{fmt.Sprint(count), fmt.Sprint(speeds), fmt.Sprint(speed), fmt.Sprint(latitude), fmt.Sprint(len(newest))}, "\x00")}, err
}

// bytesOnDisk flushes and compacts a table and adds up its files when they have
// settled.
func (t *cqlTable) bytesOnDisk(ctx context.Context, ks, table string) (int64, error) {
	for _, command := range []string{"flush", "compact"} {
		if _, err := t.cluster.Nodetool(ctx, 1, command, ks, table); err != nil {
			return 0, err
		}
	}
	for last := int64(-1); ; {
		total, err := t.filesOnDisk(ks, table)
		if err != nil {
			return 0, err
		}
		if total == 0 {
			return 0, fmt.Errorf("no files of %s.%s below %s", ks, table, t.cluster.DataDir(1))
		}
		if total == last {
			return total, nil
		}
		last = total
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(settle):
		}
	}
}

// settle is how long the files of a compacted table must stay as they are: those
// that it replaced are deleted in the background.
const settle = 5 * time.Second

// filesOnDisk adds up a table's files as they are now.
func (t *cqlTable) filesOnDisk(ks, table string) (int64, error) {
	total := int64(0)
	folders, err := filepath.Glob(filepath.Join(t.cluster.DataDir(1), "data", ks, table+"-*"))
	if err == nil && len(folders) == 0 {
		folders, err = filepath.Glob(filepath.Join(t.cluster.DataDir(1), ks, table+"-*"))
	}
	if err != nil {
		return 0, err
	}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.db"))
		if err != nil {
			return 0, err
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if errors.Is(err, fs.ErrNotExist) {
				continue // just deleted
			}
			if err != nil {
				return 0, err
			}
			total += info.Size()
		}
	}
	return total, nil
}

// A blobKey names a part of a column blob of ours.
type blobKey struct {
	table             int64
	partition, bucket []byte
	column            int64
	chunk             []byte
	part              int
}

// blobKeys returns the keys of the blobs of the first columns of a table of ours.
func (t *cqlTable) blobKeys(ctx context.Context, table int64, columns int) ([]blobKey, error) {
	var keys []blobKey
	it := t.session.Query("SELECT table_id, partition, bucket, column_id, chunk_id, part FROM " + keyspace + ".chunks").WithContext(ctx).Iter()
	var k blobKey
	for it.Scan(&k.table, &k.partition, &k.bucket, &k.column, &k.chunk, &k.part) {
		if k.table == table && k.column >= 1 && k.column <= int64(columns) {
			keys = append(keys, k)
		}
		k = blobKey{}
	}
	return keys, it.Close()
}

// readBlobs reads blobs key by key, and returns their bytes.
func (t *cqlTable) readBlobs(ctx context.Context, keys []blobKey) (int64, error) {
	var total atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, k := range keys {
		g.Go(func() error {
			var data []byte
			err := t.session.Query("SELECT data FROM "+keyspace+".chunks WHERE table_id = ? AND partition = ? AND bucket = ? AND column_id = ? AND chunk_id = ? AND part = ?",
				k.table, k.partition, k.bucket, k.column, k.chunk, k.part).WithContext(ctx).Consistency(gocql.LocalOne).Scan(&data)
			total.Add(int64(len(data)))
			return err
		})
	}
	err := g.Wait()
	return total.Load(), err
}

// version returns Cassandra's.
func (t *cqlTable) version(ctx context.Context) (v string, err error) {
	err = t.session.Query("SELECT release_version FROM system.local").WithContext(ctx).Scan(&v)
	return v, err
}
