package cassandra

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// keyspaceFacts are how a keyspace is replicated.
type keyspaceFacts struct {
	name          string
	class         string            // of the strategy, without its package
	replication   map[string]string // the strategy's options: replicas by data centre
	durableWrites bool
}

// readKeyspace returns nil if there is no such keyspace.
func readKeyspace(ctx context.Context, session *gocql.Session, name string) (*keyspaceFacts, error) {
	k := &keyspaceFacts{name: name}
	err := session.Query(`SELECT replication, durable_writes FROM system_schema.keyspaces WHERE keyspace_name = ?`, name).
		Consistency(gocql.One).RetryPolicy(retry{}).Idempotent(true).ScanContext(ctx, &k.replication, &k.durableWrites)
	if errors.Is(err, gocql.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, failed("read the keyspace", ended(ctx, err))
	}
	k.class = k.replication["class"]
	k.class = k.class[strings.LastIndexByte(k.class, '.')+1:]
	delete(k.replication, "class")
	return k, nil
}

// place is what is known of the cluster: servers by data centre.
type place struct {
	local         string // the data centre that is worked with
	servers, down map[string]int
}

func (p place) total() (servers, down int) {
	for dc, n := range p.servers {
		servers += n
		down += p.down[dc]
	}
	return servers, down
}

// replicas returns the replicas by data centre, in their order; with
// SimpleStrategy, which knows none, all under "".
func (k *keyspaceFacts) replicas() (centres []string, count map[string]int, err error) {
	count = map[string]int{}
	for name, text := range k.replication {
		full, _, _ := strings.Cut(text, "/") // behind it are transient replicas
		n, err := strconv.Atoi(full)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %q is not a number", name, text)
		}
		if k.class == "SimpleStrategy" {
			name = ""
		}
		count[name] = n
	}
	return slices.Sorted(maps.Keys(count)), count, nil
}

func (k *keyspaceFacts) alter(p place, replicas int) string {
	return fmt.Sprintf(`ALTER KEYSPACE "%s" WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}, then nodetool repair --full %s on each server`,
		k.name, p.local, replicas, k.name)
}

// judgeReplication judges where the rows of a keyspace lie, and whether enough of
// those servers answer.
func judgeReplication(k *keyspaceFacts, p place) []Finding {
	checks := []string{"replication strategy", "replication factor", "replicas up"}
	if k == nil {
		var out []Finding
		for _, c := range checks {
			out = append(out, finding(c, Unknown, "the keyspace is missing"))
		}
		return out
	}
	centres, count, err := k.replicas()
	if err != nil || len(centres) == 0 {
		f := finding(checks[0], Unknown, "%s with %v, which this program does not know", k.class, k.replication)
		return []Finding{f, finding(checks[1], Unknown, "see above"), finding(checks[2], Unknown, "see above")}
	}
	return []Finding{k.judgeStrategy(checks[0], p, centres), k.judgeFactor(checks[1], p, centres, count), k.judgeUp(checks[2], p, centres, count)}
}

func (k *keyspaceFacts) judgeStrategy(check string, p place, centres []string) Finding {
	if !k.durableWrites {
		return finding(check, Bad, "DURABLE_WRITES is off: writes are in no commit log, and lost when a server ends").
			do(`ALTER KEYSPACE "%s" WITH durable_writes = true`, k.name)
	}
	if k.class == "SimpleStrategy" {
		do := fmt.Sprintf(`ALTER KEYSPACE "%s" WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %s}`, k.name, p.local, k.replication["replication_factor"])
		if len(p.servers) > 1 {
			return finding(check, Bad, "SimpleStrategy, with %d data centres: LOCAL_QUORUM does not mean what it says", len(p.servers)).do("%s", do)
		}
		return finding(check, Warning, "SimpleStrategy, which knows neither racks nor data centres: a second data centre would break it").do("%s", do)
	}
	for _, dc := range centres {
		if p.servers[dc] == 0 {
			return finding(check, Bad, "replicas are wanted in %s, a data centre without servers", dc).
				do("Correct its name, or take it out of the replication: ALTER KEYSPACE \"%s\" WITH replication = ...", k.name)
		}
	}
	if !slices.Contains(centres, p.local) {
		return finding(check, Bad, "there are no replicas in %s, the data centre that is worked with", p.local).
			do("Use --local-dc with one of %s, or add replicas there", strings.Join(centres, ", "))
	}
	return finding(check, OK, "%s", k.class)
}

// judgeFactor judges how many replicas there are.
func (k *keyspaceFacts) judgeFactor(check string, p place, centres []string, count map[string]int) Finding {
	var parts []string
	out := finding(check, OK, "")
	for _, dc := range centres {
		n, servers, where := count[dc], p.servers[dc], " in "+dc
		if dc == "" {
			servers, _ = p.total()
			where = ""
		}
		parts = append(parts, plural(n, "replica")+where)
		switch {
		case servers == 0: // judged with the strategy
		case servers < n/2+1:
			f := finding(check, Bad, "%s%s, more than twice the %s: no quorum can be reached", plural(n, "replica"), where, plural(servers, "server"))
			out = worst(out, f.do("Add servers, or %s", k.alter(p, servers)))
		case n == 1 && servers > 1:
			f := finding(check, Bad, "1 replica%s, with %d servers: each lost or stopped server takes its part of all tables with it", where, servers)
			out = worst(out, f.do("%s", k.alter(p, min(defaultReplicas, servers))))
		case n == 1:
			f := finding(check, Warning, "1 replica%s: if the server's disk is lost, so are all tables", where)
			out = worst(out, f.do("Add servers and raise it to 3, or keep backups"))
		case n == 2:
			f := finding(check, Warning, "2 replicas%s: a quorum is both, so none may be down", where)
			out = worst(out, f.do("%s", k.alter(p, defaultReplicas)))
		case servers < n:
			f := finding(check, Warning, "%s%s on %s: fewer copies than asked for", plural(n, "replica"), where, plural(servers, "server"))
			out = worst(out, f.do("Add servers"))
		}
	}
	if out.Severity == OK {
		out.Found = strings.Join(parts, ", ")
	}
	return out
}

// judgeUp judges whether every row has a quorum of replicas that answer. Where
// there are more servers than replicas it depends on the row.
func (k *keyspaceFacts) judgeUp(check string, p place, centres []string, count map[string]int) Finding {
	out := finding(check, OK, "every row has a quorum")
	for _, dc := range centres {
		n, servers, down, where := count[dc], p.servers[dc], p.down[dc], " of "+dc
		if dc == "" {
			servers, down = p.total()
			where = ""
		}
		n = min(n, servers)
		spare := n - (count[dc]/2 + 1) // replicas that may be down
		switch {
		case down == 0 || servers == 0:
		case down > spare:
			who := "some rows lack"
			if n == servers {
				who = "no row has"
			}
			severity, then := Bad, "writes wait and fail"
			if dc != "" && dc != p.local {
				severity, then = Warning, "Phyllo cannot work there"
			}
			f := finding(check, severity, "no answer from %d of %s%s: %s a quorum of %s; %s", down, plural(servers, "server"), where, who, plural(count[dc], "replica"), then)
			out = worst(out, f.do("Start the servers"))
		default:
			more := ""
			if down == spare {
				more = ", which one more would end"
			}
			f := finding(check, Warning, "no answer from %d of %s%s: every row still has a quorum%s", down, plural(servers, "server"), where, more)
			out = worst(out, f.do("Start the servers"))
		}
	}
	return out
}
