package cassandratest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/cassandra"
)

// examine runs the doctor and returns what each check found.
func examine(t *testing.T, opts cassandra.Options) map[string]cassandra.Finding {
	t.Helper()
	findings, err := cassandra.Doctor(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]cassandra.Finding{}
	for _, f := range findings {
		if _, twice := out[f.Check]; twice || f.Check == "" || f.Found == "" {
			t.Errorf("a check that is empty or there twice: %+v", f)
		}
		out[f.Check] = f
	}
	return out
}

// wantCheck checks one finding.
func wantCheck(t *testing.T, all map[string]cassandra.Finding, check string, want cassandra.Severity, words string) {
	t.Helper()
	f, ok := all[check]
	if !ok || f.Severity != want || !strings.Contains(f.Found, words) {
		t.Errorf("%s: %v %q (there: %v), want %v with %q", check, f.Severity, f.Found, ok, want, words)
	}
}

// TestDoctor examines a keyspace that is well, and then with what an operator may
// have done to it.
func TestDoctor(t *testing.T) {
	srv := onServer(t)
	opts := newKeyspace(t)
	run := func(format string, args ...any) {
		t.Helper()
		if err := srv.session.Query(fmt.Sprintf(format, args...)).Exec(); err != nil {
			t.Fatal(err)
		}
	}
	missing := examine(t, opts)
	wantCheck(t, missing, "schema version", cassandra.Bad, "no keyspace")
	wantCheck(t, missing, "compression", cassandra.Unknown, "")
	if err := cassandra.Migrate(t.Context(), opts, cassandra.MigrateOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	well := examine(t, opts)
	for _, check := range []string{"servers", "version of Cassandra", "schema agreement", "clocks of servers", "clock of this machine", "replication strategy",
		"replicas up", "schema version", "tables", "compression", "expiry", "disk failures", "conditional writes", "timeouts", "guardrails",
		"largest partition", "tombstones", "compactions"} {
		wantCheck(t, well, check, cassandra.OK, "")
	}
	wantCheck(t, well, "nodes of Phyllo", cassandra.OK, "none has a lease")
	if f := well["commit log"]; f.Severity == cassandra.Unknown {
		t.Errorf("commit log: %q", f.Found)
	}
	if len(missing) != len(well) {
		t.Errorf("%d checks without a keyspace, %d with one", len(missing), len(well))
	}

	// Its leases are found where the engine puts them.
	st := open(t, opts)
	defer st.Close()
	db, err := engine.Open(t.Context(), st, engine.Options{Writer: "ann", Cluster: &engine.ClusterOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	wantCheck(t, examine(t, opts), "nodes of Phyllo", cassandra.OK, "1 node with a lease: ann (heard of ")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, examine(t, opts), "nodes of Phyllo", cassandra.OK, "none has a lease")

	run(`ALTER TABLE %q.chunks WITH compression = {'class': 'LZ4Compressor'}`, opts.Keyspace)
	run(`ALTER TABLE %q.logs WITH default_time_to_live = 100`, opts.Keyspace)
	run(`DROP TABLE %q.log_hints`, opts.Keyspace)
	run(`ALTER KEYSPACE %q WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1} AND durable_writes = true`, opts.Keyspace)
	run(`INSERT INTO %q.schema_versions (scope, version, compatible) VALUES ('phyllo', 9, 9) IF NOT EXISTS`, opts.Keyspace)
	ill := examine(t, opts)
	wantCheck(t, ill, "compression", cassandra.Warning, "on for chunks,")
	wantCheck(t, ill, "expiry", cassandra.Bad, "logs has a default time to live of 100 s")
	wantCheck(t, ill, "tables", cassandra.Bad, "log_hints")
	wantCheck(t, ill, "replication strategy", cassandra.Warning, "SimpleStrategy")
	wantCheck(t, ill, "schema version", cassandra.Bad, "newer")
	if f := ill["replication factor"]; f.Severity < cassandra.Warning || f.Do == "" {
		t.Errorf("one replica: %+v", f)
	}
	concerns, err := st.Concerns(t.Context())
	if err != nil || !slices.ContainsFunc(concerns, func(f cassandra.Finding) bool { return f.Check == "replication factor" }) {
		t.Errorf("concerns: %+v, %v", concerns, err)
	}
}

// TestDoctorCannotAsk looks for a cluster that is not there.
func TestDoctorCannotAsk(t *testing.T) {
	opts := onServer(t).options()
	opts.Hosts = []string{"127.0.0.1:1"}
	if _, err := cassandra.Doctor(t.Context(), opts); !errors.Is(err, cassandra.ErrUnreachable) {
		t.Errorf("no server: %v", err)
	}
	opts.Keyspace = ""
	if _, err := cassandra.Doctor(t.Context(), opts); err == nil {
		t.Error("options without a keyspace were taken")
	}
}
