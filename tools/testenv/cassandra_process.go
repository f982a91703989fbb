package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A serverProcess is a running server: our child, or one found by its pid file.
// It is used by one goroutine.
type serverProcess struct {
	proc *os.Process   // holds on to the process, so that a reused pid is never signalled
	done chan struct{} // closed when our child has ended; nil if it is not our child
}

// startProcess starts a command, and leaves its pid in a file. A detached server
// outlives us and our terminal and holds none of our files; others die with us.
func startProcess(cmd *exec.Cmd, pidFile string, detached bool) (*serverProcess, error) {
	if detached {
		// Go opens its own files so that children do not get them, but what we were
		// started with may be open as well: a pipe, say, whose reader waits for its end.
		if err := closeOnExec(); err != nil {
			return nil, err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &serverProcess{proc: cmd.Process, done: make(chan struct{})}
	go func() { // ends with the process
		cmd.Wait()
		close(p.done)
	}()
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// closeOnExec keeps all files but the standard ones from children.
func closeOnExec() error {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range files {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// findProcess returns the process whose pid a file holds if it is the Java
// program that was started with the argument; nil if there is none.
func findProcess(pidFile, argument string) (*serverProcess, error) {
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return nil, fmt.Errorf("%s holds no process id: %q", pidFile, text)
	}
	// Taken hold of first and looked at then: what is looked at is either the process
	// that is held, or one that is no Java program with our argument.
	proc, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	p := &serverProcess{proc: proc}
	if p.ended() || !runsJava(pid, argument) {
		return nil, proc.Release()
	}
	return p, nil
}

// runsJava says whether a process is a Java program with this argument.
func runsJava(pid int, argument string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	program, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil || filepath.Base(strings.TrimSuffix(program, " (deleted)")) != "java" {
		return false
	}
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil {
		return false
	}
	for _, a := range strings.Split(string(line), "\x00") {
		if a == argument {
			return true
		}
	}
	return false
}

// ended says whether the process has ended.
func (p *serverProcess) ended() bool {
	if p.done != nil {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}
	if p.proc.Signal(syscall.Signal(0)) != nil {
		return true
	}
	// It may have ended without its parent having noticed.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.proc.Pid))
	_, state, found := strings.Cut(string(stat), ") ") // the name before it may hold anything
	return err != nil || !found || strings.HasPrefix(state, "Z")
}

// wait waits until the process has ended, for at most limit, and returns whether it has.
func (p *serverProcess) wait(limit time.Duration) bool {
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !p.ended() {
		select {
		case <-deadline:
			return p.ended()
		case <-p.done: // nil, and so never ready, if it is not our child
		case <-tick.C:
		}
	}
	return true
}

// signal sends a signal; one that comes too late is none.
func (p *serverProcess) signal(s syscall.Signal) error {
	if err := p.proc.Signal(s); err != nil && !p.ended() {
		return fmt.Errorf("%s to process %d: %w", s, p.proc.Pid, err)
	}
	return nil
}

// kill ends the process at once, and returns when it has ended.
func (p *serverProcess) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !p.wait(30 * time.Second) {
		return fmt.Errorf("process %d did not end within 30 s of SIGKILL", p.proc.Pid)
	}
	return nil
}

// stop asks the process to end, and kills it if it has not within limit.
func (p *serverProcess) stop(limit time.Duration) error {
	// A paused one would not hear the first before the second.
	if err := errors.Join(p.signal(syscall.SIGTERM), p.signal(syscall.SIGCONT)); err != nil {
		return err
	}
	if p.wait(limit) {
		return nil
	}
	return p.kill()
}
