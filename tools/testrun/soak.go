package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/tools/testenv"
)

// soak runs the random tests for long: many kills, every fault at every call,
// many histories. SEED sets the seed of all, which is printed.
func soak(ctx context.Context, r *runner) error {
	seed := os.Getenv("SEED")
	if seed == "" {
		seed = fmt.Sprint(time.Now().UnixNano())
	}
	fmt.Fprintf(r.out, "SEED=%s\n", seed)
	pg, err := testenv.StartPostgres(ctx, "fsync=off")
	if err != nil {
		return err
	}
	defer pg.Stop()
	env := append([]string{"PHYLLO_TEST_PG=" + pg.DSN("postgres")}, pg.Programs.Env...)
	for _, args := range []string{
		"./engine -run Matrix$ -all-faults -timeout 120m",
		"./engine -run TestHistory -count 200 -timeout 60m",
		"./engine -run ^TestMetamorphic$ -configs 100 -count 5 -timeout 60m",
		"./engine -run ^TestCluster.*Stress -stress 20s -count 30 -timeout 60m",
		"./engine/commitlog -run Model -histories 100000 -timeout 60m",
		"./engine/local -count 10 -timeout 60m",
		"./tools/phyllo -run ^TestBitRot$ -all-bytes -timeout 60m",
		"./tools/difftest/regress -v -regress.all -timeout 60m",
		"./tools/difftest -v -run ^TestRandom$ -random.n 100000 -random.all -timeout 120m -random.seed " + seed,
		"./tools/difftest -v -run ^TestLogic$ -logic.n 20000 -timeout 120m -logic.seed " + seed,
		"./tools/difftest -run TestUpserts -count 20 -timeout 60m",
		"./tools/crashtest -run TestKill -rounds 300 -timeout 60m -seed " + seed,
		"./tools/clustertest -v -rounds 50 -long -timeout 180m -seed " + seed,
	} {
		fmt.Fprintf(r.out, "--- go test %s\n", args)
		if err := r.command(ctx, env, "go", append([]string{"test"}, strings.Fields(args)...)...); err != nil {
			return err
		}
	}
	return onCassandra(ctx, func(cluster []string) error {
		return r.command(ctx, append(cluster, env...), "go", "test", "-count=1", "-timeout", "60m", "./engine/cassandra/cassandratest/...")
	})
}

// fuzz runs every fuzz target for FUZZTIME (default a minute), one after the
// other. What it finds it leaves in testdata/fuzz, which the unit tests replay.
func fuzz(ctx context.Context, r *runner) error {
	each := os.Getenv("FUZZTIME")
	if each == "" {
		each = "1m"
	}
	pkgs, err := output(ctx, "go", "list", "./...")
	if err != nil {
		return err
	}
	targets := 0
	for _, pkg := range strings.Fields(pkgs) {
		list, err := output(ctx, "go", "test", "-list", "^Fuzz", pkg)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		for _, name := range strings.Fields(list) {
			if !strings.HasPrefix(name, "Fuzz") {
				continue
			}
			targets++
			fmt.Fprintf(r.out, "--- %s %s\n", pkg, name)
			if err := r.command(ctx, nil, "go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", each, "-fuzzminimizetime", "5s", pkg); err != nil {
				return fmt.Errorf("%s %s: %w", pkg, name, err)
			}
		}
	}
	fmt.Fprintf(r.out, "%d targets, %s each\n", targets, each)
	if targets == 0 {
		return fmt.Errorf("no fuzz target found")
	}
	return nil
}
