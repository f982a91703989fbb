package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// newKeyspace names a keyspace that is not there, and is dropped at the end.
func newKeyspace(t *testing.T) cassandra.Options {
	t.Helper()
	s := onServer(t)
	opts := s.options()
	opts.Keyspace = fmt.Sprintf("phylloTest_%x", rand.Uint64())
	t.Cleanup(func() {
		if err := s.session.Query(fmt.Sprintf("DROP KEYSPACE IF EXISTS %q", opts.Keyspace)).Exec(); err != nil {
			t.Errorf("drop keyspace: %v", err)
		}
	})
	return opts
}

// refuses checks that a store is not opened, for a reason that is told with a hint.
func refuses(t *testing.T, opts cassandra.Options, want error, code, hint string) {
	t.Helper()
	s, err := cassandra.Open(t.Context(), opts)
	if err == nil {
		s.Close()
		t.Fatalf("the store was opened, want %v", want)
	}
	e := &pgerr.Error{}
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Hint, hint) {
		t.Fatalf("open: %v (%s, hint %q); want %v (%s, hint with %q)", err, pgerr.Code(err), e.Hint, want, code, hint)
	}
}

// TestMigrate goes from nothing to a store that works, by several migrations at
// once, and finds schemas that it cannot use.
func TestMigrate(t *testing.T) {
	opts := newKeyspace(t)
	migrate := "phyllo migrate --cassandra " + strings.Join(opts.Hosts, ",") + " --keyspace " + opts.Keyspace
	refuses(t, opts, cassandra.ErrKeyspaceMissing, pgerr.InvalidCatalogName, migrate)
	srv := onServer(t)
	if err := srv.session.Query(fmt.Sprintf("CREATE KEYSPACE %q WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}", opts.Keyspace)).Exec(); err != nil {
		t.Fatal(err)
	}
	refuses(t, opts, cassandra.ErrSchemaOld, pgerr.ObjectNotInState, migrate)
	var wg sync.WaitGroup
	var mu sync.Mutex
	steps := map[string]int{}
	for range 3 {
		wg.Go(func() {
			err := cassandra.Migrate(t.Context(), opts, cassandra.MigrateOptions{}, func(step string) {
				mu.Lock()
				steps[step]++
				mu.Unlock()
			})
			if err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	wg.Wait()
	for step, n := range steps {
		if strings.HasPrefix(step, "CREATE TABLE") && !strings.Contains(step, "schema_versions") && n != 1 {
			t.Errorf("done %d times: %s", n, step)
		}
	}
	if n := steps[fmt.Sprintf("keyspace %s has schema version 1", opts.Keyspace)]; n != 1 {
		t.Errorf("steps: %v", steps)
	}
	open(t, opts).Close()
	if err := cassandra.Migrate(t.Context(), opts, cassandra.MigrateOptions{}, func(step string) {
		if strings.HasPrefix(step, "CREATE") {
			t.Errorf("migrate of what is up to date: %s", step)
		}
	}); err != nil {
		t.Fatal(err)
	}
	version := func(version, compatible int) {
		if err := srv.session.Query(fmt.Sprintf("INSERT INTO %q.schema_versions (scope, version, compatible) VALUES ('phyllo', ?, ?) IF NOT EXISTS", opts.Keyspace), version, compatible).Exec(); err != nil {
			t.Fatal(err)
		}
	}
	version(2, 1) // of a newer program, beside which this one may go on
	open(t, opts).Close()
	version(3, 3)
	refuses(t, opts, cassandra.ErrSchemaNewer, pgerr.ObjectNotInState, "later")
	if err := cassandra.Migrate(t.Context(), opts, cassandra.MigrateOptions{}, nil); !errors.Is(err, cassandra.ErrSchemaNewer) {
		t.Fatalf("migrate back: %v", err)
	}
}

// TestMigrateKeyspace makes a keyspace that was not there, also as an operator
// does who runs the statements.
func TestMigrateKeyspace(t *testing.T) {
	srv := onServer(t)
	replication := func(keyspace string) map[string]string {
		var m map[string]string
		if err := srv.session.Query(`SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?`, keyspace).Scan(&m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	opts := newKeyspace(t)
	if err := cassandra.Migrate(t.Context(), opts, cassandra.MigrateOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, opts)
	dc := s.DataCentre()
	s.Close()
	if r := replication(opts.Keyspace); r["class"] != "org.apache.cassandra.locator.NetworkTopologyStrategy" || r[dc] == "" {
		t.Errorf("replication: %v", r)
	}
	for _, bad := range []string{"nowhere:3", dc, dc + ":0", dc + ":x", dc + ":1," + dc + ":1", "a'b:1", ""} {
		if bad == "" {
			continue
		}
		opts := newKeyspace(t)
		if err := cassandra.Migrate(t.Context(), opts, cassandra.MigrateOptions{Replication: bad}, nil); pgerr.Code(err) != pgerr.InvalidParameterValue {
			t.Errorf("replication %q: %v", bad, err)
		}
	}
	byHand := newKeyspace(t)
	statements, err := cassandra.Statements(byHand.Keyspace, dc+":1")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range statements {
		if err := srv.session.Query(text).Exec(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if err := srv.session.AwaitSchemaAgreement(context.Background()); err != nil {
		t.Fatal(err)
	}
	s = open(t, byHand)
	defer s.Close()
	fill(t, s, commits, 1, 3)
	wantLog(t, s, commits, 1, 3)
}

// TestOpenSaysWhatIsWrong opens stores in ways that cannot work.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	s := onServer(t)
	opts := s.options()
	opts.LocalDC = "atlantis"
	refuses(t, opts, cassandra.ErrDataCentre, pgerr.InvalidParameterValue, "datacenter1")
	opts = s.options()
	opts.Hosts = []string{"127.0.0.1:1"}
	_, err := cassandra.Open(t.Context(), opts)
	if !errors.Is(err, cassandra.ErrUnreachable) || pgerr.Code(err) != pgerr.ConnectionFailure || !cassandra.Retryable(err) {
		t.Errorf("no server: %v (%s)", err, pgerr.Code(err))
	}
	opts = s.options()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cassandra.Open(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
