// Package testserver runs Phyllo in the process of a test. It stands apart from
// testenv, which knows nothing of Phyllo, so that the tests of any package can use that.
package testserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/internal/recycle"
	"github.com/phyllodb/phyllo/tools/server"
)

func init() { recycle.Poison = true }

// A Phyllo is a server in the test's own process.
type Phyllo struct {
	Config server.Config
	Server *server.Server
}

// Start starts a server on free ports and an empty store and stops it
// when the test ends; change adjusts its configuration.
//
// The store is a folder; with PHYLLO_TEST_STORE=cassandra it is a new keyspace of
// the cluster at PHYLLO_TEST_CASSANDRA.
func Start(t testing.TB, change func(*server.Config)) *Phyllo {
	t.Helper()
	c := server.Default()
	c.Data = t.TempDir()
	c.PG, c.HTTP = "127.0.0.1:0", "127.0.0.1:0"
	if os.Getenv("PHYLLO_TEST_STORE") == "cassandra" {
		c.Cassandra.Hosts, c.Node = os.Getenv("PHYLLO_TEST_CASSANDRA"), "test"
		c.Cassandra.Keyspace = fmt.Sprintf("test_%x", rand.Uint64())
		if err := cassandra.Migrate(context.Background(), c.CassandraOptions(nil, nil), cassandra.MigrateOptions{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	change(&c)
	s, err := server.Start(context.Background(), c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stopping the server: %v", err)
		}
	})
	return &Phyllo{c, s}
}

// DSN is how to connect.
func (p *Phyllo) DSN() string {
	host, port, _ := net.SplitHostPort(p.Server.PGAddr())
	return fmt.Sprintf("postgres://tester@%s:%s/phyllo?sslmode=disable", host, port)
}

// URL is the HTTP address.
func (p *Phyllo) URL() string { return "http://" + p.Server.HTTPAddr() }
