package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/cassandra"
)

// forgetCommand gives up what a node with durability = local has nowhere but on a
// disk that is lost.
type forgetCommand struct {
	clusterSettings
	Node string `required:"" help:"The node whose disk is lost." placeholder:"NAME"`
}

func (c *forgetCommand) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !cfg.Clustered() {
		return errNoCluster
	}
	s, err := cassandra.Open(ctx, cfg.CassandraOptions(cfg.Logger(os.Stderr), nil))
	if err != nil {
		return withHint(err)
	}
	if err := engine.ForgetJournal(ctx, s, engine.DefaultDatabase, c.Node); err != nil {
		return withHint(errors.Join(err, s.Close()))
	}
	fmt.Printf("What node %s had committed on its disk only is given up: others do not wait for it, and it can start with an empty folder.\n", c.Node)
	return s.Close()
}
