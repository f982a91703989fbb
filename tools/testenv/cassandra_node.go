package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// cassandraStartLimit is how long a node may take to start: a busy machine with
	// two cores took three minutes for three nodes.
	cassandraStartLimit = 5 * time.Minute
	// cassandraStopLimit is how long a node may take to write down what it holds.
	cassandraStopLimit = time.Minute
	// logLimit is the size of a log beyond which a start puts it aside.
	logLimit = 32 << 20
)

// A cassandraNode is one server of a cluster.
type cassandraNode struct {
	number  int // from 1
	host    string
	dir     string
	jmxPort int
	paused  bool
	extra   []string       // arguments of Java for the next start
	process *serverProcess // nil: was not started, or is known to have ended
}

func cassandraHost(number int) string { return fmt.Sprintf("127.0.0.%d", number) }

func (n *cassandraNode) conf(name string) string { return filepath.Join(n.dir, "conf", name) }
func (n *cassandraNode) data() string            { return filepath.Join(n.dir, "data") }
func (n *cassandraNode) log() string             { return filepath.Join(n.dir, "cassandra.log") }
func (n *cassandraNode) pidFile() string         { return filepath.Join(n.dir, "pid") }

// argument is the one that tells a node's process from all others.
func (n *cassandraNode) argument() string { return "@" + n.conf("jvm.args") }

func (n *cassandraNode) running() bool { return n.process != nil && !n.process.ended() }

// find looks for a process that another program started.
func (n *cassandraNode) find() (err error) {
	n.process, err = findProcess(n.pidFile(), n.argument())
	return err
}

// start starts a node and waits until it answers.
func (c *Cassandra) start(ctx context.Context, n *cassandraNode) error {
	if err := c.writeConfig(n); err != nil {
		return err
	}
	if info, err := os.Stat(n.log()); err == nil && info.Size() > logLimit {
		if err := os.Rename(n.log(), n.log()+".old"); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(c.software.java, n.argument(), "org.apache.cassandra.service.CassandraDaemon")
	cmd.Dir = n.dir // where Java puts its reports of crashes
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "MALLOC_ARENA_MAX=4") // as Cassandra's own script does: less memory lies about
	start := time.Now()
	if n.process, err = startProcess(cmd, n.pidFile(), c.options.Detached); err != nil {
		return fmt.Errorf("starting node %d: %w", n.number, err)
	}
	n.paused = false
	c.options.Logf("node %d (%s) is starting", n.number, n.host)
	if err := c.await(ctx, n, (*cqlConn).options); err != nil {
		return fmt.Errorf("node %d did not start: %w\nThe end of %s:\n%s", n.number, err, n.log(), tail(n.log(), 30))
	}
	c.options.Logf("node %d (%s) answers after %.1f s", n.number, n.host, time.Since(start).Seconds())
	return nil
}

// stop ends a node, gently or not, if it runs.
func (n *cassandraNode) stop(gently bool) error {
	if n.process == nil {
		return nil
	}
	var err error
	if gently {
		err = n.process.stop(cassandraStopLimit)
	} else {
		err = n.process.kill()
	}
	if err != nil {
		return fmt.Errorf("node %d: %w", n.number, err)
	}
	n.process, n.paused = nil, false
	if err := os.Remove(n.pidFile()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// signal sends SIGSTOP or SIGCONT to a node that runs.
func (n *cassandraNode) signal(s syscall.Signal) error {
	if !n.running() {
		return fmt.Errorf("node %d is not running", n.number)
	}
	if err := n.process.signal(s); err != nil {
		return err
	}
	n.paused = s == syscall.SIGSTOP
	return nil
}

// tail returns the last lines of a file, shortened where they are very long.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := all[max(0, len(all)-lines):]
	for i, line := range last {
		if len(line) > 500 {
			last[i] = line[:500] + " ..."
		}
	}
	return strings.Join(last, "\n")
}
