package testenv

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// await asks a node until it answers well.
func (c *Cassandra) await(ctx context.Context, n *cassandraNode, ask func(*cqlConn) error) error {
	ctx, cancel := context.WithTimeout(ctx, cassandraStartLimit)
	defer cancel()
	config, err := c.tlsConfig(n.host)
	if err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("nothing was answered")
	for {
		conn, err := dialCQL(ctx, n.host, c.Port, config)
		if err == nil {
			err = ask(conn)
			conn.Close()
		}
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-n.process.done:
			return errors.New("the process ended")
		case <-ctx.Done():
			return fmt.Errorf("%w; at last: %w", ctx.Err(), last)
		case <-tick.C:
		}
	}
}

// awaitCluster waits until statements run on the nodes that are up, and each of
// these knows that the others are. Without a majority that is nothing to wait for, since
// nobody can log in. The first start of a cluster waits for the superuser;
// later on its password may be another.
func (c *Cassandra) awaitCluster(ctx context.Context, first bool) error {
	var up []*cassandraNode
	for _, n := range c.nodes {
		if n.running() && !n.paused {
			up = append(up, n)
		}
	}
	if 2*len(up) <= len(c.nodes) {
		return nil
	}
	steps := []func(ctx context.Context, n *cassandraNode, up []*cassandraNode, lenient bool) error{c.awaitSeen, c.awaitReplicas}
	for _, step := range steps {
		for _, n := range up {
			if err := step(ctx, n, up, !first); err != nil {
				return fmt.Errorf("node %d is up, but not for the cluster: %w\nThe end of %s:\n%s", n.number, err, n.log(), tail(n.log(), 30))
			}
		}
	}
	return nil
}

// awaitSeen waits until the other nodes have noticed that a node was started.
// Until then they may believe in the one that was there before, and on noticing
// take it for dead for a moment.
func (c *Cassandra) awaitSeen(ctx context.Context, n *cassandraNode, up []*cassandraNode, lenient bool) error {
	var own []int32
	err := c.awaitSession(ctx, n, lenient, func(conn *cqlConn) (err error) {
		own, err = conn.ints("SELECT gossip_generation FROM system.local", 1)
		return err
	})
	if err != nil || len(own) != 1 {
		return err
	}
	statement := fmt.Sprintf("SELECT generation FROM system_views.gossip_info WHERE address = '%s' AND port = %d", n.host, c.layout.StoragePort)
	for _, other := range up {
		if other == n {
			continue
		}
		err := c.awaitSession(ctx, other, lenient, func(conn *cqlConn) error {
			seen, err := conn.ints(statement, 1)
			if err == nil && (len(seen) != 1 || seen[0] != own[0]) {
				err = fmt.Errorf("node %d has not noticed the start of node %d", other.number, n.number)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readyQuery reads a table that has a copy on each of three nodes, and no such row.
const readyQuery = "SELECT view_name FROM system_distributed.view_build_status WHERE keyspace_name = 'phyllo' AND view_name = 'ready'"

// awaitReplicas waits until a node reads from all that are up.
func (c *Cassandra) awaitReplicas(ctx context.Context, n *cassandraNode, up []*cassandraNode, lenient bool) error {
	return c.awaitSession(ctx, n, lenient, func(conn *cqlConn) error {
		_, err := conn.ints(readyQuery, len(up))
		return err
	})
}

// awaitSession asks a node in a session until it answers well. A lenient call
// is done when the superuser's password is not the first one.
func (c *Cassandra) awaitSession(ctx context.Context, n *cassandraNode, lenient bool, ask func(*cqlConn) error) error {
	return c.await(ctx, n, func(conn *cqlConn) error {
		var refused *cqlError
		err := conn.login(CassandraUser, CassandraPassword)
		if lenient && errors.As(err, &refused) && refused.code == codeBadCredentials {
			return nil
		}
		if err != nil {
			return err
		}
		return ask(conn)
	})
}
