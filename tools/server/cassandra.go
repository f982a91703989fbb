package server

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/prometheus/client_golang/prometheus"
)

// Cassandra says which cluster to store in and how to reach it.
type Cassandra struct {
	Hosts    string `koanf:"hosts"`    // contact points, host or host:port, with commas between
	Keyspace string `koanf:"keyspace"` // that phyllo migrate made
	User     string `koanf:"user"`
	Password string `koanf:"password"`
	LocalDC  string `koanf:"local_dc"` // data centre; empty: that of the first contact point

	ReadConsistency   string `koanf:"read_consistency"`
	WriteConsistency  string `koanf:"write_consistency"`
	SerialConsistency string `koanf:"serial_consistency"`

	ConnectTimeout time.Duration `koanf:"connect_timeout"`
	RequestTimeout time.Duration `koanf:"request_timeout"`

	TLS           bool   `koanf:"tls"`             // encrypt connections
	TLSCA         string `koanf:"tls_ca"`          // PEM file of who signs the servers' certificates; empty: the system's
	TLSCert       string `koanf:"tls_cert"`        // PEM file of the client's certificate
	TLSKey        string `koanf:"tls_key"`         // PEM file of its private key
	TLSServerName string `koanf:"tls_server_name"` // that the certificates are for; empty: the address
	TLSSkipVerify bool   `koanf:"tls_skip_verify"` // trust any certificate
}

func defaultCassandra() Cassandra {
	return Cassandra{Keyspace: "phyllo", ReadConsistency: "LOCAL_QUORUM", WriteConsistency: "LOCAL_QUORUM", SerialConsistency: "LOCAL_SERIAL",
		ConnectTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}
}

// print calls line with each key and its value as YAML has it.
func (c Cassandra) print(line func(key string, value any)) {
	quoted := strconv.Quote
	line("hosts", quoted(c.Hosts))
	line("keyspace", quoted(c.Keyspace))
	line("user", quoted(c.User))
	line("password", quoted(c.Password))
	line("local_dc", quoted(c.LocalDC))
	line("read_consistency", c.ReadConsistency)
	line("write_consistency", c.WriteConsistency)
	line("serial_consistency", c.SerialConsistency)
	line("connect_timeout", c.ConnectTimeout)
	line("request_timeout", c.RequestTimeout)
	line("tls", c.TLS)
	line("tls_ca", quoted(c.TLSCA))
	line("tls_cert", quoted(c.TLSCert))
	line("tls_key", quoted(c.TLSKey))
	line("tls_server_name", quoted(c.TLSServerName))
	line("tls_skip_verify", c.TLSSkipVerify)
}

// keys are the configuration keys with their defaults.
func (c Cassandra) keys() map[string]any {
	out := map[string]any{}
	c.print(func(key string, value any) {
		switch v := value.(type) {
		case string:
			if text, err := strconv.Unquote(v); err == nil {
				value = text
			}
		case time.Duration:
			value = v.String()
		}
		out["cassandra."+key] = value
	})
	return out
}

// Clustered says whether the store is a cluster.
func (c Config) Clustered() bool { return c.Cassandra.Hosts != "" }

// validateStore names what cannot be of the settings for the store.
func (c Config) validateStore() error {
	if c.Durability != "cluster" && c.Durability != "local" {
		return badValue("durability", c.Durability, "must be cluster or local")
	}
	if !c.Clustered() {
		return nil
	}
	if c.Node == "" {
		return badValue("node", `""`, "with cassandra.hosts this node needs a name, one that no other node of the keyspace has")
	}
	if (c.Cassandra.TLSCert == "") != (c.Cassandra.TLSKey == "") {
		return badValue("cassandra.tls_cert", c.Cassandra.TLSCert, "cassandra.tls_cert and cassandra.tls_key belong together")
	}
	if !c.Cassandra.TLS && (c.Cassandra.TLSCA != "" || c.Cassandra.TLSCert != "" || c.Cassandra.TLSServerName != "" || c.Cassandra.TLSSkipVerify) {
		return badValue("cassandra.tls", c.Cassandra.TLS, "must be true where one of the other cassandra.tls settings is given")
	}
	if err := c.cassandra().Validate(); err != nil {
		return errors.New("configuration: " + err.Error())
	}
	return nil
}

// cassandra returns what the store takes.
func (c Config) cassandra() cassandra.Options {
	cc := c.Cassandra
	o := cassandra.Options{Keyspace: cc.Keyspace, User: cc.User, Password: cc.Password, LocalDC: cc.LocalDC,
		ReadConsistency: cc.ReadConsistency, WriteConsistency: cc.WriteConsistency, SerialConsistency: cc.SerialConsistency,
		ConnectTimeout: cc.ConnectTimeout, RequestTimeout: cc.RequestTimeout, CacheBytes: int64(c.Memory.CacheMiB) << 20}
	for host := range strings.SplitSeq(cc.Hosts, ",") {
		o.Hosts = append(o.Hosts, strings.TrimSpace(host))
	}
	if cc.TLS {
		o.TLS = &cassandra.TLS{CAFile: cc.TLSCA, CertFile: cc.TLSCert, KeyFile: cc.TLSKey, ServerName: cc.TLSServerName, SkipHostVerification: cc.TLSSkipVerify}
	}
	return o
}

// CassandraOptions returns how to reach the cluster, for tools.
func (c Config) CassandraOptions(log *slog.Logger, metrics prometheus.Registerer) cassandra.Options {
	o := c.cassandra()
	o.Logger, o.Registerer = log, metrics
	return o
}
