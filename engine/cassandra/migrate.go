package cassandra

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// MigrateOptions say how Migrate makes a keyspace that is not there.
type MigrateOptions struct {
	// Replication is the number of replicas by data centre, such as
	// "dc1:3,dc2:3"; default: in the data centre worked with 3, or the number of
	// its nodes if that is less. A keyspace that is there keeps its own.
	Replication string
}

const (
	defaultReplicas = 3
	migratorTTL     = 300 // seconds for which a migration holds its lock, at most
	migrateTries    = 600 // of taking it
)

// parseReplication reads "dc1:3,dc2:3".
func parseReplication(text string) (map[string]int, error) {
	bad := func(why string, args ...any) (map[string]int, error) {
		return nil, pgerr.New(pgerr.InvalidParameterValue, "replication %q: %s", text, fmt.Sprintf(why, args...)).
			WithHint("It is the number of replicas by data centre, such as dc1:3,dc2:3.")
	}
	out := map[string]int{}
	for item := range strings.SplitSeq(text, ",") {
		dc, count, ok := strings.Cut(strings.TrimSpace(item), ":")
		n, err := strconv.Atoi(count)
		switch {
		case !ok || dc == "" || strings.ContainsAny(dc, `'"\`):
			return bad("%q is not a data centre with a number", item)
		case err != nil || n < 1 || n > 100:
			return bad("%q is not a number of replicas from 1 to 100", count)
		case out[dc] != 0:
			return bad("%s is given twice", dc)
		}
		out[dc] = n
	}
	return out, nil
}

func createKeyspace(keyspace string, replicas map[string]int) string {
	var names []string
	for dc := range replicas {
		names = append(names, dc)
	}
	slices.Sort(names)
	text := "{'class': 'NetworkTopologyStrategy'"
	for _, dc := range names {
		text += fmt.Sprintf(", '%s': %d", dc, replicas[dc])
	}
	return fmt.Sprintf("CREATE KEYSPACE IF NOT EXISTS %q WITH replication = %s}", keyspace, text)
}

// Statements returns the CQL that makes the keyspace and its tables as Migrate
// does, for operators who run it themselves. replication is as in MigrateOptions,
// and must be given.
func Statements(keyspace, replication string) ([]string, error) {
	if !keyspaceName.MatchString(keyspace) {
		return nil, pgerr.New(pgerr.InvalidName, "keyspace %q: it needs a letter, then letters, digits and underscores, at most 48", keyspace)
	}
	replicas, err := parseReplication(replication)
	if err != nil {
		return nil, err
	}
	out := []string{createKeyspace(keyspace, replicas), versionsTable(keyspace)}
	for _, m := range migrations {
		out = append(out, m.statements(keyspace)...)
		out = append(out, fmt.Sprintf("INSERT INTO %q.schema_versions (scope, version, compatible) VALUES ('%s', %d, %d) IF NOT EXISTS",
			keyspace, schemaScope, m.version, m.compatible))
	}
	return out, nil
}

// Migrate makes the keyspace and its tables, or brings them to the version of
// this program. It may be run again, and by several at once: one does the work.
// It calls progress, if that is not nil, with each step. Nothing else changes
// the schema.
func Migrate(ctx context.Context, opts Options, m MigrateOptions, progress func(step string)) error {
	if err := opts.Validate(); err != nil {
		return err
	}
	opts = opts.withDefaults()
	opts.RequestTimeout = max(opts.RequestTimeout, ddlTimeout)
	if progress == nil {
		progress = func(string) {}
	}
	var replicas map[string]int
	if m.Replication != "" {
		var err error
		if replicas, err = parseReplication(m.Replication); err != nil {
			return err
		}
	}
	contact, dc, found, err := opts.locate(ctx, slices.Collect(maps.Keys(replicas))...)
	if err != nil {
		return err
	}
	contact.Close()
	if replicas == nil {
		replicas = map[string]int{dc: min(defaultReplicas, found.nodes[dc])}
	}
	session, err := opts.connect(ctx, dc)
	if err != nil {
		return err
	}
	defer session.Close()
	mg := &migrator{session: session, opts: opts, text: newStatements(opts.Keyspace), progress: progress}
	return mg.run(ctx, replicas)
}

// ddlTimeout is the least time that a statement on the schema gets.
const ddlTimeout = time.Minute

type migrator struct {
	session  *gocql.Session
	opts     Options
	text     *statements
	progress func(string)
	id       string // in the lock
}

func (m *migrator) run(ctx context.Context, replicas map[string]int) error {
	exists, err := keyspaceExists(ctx, m.session, m.opts.Keyspace)
	if err != nil {
		return err
	}
	if !exists {
		if err := m.define(ctx, createKeyspace(m.opts.Keyspace, replicas)); err != nil {
			return err
		}
	}
	if exists, err = tableExists(ctx, m.session, m.opts.Keyspace, "schema_versions"); err != nil {
		return err
	}
	if !exists {
		if err := m.define(ctx, versionsTable(m.opts.Keyspace)); err != nil {
			return err
		}
	}
	if err := m.agree(ctx); err != nil {
		return err
	}
	if err := m.lock(ctx); err != nil {
		return err
	}
	err = m.upgrade(ctx)
	return errFirst(err, m.unlock(ctx))
}

// define runs a statement on the schema. All migrations send them to one
// server, so that two that begin at once do not make a table twice.
func (m *migrator) define(ctx context.Context, text string) error {
	m.progress(text)
	var host *gocql.HostInfo
	for _, h := range m.session.GetHosts() {
		if h.IsUp() && (host == nil || h.HostID() < host.HostID()) {
			host = h
		}
	}
	if host == nil {
		return failed("change the schema", gocql.ErrNoConnections)
	}
	err := m.session.Query(text).Consistency(gocql.One).SetHostID(host.HostID()).ExecContext(ctx)
	return failed("change the schema", ended(ctx, err))
}

func (m *migrator) agree(ctx context.Context) error {
	m.progress("wait until all nodes have the schema")
	return failed("wait for agreement on the schema", ended(ctx, m.session.AwaitSchemaAgreement(ctx)))
}

func (m *migrator) swap(ctx context.Context, text string, args ...any) (applied bool, err error) {
	applied, err = m.session.Query(text, args...).Consistency(gocql.Quorum).SerialConsistency(gocql.Serial).
		DefaultTimestamp(false).MapScanCASContext(ctx, map[string]any{})
	return applied, failed("lock the schema", ended(ctx, err))
}

// lock waits until no other migration is at work.
func (m *migrator) lock(ctx context.Context) error {
	id, err := gocql.RandomUUID()
	if err != nil {
		return err
	}
	m.id = id.String()
	for n := 1; ; n++ {
		applied, err := m.swap(ctx, m.text.migratorSet, migratorTTL, m.id, schemaScope, nil)
		if applied && err == nil {
			return nil
		}
		if err == nil { // it may be ours: an answer may have been lost before
			applied, err = m.swap(ctx, m.text.migratorSet, migratorTTL, m.id, schemaScope, m.id)
			if applied && err == nil {
				return nil
			}
		}
		if n == migrateTries {
			if err == nil {
				err = pgerr.New(pgerr.ObjectInUse, "another migration of keyspace %s is at work", m.opts.Keyspace)
			}
			return err
		}
		if n == 1 {
			m.progress("wait for another migration to end")
		}
		if perr := pause(ctx, 10); perr != nil {
			return errFirst(err, perr)
		}
	}
}

func (m *migrator) unlock(ctx context.Context) error {
	_, err := m.swap(ctx, m.text.migratorFree, schemaScope, m.id)
	return err
}

// upgrade does the steps that are not done yet.
func (m *migrator) upgrade(ctx context.Context) error {
	have, err := readVersion(ctx, m.session, m.opts, gocql.Serial)
	if err != nil {
		return err
	}
	if have.version > schemaVersion {
		return newerSchema(m.opts.Keyspace, have)
	}
	for _, step := range migrations {
		if step.version <= have.version {
			continue
		}
		for _, text := range step.statements(m.opts.Keyspace) {
			if err := m.define(ctx, text); err != nil {
				return err
			}
		}
		if err := m.agree(ctx); err != nil {
			return err
		}
		if _, err := m.swap(ctx, m.text.versionWrite, schemaScope, step.version, step.compatible); err != nil {
			return err
		}
		m.progress(fmt.Sprintf("keyspace %s has schema version %d", m.opts.Keyspace, step.version))
	}
	return nil
}

func keyspaceExists(ctx context.Context, session *gocql.Session, keyspace string) (bool, error) {
	return exists(ctx, session, `SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?`, keyspace)
}

func tableExists(ctx context.Context, session *gocql.Session, keyspace, table string) (bool, error) {
	return exists(ctx, session, `SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?`, keyspace, table)
}

func exists(ctx context.Context, session *gocql.Session, text string, args ...any) (bool, error) {
	iter := session.Query(text, args...).Consistency(gocql.One).IterContext(ctx)
	rows := iter.NumRows()
	err := iter.Close()
	return rows > 0, failed("read the schema", ended(ctx, err))
}

// found is the version of a keyspace's schema; version 0 is none.
type foundVersion struct{ version, compatible int }

func readVersion(ctx context.Context, session *gocql.Session, opts Options, level gocql.Consistency) (foundVersion, error) {
	var out foundVersion
	scanner := session.Query(newStatements(opts.Keyspace).versionRead, schemaScope).Consistency(level).IterContext(ctx).Scanner()
	for scanner.Next() {
		var version, compatible *int
		if err := scanner.Scan(&version, &compatible); err != nil {
			return out, failed("read the schema's version", err)
		}
		if version != nil && compatible != nil && *version > out.version { // else it is the lock alone
			out = foundVersion{*version, *compatible}
		}
	}
	return out, failed("read the schema's version", ended(ctx, scanner.Err()))
}

// checkSchema fails unless the keyspace has tables that this program may use.
func checkSchema(ctx context.Context, session *gocql.Session, opts Options) error {
	old := func(code string, kind error, format string, args ...any) error {
		e := pgerr.New(code, format, args...).
			WithHint("Run: phyllo migrate --cassandra %s --keyspace %s", strings.Join(opts.Hosts, ","), opts.Keyspace)
		e.Cause = kind
		return e
	}
	there, err := keyspaceExists(ctx, session, opts.Keyspace)
	if err != nil {
		return err
	}
	if !there {
		return old(pgerr.InvalidCatalogName, ErrKeyspaceMissing, "Cassandra has no keyspace %q", opts.Keyspace)
	}
	if there, err = tableExists(ctx, session, opts.Keyspace, "schema_versions"); err != nil {
		return err
	}
	if !there {
		return old(pgerr.ObjectNotInState, ErrSchemaOld, "keyspace %q has no tables of Phyllo", opts.Keyspace)
	}
	have, err := readVersion(ctx, session, opts, gocql.LocalQuorum)
	if err != nil {
		return err
	}
	switch {
	case have.version < schemaVersion:
		return old(pgerr.ObjectNotInState, ErrSchemaOld, "keyspace %q has schema version %d, this program works with %d", opts.Keyspace, have.version, schemaVersion)
	case have.compatible > schemaVersion:
		return newerSchema(opts.Keyspace, have)
	}
	return nil
}

func newerSchema(keyspace string, have foundVersion) error {
	e := pgerr.New(pgerr.ObjectNotInState, "keyspace %q has schema version %d, which is newer than this program: it knows version %d", keyspace, have.version, schemaVersion).
		WithHint("Use a program of the version that migrated the keyspace, or a later one.")
	e.Cause = ErrSchemaNewer
	return e
}
