package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// phyllo is a server process on a folder of its own.
type phyllo struct {
	cmd *exec.Cmd
	dir string
	pg  string
}

func startPhyllo(ctx context.Context, program string) (*phyllo, error) {
	dir, err := os.MkdirTemp("", "phyllo-bench-")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &phyllo{dir: dir, pg: l.Addr().String()}
	l.Close()
	p.cmd = exec.Command(program, "serve", "--data", dir, "--pg", p.pg, "--http", "")
	p.cmd.Stderr = os.Stderr
	p.cmd.Env = append(os.Environ(), "PHYLLO_LOG_LEVEL=warn")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w (run make build first)", program, err)
	}
	return p, p.await(ctx)
}

func (p *phyllo) await(ctx context.Context) error {
	for range 200 {
		if conn, err := pgx.Connect(ctx, p.dsn()); err == nil {
			return conn.Close(ctx)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("phyllo did not start")
}

func (p *phyllo) dsn() string { return "postgres://bench@" + p.pg + "/phyllo?sslmode=disable" }

func (p *phyllo) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
	os.RemoveAll(p.dir)
}
