package cassandratest

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/engine/cassandra"
)

const addressVariable = "PHYLLO_TEST_CASSANDRA"

var verbose = flag.Bool("cassandratest.log", false, "print what stores log")

// server is the address of the server under test, and a session of the tests' own.
type server struct {
	address string
	session *gocql.Session
	// keyspace has the tables; made once, for that is slow, and emptied for each test.
	keyspace string
}

var (
	theServer server
	setUp     sync.Once
	setUpErr  error
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if theServer.session != nil {
		err := theServer.session.Query(`DROP KEYSPACE IF EXISTS ` + theServer.keyspace).Exec()
		theServer.session.Close()
		if err != nil {
			fmt.Fprintln(os.Stderr, "drop keyspace:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// onServer returns the server under test, or fails the test if there is none.
func onServer(t *testing.T) *server {
	t.Helper()
	setUp.Do(func() {
		theServer.address = os.Getenv(addressVariable)
		if theServer.address == "" {
			setUpErr = fmt.Errorf("%s is not set: these tests need the address, host:port, of an Apache Cassandra 5 server (make cassandra starts one)", addressVariable)
			return
		}
		theServer.keyspace = fmt.Sprintf("phyllotest_%x", rand.Uint64())
		setUpErr = theServer.start()
	})
	if setUpErr != nil {
		t.Fatal(setUpErr)
	}
	return &theServer
}

func (s *server) start() error {
	c := gocql.NewCluster(strings.Split(s.address, ",")...)
	c.ProtoVersion = 4
	c.Timeout = time.Minute
	c.ConnectTimeout = 10 * time.Second
	c.Consistency = gocql.All
	c.Logger = gocql.NewLogger(gocql.LogLevelNone)
	var err error
	if s.session, err = c.CreateSession(); err != nil {
		return err
	}
	return cassandra.Migrate(context.Background(), s.options(), cassandra.MigrateOptions{}, nil)
}

func (s *server) options() cassandra.Options {
	o := cassandra.Options{Hosts: strings.Split(s.address, ","), Keyspace: s.keyspace}
	if *verbose {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return o
}

// emptyKeyspace empties the keyspace of the tests and returns how to open it.
func emptyKeyspace(t *testing.T) cassandra.Options {
	t.Helper()
	s := onServer(t)
	scanner := s.session.Query(`SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?`, s.keyspace).Iter().Scanner()
	var wg sync.WaitGroup
	for scanner.Next() {
		var table string
		if err := scanner.Scan(&table); err != nil {
			t.Fatal(err)
		}
		if table == "schema_versions" {
			continue
		}
		wg.Go(func() {
			if err := s.session.Query(fmt.Sprintf("TRUNCATE %s.%s", s.keyspace, table)).Exec(); err != nil {
				t.Errorf("truncate %s: %v", table, err)
			}
		})
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	return s.options()
}

func open(t *testing.T, opts cassandra.Options) *cassandra.Store {
	t.Helper()
	s, err := cassandra.Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
