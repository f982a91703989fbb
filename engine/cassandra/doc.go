// Package cassandra is the store on an Apache Cassandra cluster, which several
// nodes use at once. It is the only door to the driver.
//
// Logs (log_*.go) are rows of conditional appends in buckets; what is large of
// an entry lies beside it in parts (payload.go). Names of logs and registers
// are changed by compare-and-set (log_names.go, registers.go). Blobs
// (chunks.go, column.go) and checkpoints (checkpoint.go) are plain, immutable
// parts with an index. session.go connects, requests.go sends, errors.go says
// what went wrong, schema.go and migrate.go make the tables. Why it is so is in
// docs/design/cassandra.md.
package cassandra
