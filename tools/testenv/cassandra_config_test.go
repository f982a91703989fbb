package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testCluster is one that is not started.
func testCluster(t *testing.T, opt CassandraOptions) *Cassandra {
	t.Helper()
	if err := opt.complete(); err != nil {
		t.Fatal(err)
	}
	c := &Cassandra{dir: "/somewhere", options: opt, software: cassandraSoftware{java: "java", lib: "/jars", jamm: "/jars/jamm-1.jar"}}
	c.setLayout(cassandraLayout{Name: "phyllo 9042 7000", Nodes: max(opt.Nodes, 1), Port: 9042, StoragePort: 7000, JMXPorts: []int{7199, 7299, 7399}})
	return c
}

func TestCassandraYAML(t *testing.T) {
	c := testCluster(t, CassandraOptions{Nodes: 3})
	const want = `cluster_name: "phyllo 9042 7000"
num_tokens: 4
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:7000"
listen_address: 127.0.0.2
storage_port: 7000
rpc_address: 127.0.0.2
native_transport_port: 9042
auto_bootstrap: false
auto_snapshot: false
block_for_peers_timeout_in_secs: 0
disk_failure_policy: stop
commit_failure_policy: stop
cas_contention_timeout: 1000ms
commitlog_sync: periodic
commitlog_sync_period: 10000ms
`
	if got := c.cassandraYAML(c.nodes[1]); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCassandraYAMLOptions(t *testing.T) {
	for _, test := range []struct {
		name      string
		opt       CassandraOptions
		has, lack string
	}{
		{"group", CassandraOptions{CommitLogSync: "group"}, "commitlog_sync: group\ncommitlog_sync_group_window: 10ms\n", "periodic"},
		{"password", CassandraOptions{Password: true}, "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\n", "client_encryption"},
		{"TLS", CassandraOptions{TLS: true}, "  require_client_auth: false\n", "authenticator"},
		{"certificates", CassandraOptions{TLS: true, ClientCertificates: true}, "  require_client_auth: true\n", "authenticator"},
		{"key store", CassandraOptions{TLS: true}, "  keystore: \"/somewhere/tls/server.pem\"\n  truststore: \"/somewhere/tls/ca.pem\"\n", "authenticator"},
		{"settings", CassandraOptions{Settings: []string{"a: 1", "b: 2"}}, "a: 1\nb: 2\n", "client_encryption"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := testCluster(t, test.opt)
			got := c.cassandraYAML(c.nodes[0])
			if !strings.Contains(got, test.has) {
				t.Errorf("%q is missing from\n%s", test.has, got)
			}
			if strings.Contains(got, test.lack) {
				t.Errorf("%q is in\n%s", test.lack, got)
			}
		})
	}
}

func TestJVMArguments(t *testing.T) {
	quick, full := testCluster(t, CassandraOptions{HeapMiB: 300}), testCluster(t, CassandraOptions{Nodes: 3, FullJIT: true})
	got := argumentFile(quick.jvmArguments(quick.nodes[0]))
	for _, want := range []string{"\"-Xmx300M\"\n", "\"-XX:TieredStopAtLevel=1\"\n", "\"-javaagent:/jars/jamm-1.jar\"\n",
		"\"-Dcassandra.storagedir=/somewhere/node1/data\"\n", "\"-Dcassandra.jmx.local.port=7199\"\n", "\"-Dcassandra.system_auth.default_rf=1\"\n",
		"\"-cp\"\n\"/somewhere/node1/conf:/jars/*\"\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing from\n%s", want, got)
		}
	}
	got = argumentFile(full.jvmArguments(full.nodes[2]))
	if strings.Contains(got, "Tiered") || !strings.Contains(got, "default_rf=3") || !strings.Contains(got, "jmx.local.port=7399") {
		t.Errorf("three nodes as in production:\n%s", got)
	}
}

func TestArgumentFile(t *testing.T) {
	got := argumentFile([]string{"-a", `-Db=C:\x "y" z`})
	if want := "\"-a\"\n\"-Db=C:\\\\x \\\"y\\\" z\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := fileURL("/a b/%c"), "file:///a%20b/%25c"; got != want {
		t.Errorf("file URL: got %q, want %q", got, want)
	}
}

func TestCassandraOptions(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"Nodes = 4", "Nodes"}, {"Nodes = -1", "Nodes"}, {"small heap", "HeapMiB"}, {"sync", "CommitLogSync"}, {"certificates", "TLS"}, {"detached", "Dir"},
	} {
		opt := map[string]CassandraOptions{"Nodes = 4": {Nodes: 4}, "Nodes = -1": {Nodes: -1}, "small heap": {HeapMiB: 1}, "sync": {CommitLogSync: "batch"},
			"certificates": {ClientCertificates: true}, "detached": {Detached: true}}[test.name]
		if err := opt.complete(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want one that names %s", test.name, err, test.want)
		}
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("a\nb\n"+strings.Repeat("c", 501)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := tail(path, 2), "b\n"+strings.Repeat("c", 500)+" ..."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tail(path+"x", 2); !strings.Contains(got, "no such file") {
		t.Errorf("no file: %q", got)
	}
}
