// Command phyllo is the server and its tools.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/phyllodb/phyllo/tools/server"
)

// cli is the command line.
type cli struct {
	Serve   serveCommand   `cmd:"" help:"Run the server until SIGTERM or Ctrl-C."`
	Config  configCommand  `cmd:"" help:"Print the configuration that serve would run with, from flags, environment and file."`
	Migrate migrateCommand `cmd:"" help:"Make the tables in a keyspace of Cassandra, or bring them up to date."`
	Doctor  doctorCommand  `cmd:"" help:"Look at a cluster of Cassandra for what would hurt, and say what to do."`
	Forget  forgetCommand  `cmd:"" help:"Give up what a node with durability = local had on a disk that is lost."`
	Import  importCommand  `cmd:"" help:"Load CSV, NDJSON, Parquet or Arrow files into a table of a running server."`
	Export  exportCommand  `cmd:"" help:"Write a table or a query's rows to a CSV, Parquet or Arrow file."`
	Copy    copyCommand    `cmd:"" help:"Copy tables between a folder and a cluster of Cassandra, or two of them."`
	Backup  backupCommand  `cmd:"" help:"Back up a running server, or a cluster, into a folder or an S3-compatible store; list, verify and prune backups."`
	Restore restoreCommand `cmd:"" help:"Make a new store, in a folder or on Cassandra, of a backup."`
	Inspect inspectCommand `cmd:"" help:"Show what a data folder holds, from its tables down to the encoding of a column, and check it."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

type versionCommand struct{}

func (versionCommand) Run() error {
	fmt.Println("phyllo", server.Version())
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("phyllo"),
		kong.Description("A columnar store for streams of events, with SQL over the PostgreSQL protocol."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run(ctx))
}
