// Command cassandra starts and ends real Apache Cassandra servers on this
// machine, for trying out Phyllo on a cluster: make cassandra and make cassandra-stop call
// it. The servers go on when it returns.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/phyllodb/phyllo/tools/testenv"
)

type cli struct {
	Dir      string          `help:"Folder of the cluster." env:"PHYLLO_CASSANDRA_DIR" default:"${dir}"`
	Start    startCommand    `cmd:"" help:"Start the servers, or say that they run."`
	Stop     stopCommand     `cmd:"" help:"End the servers; their data stay."`
	Nodetool nodetoolCommand `cmd:"" help:"Run Cassandra's nodetool on a node; -- goes before flags that are for it."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cache, err := testenv.CacheDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cassandra:", err)
		os.Exit(1)
	}
	var c cli
	k := kong.Parse(&c, kong.Name("cassandra"), kong.Description("Apache Cassandra "+testenv.CassandraVersion+" on this machine."),
		kong.Vars{"dir": filepath.Join(cache, "cassandra")}, kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run(folder(c.Dir)))
}

// A folder holds a cluster.
type folder string

// lock keeps a second call from doing the opposite at the same time.
func (f folder) lock(ctx context.Context) (unlock func(), err error) {
	return testenv.LockCassandra(ctx, string(f), func() { say("waiting for another program that starts or ends the servers in %s", f) })
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// stopCommand ends the servers of the folder.
type stopCommand struct {
	Clean bool `help:"Remove the data, too."`
}

func (s *stopCommand) Run(ctx context.Context, dir folder) error {
	if _, err := os.Stat(string(dir)); errors.Is(err, os.ErrNotExist) {
		say("There is no cluster in %s.", dir)
		return nil
	}
	unlock, err := dir.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := testenv.FindCassandra(string(dir))
	if errors.Is(err, os.ErrNotExist) {
		say("There is no cluster in %s.", dir)
		return nil
	} else if err != nil {
		return err
	}
	if running := c.Running(); len(running) > 0 {
		say("Ending %s ...", nodes(running))
		if err := c.Stop(); err != nil {
			return err
		}
	} else {
		say("No server runs.")
	}
	if s.Clean {
		if err := c.Remove(); err != nil {
			return err
		}
		say("The data are removed.")
		return nil
	}
	say("The data stay in %s; make cassandra uses them again, make cassandra-stop CLEAN=1 removes them.", c.Dir())
	return nil
}

// nodes names nodes by their numbers.
func nodes(numbers []int) string {
	var list []string
	for _, n := range numbers {
		list = append(list, fmt.Sprint(n))
	}
	if len(list) == 1 {
		return "node " + list[0]
	}
	return "nodes " + strings.Join(list, ", ")
}

// nodetoolCommand is for what only Cassandra's own tool tells.
type nodetoolCommand struct {
	Node int      `help:"Number of the node, from 1." default:"1"`
	Args []string `arg:"" help:"What nodetool is to do, as: status"`
}

func (n *nodetoolCommand) Run(ctx context.Context, dir folder) error {
	c, err := testenv.FindCassandra(string(dir))
	if err != nil {
		return err
	}
	if n.Node < 1 || n.Node > len(c.Hosts()) {
		return fmt.Errorf("there is no node %d: the cluster in %s has %d", n.Node, c.Dir(), len(c.Hosts()))
	}
	out, err := c.Nodetool(ctx, n.Node, n.Args...)
	fmt.Print(out)
	return err
}
