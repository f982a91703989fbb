package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// maxCassandraNodes is how many nodes a machine is asked to bear.
const maxCassandraNodes = 3

// The superuser that a cluster with passwords is made with.
const (
	CassandraUser     = "cassandra"
	CassandraPassword = "cassandra"
)

// ErrCassandraNodes says that a folder holds a cluster of another size.
var ErrCassandraNodes = errors.New("the folder holds a cluster with another number of nodes")

// CassandraOptions say what servers StartCassandra starts. The zero value is one
// node on a free port with a folder of its own, which ends with the program.
type CassandraOptions struct {
	Nodes         int      // 1 to 3; 0 means what Dir holds, or else 1
	Port          int      // for CQL, the same on all nodes; 0 means what Dir was made with, or else a free one
	HeapMiB       int      // Java's heap of each node; 0 means 512
	CommitLogSync string   // "periodic" (also ""): writes are synced every 10 s; "group": before they are acknowledged
	Settings      []string // more lines for cassandra.yaml, as "read_request_timeout: 1s"
	DataCentres   []string // the data centre of each node; nil: all are in datacenter1

	Password           bool // clients log in, at first as CassandraUser
	TLS                bool // clients must use TLS; TLSFiles names what they need
	ClientCertificates bool // and must show a certificate of ours; needs TLS

	// FullJIT lets Java compile as it does in production. Without it the nodes start
	// with less work, and run slower from some minutes on.
	FullJIT bool

	// Dir is the folder for data, logs and configuration; the data in it are used
	// again. "" is a temporary one that Stop removes.
	Dir string
	// Detached servers outlive this program and its terminal; FindCassandra finds them
	// again, and StartCassandra starts those that have ended. Others are killed when
	// this program ends, however it does.
	Detached bool
	// Logf is told what happens; nil is nobody. It is called from several goroutines.
	Logf func(format string, args ...any)
}

func (o *CassandraOptions) complete() error {
	if o.HeapMiB == 0 {
		o.HeapMiB = 512
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	switch {
	case o.Nodes < 0 || o.Nodes > maxCassandraNodes:
		return fmt.Errorf("CassandraOptions.Nodes = %d: must be 1 to %d", o.Nodes, maxCassandraNodes)
	case o.DataCentres != nil && len(o.DataCentres) != max(o.Nodes, 1):
		return fmt.Errorf("CassandraOptions.DataCentres has %d of %d nodes", len(o.DataCentres), max(o.Nodes, 1))
	case o.HeapMiB < 256:
		return fmt.Errorf("CassandraOptions.HeapMiB = %d: Cassandra needs 256 or more", o.HeapMiB)
	case !slices.Contains([]string{"", "periodic", "group"}, o.CommitLogSync):
		return fmt.Errorf("CassandraOptions.CommitLogSync = %q: must be periodic or group", o.CommitLogSync)
	case o.ClientCertificates && !o.TLS:
		return errors.New("CassandraOptions.ClientCertificates needs TLS")
	case o.Detached && o.Dir == "":
		return errors.New("CassandraOptions.Detached needs Dir")
	}
	return nil
}

// A Cassandra is a cluster of Apache Cassandra servers on 127.0.0.1 and the
// addresses after it. Its nodes are numbered from 1.
//
// The methods that start, pause or end servers are for one goroutine at a time; the
// others are safe for concurrent use.
type Cassandra struct {
	Port int // of CQL, on all hosts

	dir      string
	tmp      bool // dir goes when the cluster stops
	options  CassandraOptions
	layout   cassandraLayout
	software cassandraSoftware
	nodes    []*cassandraNode
}

// StartCassandra starts servers and returns when statements run on all of them
// and they see each other. On failure none that it started
// is left, and the error holds the end of the log.
// The goroutine must not be locked to a thread that ends before the servers should.
func StartCassandra(ctx context.Context, opt CassandraOptions) (*Cassandra, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	c := &Cassandra{options: opt}
	var err error
	if c.software, err = fetchCassandra(ctx, opt.Logf); err != nil {
		return nil, err
	}
	if c.tmp = opt.Dir == ""; c.tmp {
		c.dir, err = os.MkdirTemp("", "phyllo-cassandra-")
	} else if c.dir, err = filepath.Abs(opt.Dir); err == nil {
		err = os.MkdirAll(c.dir, 0o755)
	}
	if err != nil {
		return nil, err
	}
	if err := c.startAll(ctx); err != nil {
		if c.tmp {
			err = errors.Join(err, os.RemoveAll(c.dir))
		}
		return nil, err
	}
	return c, nil
}

// startAll starts the nodes that do not run.
func (c *Cassandra) startAll(ctx context.Context) error {
	layout, was, err := chooseLayout(c.dir, c.options)
	if err != nil {
		return err
	}
	c.setLayout(layout)
	var missing []*cassandraNode
	for _, n := range c.nodes {
		if err := n.find(); err != nil {
			return err
		}
		if !n.running() {
			missing = append(missing, n)
		} else if !c.options.Detached {
			return fmt.Errorf("the cluster in %s is running: node %d is process %d", c.dir, n.number, n.process.proc.Pid)
		}
	}
	if len(missing) < len(c.nodes) && layout.differs(was) {
		return fmt.Errorf("servers of the cluster in %s run with port %d, TLS %t, client certificates %t: end them before you change that",
			c.dir, was.Port, was.TLS, was.ClientCertificates)
	}
	if err := c.prepare(missing); err != nil {
		return err
	}
	if err := layout.write(c.dir); err != nil {
		return err
	}
	if err := c.startNodes(ctx, missing); err != nil {
		return errors.Join(err, stopNodes(missing, !c.tmp))
	}
	if err := c.awaitCluster(ctx, was == nil); err != nil {
		return errors.Join(err, stopNodes(missing, !c.tmp))
	}
	return nil
}

// startNodes starts nodes at once, but for the first of a cluster: from it the
// others learn of each other.
func (c *Cassandra) startNodes(ctx context.Context, nodes []*cassandraNode) error {
	if len(nodes) > 0 && nodes[0].number == 1 {
		if err := c.start(ctx, nodes[0]); err != nil {
			return err
		}
		nodes = nodes[1:]
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		g.Go(func() error { return c.start(gctx, n) })
	}
	return g.Wait()
}

func (c *Cassandra) setLayout(l cassandraLayout) {
	c.layout, c.Port = l, l.Port
	for i := range l.Nodes {
		number := i + 1
		c.nodes = append(c.nodes, &cassandraNode{number: number, host: cassandraHost(number), jmxPort: l.JMXPorts[i],
			dir: filepath.Join(c.dir, "node"+strconv.Itoa(number))})
	}
}

// prepare sees to what nodes need before they are started.
func (c *Cassandra) prepare(nodes []*cassandraNode) error {
	for _, n := range nodes {
		for _, port := range []int{c.Port, c.layout.StoragePort} {
			if err := portFree([]string{n.host}, port); err != nil {
				return err
			}
		}
		if err := portFree(cassandraHosts(1), n.jmxPort); err != nil {
			return err
		}
	}
	if !c.options.TLS {
		return nil
	}
	return c.makeTLSFiles()
}

// FindCassandra returns the cluster whose data are in a folder, with the servers
// of it that run. An error that is os.ErrNotExist says that there is none.
func FindCassandra(dir string) (*Cassandra, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l, err := readLayout(dir)
	if err != nil {
		return nil, err
	}
	c := &Cassandra{dir: dir}
	c.setLayout(l)
	for _, n := range c.nodes {
		if err := n.find(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Hosts are the addresses of the nodes.
func (c *Cassandra) Hosts() []string { return cassandraHosts(len(c.nodes)) }

func cassandraHosts(nodes int) []string {
	var out []string
	for i := range nodes {
		out = append(out, cassandraHost(i+1))
	}
	return out
}

// Dir is the cluster's folder.
func (c *Cassandra) Dir() string { return c.dir }

// DataDir is the folder of a node's tables and commit log.
func (c *Cassandra) DataDir(node int) string { return c.nodes[node-1].data() }

// LogFile is a node's log. Restarts append to it.
func (c *Cassandra) LogFile(node int) string { return c.nodes[node-1].log() }

// Running returns the numbers of the nodes that run, paused ones included.
func (c *Cassandra) Running() []int {
	var out []int
	for _, n := range c.nodes {
		if n.running() {
			out = append(out, n.number)
		}
	}
	return out
}

// Kill ends a node with SIGKILL and returns when it has ended.
func (c *Cassandra) Kill(node int) error { return c.nodes[node-1].stop(false) }

// Pause stops a node in its tracks: its connections stay open and nothing is answered.
func (c *Cassandra) Pause(node int) error { return c.nodes[node-1].signal(syscall.SIGSTOP) }

// Resume lets a paused node go on.
func (c *Cassandra) Resume(node int) error { return c.nodes[node-1].signal(syscall.SIGCONT) }

// Restart starts a node on its data, after having stopped it in good order if it
// runs. It returns when the node answers and, if a majority is up, when those that
// are up see each other.
func (c *Cassandra) Restart(ctx context.Context, node int) error {
	n := c.nodes[node-1]
	if err := n.stop(true); err != nil {
		return err
	}
	if err := c.start(ctx, n); err != nil {
		return errors.Join(err, n.stop(false))
	}
	return c.awaitCluster(ctx, false)
}

// RestartWith is Restart with further arguments of Java, for this start only.
func (c *Cassandra) RestartWith(ctx context.Context, node int, arguments ...string) error {
	n := c.nodes[node-1]
	n.extra = arguments
	defer func() { n.extra = nil }()
	return c.Restart(ctx, node)
}

// Stop ends all servers: in good order if their data stay, else at once.
func (c *Cassandra) Stop() error {
	if err := stopNodes(c.nodes, !c.tmp); err != nil {
		return err
	}
	if c.tmp {
		return os.RemoveAll(c.dir)
	}
	return nil
}

func stopNodes(nodes []*cassandraNode, gently bool) error {
	var g errgroup.Group
	for _, n := range nodes {
		g.Go(func() error { return n.stop(gently) })
	}
	return g.Wait()
}

// Nodetool runs Cassandra's nodetool on a node and returns what it prints.
func (c *Cassandra) Nodetool(ctx context.Context, node int, args ...string) (string, error) {
	n := c.nodes[node-1]
	if c.software.java == "" { // of a cluster that was found
		software, err := fetchCassandra(ctx, func(string, ...any) {})
		if err != nil {
			return "", err
		}
		c.software = software
	}
	java := append([]string{"-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+PerfDisableSharedMem", "-Duser.home=" + n.dir}, moduleArguments...)
	java = append(java, "-Dlogback.configurationFile="+fileURL(n.conf("logback.xml")), "-cp", n.dir+"/conf:"+c.software.lib+"/*",
		"org.apache.cassandra.tools.NodeTool", "-h", cassandraHost(1), "-p", strconv.Itoa(n.jmxPort))
	cmd := exec.CommandContext(ctx, c.software.java, append(java, args...)...)
	cmd.Dir = n.dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("nodetool %s: %w\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out), nil
}
