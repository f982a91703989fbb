package testenv

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeJava is a program of the name that runs until it is ended.
func fakeJava(t *testing.T) string {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "java")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func startTestProcess(t *testing.T, detached bool, name string, args ...string) (p *serverProcess, pidFile string) {
	t.Helper()
	pidFile = filepath.Join(t.TempDir(), "pid")
	p, err := startProcess(exec.Command(name, args...), pidFile, detached)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p, pidFile
}

func TestFindProcess(t *testing.T) {
	java := fakeJava(t)
	p, pidFile := startTestProcess(t, false, java, "1000", "1001")
	found, err := findProcess(pidFile, "1001")
	if err != nil || found == nil || found.proc.Pid != p.proc.Pid {
		t.Fatalf("found %+v, error %v; want process %d", found, err, p.proc.Pid)
	}
	if other, err := findProcess(pidFile, "100"); other != nil || err != nil {
		t.Errorf("by an argument that it does not have: found %+v, error %v", other, err)
	}
	if found.ended() {
		t.Error("it has ended, says who found it")
	}
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	if !found.wait(time.Minute) || !found.ended() {
		t.Error("it has not ended, says who found it")
	}
	if err := found.stop(time.Minute); err != nil {
		t.Errorf("stopping what has ended: %v", err)
	}
	if again, err := findProcess(pidFile, "1001"); again != nil || err != nil {
		t.Errorf("after its end: found %+v, error %v", again, err)
	}
}

func TestFindProcessOfAnother(t *testing.T) {
	_, pidFile := startTestProcess(t, false, "sleep", "1000")
	if found, err := findProcess(pidFile, "1000"); found != nil || err != nil {
		t.Errorf("a program that is not Java: found %+v, error %v", found, err)
	}
	if found, err := findProcess(pidFile+"x", "1000"); found != nil || err != nil {
		t.Errorf("no pid file: found %+v, error %v", found, err)
	}
	for _, text := range []string{"", "x", "0", "-1", "1"} {
		if err := os.WriteFile(pidFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := findProcess(pidFile, "1000"); err == nil {
			t.Errorf("pid file with %q: no error", text)
		}
	}
}

// TestStopFoundZombie takes a process that has ended unnoticed by its parent for one that has ended.
func TestStopFoundZombie(t *testing.T) {
	cmd := exec.Command(fakeJava(t), "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	pidFile := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := findProcess(pidFile, "1000")
	if err != nil || found == nil {
		t.Fatalf("found %+v, error %v", found, err)
	}
	if err := found.stop(time.Minute); err != nil || !found.ended() {
		t.Fatalf("ended %t, error %v", found.ended(), err)
	}
}

func TestStopProcess(t *testing.T) {
	p, _ := startTestProcess(t, false, "sleep", "1000")
	if err := p.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := p.stop(time.Minute); err != nil || !p.ended() {
		t.Fatalf("paused: ended %t, error %v", p.ended(), err)
	}
	if err := p.kill(); err != nil {
		t.Fatalf("killing what has ended: %v", err)
	}

	// One that does not hear SIGTERM says so first, else it could come too early.
	ready, said, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	cmd := exec.Command("sh", "-c", `trap "" TERM; echo ready; exec sleep 1000`)
	cmd.Stdout = said
	deaf, err := startProcess(cmd, filepath.Join(t.TempDir(), "pid"), false)
	if err != nil {
		t.Fatal(err)
	}
	said.Close()
	if _, err := io.ReadFull(ready, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if deaf.wait(10 * time.Millisecond) {
		t.Fatal("it has ended by itself")
	}
	if err := deaf.stop(10 * time.Millisecond); err != nil || !deaf.ended() {
		t.Fatalf("deaf: ended %t, error %v", deaf.ended(), err)
	}
}

// TestDetached checks that a detached server has a session of its own, and none
// of the files that we got from whoever started us.
func TestDetached(t *testing.T) {
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil { // children would get both ends
		t.Fatal(err)
	}
	defer syscall.Close(pipe[0])
	defer syscall.Close(pipe[1])
	p, _ := startTestProcess(t, true, "sleep", "1000")
	proc := fmt.Sprintf("/proc/%d/", p.proc.Pid)
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		t.Fatal(err)
	}
	_, fields, _ := strings.Cut(string(stat), ") ") // then: state, parent, group, session
	if session := strings.Fields(fields)[3]; session != strconv.Itoa(p.proc.Pid) {
		t.Errorf("process %d is in session %s", p.proc.Pid, session)
	}
	files, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if fd, err := strconv.Atoi(f.Name()); err != nil || fd > 2 {
			t.Errorf("it has file %s open", f.Name())
		}
	}
}
