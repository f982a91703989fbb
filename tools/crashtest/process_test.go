package crashtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// program is built once for all tests.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "phyllo-crash-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "phyllo")
	build := exec.Command("go", "build", "-o", program, "../phyllo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the server: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A process is a running phyllo serve.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	log      bytes.Buffer
	pg, http string
	done     chan error
}

// start runs the server on a folder and waits until it is ready.
func start(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	p := &process{t: t, pg: freeAddress(t), http: freeAddress(t), done: make(chan error, 1)}
	p.cmd = exec.Command(program, "serve", "--data", dir, "--pg", p.pg, "--http", p.http)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(p.kill)
	p.await()
	return p
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *process) await() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := http.Get("http://" + p.http + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("the server ended: %v\n%s", err, p.log.String())
		case <-ctx.Done():
			p.t.Fatal("the server did not become ready within 60 s")
		case <-tick.C:
		}
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	err := <-p.done
	p.done <- err
}

// stop is SIGTERM; the server must drain and end well.
func (p *process) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			p.t.Fatalf("SIGTERM: %v\n%s", err, p.log.String())
		}
	case <-time.After(60 * time.Second):
		p.t.Fatal("the server did not stop within 60 s")
	}
}

func (p *process) dsn() string { return "postgres://crash@" + p.pg + "/phyllo?sslmode=disable" }
