package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
	"github.com/phyllodb/phyllo/query"
	"github.com/phyllodb/phyllo/tools/server"
)

// copySide says how to reach a cluster, by side of a copy. What a configuration file says
// is for its side alone, and then the environment is not; without a file the
// environment is for both.
type copySide struct {
	Config  *string `help:"YAML file with the settings of serve for this cluster: password, TLS, consistency. In place of PHYLLO_CASSANDRA_..." placeholder:"FILE"`
	User    *string `help:"User of the cluster; the password comes from PHYLLO_CASSANDRA_PASSWORD or the file." placeholder:"NAME"`
	LocalDC *string `name:"local-dc" help:"Data centre to work with." placeholder:"NAME"`
}

// copyRole says what a store is opened for.
type copyRole struct{ writes bool }

// A copyStore is one side of a copy.
type copyStore struct {
	name  string // for people
	db    *engine.DB
	store store.Store
}

const (
	cassandraScheme = "cassandra://"
	// copyNode is the name of the node that writes. A second one is refused while
	// it lives, and with it a second copy to the same keyspace.
	copyNode = "phyllo-copy"
	// copyBufferBytes bounds the rows of a side that are not in chunks.
	copyBufferBytes = 64 << 20
)

// openCopyStore opens a side: it locks a folder, and is a node of a cluster.
func openCopyStore(ctx context.Context, text string, side copySide, role copyRole, environ []string, log io.Writer) (*copyStore, error) {
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	opt := engine.Options{BufferBytes: copyBufferBytes, KeepOutdated: true, CompactionPaused: true, Logger: logger,
		Router: func(t *schema.Table) (engine.Router, error) { return query.Router(t) }}
	s := &copyStore{name: text}
	var err error
	if strings.HasPrefix(text, cassandraScheme) {
		s.store, err = openCopyCluster(ctx, text, side, environ, logger)
		opt.Writer = copyNode
		if !role.writes {
			opt.Writer += "-from-" + randomName() // readers are no hindrance to each other
		}
		opt.Cluster = &engine.ClusterOptions{}
	} else {
		s.store, err = openCopyFolder(text, side, role, logger)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	s.db, err = engine.Open(ctx, s.store, opt)
	if opt.Cluster != nil && pgerr.Code(err) == pgerr.ObjectInUse {
		err = pgerr.New(pgerr.ObjectInUse, "another copy to this store is at work").WithHint("Wait until it has ended.")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", text, err), s.store.Close())
	}
	return s, nil
}

func randomName() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func openCopyFolder(dir string, side copySide, role copyRole, log *slog.Logger) (store.Store, error) {
	if side != (copySide{}) {
		return nil, fmt.Errorf("settings of a cluster are given for a folder")
	}
	if strings.Contains(dir, "://") {
		return nil, fmt.Errorf("a store is a folder or %sHOST[:PORT]/KEYSPACE", cassandraScheme)
	}
	if !role.writes { // opening would make an empty store of a misspelt name
		if _, err := os.Stat(filepath.Join(dir, "FORMAT")); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no store in this folder")
		}
	}
	return local.Open(local.Options{FS: vfs.OS{}, Dir: dir, CacheBytes: -1, Logger: log})
}

// parseClusterStore reads cassandra://HOST[:PORT][,HOST...]/KEYSPACE.
func parseClusterStore(text string) (hosts, keyspace string, err error) {
	rest, _ := strings.CutPrefix(text, cassandraScheme)
	hosts, keyspace, ok := strings.Cut(rest, "/")
	switch {
	case !ok || hosts == "" || keyspace == "" || strings.ContainsAny(keyspace, "/?#"):
		return "", "", fmt.Errorf("a cluster is given as %sHOST[:PORT][,HOST...]/KEYSPACE", cassandraScheme)
	case strings.Contains(hosts, "@"):
		return "", "", fmt.Errorf("user and password do not belong there, for others can see a command line: see the flags --...user and --...config")
	}
	if keyspace, err = url.PathUnescape(keyspace); err != nil {
		return "", "", err
	}
	return hosts, keyspace, nil
}

// cassandraOptions are what one side's settings make.
func (side copySide) cassandraOptions(text string, environ []string, log *slog.Logger) (cassandra.Options, error) {
	hosts, keyspace, err := parseClusterStore(text)
	if err != nil {
		return cassandra.Options{}, err
	}
	flags := map[string]any{"node": copyNode, "durability": "cluster", "cassandra.hosts": hosts, "cassandra.keyspace": keyspace}
	put(flags, "cassandra.user", side.User)
	put(flags, "cassandra.local_dc", side.LocalDC)
	file := ""
	if side.Config != nil {
		file = *side.Config
		environ = slices.DeleteFunc(slices.Clone(environ), func(kv string) bool { return strings.HasPrefix(kv, server.EnvName("cassandra.")) })
	}
	cfg, err := server.Load(file, environ, flags)
	if err != nil {
		return cassandra.Options{}, err
	}
	o := cfg.CassandraOptions(log, nil)
	o.CacheBytes = -1 // everything is read once
	return o, nil
}

func openCopyCluster(ctx context.Context, text string, side copySide, environ []string, log *slog.Logger) (store.Store, error) {
	o, err := side.cassandraOptions(text, environ, log)
	if err != nil {
		return nil, err
	}
	return cassandra.Open(ctx, o)
}

func (s *copyStore) close() error { return errors.Join(s.db.Close(), s.store.Close()) }

// find returns a table and about how many rows it has: zero only if it is empty.
func (s *copyStore) find(ctx context.Context, namespace, name string) (*schema.Table, int64, error) {
	tx, err := s.db.Begin(ctx, engine.TxnOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		return nil, 0, err
	}
	def := findTable(tx.Catalog(), namespace, name)
	if def == nil {
		return nil, 0, nil
	}
	return def, tx.TableRows(def.OID), nil
}

// findTable returns nil if there is none.
func findTable(c *schema.Catalog, namespace, name string) *schema.Table {
	for _, t := range c.Tables {
		if ns := c.Namespaces[t.Namespace]; ns != nil && ns.Name == namespace && t.Name == name {
			return t
		}
	}
	return nil
}
