package main

import (
	"context"
	"fmt"
	"os"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/tools/server"
)

// migrateCommand makes the tables in a keyspace, or brings them up to date.
// Nothing else changes the schema of a cluster.
type migrateCommand struct {
	clusterSettings
	Replication string `help:"Replicas by data centre of a new keyspace; without it 3, or the number of nodes if fewer, in the contact point's." placeholder:"DC:N,..."`
	Print       bool   `help:"Print the CQL and change nothing. Needs no cluster; with --replication."`
}

func (c *migrateCommand) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if c.Print {
		return c.print(cfg)
	}
	if !cfg.Clustered() {
		return errNoCluster
	}
	options := cfg.CassandraOptions(cfg.Logger(os.Stderr), nil)
	return cassandra.Migrate(ctx, options, cassandra.MigrateOptions{Replication: c.Replication}, func(step string) { fmt.Println(step) })
}

func (c *migrateCommand) print(cfg server.Config) error {
	replication := c.Replication
	if replication == "" {
		return fmt.Errorf("--print needs --replication DC:N, since it asks no cluster")
	}
	statements, err := cassandra.Statements(cfg.Cassandra.Keyspace, replication)
	if err != nil {
		return err
	}
	for _, s := range statements {
		fmt.Println(s + ";")
	}
	return nil
}
