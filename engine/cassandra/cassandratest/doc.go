// Package cassandratest tests engine/cassandra on a real Apache Cassandra, whose
// address, host:port, is in the environment variable PHYLLO_TEST_CASSANDRA.
package cassandratest
