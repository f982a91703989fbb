// Command testrun runs the tests in groups, each within a time budget, and
// prints what each took. make test calls it; with arguments it runs only the
// groups named.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/phyllodb/phyllo/tools/testenv"
	"golang.org/x/sync/errgroup"
)

// A group is run as one step with one budget.
type group struct {
	name   string
	budget time.Duration
	run    func(ctx context.Context, r *runner) error
	manual bool // run only when it is named
}

var groups = []group{
	{"lint", 2 * time.Minute, lint, false},
	{"unit", 5 * time.Minute, unit, false},
	{"race", 7 * time.Minute, race, false},
	{"postgresql", 5 * time.Minute, postgres, false},
	{"crash", 4 * time.Minute, crash, false},
	{"cassandra", 6 * time.Minute, cassandra, false},
	{"clients", 5 * time.Minute, clients, false},
	{"soak", 4 * time.Hour, soak, true},
	{"fuzz", 4 * time.Hour, fuzz, true},
}

// external are the packages whose tests need servers that a group starts.
var external = []string{"/pgtest", "/cassandratest", "/tools/difftest", "/difftest/regress", "/tools/crashtest", "/tools/hostiletest", "/tools/clustertest", "/tools/copytest", "/tools/clienttest", "/tools/doctest"}

// runner carries what groups share.
type runner struct{ out *os.File }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	passed, failed := 0, 0
	var report []string
	for _, g := range groups {
		if !chosen(g, os.Args[1:]) {
			continue
		}
		fmt.Printf("=== %s (budget %s)\n", g.name, g.budget)
		took, err := runGroup(ctx, g)
		verdict := "ok"
		switch {
		case err != nil:
			verdict = "FAILED: " + err.Error()
		case took > g.budget:
			verdict = "FAILED: over budget"
		}
		if verdict == "ok" {
			passed++
		} else {
			failed++
		}
		report = append(report, fmt.Sprintf("%-11s %7s of %-5s %s", g.name, took.Round(100*time.Millisecond), g.budget, verdict))
	}
	fmt.Println()
	for _, line := range report {
		fmt.Println(line)
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}

func chosen(g group, names []string) bool {
	if len(names) == 0 {
		return !g.manual
	}
	for _, n := range names {
		if n == g.name {
			return true
		}
	}
	return false
}

func runGroup(ctx context.Context, g group) (time.Duration, error) {
	start := time.Now()
	// Twice the budget, so that a group that is late says by how much.
	ctx, cancel := context.WithTimeout(ctx, 2*g.budget)
	defer cancel()
	err := g.run(ctx, &runner{os.Stdout})
	return time.Since(start), err
}

// command runs a program with its output shown.
func (r *runner) command(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = r.out, r.out
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	return strings.TrimSpace(string(out)), err
}

func lint(ctx context.Context, r *runner) error {
	files, err := output(ctx, "git", "ls-files", "*.go")
	if err != nil {
		return err
	}
	bad, err := output(ctx, "gofmt", append([]string{"-l"}, strings.Fields(files)...)...)
	if err != nil {
		return err
	}
	if bad != "" {
		return fmt.Errorf("not formatted: %s", strings.Join(strings.Fields(bad), " "))
	}
	return r.command(ctx, nil, "go", "vet", "./...")
}

// packages lists the packages of patterns whose tests need nothing but Go.
func packages(ctx context.Context, patterns ...string) ([]string, error) {
	all, err := output(ctx, "go", append([]string{"list"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	var out []string
next:
	for _, p := range strings.Fields(all) {
		for _, e := range external {
			if strings.HasSuffix(p, e) {
				continue next
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// raced are the packages with goroutines of their own, tested under the race
// detector; running everything under it would not fit the budget.
var raced = []string{"./engine/...", "./ingest/...", "./sqlwire/...", "./query/exec/...", "./internal/vfs/..."}

func unit(ctx context.Context, r *runner) error {
	pkgs, err := packages(ctx, "./...")
	if err != nil {
		return err
	}
	// Leases run out in the tests of several nodes, which takes its time: once is
	// enough, under the race detector.
	return r.command(ctx, nil, "go", append([]string{"test", "-skip", "^TestCluster"}, pkgs...)...)
}

// ofOneGoroutine are tests of packages in raced that take long and in which nothing runs
// beside anything else: unit runs them.
const ofOneGoroutine = "TestCompactionMemory|TestMetamorphic|TestChangesAtRandom|TestManifestPages|TestPruning|TestMerging|" + // engine
	"TestCheckpointWritesWhatChanged|TestList|TestPagesAgainstEntries|" + // engine/commitlog
	"TestSealRows|TestRowsOfKeys|TestRowsAreCopiedSeldom|TestRowsOfEvents|TestManySingleRows|TestRecordsRoundTrip|TestLargeBatches|TestDamage|" + // ingest
	"TestReadOnly|TestFlipped|TestCrashEverywhere" // engine/local

// race runs tests of what has goroutines under the race detector. Those that run in
// parallel wait for leases to run out, most of their time.
func race(ctx context.Context, r *runner) error {
	pkgs, err := packages(ctx, raced...)
	if err != nil {
		return err
	}
	return r.command(ctx, []string{"CGO_ENABLED=1"}, "go", append([]string{"test", "-race", "-short", "-parallel", "8", "-skip", "^(" + ofOneGoroutine + ")$"}, pkgs...)...)
}

// onOneStore are tests of what chance chooses and of what no store has a part in: they run on
// the embedded store.
const onOneStore = "TestLogic|TestRandom|TestConcurrentLocks|TestLocking|TestViews|TestViewWrites|TestLike|TestMadeOf|TestSearchCycle|" +
	"TestJSONPath|TestRecords|TestSessions|TestCursors|TestClock|TestBrokenBinary|TestPsql|TestPsqlTables"

// postgres runs the tests whose referee is a real PostgreSQL, those of whole
// statements on both stores.
func postgres(ctx context.Context, r *runner) error {
	pg, err := testenv.StartPostgres(ctx, "fsync=off")
	if err != nil {
		return err
	}
	defer pg.Stop()
	env := append([]string{"PHYLLO_TEST_PG=" + pg.DSN("postgres"), "PHYLLO_TEST_PSQL=" + filepath.Join(pg.Programs.Bin, "psql")}, pg.Programs.Env...)
	if err := r.command(ctx, env, "go", "test", "./internal/datum/pgtest/...", "./query/function/pgtest/...", "./tools/difftest/..."); err != nil {
		return err
	}
	return onCassandra(ctx, func(cluster []string) error {
		return r.command(ctx, append(cluster, env...), "go", "test", "-count=1", "-short", "./tools/difftest", "-skip", "^("+onOneStore+")$")
	})
}

// crash kills servers and injects faults. It starts programs that the test cache knows nothing of.
func crash(ctx context.Context, r *runner) error {
	return r.command(ctx, nil, "go", "test", "-count=1", "./tools/crashtest/...", "./tools/hostiletest")
}

// cassandra runs the tests of the store, crashes, and nodes on a real cluster of one
// server; then faults on one of three.
func cassandra(ctx context.Context, r *runner) error {
	err := onCassandra(ctx, func(env []string) error {
		test := func(args string) error {
			return r.command(ctx, env, "go", append([]string{"test", "-count=1"}, strings.Fields(args)...)...)
		}
		// Tests of the store and those of nodes have keyspaces of their own, and wait for
		// the server most of their time: both run at once.
		var beside errgroup.Group
		beside.Go(func() error { return test("./engine/cassandra/cassandratest/... -short") })
		beside.Go(func() error {
			if err := test("./tools/crashtest/... -run TestKill -rounds 3"); err != nil {
				return err
			}
			return test("./tools/clustertest/... -skip ^TestFaults$")
		})
		return beside.Wait()
	})
	if err != nil {
		return err
	}
	return r.command(ctx, nil, "go", "test", "-count=1", "./tools/clustertest/...", "-run", "^TestFaults$")
}

// onCassandra calls f with what tests need to know of a cluster of one server.
func onCassandra(ctx context.Context, f func(env []string) error) error {
	server, err := testenv.StartCassandra(ctx, testenv.CassandraOptions{HeapMiB: 1024})
	if err != nil {
		return err
	}
	defer server.Stop()
	return f([]string{fmt.Sprintf("PHYLLO_TEST_CASSANDRA=%s:%d", server.Hosts()[0], server.Port), "PHYLLO_TEST_STORE=cassandra"})
}

// clients runs unmodified clients against the server, and the examples of the
// pages; both start programs that the test cache knows nothing of. Then tables
// move between a folder and a cluster.
func clients(ctx context.Context, r *runner) error {
	programs, err := testenv.PostgresPrograms(ctx)
	if err != nil {
		return err
	}
	env := append([]string{"PHYLLO_TEST_PSQL=" + filepath.Join(programs.Bin, "psql")}, programs.Env...)
	if err := r.command(ctx, env, "go", "test", "-count=1", "./tools/clienttest/...", "./tools/doctest/..."); err != nil {
		return err
	}
	return onCassandra(ctx, func(env []string) error {
		return r.command(ctx, env, "go", "test", "-count=1", "./tools/copytest/...")
	})
}
