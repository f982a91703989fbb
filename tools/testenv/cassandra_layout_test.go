package testenv

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestChooseLayout(t *testing.T) {
	dir := t.TempDir()
	made, was, err := chooseLayout(dir, CassandraOptions{Nodes: 3})
	if err != nil || was != nil {
		t.Fatalf("new: was %v, error %v", was, err)
	}
	ports := map[int]bool{made.Port: true, made.StoragePort: true}
	for _, p := range made.JMXPorts {
		ports[p] = true
	}
	if len(ports) != 5 || ports[0] {
		t.Fatalf("want 5 different ports: %+v", made)
	}
	if err := made.write(dir); err != nil {
		t.Fatal(err)
	}
	moved := made
	moved.Port = 1234
	for _, test := range []struct {
		name string
		opt  CassandraOptions
		want cassandraLayout
		err  string
	}{
		{"as it was", CassandraOptions{}, made, ""},
		{"the same size", CassandraOptions{Nodes: 3}, made, ""},
		{"another size", CassandraOptions{Nodes: 1}, made, "3, not 1"},
		{"another port", CassandraOptions{Port: 1234}, moved, ""},
		{"passwords", CassandraOptions{Password: true}, made, "cannot be changed"},
	} {
		got, was, err := chooseLayout(dir, test.opt)
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", test.name, err, test.err)
			}
		case err != nil || was == nil || !reflect.DeepEqual(*was, made) || !reflect.DeepEqual(got, test.want):
			t.Errorf("%s: got %+v, was %+v, error %v", test.name, got, was, err)
		case got.differs(was) != (test.opt.Port != 0):
			t.Errorf("%s: differs = %t", test.name, got.differs(was))
		}
	}
	if _, _, err := chooseLayout(dir, CassandraOptions{Nodes: 1}); !errors.Is(err, ErrCassandraNodes) {
		t.Errorf("another size: %v is not ErrCassandraNodes", err)
	}
}

func TestStrangersFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LockCassandra(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("lock: %v", err)
	}
	if _, _, err := chooseLayout(dir, CassandraOptions{}); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("layout: %v", err)
	}
}

func TestBadLayout(t *testing.T) {
	for _, text := range []string{"", "{}", `{"nodes": 4, "jmx_ports": [1, 2, 3, 4]}`, `{"nodes": 2, "jmx_ports": [1]}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, layoutFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := FindCassandra(dir); err == nil || !strings.Contains(err.Error(), layoutFile) {
			t.Errorf("%q: error %v", text, err)
		}
	}
	if _, err := FindCassandra(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no cluster: error %v", err)
	}
}

func TestRemoveCassandra(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	unlock, err := LockCassandra(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	l, _, err := chooseLayout(dir, CassandraOptions{Nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.write(dir); err != nil {
		t.Fatal(err)
	}
	c, err := FindCassandra(dir)
	if err != nil || len(c.Running()) != 0 || len(c.Hosts()) != 2 {
		t.Fatalf("found %+v, error %v", c, err)
	}
	if err := errors.Join(os.MkdirAll(c.DataDir(2), 0o755), os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "mine" {
		t.Fatalf("left are %v, error %v", left, err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "mine")), c.Remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the empty folder is left: %v", err)
	}
}

func TestPorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if err := portFree(cassandraHosts(3), port); !errors.Is(err, ErrPortInUse) || !strings.Contains(err.Error(), "127.0.0.2") {
		t.Errorf("port %d: error %v", port, err)
	}
	taken := map[int]bool{}
	for range 20 {
		if _, err := freeServerPort(cassandraHosts(3), taken); err != nil {
			t.Fatal(err)
		}
	}
	if len(taken) != 20 {
		t.Errorf("20 ports, %d of them different", len(taken))
	}
}

func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := lockFile(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Fatalf("while it is locked: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waited := false
	again, err := lockFile(ctx, path, func() { waited = true; unlock() })
	if err != nil || !waited {
		t.Fatalf("waited %t, error %v", waited, err)
	}
	again()
}
