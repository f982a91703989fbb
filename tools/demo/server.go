package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A server is the phyllo process.
type server struct {
	cmd   *exec.Cmd
	log   string
	ended chan error
}

// startServer starts phyllo serve and waits until it is ready.
func startServer(ctx context.Context, opt options) (*server, error) {
	if err := os.MkdirAll(opt.Data, 0o755); err != nil {
		return nil, err
	}
	s := &server{log: filepath.Join(opt.Data, "server.log"), ended: make(chan error, 1)}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = exec.Command(opt.Program, "serve", "--data", filepath.Join(opt.Data, "store"), "--pg", opt.PG, "--http", opt.HTTP)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A group of its own: Ctrl-C in the terminal is for us, and we stop the server
	// after the last batch is in.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w (run make build first)", opt.Program, err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	return s, s.await(ctx, "http://"+opt.HTTP+"/readyz")
}

// await polls until the server answers queries.
func (s *server) await(ctx context.Context, url string) error {
	fmt.Println("starting the server ...")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.ended:
			return fmt.Errorf("the server did not start: %v\n%s", err, s.tail())
		case <-ctx.Done():
			s.stop()
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// tail is the end of the server's log.
func (s *server) tail() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// stop lets the server drain and waits for it.
func (s *server) stop() error {
	select {
	case err := <-s.ended:
		return err
	default:
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(60 * time.Second):
		s.cmd.Process.Kill()
		return fmt.Errorf("the server did not stop within 60 s and was killed; see %s", s.log)
	}
}
