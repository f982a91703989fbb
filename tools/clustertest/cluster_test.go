package clustertest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/testenv"
)

const (
	// steady is how long a round goes well before its fault and after it.
	steady = 2 * time.Second
	// recoverLimit is how long all may take to go on after a fault.
	recoverLimit = time.Minute
	// roundsKept is over how many rounds rows are kept and looked at again.
	roundsKept = 4
)

// TestFaults makes servers and nodes fail under steady ingest and queries.
func TestFaults(t *testing.T) {
	t.Logf("seed %d (give it back with -seed), %d rounds", *seed, *rounds)
	start := time.Now()
	server, err := testenv.StartCassandra(context.Background(), testenv.CassandraOptions{Nodes: 3, Settings: commitLogSettings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	store := newKeyspace(t, contactPoints(server))
	s := &scene{t: t, server: server, keyspace: store[len(store)-1], ledger: newLedger()}
	// Buffers that seal often put flushes and commits into the way of the faults.
	for i, name := range []string{"a", "b"} {
		n := newNode(t, i, name, store, "PHYLLO_SEAL_AGE=1s", "PHYLLO_MEMORY_BUFFERS_MIB=32")
		if err := n.start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		s.nodes = append(s.nodes, n)
	}
	s.exec(append(tables, `CREATE TABLE IF NOT EXISTS ballast (n int, text text)`)...)
	t.Logf("3 servers and 2 nodes are up after %.1f s", time.Since(start).Seconds())
	order := rand.New(rand.NewPCG(*seed, 0))
	plan := chosen()
	if len(plan) == 0 {
		t.Fatalf("no fault has %q in its name", *only)
	}
	for round := range *rounds {
		if round > 0 && round%len(plan) == 0 {
			order.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
		}
		s.round(round, plan[round%len(plan)])
		if t.Failed() && !*goOn {
			t.Fatalf("round %d failed; seed %d", round+1, *seed)
		}
		if (round+1)%roundsKept == 0 {
			s.exec("TRUNCATE events, keyed, ballast")
			s.ledger.forget()
		}
	}
	if n := s.ledger.count()[acked]; n < 10**rounds {
		t.Errorf("only %d batches were acknowledged: the test did not test", n)
	}
}

// chosen are the faults that -fault allows.
func chosen() []fault {
	var out []fault
	for _, f := range faults {
		if strings.Contains(f.name, *only) {
			out = append(out, f)
		}
	}
	return out
}

// exec runs statements on the first node, each until it succeeds: a busy cluster
// may not decide in time. They must do no harm when they are run twice.
func (s *scene) exec(statements ...string) {
	s.t.Helper()
	conn, err := s.nodes[0].connect(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		for late := time.Now().Add(recoverLimit); ; {
			_, err := conn.Exec(s.t.Context(), sql)
			if err == nil {
				break
			}
			if !excused(err, false) || time.Now().After(late) || await(s.t.Context(), writerPause) != nil {
				s.t.Fatalf("%s: %v", sql, err)
			}
		}
	}
}

// round makes one fault under load, lets all recover, and reads back what was sent.
func (s *scene) round(number int, f fault) {
	s.t.Helper()
	s.rng = rand.New(rand.NewPCG(*seed, uint64(number)+1))
	before, start, failing := s.ledger.count(), time.Now(), s.t.Failed()
	load, end := begin(s.t, s.ledger, s.nodes, s.rng)
	err := s.goesOn(s.t.Context(), steady, s.nodes...)
	what := f.name
	if err == nil {
		what, err = f.run(s, s.t.Context())
	}
	var recovery time.Duration
	if err == nil {
		recovery, err = s.recover()
	}
	if err == nil {
		err = s.goesOn(s.t.Context(), steady, s.nodes...)
	}
	end()
	after := s.ledger.count()
	s.t.Logf("round %d: %s; recovered in %.1f s; batches: %d acknowledged, %d unknown, %d failed; took %.1f s",
		number+1, what, recovery.Seconds(), after[acked]-before[acked], after[unknown]-before[unknown], after[failed]-before[failed], time.Since(start).Seconds())
	s.t.Logf("  %s", load)
	if err != nil {
		s.t.Errorf("%s: %v", f.name, err)
	}
	for _, n := range s.nodes {
		if !n.current().Alive() {
			s.t.Fatalf("node %v ended by itself:\n%s", n, n.current().Log())
		}
	}
	verify(s.t, s.ledger, s.nodes...)
	if s.t.Failed() && !failing {
		for _, n := range s.nodes {
			s.t.Logf("the end of the log of node %v:\n%s", n, lastLines(n.current().Log(), 30))
		}
	}
}

// recover waits until every node takes writes and shows them, and returns how
// long that took.
func (s *scene) recover() (time.Duration, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), recoverLimit)
	defer cancel()
	for _, n := range s.nodes {
		l := &link{to: n}
		defer l.close()
		for {
			b := writers[2].write(ctx, l, s.ledger, s.rng)
			if b.outcome == acked {
				break
			}
			if ctx.Err() != nil || await(ctx, writerPause) != nil {
				return 0, fmt.Errorf("node %v did not recover within %v: %w", n, recoverLimit, b.err)
			}
		}
	}
	for _, n := range s.nodes {
		for {
			err := s.ask(ctx, n, latest)
			if err == nil {
				break
			}
			if ctx.Err() != nil || await(ctx, writerPause) != nil {
				return 0, fmt.Errorf("node %v did not recover within %v: %w", n, recoverLimit, err)
			}
		}
	}
	return time.Since(start), nil
}

// String says what clients did and heard.
func (o *load) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, what := range slices.Sorted(maps.Keys(o.tally)) {
		out = append(out, fmt.Sprintf("%s: %d", what, o.tally[what]))
	}
	for _, what := range slices.Sorted(maps.Keys(o.slowest)) {
		out = append(out, fmt.Sprintf("slowest %s: %.2f s", what, o.slowest[what].Seconds()))
	}
	return strings.Join(out, ", ")
}

// lastLines are the last lines of a log, without what the driver says of servers
// that come and go.
func lastLines(log string, n int) string {
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(log), "\n"), func(line string) bool { return strings.Contains(line, `msg="cassandra driver"`) })
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
