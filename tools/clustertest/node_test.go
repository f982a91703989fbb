package clustertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

// readyLimit is how long a server may take until it answers, a lease of an
// earlier process that has to run out included.
const readyLimit = time.Minute

// A node is a place where a phyllo process runs, one after the other, each on the
// same keyspace. It is safe for concurrent use.
type node struct {
	number int
	store  []string // arguments for the keyspace
	env    []string
	dir    string // what the node keeps on its machine

	mu      sync.Mutex // guards the fields below
	name    string
	process *testprocess.Process
	killed  map[*testprocess.Process]bool
}

// newNode returns a node without a process.
func newNode(t testing.TB, number int, name string, store []string, env ...string) *node {
	n := &node{number: number, store: store, env: env, dir: filepath.Join(t.TempDir(), "data"), name: name, killed: map[*testprocess.Process]bool{}}
	t.Cleanup(n.kill)
	return n
}

// start starts a process under a name and waits until it answers.
func (n *node) start(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	p, err := n.launch(name, n.dir)
	if err != nil {
		return err
	}
	if err := p.Ready(ctx); err != nil {
		p.Kill()
		return fmt.Errorf("node %s: %w", name, err)
	}
	n.mu.Lock() // not before: until it listens its clients hear that the old one has ended
	n.name, n.process = name, p
	n.mu.Unlock()
	return nil
}

// launch starts a process that is not the node's.
func (n *node) launch(name, dir string) (*testprocess.Process, error) {
	o := testprocess.Options{Program: program, Args: append([]string{"--node", name, "--data", dir}, n.store...), Env: n.env}
	if *logDir != "" {
		o.LogFile = filepath.Join(*logDir, name+".log")
	}
	return testprocess.Start(o)
}

func (n *node) current() *testprocess.Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

func (n *node) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.name
}

// kill is kill -9.
func (n *node) kill() {
	n.mu.Lock()
	p := n.process
	n.killed[p] = true // before its clients can notice
	n.mu.Unlock()
	if p != nil {
		p.Kill()
	}
}

// wasKilled says whether a process was, or is just being killed.
func (n *node) wasKilled(p *testprocess.Process) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.killed[p]
}

// killWithDisk is the loss of the machine.
func (n *node) killWithDisk() error {
	n.kill()
	return os.RemoveAll(n.dir)
}

func (n *node) connect(ctx context.Context) (*pgx.Conn, error) {
	p := n.current()
	if p == nil {
		return nil, errors.New("the node was not started")
	}
	return pgx.Connect(ctx, p.DSN())
}

// A link is a client's connection to a node, opened when it is used and again
// after it broke. It is used by one goroutine.
type link struct {
	to       *node
	settings map[string]string // of its sessions
	conn     *pgx.Conn
	process  *testprocess.Process // that conn goes to
}

// What sessions are begun with.
var (
	latest   = map[string]string{"phyllo.freshness": "latest"}
	localOne = map[string]string{"phyllo.read_consistency": "LOCAL_ONE"}
)

// get returns the connection.
func (l *link) get(ctx context.Context) (*pgx.Conn, error) {
	if l.conn != nil && !l.conn.IsClosed() {
		return l.conn, nil
	}
	l.process = l.to.current()
	config, err := pgx.ParseConfig(l.process.DSN())
	if err != nil {
		return nil, err
	}
	for name, value := range l.settings {
		config.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	l.conn = conn
	return conn, nil
}

// killed says whether the process that the link goes to was killed, and the
// connection with it.
func (l *link) killed() bool { return l.to.wasKilled(l.process) }

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close(context.Background())
	}
}
