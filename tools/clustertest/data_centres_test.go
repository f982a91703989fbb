package clustertest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/tools/testenv"
)

// A place is a data centre with a phyllo process that works from there.
type place struct {
	dc   string
	node *node
	keys int // of rows that were written there
}

// TestDataCentres has a node in each of two data centres write to the same tables, and
// then takes the blobs of one server away, damages those of another, and has them read.
func TestDataCentres(t *testing.T) {
	if !*long {
		return // it starts three servers of its own, for some minutes
	}
	// Without hints: what a server missed or lost it gets back from who reads.
	server, err := testenv.StartCassandra(context.Background(), testenv.CassandraOptions{Nodes: 3,
		DataCentres: []string{"east", "east", "west"}, Settings: []string{"hinted_handoff_enabled: false"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	store := []string{"--cassandra", contactPoints(server), "--keyspace", "centres"}
	// A server knows of another one before it knows where that is.
	for late := time.Now().Add(recoverLimit); ; {
		out, err := exec.CommandContext(t.Context(), program, append([]string{"migrate", "--local-dc", "east", "--replication", "east:2,west:1"}, store...)...).CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(late) || await(t.Context(), writerPause) != nil {
			t.Fatalf("phyllo migrate: %v\n%s", err, out)
		}
	}
	var places []*place
	for i, dc := range []string{"east", "west"} {
		n := newNode(t, i, dc, store, "PHYLLO_CASSANDRA_LOCAL_DC="+dc, "PHYLLO_CASSANDRA_SERIAL_CONSISTENCY=SERIAL",
			"PHYLLO_CASSANDRA_WRITE_CONSISTENCY=QUORUM", "PHYLLO_CASSANDRA_READ_CONSISTENCY=QUORUM")
		if err := n.start(t.Context(), dc); err != nil {
			t.Fatal(err)
		}
		places = append(places, &place{dc: dc, node: n})
	}
	s := &scene{t: t, server: server, nodes: []*node{places[0].node}}
	s.exec(`CREATE TABLE IF NOT EXISTS counters (name text PRIMARY KEY, value bigint)`,
		`CREATE TABLE IF NOT EXISTS seen (centre text, n bigint, ts timestamptz) WITH (slice = '1 hour')`)
	t.Run("writes", func(t *testing.T) { writeFromBoth(t, places) })
	s.exec(`CHECKPOINT`)
	t.Run("lost blobs", func(t *testing.T) {
		if _, err := server.Nodetool(t.Context(), 1, "flush"); err != nil {
			t.Fatal(err)
		}
		if err := server.Kill(1); err != nil {
			t.Fatal(err)
		}
		lost, err := filepath.Glob(filepath.Join(server.DataDir(1), "data", "centres", "chunks-*", "*"))
		if err != nil || len(lost) == 0 {
			t.Fatalf("server 1 has no blobs: %v", err)
		}
		// Without the tables it would not know that it has flushed what is in its log.
		lost = append(lost, filepath.Join(server.DataDir(1), "commitlog"))
		if out, err := exec.Command("rm", append([]string{"-rf"}, lost...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := server.Restart(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		found, _ := readAgain(t, places)
		if found == 0 {
			t.Error("no part was missed")
		}
	})
	t.Run("damaged blobs", func(t *testing.T) {
		for _, number := range []int{2, 3} {
			if err := server.Kill(number); err != nil {
				t.Fatal(err)
			}
		}
		damaged := damageBlobs(t, server, 1)
		for _, number := range []int{2, 3} {
			if err := server.Restart(t.Context(), number); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d parts of server 1 were overwritten", damaged)
		// What server 1 still misses is not among the repaired ones.
		if _, repaired := readAgain(t, places); repaired == 0 {
			t.Error("no part was repaired")
		}
	})
}

// writeFromBoth counts up the same counters from both data centres, and adds rows.
func writeFromBoth(t *testing.T, places []*place) {
	const rounds = 20
	errs := make(chan error, len(places))
	for _, p := range places {
		go func() {
			errs <- func() error {
				conn, err := p.node.connect(t.Context())
				if err != nil {
					return err
				}
				defer conn.Close(context.Background())
				for i := 0; i < rounds; {
					_, err := conn.Exec(t.Context(), `INSERT INTO counters VALUES ('both', 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1`)
					if err == nil {
						_, err = conn.Exec(t.Context(), `INSERT INTO seen SELECT $1, g, '2026-01-01Z'::timestamptz + g * interval '1 minute' FROM generate_series($2::bigint + 1, $2 + 100) AS g`, p.dc, p.keys)
						p.keys += 100
						i++
					}
					if err != nil && !excused(err, false) {
						return fmt.Errorf("%s: %w", p.dc, err)
					}
				}
				return nil
			}()
		}()
	}
	for range places {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range places {
		l := &link{to: p.node, settings: latest}
		conn, err := l.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var value, rows int
		if err := conn.QueryRow(t.Context(), `SELECT value, (SELECT count(*) FROM seen) FROM counters`).Scan(&value, &rows); err != nil || value != rounds*len(places) || rows != value*100 {
			t.Errorf("%s: the counter is %d, there are %d rows, error %v; want %d and %d", p.dc, value, rows, err, rounds*len(places), rounds*len(places)*100)
		}
		l.close()
	}
}

// readAgain reads everything with empty caches. It returns how many parts of blobs were
// missing or damaged on a replica, as far as it was asked, and how many were written again.
func readAgain(t *testing.T, places []*place) (found, repaired float64) {
	t.Helper()
	for _, p := range places {
		if err := p.node.current().Stop(time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := p.node.start(t.Context(), p.dc); err != nil {
			t.Fatal(err)
		}
		conn, err := p.node.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		for _, q := range places {
			var rows, sum int
			// The manifest tells sums, but not this one.
			err := conn.QueryRow(t.Context(), `SELECT count(*), sum(n % 1000000) FROM seen WHERE centre = $1`, q.dc).Scan(&rows, &sum)
			if want := q.keys * (q.keys + 1) / 2; err != nil || rows != q.keys || sum != want {
				t.Errorf("%s: %d rows of %s with a sum of %d, error %v; want %d and %d", p.dc, rows, q.dc, sum, err, q.keys, want)
			}
		}
	}
	for _, p := range places {
		for name, sum := range map[string]*float64{"corrupt": &found, "repaired": &repaired} {
			n, err := p.node.current().Metric("phyllo_cassandra_" + name + "_parts_total")
			if err != nil {
				t.Fatal(err)
			}
			*sum += n
		}
	}
	t.Logf("%v parts were missing or damaged on a replica, %v were written again", found, repaired)
	return found, repaired
}

// damageBlobs overwrites a byte of each blob part of the one server that is up.
func damageBlobs(t *testing.T, server *testenv.Cassandra, number int) int {
	cfg := gocql.NewCluster(server.Hosts()[number-1])
	cfg.Port, cfg.Keyspace, cfg.Consistency, cfg.ProtoVersion = server.Port, "centres", gocql.One, 4
	cfg.DisableInitialHostLookup = true
	cfg.Logger = gocql.NewLogger(gocql.LogLevelNone)
	session, err := cfg.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	it := session.Query("SELECT table_id, partition, bucket, column_id, chunk_id, part, data FROM chunks").Iter()
	var table, column int64
	var partition, bucket, chunk, data []byte
	var part, n int
	for it.Scan(&table, &partition, &bucket, &column, &chunk, &part, &data) {
		data[len(data)/2] ^= 1
		if partition == nil {
			partition = []byte{} // the one of a table without partitions, which nil is not
		}
		err := session.Query("UPDATE chunks SET data = ? WHERE table_id = ? AND partition = ? AND bucket = ? AND column_id = ? AND chunk_id = ? AND part = ?",
			data, table, partition, bucket, column, chunk, part).Exec()
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if err := it.Close(); err != nil || n == 0 {
		t.Fatalf("%d parts were damaged, error %v", n, err)
	}
	return n
}
