package catalog

import "context"

func (e *Env) backends() []Backend {
	if e.Backends == nil {
		return nil
	}
	return e.Backends()
}

func activity(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("datid", "datname", "pid", "usesysid", "usename", "application_name", "client_addr", "client_port",
		"backend_start", "xact_start", "query_start", "state_change", "wait_event_type", "wait_event", "state", "query",
		"backend_type")
	for _, b := range env.backends() {
		var waitType, wait any
		if b.State != "active" {
			waitType, wait = "Client", "ClientRead"
		}
		port := b.ClientPort
		if b.ClientAddr == "" {
			port = -1
		}
		w.add(env.databaseOID(b.Database), b.Database, int(b.PID), RoleOID(env.Catalog, b.User), b.User, b.Application,
			nullIfEmpty(b.ClientAddr), port, b.Started, b.TransactionFrom, b.QueryFrom, b.StateFrom, waitType, wait,
			nullIfEmpty(b.State), b.Query, "client backend")
	}
	return nil
}

func tlsStats(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("pid", "ssl", "version", "cipher", "bits")
	for _, b := range env.backends() {
		if b.TLSVersion == "" {
			w.add(int(b.PID), false, nil, nil, nil)
			continue
		}
		w.add(int(b.PID), true, b.TLSVersion, b.TLSCipher, b.TLSBits)
	}
	return nil
}

func gssStats(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("pid", "gss_authenticated", "encrypted")
	for _, b := range env.backends() {
		w.add(int(b.PID), false, false)
	}
	return nil
}

func databaseStats(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("datid", "datname", "numbackends", "xact_commit", "xact_rollback", "blks_read", "blks_hit", "tup_returned",
		"tup_fetched", "tup_inserted", "tup_updated", "tup_deleted", "conflicts", "temp_files", "temp_bytes", "deadlocks",
		"blk_read_time", "blk_write_time", "sessions")
	connected := map[string]int{}
	for _, b := range env.backends() {
		connected[b.Database]++
	}
	for _, d := range env.Catalog.AllDatabases() {
		n := connected[d.Name]
		w.add(d.OID, d.Name, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n)
	}
	return nil
}

// tableStats are pg_stat_user_tables and pg_stat_all_tables: no counters are
// kept of what statements read and changed, but the rows that are there.
func tableStats(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("relid", "schemaname", "relname", "seq_scan", "seq_tup_read", "n_tup_ins", "n_tup_upd", "n_tup_del",
		"n_tup_hot_upd", "n_live_tup", "n_dead_tup", "n_mod_since_analyze", "n_ins_since_vacuum", "vacuum_count",
		"autovacuum_count", "analyze_count", "autoanalyze_count")
	for _, t := range env.tables() {
		rows := max(env.rows(t.OID), 0)
		w.add(t.OID, env.namespaceName(t.Namespace), t.Name, 0, 0, 0, 0, 0, 0, rows, 0, 0, 0, 0, 0, 0, 0)
	}
	return nil
}

func tableIO(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("relid", "schemaname", "relname", "heap_blks_read", "heap_blks_hit")
	for _, t := range env.tables() {
		w.add(t.OID, env.namespaceName(t.Namespace), t.Name, 0, 0)
	}
	return nil
}
