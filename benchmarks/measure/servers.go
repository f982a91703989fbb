package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/tools/testenv"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

// Servers starts Phyllo servers on one store, one after the other, each with a disk of
// its own where the store allows it.
type Servers struct {
	Program string
	// Args returns the arguments of the nth server; those of an embedded store are the same for all.
	Args func(n int) []string
}

// OnStore makes an empty store, "embedded" or "cassandra" (one server with heapMiB of heap),
// calls f with servers on it, and removes it.
func OnStore(ctx context.Context, store, program string, heapMiB int, f func(Servers) error) (err error) {
	dir, err := os.MkdirTemp("", "phyllo-benchmark-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if store == "embedded" {
		return f(Servers{program, func(int) []string { return []string{"--data", dir} }})
	}
	const keyspace = "phyllo"
	c, err := testenv.StartCassandra(ctx, testenv.CassandraOptions{HeapMiB: heapMiB, FullJIT: true})
	if err != nil {
		return err
	}
	defer c.Stop()
	address := fmt.Sprintf("%s:%d", c.Hosts()[0], c.Port)
	if err := cassandra.Migrate(ctx, cassandra.Options{Hosts: []string{address}, Keyspace: keyspace}, cassandra.MigrateOptions{Replication: "datacenter1:1"}, nil); err != nil {
		return err
	}
	return f(Servers{program, func(n int) []string {
		return []string{"--data", fmt.Sprintf("%s/%d", dir, n), "--cassandra", address, "--keyspace", keyspace, "--node", "bench"}
	}})
}

// Start starts the nth server and connects to it.
func (s Servers) Start(ctx context.Context, n int) (*testprocess.Process, *pgx.Conn, error) {
	p, err := testprocess.Start(testprocess.Options{Program: s.Program, Args: s.Args(n), Env: []string{"PHYLLO_LOG_LEVEL=warn"}})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w (run make build first)", s.Program, err)
	}
	if err := p.Ready(ctx); err != nil {
		return nil, nil, errors.Join(err, p.Stop(time.Minute))
	}
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return nil, nil, errors.Join(err, p.Stop(time.Minute))
	}
	return p, conn, nil
}
