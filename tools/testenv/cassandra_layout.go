package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// layoutFile holds what must stay as it was while a cluster's data are kept.
const layoutFile = "cluster.json"

// A cassandraLayout is written down before a start.
type cassandraLayout struct {
	Name               string `json:"name"`
	Nodes              int    `json:"nodes"`
	Port               int    `json:"port"`         // of CQL
	StoragePort        int    `json:"storage_port"` // between the nodes
	JMXPorts           []int  `json:"jmx_ports"`    // for nodetool, by node
	Password           bool   `json:"password"`
	TLS                bool   `json:"tls"`
	ClientCertificates bool   `json:"client_certificates"`
}

// readLayout returns the layout in dir; an error that is os.ErrNotExist says that
// there is no cluster.
func readLayout(dir string) (cassandraLayout, error) {
	var l cassandraLayout
	path := filepath.Join(dir, layoutFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("%s: %w", path, err)
	}
	if l.Nodes < 1 || l.Nodes > maxCassandraNodes || len(l.JMXPorts) != l.Nodes {
		return l, fmt.Errorf("%s: %d nodes with %d ports for nodetool", path, l.Nodes, len(l.JMXPorts))
	}
	return l, nil
}

func (l cassandraLayout) write(dir string) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, layoutFile)
	if err := os.WriteFile(path+".tmp", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// chooseLayout returns what the folder's cluster is to be started with: the layout
// it was made with and what opt changes of it, or a new one. was is nil for a new one.
func chooseLayout(dir string, opt CassandraOptions) (l cassandraLayout, was *cassandraLayout, err error) {
	old, err := readLayout(dir)
	if errors.Is(err, os.ErrNotExist) {
		l, err = newLayout(dir, opt)
		return l, nil, err
	}
	if err != nil {
		return l, nil, err
	}
	l, err = old.with(opt)
	return l, &old, err
}

// with changes what may be changed of a layout.
func (l cassandraLayout) with(opt CassandraOptions) (cassandraLayout, error) {
	if opt.Nodes != 0 && opt.Nodes != l.Nodes {
		return l, fmt.Errorf("%w: %d, not %d", ErrCassandraNodes, l.Nodes, opt.Nodes)
	}
	if opt.Password != l.Password {
		return l, fmt.Errorf("the cluster was made with password = %t, which cannot be changed", l.Password)
	}
	if opt.Port != 0 {
		l.Port = opt.Port
	}
	l.TLS, l.ClientCertificates = opt.TLS, opt.ClientCertificates
	return l, nil
}

// differs says whether a layout asks for other servers than those that run.
func (l cassandraLayout) differs(was *cassandraLayout) bool {
	return was == nil || l.Port != was.Port || l.TLS != was.TLS || l.ClientCertificates != was.ClientCertificates
}

func newLayout(dir string, opt CassandraOptions) (cassandraLayout, error) {
	l := cassandraLayout{Nodes: max(opt.Nodes, 1), Port: opt.Port, Password: opt.Password, TLS: opt.TLS, ClientCertificates: opt.ClientCertificates}
	if err := checkUnused(dir); err != nil {
		return l, err
	}
	hosts := cassandraHosts(l.Nodes)
	taken := map[int]bool{l.Port: true}
	var err error
	if l.Port == 0 {
		if l.Port, err = freeServerPort(hosts, taken); err != nil {
			return l, err
		}
	}
	if l.StoragePort, err = freeServerPort(hosts, taken); err != nil {
		return l, err
	}
	for range l.Nodes {
		port, err := freeServerPort(cassandraHosts(1), taken)
		if err != nil {
			return l, err
		}
		l.JMXPorts = append(l.JMXPorts, port)
	}
	// Nodes of clusters with different names never mix, should a port be used again.
	l.Name = fmt.Sprintf("phyllo %d %d", l.Port, l.StoragePort)
	return l, nil
}

// checkUnused refuses a folder that holds other things than a cluster's.
func checkUnused(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != cassandraLock {
			return fmt.Errorf("the folder %s holds %s, but no cluster: name another folder", dir, e.Name())
		}
	}
	return nil
}

// cassandraLock is the file whose lock a program holds that starts or ends the
// servers of a folder.
const cassandraLock = "lock"

// LockCassandra keeps other programs from starting and ending the servers of a
// folder, which it makes, until unlock is called. It waits for its turn and calls
// waiting, which may be nil, if it has to. A folder that holds other things than a
// cluster is refused.
func LockCassandra(ctx context.Context, dir string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := readLayout(dir); errors.Is(err, os.ErrNotExist) {
		if err := checkUnused(dir); err != nil {
			return nil, err
		}
	}
	return lockFile(ctx, filepath.Join(dir, cassandraLock), waiting)
}

// Remove removes what the cluster wrote to its folder, and the folder if nothing
// else is in it. The servers must have been stopped.
func (c *Cassandra) Remove() error {
	for _, n := range c.nodes {
		if n.running() {
			return fmt.Errorf("node %d is running", n.number)
		}
		if err := os.RemoveAll(n.dir); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(c.dir, "tls")); err != nil {
		return err
	}
	// Last: without it the rest could not be told from a stranger's.
	for _, name := range []string{layoutFile, cassandraLock} {
		if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Remove(c.dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	return nil
}
