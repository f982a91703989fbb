package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// leaseScope begins the scope of the registers that are leases of Phyllo's nodes:
// behind it stands the database. The engine gives it that name.
const leaseScope = "nodes/"

// lease is one of a node of Phyllo.
type lease struct {
	node string
	// heard is when it was renewed, by the clock of the server that decided it;
	// left is how long it lasts yet.
	heard time.Time
	left  time.Duration
}

// nodes lists the nodes of Phyllo that have a lease.
func (d *doctor) nodes(ctx context.Context, k *keyspaceFacts) Finding {
	const check = "nodes of Phyllo"
	if k == nil {
		return finding(check, Unknown, "the keyspace is missing")
	}
	ctx, cancel := context.WithTimeout(ctx, d.opts.RequestTimeout)
	defer cancel()
	leases, err := d.readLeases(ctx)
	if err != nil {
		return finding(check, Unknown, "leases cannot be read: %v", failed("read leases", ended(ctx, err)))
	}
	return judgeNodes(check, leases, time.Now())
}

// readLeases reads the leases as they were decided.
func (d *doctor) readLeases(ctx context.Context) ([]lease, error) {
	l, err := d.opts.levels()
	if err != nil {
		return nil, err
	}
	table := fmt.Sprintf("%q.registers", d.opts.Keyspace)
	var scopes [][]byte
	scanner := d.session.Query(`SELECT DISTINCT scope FROM ` + table).Consistency(l.read).RetryPolicy(retry{}).Idempotent(true).
		IterContext(ctx).Scanner()
	for scanner.Next() {
		var scope []byte
		if err := scanner.Scan(&scope); err != nil {
			return nil, err
		}
		if strings.HasPrefix(string(scope), leaseScope) {
			scopes = append(scopes, scope)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	var out []lease
	for _, scope := range scopes {
		scanner := d.session.Query(`SELECT name, writetime(value), ttl(value) FROM `+table+` WHERE scope = ?`, scope).
			Consistency(l.serial).RetryPolicy(retry{}).Idempotent(true).IterContext(ctx).Scanner()
		for scanner.Next() {
			var name []byte
			var written *int64
			var ttl *int
			if err := scanner.Scan(&name, &written, &ttl); err != nil {
				return nil, err
			}
			if written != nil && ttl != nil { // else it ran out or was given back
				out = append(out, lease{string(name), time.UnixMicro(*written), time.Duration(*ttl) * time.Second})
			}
		}
		if err := scanner.Err(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b lease) int { return cmp.Compare(a.node, b.node) })
	return out, nil
}

func judgeNodes(check string, leases []lease, now time.Time) Finding {
	if len(leases) == 0 {
		return finding(check, OK, "none has a lease: none runs, or none that was heard of lately")
	}
	var parts []string
	late := false
	for _, l := range leases {
		since := max(0, now.Sub(l.heard))
		// It is renewed five times in its life.
		late = late || since > (since+l.left)/2
		parts = append(parts, fmt.Sprintf("%s (heard of %.1f s ago, lease for %d s more)", l.node, since.Seconds(), int(l.left.Seconds())))
	}
	text := fmt.Sprintf("%s with a lease: %s", plural(len(leases), "node"), shortList(parts))
	if late {
		return finding(check, Warning, "%s; one was not heard of for more than half of its lease", text).
			do("See whether it runs and reaches the cluster; if it does not come back, another takes over")
	}
	return finding(check, OK, "%s", text)
}
