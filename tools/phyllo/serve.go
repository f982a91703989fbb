package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/phyllodb/phyllo/tools/server"
)

// settings are the flags that stand for configuration keys. Pointers tell what
// was given: only that goes above the environment and the file.
type settings struct {
	File           *string        `name:"config" short:"c" help:"YAML file with settings." env:"PHYLLO_CONFIG" placeholder:"FILE"`
	Data           *string        `help:"Folder of the embedded store (default: data)." placeholder:"DIR"`
	PG             *string        `name:"pg" help:"Address for the PostgreSQL protocol, empty for none (default: 127.0.0.1:5433)." placeholder:"HOST:PORT"`
	HTTP           *string        `name:"http" help:"Address for HTTP: ingest, health, metrics; empty for none (default: 127.0.0.1:8080)." placeholder:"HOST:PORT"`
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
	SealAge        *time.Duration `help:"Buffered rows older than this are written to chunks (default: 1m)." placeholder:"DURATION"`
	MessageMiB     *int           `name:"limits-message-mib" help:"Largest message or row from a client (default: 32)." placeholder:"MIB"`
	RequestMiB     *int           `name:"limits-request-mib" help:"Largest HTTP request, unpacked (default: 1024)." placeholder:"MIB"`
}

// load builds the configuration.
func (s settings) load() (server.Config, error) {
	flags := map[string]any{}
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
	put(flags, "seal.age", s.SealAge)
	put(flags, "limits.message_mib", s.MessageMiB)
	put(flags, "limits.request_mib", s.RequestMiB)
	file := ""
	if s.File != nil {
		file = *s.File
	}
	return server.Load(file, os.Environ(), flags)
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
	return server.Run(ctx, cfg, cfg.Logger(os.Stderr))
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
		debug.SetMemoryLimit(int64(c.Memory.BuffersMiB+c.Memory.QueriesMiB+c.Memory.CacheMiB+rest) << 20)
	}
}
