package cassandra

import (
	"fmt"
	"strings"
)

// schemaVersion is the version of the tables that this program works with.
const schemaVersion = 1

// A migration is the step to a version of the schema. Its statements may be
// run again. Programs that know version compatible may go on beside newer ones.
type migration struct {
	version, compatible int
	statements          func(keyspace string) []string
}

var migrations = []migration{{version: 1, compatible: 1, statements: firstTables}}

const schemaScope = "phyllo" // the one partition of schema_versions

// versionsTable is made before anything else, and holds the lock of migrations.
// All that is written to it is conditional.
func versionsTable(keyspace string) string {
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %q.schema_versions (
  scope text, version int, compatible int, migrator text static,
  PRIMARY KEY (scope, version)
) WITH comment = 'Which tables this keyspace has; change nothing by hand.'`, keyspace)
}

// firstTables are the tables of version 1. What each is for, and why it is so,
// is in docs/design/cassandra.md.
func firstTables(keyspace string) []string {
	const plain = `compression = {'enabled': 'false'}`
	tables := []string{
		`log_names (
  kind tinyint, shard tinyint, key blob, log uuid,
  PRIMARY KEY ((kind, shard), key)
) WITH comment = 'The logs there are, by name. Written by conditional writes only.'`,
		`logs (
  log uuid, bucket bigint, seq bigint,
  head bigint static, base bigint static, bytes bigint static, trimmed bigint static, closed boolean static, dropped boolean static,
  id uuid, data blob, size bigint, crc bigint, parts int,
  PRIMARY KEY ((log, bucket), seq)
) WITH comment = 'Entries of logs. Written by conditional writes only; rows of closed buckets are deleted.'`,
		`log_hints (
  log uuid PRIMARY KEY, bucket bigint
) WITH comment = 'A bucket near the end of a log; may be old or missing.'`,
		`parts (
  owner uuid, bucket bigint, id uuid, part int, data blob, crc bigint,
  PRIMARY KEY ((owner, bucket), id, part)
) WITH ` + plain + ` AND comment = 'Large entries of logs, and checkpoints.'`,
		`checkpoints (
  kind tinyint, key blob, id uuid, data blob, size bigint, crc bigint, parts int,
  PRIMARY KEY ((kind, key))
) WITH comment = 'Which checkpoint a name has. Written by conditional writes only.'`,
		`registers (
  scope blob, name blob, value blob,
  PRIMARY KEY ((scope), name)
) WITH comment = 'Leases and claims. Written by conditional writes only.'`,
		`chunks (
  table_id bigint, partition blob, bucket blob, column_id bigint, chunk_id blob, part int, data blob, crc bigint,
  PRIMARY KEY ((table_id, partition, bucket, column_id), chunk_id, part)
) WITH ` + plain + ` AND comment = 'Column blobs of chunks in parts; they have checksums and encodings of their own.'`,
		`chunk_index (
  table_id bigint, partition blob, period bigint, chunk_id blob, bucket blob, columns blob,
  PRIMARY KEY ((table_id, partition, period), chunk_id, bucket)
) WITH gc_grace_seconds = 86400 AND comment = 'Which chunks have blobs, by the time of their making. A row that comes back does no harm: it is swept again.'`,
		`chunk_periods (
  table_id bigint, partition blob, period bigint,
  PRIMARY KEY ((table_id, partition), period)
) WITH comment = 'Which periods chunk_index has.'`,
	}
	for i, t := range tables {
		name, rest, _ := strings.Cut(t, " ")
		tables[i] = fmt.Sprintf("CREATE TABLE IF NOT EXISTS %q.%s %s", keyspace, name, rest)
	}
	return tables
}

// statements are the texts of the requests, with the keyspace in them.
type statements struct {
	nameRead, nameList, nameCreate, nameDelete           string
	logState, logRead, logRow                            string
	logAppend, logOpen, logEnd, logTrim, logFree         string
	logDrop, logDropEmpty                                string
	hintRead, hintWrite, hintDelete                      string
	partWrite, partRead, partDelete, partDeleteAll       string
	checkpointRead, checkpointCreate, checkpointReplace  string
	checkpointDelete                                     string
	registerSet, registerDelete, registerList            string
	chunkWrite, chunkRead, chunkDelete                   string
	indexWrite, indexRead, indexFind, indexDelete        string
	periodWrite, periodRead                              string
	versionRead, versionWrite, migratorSet, migratorFree string
}

func newStatements(keyspace string) *statements {
	q := func(text string) string { return strings.ReplaceAll(text, "KS.", `"`+keyspace+`".`) }
	return &statements{
		nameRead:   q(`SELECT log FROM KS.log_names WHERE kind = ? AND shard = ? AND key = ?`),
		nameList:   q(`SELECT key, log FROM KS.log_names WHERE kind = ? AND shard = ?`),
		nameCreate: q(`INSERT INTO KS.log_names (kind, shard, key, log) VALUES (?, ?, ?, ?) IF NOT EXISTS`),
		nameDelete: q(`DELETE FROM KS.log_names WHERE kind = ? AND shard = ? AND key = ? IF log = ?`),

		logState: q(`SELECT DISTINCT log, bucket, head, base, bytes, trimmed, closed, dropped, writetime(closed) FROM KS.logs WHERE log = ? AND bucket = ?`),
		logRead: q(`SELECT seq, id, data, size, crc, parts, head, base, bytes, trimmed, closed, dropped
FROM KS.logs WHERE log = ? AND bucket = ? AND seq >= ?`),
		logRow: q(`SELECT id FROM KS.logs WHERE log = ? AND bucket = ? AND seq = ?`),
		logAppend: q(`UPDATE KS.logs SET head = ?, bytes = ?, closed = ?, id = ?, data = ?, size = ?, crc = ?, parts = ?
WHERE log = ? AND bucket = ? AND seq = ? IF head = ? AND closed = false`),
		logOpen: q(`UPDATE KS.logs SET head = ?, base = ?, trimmed = ?, bytes = ?, closed = ?, id = ?, data = ?, size = ?, crc = ?, parts = ?
WHERE log = ? AND bucket = ? AND seq = ? IF head = null`),
		logEnd:       q(`INSERT INTO KS.logs (log, bucket, seq) VALUES (?, ?, ?)`),
		logTrim:      q(`UPDATE KS.logs SET trimmed = ? WHERE log = ? AND bucket = ? IF trimmed = ?`),
		logFree:      q(`DELETE FROM KS.logs USING TIMESTAMP ? WHERE log = ? AND bucket = ? AND seq >= ? AND seq <= ?`),
		logDrop:      q(`UPDATE KS.logs SET closed = true, dropped = true WHERE log = ? AND bucket = ? IF head = ? AND closed = false`),
		logDropEmpty: q(`UPDATE KS.logs SET head = ?, base = ?, trimmed = ?, bytes = 0, closed = true, dropped = true WHERE log = ? AND bucket = ? IF head = null`),

		hintRead:   q(`SELECT bucket FROM KS.log_hints WHERE log = ?`),
		hintWrite:  q(`INSERT INTO KS.log_hints (log, bucket) VALUES (?, ?)`),
		hintDelete: q(`DELETE FROM KS.log_hints WHERE log = ?`),

		partWrite:     q(`INSERT INTO KS.parts (owner, bucket, id, part, data, crc) VALUES (?, ?, ?, ?, ?, ?)`),
		partRead:      q(`SELECT data, crc, writetime(data) FROM KS.parts WHERE owner = ? AND bucket = ? AND id = ? AND part = ?`),
		partDelete:    q(`DELETE FROM KS.parts WHERE owner = ? AND bucket = ? AND id = ?`),
		partDeleteAll: q(`DELETE FROM KS.parts WHERE owner = ? AND bucket = ?`),

		checkpointRead:    q(`SELECT id, data, size, crc, parts FROM KS.checkpoints WHERE kind = ? AND key = ?`),
		checkpointCreate:  q(`UPDATE KS.checkpoints SET id = ?, data = ?, size = ?, crc = ?, parts = ? WHERE kind = ? AND key = ? IF id = null`),
		checkpointReplace: q(`UPDATE KS.checkpoints SET id = ?, data = ?, size = ?, crc = ?, parts = ? WHERE kind = ? AND key = ? IF id = ?`),
		checkpointDelete:  q(`UPDATE KS.checkpoints SET id = null, data = null, size = null, crc = null, parts = null WHERE kind = ? AND key = ? IF id = ?`),

		registerSet:    q(`UPDATE KS.registers USING TTL ? SET value = ? WHERE scope = ? AND name = ? IF value = ?`),
		registerDelete: q(`UPDATE KS.registers SET value = null WHERE scope = ? AND name = ? IF value = ?`),
		registerList:   q(`SELECT name, value FROM KS.registers WHERE scope = ?`),

		chunkWrite:  q(`INSERT INTO KS.chunks (table_id, partition, bucket, column_id, chunk_id, part, data, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
		chunkRead:   q(`SELECT data, crc, writetime(data) FROM KS.chunks WHERE table_id = ? AND partition = ? AND bucket = ? AND column_id = ? AND chunk_id = ? AND part = ?`),
		chunkDelete: q(`DELETE FROM KS.chunks WHERE table_id = ? AND partition = ? AND bucket = ? AND column_id = ? AND chunk_id = ?`),

		indexWrite:  q(`INSERT INTO KS.chunk_index (table_id, partition, period, chunk_id, bucket, columns) VALUES (?, ?, ?, ?, ?, ?)`),
		indexRead:   q(`SELECT chunk_id FROM KS.chunk_index WHERE table_id = ? AND partition = ? AND period = ?`),
		indexFind:   q(`SELECT bucket, columns, writetime(columns) FROM KS.chunk_index WHERE table_id = ? AND partition = ? AND period = ? AND chunk_id = ?`),
		indexDelete: q(`DELETE FROM KS.chunk_index WHERE table_id = ? AND partition = ? AND period = ? AND chunk_id = ? AND bucket = ?`),
		periodWrite: q(`INSERT INTO KS.chunk_periods (table_id, partition, period) VALUES (?, ?, ?)`),
		periodRead:  q(`SELECT period FROM KS.chunk_periods WHERE table_id = ? AND partition = ?`),

		versionRead:  q(`SELECT version, compatible FROM KS.schema_versions WHERE scope = ?`),
		versionWrite: q(`INSERT INTO KS.schema_versions (scope, version, compatible) VALUES (?, ?, ?) IF NOT EXISTS`),
		migratorSet:  q(`UPDATE KS.schema_versions USING TTL ? SET migrator = ? WHERE scope = ? IF migrator = ?`),
		migratorFree: q(`UPDATE KS.schema_versions SET migrator = null WHERE scope = ? IF migrator = ?`),
	}
}
