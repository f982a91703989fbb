package clustertest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/testenv"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

var (
	rounds = flag.Int("rounds", 3, "how many faults TestFaults makes, one after the other")
	seed   = flag.Uint64("seed", 0, "seed of the random choices; 0 takes one from the clock")
	long   = flag.Bool("long", false, "pause servers for 30 s instead of 5 s, kill each in turn in one round, and make larger tables")
	goOn   = flag.Bool("go-on", false, "go on after a round that failed")
	only   = flag.String("fault", "", "make only the faults whose name contains this")
	logDir = flag.String("logs", "", "folder for the logs of the phyllo processes; empty: they are not kept")
)

// program is built once for all tests.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	os.Exit(testprocess.Main(m, &program, theServer.stop))
}

// theServer is the one that tests share for which one is enough.
var theServer oneServer

type oneServer struct {
	once    sync.Once
	address string
	cluster *testenv.Cassandra // nil if it was started by somebody else
	err     error
}

// get returns the server's address.
func (s *oneServer) get(t testing.TB) string {
	t.Helper()
	s.once.Do(func() {
		if s.address = os.Getenv("PHYLLO_TEST_CASSANDRA"); s.address != "" {
			return
		}
		if s.cluster, s.err = testenv.StartCassandra(context.Background(), testenv.CassandraOptions{}); s.err == nil {
			s.address = contactPoints(s.cluster)
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.address
}

func (s *oneServer) stop() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Stop()
}

// contactPoints are all servers of a cluster.
func contactPoints(c *testenv.Cassandra) string {
	var out []string
	for _, host := range c.Hosts() {
		out = append(out, fmt.Sprintf("%s:%d", host, c.Port))
	}
	return strings.Join(out, ",")
}

// newKeyspace makes a keyspace with the tables and returns the arguments that
// take phyllo serve to it.
func newKeyspace(t testing.TB, address string) []string {
	t.Helper()
	args := []string{"--cassandra", address, "--keyspace", fmt.Sprintf("cluster_%x", rand.Uint64())}
	if out, err := exec.CommandContext(t.Context(), program, append([]string{"migrate"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("phyllo migrate: %v\n%s", err, out)
	}
	return args
}

// await waits until d has passed, or returns why ctx has ended before.
func await(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
