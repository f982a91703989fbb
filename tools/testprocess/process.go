// Package testprocess runs the phyllo program in processes of its own, which
// tests kill, stop in their tracks and start again.
package testprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build builds the program and returns its path. Whoever calls it removes its folder
// in the end.
func Build(ctx context.Context) (program string, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "phyllo-program-")
	if err != nil {
		return "", nil, err
	}
	program = filepath.Join(dir, "phyllo")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/phyllodb/phyllo/tools/phyllo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("building the server: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return program, func() error { return os.RemoveAll(dir) }, nil
}

// Options say what to run.
type Options struct {
	Program string   // that Build returned
	Args    []string // of phyllo serve, without addresses
	Env     []string // beside that of this process
	// LogFile is where its log goes, appended; "" keeps it in memory.
	LogFile string
}

// A Process is a running phyllo serve. It dies with the program that started it.
// Its methods are safe for concurrent use.
type Process struct {
	PG, HTTP string // addresses

	cmd  *exec.Cmd
	log  log
	done chan struct{} // closed when it has ended
	err  error         // then
}

// Start starts a server on free ports. It does not wait until it is ready.
func Start(o Options) (*Process, error) {
	p := &Process{done: make(chan struct{})}
	var err error
	if p.PG, err = freeAddress(); err != nil {
		return nil, err
	}
	if p.HTTP, err = freeAddress(); err != nil {
		return nil, err
	}
	if o.LogFile != "" {
		if p.log.file, err = os.OpenFile(o.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
			return nil, err
		}
	}
	p.cmd = exec.Command(o.Program, append([]string{"serve", "--pg", p.PG, "--http", p.HTTP}, o.Args...)...)
	p.cmd.Env = append(os.Environ(), o.Env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		p.err = p.cmd.Wait()
		if p.log.file != nil {
			p.err = errors.Join(p.err, p.log.file.Close())
		}
		close(p.done)
	}()
	return p, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Ready waits until the server answers queries.
func (p *Process) Ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.answers(ctx) {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("the server ended: %w\n%s", p.err, p.Log())
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready: %w\n%s", context.Cause(ctx), p.Log())
		case <-tick.C:
		}
	}
}

func (p *Process) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.HTTP+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive says whether the process has not ended yet.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill is kill -9. It returns when the process has ended.
func (p *Process) Kill() {
	p.cmd.Process.Kill() // fails if it has ended
	<-p.done
}

// Stop is SIGTERM: the server must drain and end well within limit.
func (p *Process) Stop(limit time.Duration) error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("SIGTERM: %w\n%s", p.err, p.Log())
		}
		return nil
	case <-time.After(limit):
		return fmt.Errorf("the server did not stop within %v of SIGTERM\n%s", limit, p.Log())
	}
}

// Pause stops the process in its tracks: its connections stay open and nothing is
// answered, until Resume.
func (p *Process) Pause() error  { return p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// ID is the process's number.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// PeakMiB is the peak of the process's resident memory, as the kernel counts it.
func (p *Process) PeakMiB() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return kib / 1024, err
		}
	}
	return 0, errors.New("the kernel does not tell the peak of memory")
}

// CPU is the time that the process has had a processor for, in steps of 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.ID()))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the program's name, from the third field on
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("the kernel says %q of the process", stat)
	}
	user, err := strconv.Atoi(f[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// DSN is how to connect.
func (p *Process) DSN() string { return "postgres://tester@" + p.PG + "/phyllo?sslmode=disable" }

// Metric returns the value of a metric, the sum of those of all labels.
func (p *Process) Metric(name string) (sum float64, err error) {
	resp, err := http.Get("http://" + p.HTTP + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 2 || f[0] != name && !strings.HasPrefix(f[0], name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, nil
}

// Log is the end of what the process has logged.
func (p *Process) Log() string {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return string(p.log.end)
}

// Logged waits until the process has logged a text.
func (p *Process) Logged(ctx context.Context, text string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.Log(), text) {
		select {
		case <-p.done:
			return fmt.Errorf("the server ended before it logged %q: %w\n%s", text, p.err, p.Log())
		case <-ctx.Done():
			return fmt.Errorf("the server did not log %q: %w\n%s", text, context.Cause(ctx), p.Log())
		case <-tick.C:
		}
	}
	return nil
}

// logBytes is how much of a log is kept in memory.
const logBytes = 256 << 10

// A log takes what a process prints.
type log struct {
	mu   sync.Mutex // guards the fields below
	end  []byte     // the last logBytes, at least
	file *os.File   // nil: nowhere else
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end = append(l.end, b...); len(l.end) > 2*logBytes {
		l.end = append([]byte(nil), l.end[len(l.end)-logBytes:]...)
	}
	if l.file != nil {
		return l.file.Write(b)
	}
	return len(b), nil
}
