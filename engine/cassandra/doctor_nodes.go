package cassandra

import (
	"cmp"
	"context"
	"encoding/json"
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

// journalSuffix ends the name of the register that tells of a node's journal, in the
// scope of its lease. The engine gives it that name.
const journalSuffix = "\x00journal"

// nodes lists the nodes of Phyllo that have a lease, and those whose journals nobody
// reads.
func (d *doctor) nodes(ctx context.Context, k *keyspaceFacts) []Finding {
	const check, journals = "nodes of Phyllo", "journals of nodes"
	unknown := func(text string, args ...any) []Finding {
		return []Finding{finding(check, Unknown, text, args...), finding(journals, Unknown, text, args...)}
	}
	if k == nil {
		return unknown("the keyspace is missing")
	}
	ctx, cancel := context.WithTimeout(ctx, d.opts.RequestTimeout)
	defer cancel()
	leases, open, err := d.readLeases(ctx)
	if err != nil {
		return unknown("leases cannot be read: %v", failed("read leases", ended(ctx, err)))
	}
	return []Finding{judgeNodes(check, leases, time.Now()), judgeJournals(journals, leases, open)}
}

// readLeases reads the leases as they were decided, and which nodes have journals
// that may hold what is nowhere else.
func (d *doctor) readLeases(ctx context.Context) (leases []lease, open []string, err error) {
	l, err := d.opts.levels()
	if err != nil {
		return nil, nil, err
	}
	table := fmt.Sprintf("%q.registers", d.opts.Keyspace)
	var scopes [][]byte
	scanner := d.session.Query(`SELECT DISTINCT scope FROM ` + table).Consistency(l.read).RetryPolicy(retry{}).Idempotent(true).
		IterContext(ctx).Scanner()
	for scanner.Next() {
		var scope []byte
		if err := scanner.Scan(&scope); err != nil {
			return nil, nil, err
		}
		if strings.HasPrefix(string(scope), leaseScope) {
			scopes = append(scopes, scope)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, nil, err
	}
	for _, scope := range scopes {
		scanner := d.session.Query(`SELECT name, value, writetime(value), ttl(value) FROM `+table+` WHERE scope = ?`, scope).
			Consistency(l.serial).RetryPolicy(retry{}).Idempotent(true).IterContext(ctx).Scanner()
		for scanner.Next() {
			var name, value []byte
			var written *int64
			var ttl *int
			if err := scanner.Scan(&name, &value, &written, &ttl); err != nil {
				return nil, nil, err
			}
			if node, ok := strings.CutSuffix(string(name), journalSuffix); ok {
				if value != nil && undrained(value) {
					open = append(open, node)
				}
			} else if written != nil && ttl != nil { // else it ran out or was given back
				leases = append(leases, lease{string(name), time.UnixMicro(*written), time.Duration(*ttl) * time.Second})
			}
		}
		if err := scanner.Err(); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(leases, func(a, b lease) int { return cmp.Compare(a.node, b.node) })
	slices.Sort(open)
	return leases, open, nil
}

// undrained says whether a journal may hold commits that are not in the cluster, as
// far as its register tells.
func undrained(value []byte) bool {
	var j struct{ Drained bool }
	return json.Unmarshal(value, &j) != nil || !j.Drained
}

func judgeJournals(check string, leases []lease, open []string) Finding {
	var lost []string
	for _, node := range open {
		if !slices.ContainsFunc(leases, func(l lease) bool { return l.node == node }) {
			lost = append(lost, node)
		}
	}
	switch {
	case len(open) == 0:
		return finding(check, OK, "every commit is in the cluster")
	case len(lost) == 0:
		return finding(check, OK, "%s with durability = local running: %s", plural(len(open), "node"), shortList(open))
	}
	return finding(check, Bad, "%s with durability = local not running, with commits that may be on its disk only: %s", plural(len(lost), "node"), shortList(lost)).
		do("Start it again with its data folder; if its disk is lost, phyllo forget --node %s gives up what was on it", lost[0])
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
