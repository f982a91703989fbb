// Command demo shows Phyllo at work: it starts bin/phyllo on an embedded store,
// streams the buses of a simulated city into it through the public ingest API,
// and asks the city's questions over the PostgreSQL protocol, again and again.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/phyllodb/phyllo/tools/citybus"
	"golang.org/x/sync/errgroup"
)

type options struct {
	Program  string        `help:"The phyllo program." default:"bin/phyllo"`
	Data     string        `help:"Folder of the embedded store." default:"demo-data"`
	PG       string        `help:"Address for the PostgreSQL protocol." default:"127.0.0.1:5433"`
	HTTP     string        `help:"Address for HTTP." default:"127.0.0.1:8080"`
	Seed     uint64        `help:"Seed of the city and its buses." default:"1"`
	Vehicles int           `help:"Number of buses." default:"500"`
	For      time.Duration `help:"Stop after this time; 0 runs until Ctrl-C." default:"0s"`
	Every    time.Duration `help:"How often the questions are asked." default:"2s"`
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("demo"), kong.Description("Live city buses in a Phyllo store. Ctrl-C stops; the data stay in the folder."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if opt.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opt.For)
		defer cancel()
	}
	if err := run(ctx, opt); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opt options) (err error) {
	srv, err := startServer(ctx, opt)
	if err != nil {
		return err
	}
	defer func() {
		if e := srv.stop(); err == nil {
			err = e
		}
	}()
	pool, err := pgxpool.New(ctx, "postgres://demo@"+opt.PG+"/phyllo?sslmode=disable")
	if err != nil {
		return err
	}
	defer pool.Close()
	city := citybus.NewCity(opt.Seed, 20)
	if err := prepare(ctx, pool, city); err != nil {
		return interrupted(ctx, err)
	}
	feed := &stream{url: "http://" + opt.HTTP + "/api/v1/ingest/bus_positions?format=ndjson",
		fleet: citybus.NewFleet(city, opt.Seed, citybus.Options{Vehicles: opt.Vehicles})}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return feed.run(gctx) })
	g.Go(func() error { return show(gctx, opt, pool, city, feed) })
	g.Go(func() error {
		select {
		case err := <-srv.ended:
			srv.ended <- err
			return fmt.Errorf("the server ended: %v\n%s", err, srv.tail())
		case <-gctx.Done():
			return nil
		}
	})
	return interrupted(ctx, g.Wait())
}

// interrupted turns the end that the user asked for into success.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
