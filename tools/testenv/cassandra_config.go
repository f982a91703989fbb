package testenv

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// groupWindow is how long CommitLogSync "group" lets writes gather before their
// fsync; every write waits for up to that long.
const groupWindow = "10ms"

// cassandraYAML renders a node's cassandra.yaml. What clients notice is set as in the file
// that Cassandra is shipped with, where that differs from the defaults in its code.
func (c *Cassandra) cassandraYAML(n *cassandraNode) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("cluster_name: %q", c.layout.Name)
	line("num_tokens: 4")
	line("partitioner: org.apache.cassandra.dht.Murmur3Partitioner")
	if c.options.DataCentres != nil {
		line("endpoint_snitch: GossipingPropertyFileSnitch")
	} else {
		line("endpoint_snitch: SimpleSnitch")
	}
	line("seed_provider:")
	line("  - class_name: org.apache.cassandra.locator.SimpleSeedProvider")
	line("    parameters:")
	line("      - seeds: \"%s:%d\"", cassandraHost(1), c.layout.StoragePort)
	line("listen_address: %s", n.host)
	line("storage_port: %d", c.layout.StoragePort)
	line("rpc_address: %s", n.host)
	line("native_transport_port: %d", c.Port)
	line("auto_bootstrap: false")              // no data are there yet that a node would have to take over
	line("auto_snapshot: false")               // DROP and TRUNCATE free their space
	line("block_for_peers_timeout_in_secs: 0") // awaitCluster waits, and only for those that are to be up
	line("disk_failure_policy: stop")
	line("commit_failure_policy: stop")
	line("cas_contention_timeout: 1000ms")
	switch c.options.CommitLogSync {
	case "group":
		line("commitlog_sync: group")
		line("commitlog_sync_group_window: %s", groupWindow)
	default:
		line("commitlog_sync: periodic")
		line("commitlog_sync_period: 10000ms")
	}
	if c.options.Password {
		line("authenticator: PasswordAuthenticator")
		line("authorizer: CassandraAuthorizer")
	}
	if c.options.TLS {
		files := c.TLSFiles()
		line("client_encryption_options:")
		line("  enabled: true")
		line("  optional: false")
		line("  require_client_auth: %t", c.options.ClientCertificates)
		line("  ssl_context_factory:")
		line("    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory")
		line("  keystore: %q", files.server)
		line("  truststore: %q", files.CA)
	}
	for _, s := range c.options.Settings {
		line("%s", s)
	}
	return b.String()
}

// logback sends everything of note to standard output, which is the node's log file.
const logback = `<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="STDOUT"/></root>
</configuration>
`

// moduleArguments open the parts of Java 17 that Cassandra reaches into.
var moduleArguments = []string{
	"--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
	"--add-exports=java.base/java.lang.ref=ALL-UNNAMED",
	"--add-exports=java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED",
	"--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
	"--add-exports=java.rmi/sun.rmi.server=ALL-UNNAMED",
	"--add-exports=java.sql/java.sql=ALL-UNNAMED",
	"--add-exports=jdk.attach/sun.tools.attach=ALL-UNNAMED",
	"--add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED",
	"--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED",
	"--add-opens=java.base/java.io=ALL-UNNAMED",
	"--add-opens=java.base/java.lang=ALL-UNNAMED",
	"--add-opens=java.base/java.lang.module=ALL-UNNAMED",
	"--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
	"--add-opens=java.base/java.util=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.loader=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.math=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.module=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.reflect=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.util.jar=ALL-UNNAMED",
	"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
	"--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED",
	"--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
}

// jvmArguments are a node's, up to but without the name of the class.
func (c *Cassandra) jvmArguments(n *cassandraNode) []string {
	// No -Xms: a heap that grows by need saves some 350 MB on an idle node.
	args := []string{fmt.Sprintf("-Xmx%dM", c.options.HeapMiB), "-Xss256k", "-ea", "-da:net.openhft...",
		"-XX:+UseG1GC", "-XX:MaxGCPauseMillis=300", "-XX:+ParallelRefProcEnabled", "-XX:+PerfDisableSharedMem", "-XX:+ExitOnOutOfMemoryError"}
	if !c.options.FullJIT {
		args = append(args, "-XX:TieredStopAtLevel=1")
	}
	args = append(args, moduleArguments...)
	args = append(args,
		"-javaagent:"+c.software.jamm,
		"-Djava.net.preferIPv4Stack=true",
		"-Djdk.attach.allowAttachSelf=true",
		"-Dio.netty.tryReflectionSetAccessible=true",
		"-Dio.netty.allocator.useCacheForAllThreads=true",
		"-Dio.netty.allocator.maxOrder=11",
		"-Dfile.encoding=UTF-8",
		"-Duser.home="+n.dir,
		"-Dlogback.configurationFile="+fileURL(n.conf("logback.xml")),
		"-Dcassandra.config="+fileURL(n.conf("cassandra.yaml")),
		"-Dcassandra.storagedir="+n.data(),
		fmt.Sprintf("-Dcassandra.jmx.local.port=%d", n.jmxPort),
		"-Dcassandra-foreground=yes",
		// On one machine nobody has to be waited for that might still turn up.
		"-Dcassandra.ring_delay_ms=1000",
		"-Dcassandra.skip_wait_for_gossip_to_settle=0",
		"-Dcassandra.consistent.rangemovement=false",
		// The superuser has to be known to the nodes that are left when one is down.
		// It is made when a majority is up, which is tried again after the delay.
		"-Dcassandra.superuser_setup_delay_ms=250",
		fmt.Sprintf("-Dcassandra.system_auth.default_rf=%d", c.layout.Nodes),
	)
	args = append(args, n.extra...)
	return append(args, "-cp", n.dir+"/conf:"+c.software.lib+"/*")
}

// argumentFile renders arguments as a file for java's @FILE.
func argumentFile(args []string) string {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, a := range args {
		fmt.Fprintf(&b, "\"%s\"\n", escape.Replace(a))
	}
	return b.String()
}

func fileURL(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// writeConfig writes a node's configuration, which each start does anew.
func (c *Cassandra) writeConfig(n *cassandraNode) error {
	if err := os.MkdirAll(filepath.Join(n.dir, "conf"), 0o755); err != nil {
		return err
	}
	files := map[string]string{
		"cassandra.yaml": c.cassandraYAML(n),
		"logback.xml":    logback,
		"jvm.args":       argumentFile(c.jvmArguments(n)),
	}
	if c.options.DataCentres != nil {
		files["cassandra-rackdc.properties"] = fmt.Sprintf("dc=%s\nrack=rack1\n", c.options.DataCentres[n.number-1])
	}
	for name, text := range files {
		if err := os.WriteFile(n.conf(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
