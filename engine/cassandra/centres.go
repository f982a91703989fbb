package cassandra

import (
	"context"
	"slices"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Servers that have just started know of others before they know where those are,
// so a name that nobody knows is asked for again for centreWait before it counts
// as wrong.
const (
	centreWait  = 5 * time.Second
	centrePause = 250 * time.Millisecond
)

// centres are what a contact point says of the cluster.
type centres struct {
	local string         // the contact point's data centre
	nodes map[string]int // by data centre
}

func (c centres) names() []string {
	names := make([]string, 0, len(c.nodes))
	for name := range c.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// check says which of the names is not one of the cluster's.
func (c centres) check(names []string) error {
	for _, name := range names {
		if c.nodes[name] == 0 {
			e := pgerr.New(pgerr.InvalidParameterValue, "the Cassandra cluster has no data centre %q", name).
				WithHint("It has %s.", strings.Join(c.names(), ", "))
			e.Cause = ErrDataCentre
			return e
		}
	}
	return nil
}

// locate connects to a contact point alone, asks for the data centres, and chooses
// the one to work with: LocalDC, or else the contact point's. That one and others
// must be there. The caller closes the session.
func (o Options) locate(ctx context.Context, others ...string) (*gocql.Session, string, centres, error) {
	if o.LocalDC != "" {
		others = append(others, o.LocalDC)
	}
	session, err := o.contact(ctx)
	if err != nil {
		return nil, "", centres{}, err
	}
	found, err := awaitCentres(ctx, others, func() (centres, error) { return readCentres(ctx, session) })
	if err != nil {
		session.Close()
		return nil, "", centres{}, err
	}
	dc := o.LocalDC
	if dc == "" {
		dc = found.local
	}
	return session, dc, found, nil
}

// contact connects to the contact points alone.
func (o Options) contact(ctx context.Context) (*gocql.Session, error) {
	c, err := o.cluster()
	if err != nil {
		return nil, err
	}
	c.DisableInitialHostLookup = true
	c.NumConns = 1
	c.Events.DisableNodeStatusEvents, c.Events.DisableTopologyEvents, c.Events.DisableSchemaEvents = true, true, true
	c.PoolConfig.HostSelectionPolicy = gocql.RoundRobinHostPolicy()
	c.Consistency = gocql.One
	return newSession(ctx, c)
}

// awaitCentres asks for the data centres until all that are wanted are there, for
// centreWait.
func awaitCentres(ctx context.Context, wanted []string, ask func() (centres, error)) (centres, error) {
	for deadline := time.Now().Add(centreWait); ; {
		found, err := ask()
		if err != nil {
			return centres{}, failed("find the data centres", err)
		}
		missing := found.check(wanted)
		if missing == nil || time.Now().After(deadline) {
			return found, missing
		}
		select {
		case <-ctx.Done():
			return centres{}, ctx.Err()
		case <-time.After(centrePause):
		}
	}
}

func readCentres(ctx context.Context, session *gocql.Session) (centres, error) {
	found := centres{nodes: map[string]int{}}
	err := session.Query(`SELECT data_center FROM system.local WHERE key = 'local'`).ScanContext(ctx, &found.local)
	if err != nil {
		return found, err
	}
	found.nodes[found.local]++
	scanner := session.Query(`SELECT data_center FROM system.peers`).IterContext(ctx).Scanner()
	for scanner.Next() {
		var dc string
		if err := scanner.Scan(&dc); err != nil {
			return found, err
		}
		if dc != "" {
			found.nodes[dc]++
		}
	}
	return found, scanner.Err()
}
