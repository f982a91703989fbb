package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/phyllodb/phyllo/internal/vfs"
)

// An identity is what a node of a cluster keeps on its own machine: which source
// log its last process had. While it holds the folder's lock that process has
// ended, and its lease in the cluster can be taken at once instead of when it has
// run out. Nothing else depends on the folder, unless the node's journal is beside
// it (durability = local); a node that lost it waits a little.
type identity struct {
	file     string
	lock     io.Closer
	previous string
}

// openIdentity locks the node's folder below dir.
func openIdentity(dir, node string) (*identity, error) {
	if node == "" || strings.ContainsAny(node, `/\`) || node == "." || node == ".." {
		return nil, badValue("node", node, "must be a name without slashes")
	}
	folder := filepath.Join(dir, "nodes", node)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("data = %s: %w", dir, err)
	}
	lock, err := vfs.OS{}.Lock(filepath.Join(folder, "lock"))
	if err != nil {
		return nil, fmt.Errorf("data = %s: %w", dir, err)
	}
	id := &identity{file: filepath.Join(folder, "source"), lock: lock}
	previous, err := os.ReadFile(id.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("data = %s: %w", dir, err), lock.Close())
	}
	id.previous = strings.TrimSpace(string(previous))
	return id, nil
}

// began notes the source log that is written from now on. After a crash an old
// name may be found, or none: then the lease runs out by itself.
func (id *identity) began(source string) error {
	tmp := id.file + ".new"
	if err := os.WriteFile(tmp, []byte(source+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, id.file)
}

// wal is the folder of the node's journal, if commits are durable here.
func (id *identity) wal() string { return filepath.Join(filepath.Dir(id.file), "wal") }

func (id *identity) close() error { return id.lock.Close() }
