package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/testprocess"
)

// program is built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(testprocess.Main(m, &program)) }

// newStore returns the arguments of phyllo serve for an empty store, which is a
// folder. With PHYLLO_TEST_STORE=cassandra it is a new keyspace of the cluster at
// PHYLLO_TEST_CASSANDRA, and the folder is what the node keeps beside it.
func newStore(t *testing.T) []string {
	t.Helper()
	args := []string{"--data", t.TempDir()}
	if os.Getenv("PHYLLO_TEST_STORE") != "cassandra" {
		return args
	}
	address := os.Getenv("PHYLLO_TEST_CASSANDRA")
	if address == "" {
		t.Fatal("PHYLLO_TEST_CASSANDRA is not set: the address, host:port, of an Apache Cassandra 5 server (make cassandra starts one)")
	}
	cluster := []string{"--cassandra", address, "--keyspace", fmt.Sprintf("crash_%x", rand.Uint64())}
	if out, err := exec.Command(program, append([]string{"migrate"}, cluster...)...).CombinedOutput(); err != nil {
		t.Fatalf("phyllo migrate: %v\n%s", err, out)
	}
	return append(append(args, cluster...), "--node", "crash")
}

// A process is a running phyllo serve.
type process struct {
	*testprocess.Process
	t *testing.T
}

// readyLimit is how long a server may take to recover.
const readyLimit = time.Minute

// start runs the server on a store and waits until it is ready.
func start(t *testing.T, store []string, env ...string) *process {
	t.Helper()
	running, err := testprocess.Start(testprocess.Options{Program: program, Args: store, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), readyLimit)
	defer cancel()
	if err := running.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return &process{running, t}
}

// stop is SIGTERM; the server must drain and end well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.Stop(time.Minute); err != nil {
		p.t.Fatal(err)
	}
}
