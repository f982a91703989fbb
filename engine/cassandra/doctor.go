package cassandra

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Severity says how much a finding of Doctor hurts.
type Severity uint8

const (
	// OK is as it should be.
	OK Severity = iota
	// Unknown could not be found out: Finding.Found says why.
	Unknown
	// Warning works, and will hurt some day.
	Warning
	// Bad loses data, or stops Phyllo, now or at the next failure.
	Bad
)

// String returns the severity as people read it.
func (s Severity) String() string {
	switch s {
	case OK:
		return "ok"
	case Warning:
		return "warning"
	case Bad:
		return "bad"
	}
	return "unknown"
}

// A Finding is what one check of Doctor found.
type Finding struct {
	Check string // in a few words
	Severity
	Found string // a sentence without its full stop
	Do    string // what to do, also a sentence; empty if nothing
}

// finding makes one; more is Found's arguments.
func finding(check string, s Severity, found string, more ...any) Finding {
	if len(more) > 0 {
		found = fmt.Sprintf(found, more...)
	}
	return Finding{Check: check, Severity: s, Found: found}
}

func (f Finding) do(format string, args ...any) Finding {
	f.Do = format
	if len(args) > 0 {
		f.Do = fmt.Sprintf(format, args...)
	}
	return f
}

// worst is the finding that hurts most, the first of equals.
func worst(all ...Finding) Finding {
	out := all[0]
	for _, f := range all[1:] {
		if f.Severity > out.Severity {
			out = f
		}
	}
	return out
}

// Doctor looks at a cluster for what would hurt Phyllo, and changes nothing. It
// returns one finding a check, always in the same order; a check that the
// servers' version cannot answer is Unknown. Servers that do not answer are a
// finding. An error says that no server can be asked at all, or that opts cannot
// be.
//
// First it asks (doctor_servers.go), then it judges what was found: the servers
// and their clocks (doctor_cluster.go, doctor_clocks.go), the keyspace
// (doctor_replication.go, doctor_tables.go), settings (doctor_settings.go), load
// (doctor_load.go), and the nodes of Phyllo (doctor_nodes.go).
func Doctor(ctx context.Context, opts Options) ([]Finding, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	contact, dc, _, err := opts.locate(ctx)
	if err != nil {
		return nil, err
	}
	contact.Close()
	opts.NumConns = 1
	session, err := opts.connect(ctx, dc)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	d := &doctor{opts: opts, dc: dc, session: session, text: newStatements(opts.Keyspace)}
	d.askServers(ctx)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	keyspace, err := readKeyspace(ctx, session, opts.Keyspace)
	if err != nil {
		return nil, err
	}
	out := []Finding{
		judgeServers(d.servers),
		judgeVersions(d.servers),
		judgeAgreement(d.servers),
		judgeClocks(d.servers),
		judgeOurClock(d.servers),
	}
	out = append(out, judgeReplication(keyspace, d.place())...)
	if opts.User != "" {
		out = append(out, d.logins(ctx))
	}
	out = append(out, d.schemaVersion(ctx, keyspace))
	out = append(out, d.tables(ctx, keyspace)...)
	out = append(out, judgeSettings(d.servers, d.opts)...)
	out = append(out, judgeLoad(d.servers)...)
	out = append(out, d.nodes(ctx, keyspace)...)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// A doctor is one examination.
type doctor struct {
	opts    Options
	dc      string
	session *gocql.Session
	text    *statements
	servers []serverFacts // by data centre and address
}

// place returns what judging replication needs to know of the cluster.
func (d *doctor) place() place {
	p := place{local: d.dc, servers: map[string]int{}, down: map[string]int{}}
	for _, s := range d.servers {
		p.servers[s.dc]++
		if s.err != nil {
			p.down[s.dc]++
		}
	}
	return p
}

// logins judges the keyspace that users log in by.
func (d *doctor) logins(ctx context.Context) Finding {
	const check = "logins"
	k, err := readKeyspace(ctx, d.session, "system_auth")
	if err != nil || k == nil {
		return finding(check, Unknown, "system_auth cannot be read: %v", err)
	}
	found := judgeReplication(k, d.place())
	if f := found[1]; f.Severity == Bad {
		return finding(check, Warning, "system_auth has %s: while that server is down, nobody can log in", f.Found).do("%s", f.Do)
	}
	return finding(check, OK, "system_auth has %s", found[1].Found)
}

// schemaVersion judges whether the keyspace has the tables of this program.
func (d *doctor) schemaVersion(ctx context.Context, k *keyspaceFacts) Finding {
	const check = "schema version"
	if k == nil {
		return finding(check, Bad, "there is no keyspace %s", d.opts.Keyspace).do("%s", d.migrate())
	}
	ctx, cancel := context.WithTimeout(ctx, d.opts.RequestTimeout)
	defer cancel()
	err := checkSchema(ctx, d.session, d.opts)
	var e *pgerr.Error
	switch {
	case errors.Is(err, ErrSchemaOld), errors.Is(err, ErrKeyspaceMissing):
		return finding(check, Bad, "%v", err).do("%s", d.migrate())
	case errors.Is(err, ErrSchemaNewer) && errors.As(err, &e):
		return finding(check, Bad, "%v", err).do("%s", strings.TrimSuffix(e.Hint, "."))
	case err != nil:
		return finding(check, Bad, "it cannot be read at LOCAL_QUORUM: %v", err).do("Bring servers of %s back", d.dc)
	}
	have, err := readVersion(ctx, d.session, d.opts, gocql.LocalQuorum)
	if err != nil {
		return finding(check, Unknown, "%v", err)
	}
	if have.version > schemaVersion {
		return finding(check, Warning, "version %d, made by a newer program, beside which this one (%d) may go on", have.version, schemaVersion).
			do("Bring all Phyllo nodes to the newer version")
	}
	return finding(check, OK, "version %d, which this program works with", have.version)
}

func (d *doctor) migrate() string {
	return fmt.Sprintf("Run: phyllo migrate --cassandra %s --keyspace %s", strings.Join(d.opts.Hosts, ","), d.opts.Keyspace)
}

// Concerns returns what is wrong with the keyspace's replication, most of it
// something that a node should say when it starts. It costs two small reads.
func (s *Store) Concerns(ctx context.Context) ([]Finding, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	ctx, cancel := context.WithTimeout(ctx, s.opts.ConnectTimeout)
	defer cancel()
	k, err := readKeyspace(ctx, s.session, s.opts.Keyspace)
	if err != nil {
		return nil, err
	}
	p := place{local: s.dc, servers: map[string]int{}, down: map[string]int{}}
	for _, h := range s.session.GetHosts() {
		p.servers[h.DataCenter()]++
	}
	var out []Finding
	for _, f := range judgeReplication(k, p) {
		if f.Severity >= Warning {
			out = append(out, f)
		}
	}
	return out, nil
}

// askTimeout bounds each question to one server.
const askTimeout = 5 * time.Second
