package setting

import (
	"math"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// ServerVersion is what SHOW server_version and version() say: the PostgreSQL
// whose behaviour we follow.
const ServerVersion = "15.18"

const serverVersionNum = "150018"

const maxInt = math.MaxInt32

// definitions are the parameters, those of PostgreSQL first. Parameters of
// PostgreSQL that tune what we do not have are accepted and shown, because
// clients and dumps set them.
var definitions = []Def{
	{Name: "allow_system_table_mods", Kind: Bool, Default: "off", Scope: Superuser, Category: "Developer Options", Desc: "Allows modifications of the structure of system tables."},
	{Name: "application_name", Kind: String, Scope: User, Report: true, Category: "Reporting and Logging / What to Log", Desc: "Sets the application name to be reported in statistics and logs."},
	{Name: "backslash_quote", Kind: Enum, Default: "safe_encoding", Enum: []string{"safe_encoding", "on", "off"}, Scope: User, Category: "Version and Platform Compatibility", Desc: "Sets whether \"\\'\" is allowed in string literals."},
	{Name: "block_size", Kind: Integer, Default: "8192", Min: 8192, Max: 8192, Scope: Internal, Category: "Preset Options", Desc: "Shows the size of a disk block."},
	{Name: "bytea_output", Kind: Enum, Default: "hex", Enum: []string{"escape", "hex"}, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the output format for bytea."},
	{Name: "check_function_bodies", Kind: Bool, Default: "on", Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Check routine bodies during CREATE FUNCTION and CREATE PROCEDURE."},
	{Name: "client_encoding", Kind: String, Default: "UTF8", Scope: User, Report: true, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the client's character set encoding.", Check: checkEncoding},
	{Name: "client_min_messages", Kind: Enum, Default: "notice", Enum: []string{"debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"}, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the message levels that are sent to the client."},
	{Name: "cluster_name", Kind: String, Scope: Postmaster, Category: "Reporting and Logging / Process Title", Desc: "Sets the name of the cluster, which is included in the process title."},
	{Name: "constraint_exclusion", Kind: Enum, Default: "partition", Enum: []string{"partition", "on", "off"}, Scope: User, Category: "Query Tuning / Other Planner Options", Desc: "Enables the planner to use constraints to optimize queries."},
	{Name: "cpu_tuple_cost", Kind: Real, Default: "0.01", Max: math.MaxFloat64, Scope: User, Category: "Query Tuning / Planner Cost Constants", Desc: "Sets the planner's estimate of the cost of processing each tuple (row)."},
	{Name: "cursor_tuple_fraction", Kind: Real, Default: "0.1", Max: 1, Scope: User, Category: "Query Tuning / Other Planner Options", Desc: "Sets the planner's estimate of the fraction of a cursor's rows that will be retrieved."},
	{Name: "data_checksums", Kind: Bool, Default: "on", Scope: Internal, Category: "Preset Options", Desc: "Shows whether data checksums are turned on for this cluster."},
	{Name: "DateStyle", Kind: String, Default: "ISO, MDY", Scope: User, Report: true, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the display format for date and time values.", Check: checkDateStyle, Complete: completeDateStyle},
	{Name: "deadlock_timeout", Kind: Integer, Default: "1000", Unit: "ms", Min: 1, Max: maxInt, Scope: Superuser, Category: "Lock Management", Desc: "Sets the time to wait on a lock before checking for deadlock."},
	{Name: "default_table_access_method", Kind: String, Default: "phyllo", Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the default table access method for new tables.", Check: checkAccessMethod},
	{Name: "default_tablespace", Kind: String, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the default tablespace to create tables and indexes in."},
	{Name: "default_text_search_config", Kind: String, Default: "pg_catalog.simple", Scope: User, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets default text search configuration."},
	{Name: "default_transaction_deferrable", Kind: Bool, Default: "off", Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the default deferrable status of new transactions."},
	{Name: "default_transaction_isolation", Kind: Enum, Default: "read committed", Enum: []string{"serializable", "repeatable read", "read committed", "read uncommitted"}, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the transaction isolation level of each new transaction."},
	{Name: "default_transaction_read_only", Kind: Bool, Default: "off", Scope: User, Report: true, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the default read-only status of new transactions."},
	{Name: "enable_hashagg", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Planner Method Configuration", Desc: "Enables the planner's use of hashed aggregation plans."},
	{Name: "enable_hashjoin", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Planner Method Configuration", Desc: "Enables the planner's use of hash join plans."},
	{Name: "enable_indexscan", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Planner Method Configuration", Desc: "Enables the planner's use of index-scan plans."},
	{Name: "enable_mergejoin", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Planner Method Configuration", Desc: "Enables the planner's use of merge join plans."},
	{Name: "enable_nestloop", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Planner Method Configuration", Desc: "Enables the planner's use of nested-loop join plans."},
	{Name: "enable_seqscan", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Planner Method Configuration", Desc: "Enables the planner's use of sequential-scan plans."},
	{Name: "enable_sort", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Planner Method Configuration", Desc: "Enables the planner's use of explicit sort steps."},
	{Name: "escape_string_warning", Kind: Bool, Default: "on", Scope: User, Category: "Version and Platform Compatibility", Desc: "Warn about backslash escapes in ordinary string literals."},
	{Name: "extra_float_digits", Kind: Integer, Default: "1", Min: -15, Max: 3, Scope: User, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the number of digits displayed for floating-point values."},
	{Name: "from_collapse_limit", Kind: Integer, Default: "8", Min: 1, Max: maxInt, Scope: User, Category: "Query Tuning / Other Planner Options", Desc: "Sets the FROM-list size beyond which subqueries are not collapsed."},
	{Name: "geqo", Kind: Bool, Default: "on", Scope: User, Category: "Query Tuning / Genetic Query Optimizer", Desc: "Enables genetic query optimization."},
	{Name: "gin_fuzzy_search_limit", Kind: Integer, Default: "0", Max: maxInt, Scope: User, Category: "Client Connection Defaults / Other Defaults", Desc: "Sets the maximum allowed result for exact search by GIN."},
	{Name: "hot_standby", Kind: Bool, Default: "on", Scope: Postmaster, Category: "Replication / Standby Servers", Desc: "Allows connections and queries during recovery."},
	{Name: "idle_in_transaction_session_timeout", Kind: Integer, Default: "0", Unit: "ms", Max: maxInt, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the maximum allowed idle time between queries, when in a transaction."},
	{Name: "idle_session_timeout", Kind: Integer, Default: "0", Unit: "ms", Max: maxInt, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the maximum allowed idle time between queries, when not in a transaction."},
	{Name: "in_hot_standby", Kind: Bool, Default: "off", Scope: Internal, Report: true, Category: "Preset Options", Desc: "Shows whether hot standby is currently active."},
	{Name: "integer_datetimes", Kind: Bool, Default: "on", Scope: Internal, Report: true, Category: "Preset Options", Desc: "Shows whether datetimes are integer based."},
	{Name: "IntervalStyle", Kind: Enum, Default: "postgres", Enum: []string{"postgres", "postgres_verbose", "sql_standard", "iso_8601"}, Scope: User, Report: true, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the display format for interval values."},
	{Name: "is_superuser", Kind: Bool, Default: "on", Scope: Internal, Report: true, Category: "Preset Options", Desc: "Shows whether the current user is a superuser."},
	{Name: "jit", Kind: Bool, Default: "off", Scope: User, Category: "Query Tuning / Other Planner Options", Desc: "Allow JIT compilation."},
	{Name: "join_collapse_limit", Kind: Integer, Default: "8", Min: 1, Max: maxInt, Scope: User, Category: "Query Tuning / Other Planner Options", Desc: "Sets the FROM-list size beyond which JOIN constructs are not flattened."},
	{Name: "lc_collate", Kind: String, Default: "C", Scope: Internal, Category: "Preset Options", Desc: "Shows the collation order locale."},
	{Name: "lc_ctype", Kind: String, Default: "C.UTF-8", Scope: Internal, Category: "Preset Options", Desc: "Shows the character classification and case conversion locale."},
	{Name: "lc_messages", Kind: String, Default: "C", Scope: Superuser, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the language in which messages are displayed."},
	{Name: "lc_monetary", Kind: String, Default: "C", Scope: User, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the locale for formatting monetary amounts."},
	{Name: "lc_numeric", Kind: String, Default: "C", Scope: User, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the locale for formatting numbers."},
	{Name: "lc_time", Kind: String, Default: "C", Scope: User, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the locale for formatting date and time values."},
	{Name: "lock_timeout", Kind: Integer, Default: "0", Unit: "ms", Max: maxInt, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the maximum allowed duration of any wait for a lock."},
	{Name: "log_min_duration_statement", Kind: Integer, Default: "-1", Unit: "ms", Min: -1, Max: maxInt, Scope: Superuser, Category: "Reporting and Logging / When to Log", Desc: "Sets the minimum execution time above which all statements will be logged."},
	{Name: "maintenance_work_mem", Kind: Integer, Default: "65536", Unit: "kB", Min: 1024, Max: maxInt, Scope: User, Category: "Resource Usage / Memory", Desc: "Sets the maximum memory to be used for maintenance operations."},
	{Name: "max_connections", Kind: Integer, Default: "200", Min: 1, Max: 262143, Scope: Postmaster, Category: "Connections and Authentication / Connection Settings", Desc: "Sets the maximum number of concurrent connections."},
	{Name: "max_identifier_length", Kind: Integer, Default: "63", Min: 63, Max: 63, Scope: Internal, Category: "Preset Options", Desc: "Shows the maximum identifier length."},
	{Name: "max_index_keys", Kind: Integer, Default: "32", Min: 32, Max: 32, Scope: Internal, Category: "Preset Options", Desc: "Shows the maximum number of index keys."},
	{Name: "max_parallel_workers_per_gather", Kind: Integer, Default: "2", Max: 1024, Scope: User, Category: "Resource Usage / Asynchronous Behavior", Desc: "Sets the maximum number of parallel processes per executor node."},
	{Name: "max_stack_depth", Kind: Integer, Default: "2048", Unit: "kB", Min: 100, Max: maxInt, Scope: User, Category: "Resource Usage / Memory", Desc: "Sets the maximum stack depth, in kilobytes."},
	{Name: "password_encryption", Kind: Enum, Default: "scram-sha-256", Enum: []string{"scram-sha-256"}, Scope: User, Category: "Connections and Authentication / Authentication", Desc: "Chooses the algorithm for encrypting passwords."},
	{Name: "plan_cache_mode", Kind: Enum, Default: "auto", Enum: []string{"auto", "force_generic_plan", "force_custom_plan"}, Scope: User, Category: "Query Tuning / Other Planner Options", Desc: "Controls the planner's selection of custom or generic plan."},
	{Name: "quote_all_identifiers", Kind: Bool, Default: "off", Scope: User, Category: "Version and Platform Compatibility", Desc: "When generating SQL fragments, quote all identifiers."},
	{Name: "random_page_cost", Kind: Real, Default: "4", Max: math.MaxFloat64, Scope: User, Category: "Query Tuning / Planner Cost Constants", Desc: "Sets the planner's estimate of the cost of a nonsequentially fetched disk page."},
	{Name: "row_security", Kind: Bool, Default: "on", Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Enable row security."},
	{Name: "search_path", Kind: String, Default: `"$user", public`, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the schema search order for names that are not schema-qualified."},
	{Name: "seed", Kind: Real, Default: "0", Min: -1, Max: 1, Scope: User, Category: "Ungrouped", Desc: "Sets the seed for random-number generation."},
	{Name: "server_encoding", Kind: String, Default: "UTF8", Scope: Internal, Report: true, Category: "Preset Options", Desc: "Shows the server (database) character set encoding."},
	{Name: "server_version", Kind: String, Default: ServerVersion, Scope: Internal, Report: true, Category: "Preset Options", Desc: "Shows the server version."},
	{Name: "server_version_num", Kind: Integer, Default: serverVersionNum, Min: 150018, Max: 150018, Scope: Internal, Category: "Preset Options", Desc: "Shows the server version as an integer."},
	{Name: "session_authorization", Kind: String, Scope: Internal, Report: true, Category: "Preset Options", Desc: "Sets the session user name."},
	{Name: "session_replication_role", Kind: Enum, Default: "origin", Enum: []string{"origin", "replica", "local"}, Scope: Superuser, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the session's behavior for triggers and rewrite rules."},
	{Name: "shared_buffers", Kind: Integer, Default: "131072", Unit: "kB", Min: 128, Max: maxInt, Scope: Postmaster, Category: "Resource Usage / Memory", Desc: "Sets the number of shared memory buffers used by the server."},
	{Name: "ssl", Kind: Bool, Default: "off", Scope: Postmaster, Category: "Connections and Authentication / SSL", Desc: "Enables SSL connections."},
	{Name: "standard_conforming_strings", Kind: Bool, Default: "on", Scope: User, Report: true, Category: "Version and Platform Compatibility", Desc: "Causes '...' strings to treat backslashes literally.", Check: onlyOn("standard_conforming_strings")},
	{Name: "statement_timeout", Kind: Integer, Default: "0", Unit: "ms", Max: maxInt, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the maximum allowed duration of any statement."},
	{Name: "synchronize_seqscans", Kind: Bool, Default: "on", Scope: User, Category: "Version and Platform Compatibility", Desc: "Enable synchronized sequential scans."},
	{Name: "synchronous_commit", Kind: Enum, Default: "on", Enum: []string{"local", "remote_write", "remote_apply", "on", "off"}, Scope: User, Category: "Write-Ahead Log / Settings", Desc: "Sets the current transaction's synchronization level."},
	{Name: "temp_buffers", Kind: Integer, Default: "8192", Unit: "kB", Min: 100, Max: maxInt, Scope: User, Category: "Resource Usage / Memory", Desc: "Sets the maximum number of temporary buffers used by each session."},
	{Name: "temp_file_limit", Kind: Integer, Default: "-1", Unit: "kB", Min: -1, Max: maxInt, Scope: Superuser, Category: "Resource Usage / Disk", Desc: "Limits the total size of all temporary files used by each session."},
	{Name: "TimeZone", Kind: String, Default: "UTC", Scope: User, Report: true, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Sets the time zone for displaying and interpreting time stamps.", Check: checkTimeZone},
	{Name: "timezone_abbreviations", Kind: String, Default: "Default", Scope: User, Category: "Client Connection Defaults / Locale and Formatting", Desc: "Selects a file of time zone abbreviations."},
	{Name: "transaction_deferrable", Kind: Bool, Default: "off", Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Whether to defer a read-only serializable transaction until it can be executed with no possible serialization failures."},
	{Name: "transaction_isolation", Kind: Enum, Default: "read committed", Enum: []string{"serializable", "repeatable read", "read committed", "read uncommitted"}, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the current transaction's isolation level."},
	{Name: "transaction_read_only", Kind: Bool, Default: "off", Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets the current transaction's read-only status."},
	{Name: "wal_level", Kind: Enum, Default: "replica", Enum: []string{"minimal", "replica", "logical"}, Scope: Postmaster, Category: "Write-Ahead Log / Settings", Desc: "Sets the level of information written to the WAL."},
	{Name: "work_mem", Kind: Integer, Default: "131072", Unit: "kB", Min: 64, Max: maxInt, Scope: User, Category: "Resource Usage / Memory", Desc: "Sets the maximum memory to be used by one query before it spills to disk."},
	{Name: "xmlbinary", Kind: Enum, Default: "base64", Enum: []string{"base64", "hex"}, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets how binary values are to be encoded in XML."},
	{Name: "xmloption", Kind: Enum, Default: "content", Enum: []string{"content", "document"}, Scope: User, Category: "Client Connection Defaults / Statement Behavior", Desc: "Sets whether XML data in implicit parsing and serialization operations is to be considered as documents or content fragments."},

	{Name: "phyllo.pruning", Kind: String, Default: "all", Scope: User, Category: "Phyllo", Desc: "Stages of pruning that scans use: all, or a list of partitions, slices, chunks, manifest, blooms, vectors, encoded, late. Answers never depend on it.", Check: checkPruning},
	{Name: "phyllo.freshness", Kind: Enum, Default: "recent", Enum: []string{"recent", "latest"}, Scope: User, Category: "Phyllo", Desc: "What statements see of other nodes: what was committed up to a second ago, or all that was committed when they began."},
	{Name: "phyllo.read_consistency", Kind: String, Default: "default", Scope: User, Category: "Phyllo", Desc: "Level at which a cluster's replicas are asked by queries: default is the configured one.", Check: checkConsistency},
	{Name: "phyllo.session_memory", Kind: Integer, Default: "131072", Unit: "kB", Min: 64, Max: maxInt, Scope: User, Category: "Phyllo", Desc: "Memory that the named prepared statements and cursors of a session may take."},
	{Name: "phyllo.workers", Kind: Integer, Default: "0", Max: 1024, Scope: User, Category: "Phyllo", Desc: "Threads that a query uses; 0 is one for each processor."},
}

func onlyOn(name string) func(string) (string, error) {
	return func(v string) (string, error) {
		if v != "on" {
			return "", pgerr.Unsupported("parameter %q cannot be switched off", name).WithHint("Write strings with backslash escapes as E'...'.")
		}
		return v, nil
	}
}

func checkEncoding(v string) (string, error) {
	e, known := Encoding(v)
	switch {
	case !known:
		return "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter \"client_encoding\": %q", v)
	case e != "UTF8" && e != "SQL_ASCII":
		return "", pgerr.Unsupported("client_encoding %q is not supported", e).WithHint("The server speaks UTF8.")
	}
	return e, nil
}

func checkAccessMethod(v string) (string, error) {
	if v == "phyllo" || v == "heap" {
		return v, nil
	}
	return "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter \"default_table_access_method\": %q", v).
		WithDetail("Table access method %q does not exist.", v)
}

func checkDateStyle(v string) (string, error) { return completeDateStyle("ISO, MDY", v) }

// completeDateStyle takes what a DateStyle such as "iso" or "DMY" does not say from the present one.
func completeDateStyle(present, v string) (string, error) {
	style, order, _ := strings.Cut(present, ", ")
	german := false
	for _, word := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }) {
		switch w := strings.ToUpper(word); {
		case w == "ISO" || w == "SQL":
			style = w
		case strings.HasPrefix(w, "POSTGRES"):
			style = "Postgres"
		case w == "GERMAN":
			style, german = "German", true
		case w == "YMD" || w == "DMY" || w == "MDY":
			order, german = w, false
		case strings.HasPrefix(w, "EURO"):
			order, german = "DMY", false
		case w == "US" || strings.HasPrefix(w, "NONEURO"):
			order, german = "MDY", false
		case w == "DEFAULT":
		default:
			return "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter \"DateStyle\": %q", v).
				WithDetail("Unrecognized key word: %q.", word)
		}
	}
	if german {
		order = "DMY"
	}
	return style + ", " + order, nil
}

// Stages are the names that phyllo.pruning takes.
var Stages = []string{"partitions", "slices", "chunks", "manifest", "blooms", "vectors", "encoded", "late"}

// Levels are the names that phyllo.read_consistency takes beside default.
var Levels = []string{"ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM", "SERIAL", "LOCAL_SERIAL"}

func checkConsistency(v string) (string, error) {
	level := strings.ToUpper(strings.TrimSpace(v))
	if level == "DEFAULT" {
		return "default", nil
	}
	if !slices.Contains(Levels, level) {
		return "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter \"phyllo.read_consistency\": %q", v).
			WithHint("Use default, or one of %s.", strings.Join(Levels, ", "))
	}
	return level, nil
}

func checkPruning(v string) (string, error) {
	l := strings.ToLower(strings.TrimSpace(v))
	if l == "all" || l == "none" {
		return l, nil
	}
	for _, word := range strings.Split(l, ",") {
		known := false
		for _, s := range Stages {
			known = known || s == strings.TrimSpace(word)
		}
		if !known {
			return "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter \"phyllo.pruning\": %q", v).
				WithHint("Use all, none, or a list of %s.", strings.Join(Stages, ", "))
		}
	}
	return l, nil
}
