package cassandra

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Options say which cluster to use and how. The zero value of each field but
// Hosts and Keyspace is its default.
type Options struct {
	// Hosts are contact points, host or host:port; the others are found by them.
	Hosts []string
	// Port is that of hosts without one; default 9042.
	Port int
	// Keyspace holds the tables. Letters, digits and underscores, at most 48.
	Keyspace string
	// User and Password are for clusters that ask for them.
	User, Password string
	// TLS encrypts connections; default: none.
	TLS *TLS
	// LocalDC is the data centre to work with; default: that of the contact
	// point that answers first.
	LocalDC string

	// ReadConsistency is the level of reads that need not see what is being
	// written, WriteConsistency of writes, SerialConsistency of conditional
	// writes and of reads that settle them. Defaults LOCAL_QUORUM, LOCAL_QUORUM,
	// LOCAL_SERIAL. Several nodes that write in several data centres need QUORUM,
	// QUORUM and SERIAL.
	ReadConsistency, WriteConsistency, SerialConsistency string

	// ConnectTimeout bounds each connection attempt, RequestTimeout each request;
	// the latter should be above the servers' own. Defaults 5 s and 10 s.
	ConnectTimeout, RequestTimeout time.Duration
	// AppendTimeout bounds how long an append whose outcome is unknown is
	// repeated until it is known; default 30 s.
	AppendTimeout time.Duration
	// SpeculativeDelay is after how long a read of one row or blob part is sent
	// to a second server as well; default 100 ms, negative: never.
	SpeculativeDelay time.Duration
	// NumConns is the number of connections to each server; default 2.
	NumConns int
	// InFlightBytes and InFlightRequests bound the blob parts that are being
	// written, and those that are being read; defaults 32 MiB and 64.
	InFlightBytes    int64
	InFlightRequests int
	// CacheBytes bounds the column blobs kept in memory; default 256 MiB,
	// negative: none are kept.
	CacheBytes int64

	// Limits are the sizes at which buckets end.
	Limits Limits
	// Dial opens connections; default: the operating system's TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger hears of servers that come and go, of damage and of repairs;
	// default: nobody does.
	Logger *slog.Logger
	// Registerer takes the metrics; default: none are kept there.
	Registerer prometheus.Registerer
}

// TLS says how connections are encrypted and who is trusted.
type TLS struct {
	// CAFile holds the certificates of who signs the servers' ones; default: the
	// system's.
	CAFile string
	// CertFile and KeyFile are the client's certificate, for servers that ask.
	CertFile, KeyFile string
	// ServerName is what the servers' certificates must be for; default: the
	// address that is connected to.
	ServerName string
	// SkipHostVerification trusts any certificate, for whichever name.
	SkipHostVerification bool
}

// Limits are the sizes at which buckets of logs and of chunks end. Zero values
// are the defaults, by which no partition of Cassandra comes near 100 MB.
type Limits struct {
	LogEntries  int   // entries of a log's bucket; default 4096
	LogBytes    int64 // bytes of a log's bucket; default 16 MiB
	InlineBytes int   // the largest entry or checkpoint that lies in its row; default 128 KiB
	PartBytes   int   // the largest part of anything else; default and most 512 KiB
	Chunks      int   // chunks of a bucket; default 64
	ColumnBytes int64 // bytes of one column in a bucket; default 32 MiB
}

const (
	defaultPort             = 9042
	defaultConnectTimeout   = 5 * time.Second
	defaultRequestTimeout   = 10 * time.Second
	defaultAppendTimeout    = 30 * time.Second
	defaultSpeculativeDelay = 100 * time.Millisecond
	defaultNumConns         = 2
	defaultInFlightBytes    = 32 << 20
	defaultInFlightRequests = 64
	defaultCacheBytes       = 256 << 20
	maxPartBytes            = 512 << 10
)

var keyspaceName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,47}$`)

// Validate names the first field whose value is out of its limits.
func (o Options) Validate() error {
	switch {
	case len(o.Hosts) == 0:
		return fmt.Errorf("cassandra: Hosts is empty")
	case !keyspaceName.MatchString(o.Keyspace):
		return fmt.Errorf("cassandra: Keyspace is %q: it needs a letter, then letters, digits and underscores, at most 48", o.Keyspace)
	case o.Port < 0 || o.Port > 65535:
		return fmt.Errorf("cassandra: Port is %d", o.Port)
	case o.Limits.PartBytes < 0 || o.Limits.PartBytes > maxPartBytes:
		return fmt.Errorf("cassandra: Limits.PartBytes is %d, the most is %d", o.Limits.PartBytes, maxPartBytes)
	case o.Limits.InlineBytes < 0 || o.Limits.InlineBytes > maxPartBytes:
		return fmt.Errorf("cassandra: Limits.InlineBytes is %d, the most is %d", o.Limits.InlineBytes, maxPartBytes)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"ConnectTimeout", o.ConnectTimeout}, {"RequestTimeout", o.RequestTimeout}, {"AppendTimeout", o.AppendTimeout}} {
		if d.value < 0 {
			return fmt.Errorf("cassandra: %s is %v", d.name, d.value)
		}
	}
	_, err := o.withDefaults().levels()
	return err
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (o Options) withDefaults() Options {
	orDefault(&o.Port, defaultPort)
	orDefault(&o.ReadConsistency, "LOCAL_QUORUM")
	orDefault(&o.WriteConsistency, "LOCAL_QUORUM")
	orDefault(&o.SerialConsistency, "LOCAL_SERIAL")
	orDefault(&o.ConnectTimeout, defaultConnectTimeout)
	orDefault(&o.RequestTimeout, defaultRequestTimeout)
	orDefault(&o.AppendTimeout, defaultAppendTimeout)
	orDefault(&o.SpeculativeDelay, defaultSpeculativeDelay)
	orDefault(&o.NumConns, defaultNumConns)
	orDefault(&o.InFlightBytes, defaultInFlightBytes)
	orDefault(&o.InFlightRequests, defaultInFlightRequests)
	orDefault(&o.CacheBytes, defaultCacheBytes)
	orDefault(&o.Limits.LogEntries, 4096)
	orDefault(&o.Limits.LogBytes, 16<<20)
	orDefault(&o.Limits.InlineBytes, 128<<10)
	orDefault(&o.Limits.PartBytes, maxPartBytes)
	orDefault(&o.Limits.Chunks, 64)
	orDefault(&o.Limits.ColumnBytes, 32<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// levels are consistency levels as the driver has them.
type levels struct{ read, write, serial gocql.Consistency }

// registers is the level at which registers are read: a quorum of those that decide
// their swaps, whatever statements do with.
func (l levels) registers() gocql.Consistency {
	if l.serial == gocql.Serial {
		return gocql.Quorum
	}
	return gocql.LocalQuorum
}

func (o Options) levels() (l levels, err error) {
	for _, f := range []struct {
		name, value string
		serial      bool
		to          *gocql.Consistency
	}{
		{"ReadConsistency", o.ReadConsistency, false, &l.read},
		{"WriteConsistency", o.WriteConsistency, false, &l.write},
		{"SerialConsistency", o.SerialConsistency, true, &l.serial},
	} {
		if *f.to, err = parseLevel(f.value); err != nil {
			return l, fmt.Errorf("cassandra: %s: %w", f.name, err)
		}
		if serial := *f.to == gocql.Serial || *f.to == gocql.LocalSerial; serial != f.serial {
			return l, fmt.Errorf("cassandra: %s cannot be %s", f.name, f.value)
		}
	}
	return l, nil
}

// parseLevel reads a consistency level's name, such as LOCAL_QUORUM.
func parseLevel(name string) (gocql.Consistency, error) {
	var l gocql.Consistency
	if err := l.UnmarshalText([]byte(name)); err != nil || l == gocql.Any {
		return 0, fmt.Errorf("no consistency level %q that can be read back: ONE, TWO, THREE, QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM, SERIAL or LOCAL_SERIAL", name)
	}
	return l, nil
}

// config returns what crypto/tls wants.
func (t *TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.SkipHostVerification}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("cassandra: TLS.CAFile: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cassandra: TLS.CAFile: no certificate in %s", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, fmt.Errorf("cassandra: TLS.CertFile and TLS.KeyFile go together")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cassandra: TLS.CertFile: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
