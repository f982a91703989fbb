// Package clustertest runs several phyllo processes on real Cassandra servers and
// makes servers and processes fail in the middle of their work: killed, stopped in
// their tracks, slow, out of disk, too few. Writers note what became of each batch,
// readers look at what must hold at any moment, and a checker reads back all that
// was sent: what was acknowledged is there, whole and once, on every node.
//
// The tests start the servers they need. TestTakeover and TestEmptyDisk do with
// one, and take that of PHYLLO_TEST_CASSANDRA if it is set.
package clustertest
