package doctest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for a program.
const patience = 60 * time.Second

// A syncBuffer collects output that is read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A process is a phyllo serve that an example started.
type process struct {
	cmd   *exec.Cmd
	log   syncBuffer
	done  chan struct{} // closed when it has ended
	err   error         // of its end, valid after done
	ended bool          // an example ended it, and its end was checked
}

// serve starts the server of a block and waits until it is ready.
func (s *sandbox) serve(t *testing.T, text string) *process {
	t.Helper()
	srv := &process{cmd: s.command(context.Background(), "bash", "-e", "-c", s.toReal(text)), done: make(chan struct{})}
	// A server without addresses on its command line gets the free ports as
	// defaults; what the command line says goes above them.
	srv.cmd.Env = append(srv.cmd.Env, "PHYLLO_PG=127.0.0.1:"+s.real["5433"], "PHYLLO_HTTP=127.0.0.1:"+s.real["8080"])
	srv.cmd.Stdout, srv.cmd.Stderr = &srv.log, &srv.log
	srv.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := srv.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		srv.err = srv.cmd.Wait()
		close(srv.done)
	}()
	s.servers = append(s.servers, srv)
	t.Cleanup(func() { srv.stop(t) })
	port, scheme := "8080", "http"
	if strings.Contains(text, "8081") {
		port = "8081"
	}
	if strings.Contains(text, "tls") {
		scheme = "https"
	}
	srv.await(t, scheme+"://127.0.0.1:"+s.real[port]+"/readyz")
	return srv
}

// await polls a URL until it says 200.
func (srv *process) await(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	srv.poll(t, func() error {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, resp.Status)
		}
		return nil
	})
}

// poll repeats try until it succeeds, while the server runs.
func (srv *process) poll(t *testing.T, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-srv.done:
			t.Fatalf("the server ended: %v\n%s", srv.err, srv.log.String())
		case <-deadline:
			t.Fatalf("%v\nthe server's log:\n%s", err, srv.log.String())
		case <-tick.C:
		}
	}
}

// wait waits for the end of a server that an example ends; it must end well
// unless it was killed.
func (srv *process) wait(t *testing.T, killed bool) {
	t.Helper()
	select {
	case <-srv.done:
	case <-time.After(patience):
		t.Fatalf("the server goes on\n%s", srv.log.String())
	}
	srv.ended = true
	if srv.err != nil && !killed {
		t.Fatalf("the server ended: %v\n%s", srv.err, srv.log.String())
	}
}

// stop ends a server that still runs at the end of a page.
func (srv *process) stop(t *testing.T) {
	if srv.ended {
		return
	}
	syscall.Kill(-srv.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-srv.done:
		if srv.err != nil {
			t.Errorf("the server ended: %v\n%s", srv.err, srv.log.String())
		}
	case <-time.After(patience):
		syscall.Kill(-srv.cmd.Process.Pid, syscall.SIGKILL)
		<-srv.done
		t.Errorf("the server did not stop\n%s", srv.log.String())
	}
}
