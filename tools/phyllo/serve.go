package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/phyllodb/phyllo/tools/server"
)

// settings are the flags that stand for configuration keys. Pointers tell what
// was given: only that goes above the environment and the file.
type settings struct {
	File       *string `name:"config" short:"c" help:"YAML file with settings." env:"PHYLLO_CONFIG" placeholder:"FILE"`
	Data       *string `help:"Folder of the embedded store (default: data)." placeholder:"DIR"`
	PG         *string `name:"pg" help:"Address for the PostgreSQL protocol, empty for none (default: 127.0.0.1:5433)." placeholder:"HOST:PORT"`
	HTTP       *string `name:"http" help:"Address for HTTP: ingest, health, metrics; empty for none (default: 127.0.0.1:8080)." placeholder:"HOST:PORT"`
	Node       *string `help:"Name of this node among those that share a keyspace." placeholder:"NAME"`
	Durability *string `help:"Where a commit is durable: cluster or local (default: cluster)." placeholder:"WHERE"`
	cassandraFlags
	User           *string        `help:"The one user, checked by SCRAM-SHA-256; its password comes from PHYLLO_PASSWORD or the file." placeholder:"NAME"`
	TLSCert        *string        `name:"tls-cert" help:"PEM file of the certificate chain." placeholder:"FILE"`
	TLSKey         *string        `name:"tls-key" help:"PEM file of the private key." placeholder:"FILE"`
	MaxConnections *int           `help:"SQL connections served at once (default: 200)." placeholder:"N"`
	TimeZone       *string        `name:"timezone" help:"TimeZone of new sessions (default: UTC)." placeholder:"ZONE"`
	LogLevel       *string        `help:"debug, info, warn or error (default: info)." placeholder:"LEVEL"`
	LogFormat      *string        `help:"text or json (default: text)." placeholder:"FORMAT"`
	BuffersMiB     *int           `name:"memory-buffers-mib" help:"Memory for rows not yet in chunks (default: 96)." placeholder:"MIB"`
	QueriesMiB     *int           `name:"memory-queries-mib" help:"Memory for all queries together (default: 128)." placeholder:"MIB"`
	CacheMiB       *int           `name:"memory-cache-mib" help:"Memory for column blobs read from disk (default: 64)." placeholder:"MIB"`
	ManifestMiB    *int           `name:"memory-manifest-mib" help:"Memory for entries of chunks read from checkpoints (default: 16)." placeholder:"MIB"`
	CompactionMiB  *int           `name:"memory-compaction-mib" help:"Memory for the rows of a compaction (default: 64)." placeholder:"MIB"`
	RateMiB        *int           `name:"compaction-rate-mib" help:"What compaction in the background reads and writes in a second; 0: no bound (default: 64)." placeholder:"MIB"`
	Paused         *bool          `name:"compaction-paused" help:"Compact nothing in the background (default: false)."`
	SealAge        *time.Duration `help:"Buffered rows older than this are written to chunks (default: 1m)." placeholder:"DURATION"`
	MessageMiB     *int           `name:"limits-message-mib" help:"Largest message or row from a client (default: 32)." placeholder:"MIB"`
	RequestMiB     *int           `name:"limits-request-mib" help:"Largest HTTP request, unpacked (default: 1024)." placeholder:"MIB"`
	TempMiB        *int           `name:"limits-temp-mib" help:"Temporary files of all queries together; 0: no bound (default: 0)." placeholder:"MIB"`
}

// cassandraFlags say how to reach the cluster. The password comes from
// PHYLLO_CASSANDRA_PASSWORD or the file, because others can see a command line.
type cassandraFlags struct {
	Cassandra         *string        `help:"Contact points of the Cassandra cluster to store in; without it the store is a folder." placeholder:"HOST[:PORT],..."`
	Keyspace          *string        `help:"Keyspace that phyllo migrate made (default: phyllo)." placeholder:"NAME"`
	CassandraUser     *string        `help:"User of the cluster; the password comes from PHYLLO_CASSANDRA_PASSWORD or the file." placeholder:"NAME"`
	LocalDC           *string        `name:"local-dc" help:"Data centre to work with; without it that of the contact point." placeholder:"NAME"`
	ReadConsistency   *string        `help:"Level of reads (default: LOCAL_QUORUM)." placeholder:"LEVEL"`
	WriteConsistency  *string        `help:"Level of writes (default: LOCAL_QUORUM)." placeholder:"LEVEL"`
	SerialConsistency *string        `help:"Level of conditional writes (default: LOCAL_SERIAL)." placeholder:"LEVEL"`
	ConnectTimeout    *time.Duration `name:"cassandra-connect-timeout" help:"Bound of an attempt to connect (default: 5s)." placeholder:"DURATION"`
	RequestTimeout    *time.Duration `name:"cassandra-request-timeout" help:"Bound of a request (default: 10s)." placeholder:"DURATION"`
	TLS               *bool          `name:"cassandra-tls" help:"Encrypt connections to the cluster (default: false)."`
	TLSCA             *string        `name:"cassandra-tls-ca" help:"PEM file of who signs the servers' certificates." placeholder:"FILE"`
	ClientCert        *string        `name:"cassandra-tls-cert" help:"PEM file of the client's certificate." placeholder:"FILE"`
	ClientKey         *string        `name:"cassandra-tls-key" help:"PEM file of its private key." placeholder:"FILE"`
	ServerName        *string        `name:"cassandra-tls-server-name" help:"Name that the servers' certificates are for." placeholder:"NAME"`
	SkipVerify        *bool          `name:"cassandra-tls-skip-verify" help:"Trust any certificate (default: false)."`
}

func (c cassandraFlags) put(flags map[string]any) {
	put(flags, "cassandra.hosts", c.Cassandra)
	put(flags, "cassandra.keyspace", c.Keyspace)
	put(flags, "cassandra.user", c.CassandraUser)
	put(flags, "cassandra.local_dc", c.LocalDC)
	put(flags, "cassandra.read_consistency", c.ReadConsistency)
	put(flags, "cassandra.write_consistency", c.WriteConsistency)
	put(flags, "cassandra.serial_consistency", c.SerialConsistency)
	put(flags, "cassandra.connect_timeout", c.ConnectTimeout)
	put(flags, "cassandra.request_timeout", c.RequestTimeout)
	put(flags, "cassandra.tls", c.TLS)
	put(flags, "cassandra.tls_ca", c.TLSCA)
	put(flags, "cassandra.tls_cert", c.ClientCert)
	put(flags, "cassandra.tls_key", c.ClientKey)
	put(flags, "cassandra.tls_server_name", c.ServerName)
	put(flags, "cassandra.tls_skip_verify", c.SkipVerify)
}

// clusterSettings are the flags of commands that work on a cluster and serve
// nothing.
type clusterSettings struct {
	File *string `name:"config" short:"c" help:"YAML file with settings." env:"PHYLLO_CONFIG" placeholder:"FILE"`
	cassandraFlags
}

// load builds the configuration.
func (s clusterSettings) load() (server.Config, error) {
	// A node's name is asked for by serve only.
	flags := map[string]any{"node": "tool"}
	s.cassandraFlags.put(flags)
	return loadConfig(s.File, flags)
}

// errNoCluster is for a command that needs to know which cluster.
var errNoCluster = errors.New("--cassandra HOST: which cluster?")

func loadConfig(file *string, flags map[string]any) (server.Config, error) {
	path := ""
	if file != nil {
		path = *file
	}
	return server.Load(path, os.Environ(), flags)
}

// load builds the configuration.
func (s settings) load() (server.Config, error) {
	flags := map[string]any{}
	s.cassandraFlags.put(flags)
	put(flags, "node", s.Node)
	put(flags, "durability", s.Durability)
	put(flags, "data", s.Data)
	put(flags, "pg", s.PG)
	put(flags, "http", s.HTTP)
	put(flags, "user", s.User)
	put(flags, "tls.cert", s.TLSCert)
	put(flags, "tls.key", s.TLSKey)
	put(flags, "max_connections", s.MaxConnections)
	put(flags, "timezone", s.TimeZone)
	put(flags, "log.level", s.LogLevel)
	put(flags, "log.format", s.LogFormat)
	put(flags, "memory.buffers_mib", s.BuffersMiB)
	put(flags, "memory.queries_mib", s.QueriesMiB)
	put(flags, "memory.cache_mib", s.CacheMiB)
	put(flags, "memory.manifest_mib", s.ManifestMiB)
	put(flags, "memory.compaction_mib", s.CompactionMiB)
	put(flags, "compaction.rate_mib", s.RateMiB)
	put(flags, "compaction.paused", s.Paused)
	put(flags, "seal.age", s.SealAge)
	put(flags, "limits.message_mib", s.MessageMiB)
	put(flags, "limits.request_mib", s.RequestMiB)
	put(flags, "limits.temp_mib", s.TempMiB)
	return loadConfig(s.File, flags)
}

func put[T any](flags map[string]any, key string, value *T) {
	if value != nil {
		flags[key] = *value
	}
}

type configCommand struct {
	settings
}

func (c *configCommand) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	fmt.Print(cfg.Print())
	return nil
}

type serveCommand struct {
	settings
}

func (c *serveCommand) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	tuneCollector(cfg)
	err = server.Run(ctx, cfg, cfg.Logger(os.Stderr))
	if cfg.Clustered() { // which can refuse a node, and tell what to do
		return withHint(err)
	}
	return err
}

// gcPercent lets garbage grow to three times of what is in use before it is
// collected: queries make much of it and little stays. Near the bound that the
// configured memory sets the collector works harder instead.
const gcPercent = 300

// tuneCollector sets the garbage collector by the configured memory, unless the
// environment says otherwise (GOGC, GOMEMLIMIT).
func tuneCollector(c server.Config) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		// Beside its budgets the process needs memory for connections, for rows on
		// their way and for chunks being encoded.
		const rest = 128
		debug.SetMemoryLimit(int64(c.Memory.BuffersMiB+c.Memory.QueriesMiB+c.Memory.CacheMiB+c.Memory.ManifestMiB+c.Memory.CompactionMiB+rest) << 20)
	}
}
