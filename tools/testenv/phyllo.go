package testenv

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/server"
)

// A Phyllo is a server in the test's own process.
type Phyllo struct {
	Config server.Config
	Server *server.Server
}

// StartPhyllo starts a server on free ports and an empty folder and stops it
// when the test ends; change adjusts its configuration.
func StartPhyllo(t testing.TB, change func(*server.Config)) *Phyllo {
	t.Helper()
	c := server.Default()
	c.Data = t.TempDir()
	c.PG, c.HTTP = "127.0.0.1:0", "127.0.0.1:0"
	change(&c)
	s, err := server.Start(context.Background(), c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stopping the server: %v", err)
		}
	})
	return &Phyllo{c, s}
}

// DSN is how to connect.
func (p *Phyllo) DSN() string {
	host, port, _ := net.SplitHostPort(p.Server.PGAddr())
	return fmt.Sprintf("postgres://tester@%s:%s/phyllo?sslmode=disable", host, port)
}

// URL is the HTTP address.
func (p *Phyllo) URL() string { return "http://" + p.Server.HTTPAddr() }
