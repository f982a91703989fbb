package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/tools/testenv"
)

// cqlPort is where clients look for Cassandra.
const cqlPort = 9042

// startCommand starts the servers that do not run.
type startCommand struct {
	Nodes   int    `help:"Number of servers, 1 or 3. Default: those of the folder's data, else 1." default:"0"`
	Port    int    `help:"Port for CQL. Default: that of the folder's data, else 9042." default:"0"`
	HeapMiB int    `help:"Java heap of each server in MiB." name:"heap-mib" default:"512"`
	Sync    string `help:"When writes are synced to the disk: every 10 s (periodic) or before they are acknowledged (group)." enum:"periodic,group" default:"periodic"`
}

func (s *startCommand) Run(ctx context.Context, dir folder) error {
	if s.Nodes != 0 && s.Nodes != 1 && s.Nodes != 3 {
		return fmt.Errorf("NODES=%d: must be 1 or 3", s.Nodes)
	}
	unlock, err := dir.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := testenv.FindCassandra(string(dir))
	switch {
	case err == nil:
		if err := s.check(c); err != nil {
			return err
		}
		if len(c.Running()) == len(c.Hosts()) {
			say("Cassandra is running already.")
			connect(c)
			return nil
		}
	case errors.Is(err, os.ErrNotExist):
		if s.Port == 0 {
			s.Port = cqlPort
		}
	default:
		return err
	}
	began := time.Now()
	c, err = testenv.StartCassandra(ctx, testenv.CassandraOptions{Nodes: s.Nodes, Port: s.Port, HeapMiB: s.HeapMiB, CommitLogSync: s.Sync,
		FullJIT: true, Dir: string(dir), Detached: true, Logf: say})
	if ctx.Err() != nil {
		return errors.New("interrupted; the servers that were starting are ended")
	}
	if errors.Is(err, testenv.ErrPortInUse) {
		return fmt.Errorf("%w: end that program, or name another port with PORT=n", err)
	} else if err != nil {
		return err
	}
	say("Cassandra %s is ready after %.1f s.", testenv.CassandraVersion, time.Since(began).Seconds())
	connect(c)
	return nil
}

// check refuses what the cluster in the folder is not.
func (s *startCommand) check(c *testenv.Cassandra) error {
	if have := len(c.Hosts()); s.Nodes != 0 && s.Nodes != have {
		return fmt.Errorf("%s holds a cluster of %s, and NODES=%d asks for %s: use NODES=%d, or remove it and its data with make cassandra-stop CLEAN=1, or set PHYLLO_CASSANDRA_DIR to another folder",
			c.Dir(), count(have), s.Nodes, count(s.Nodes), have)
	}
	if running := c.Running(); s.Port != 0 && s.Port != c.Port && len(running) > 0 {
		return fmt.Errorf("the servers listen on port %d, not %d: end them first with make cassandra-stop", c.Port, s.Port)
	}
	return nil
}

func count(nodes int) string {
	if nodes == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", nodes)
}

// connect prints how to use the cluster.
func connect(c *testenv.Cassandra) {
	points := contactPoints(c)
	say("")
	say("  hosts    %s", strings.Join(c.Hosts(), ","))
	say("  port     %d (CQL)", c.Port)
	say("  logs     %s", filepath.Join(c.Dir(), "node*", "cassandra.log"))
	say("  tables   bin/phyllo migrate --cassandra %s", points)
	say("  server   bin/phyllo serve --cassandra %s --node a", points)
	say("  end      make cassandra-stop (CLEAN=1 removes the data)")
}

// contactPoints is what phyllo takes for --cassandra.
func contactPoints(c *testenv.Cassandra) string {
	points := c.Hosts()
	if c.Port != cqlPort {
		for i := range points {
			points[i] = net.JoinHostPort(points[i], strconv.Itoa(c.Port))
		}
	}
	return strings.Join(points, ",")
}
