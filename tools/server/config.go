// Package server joins the parts into the phyllo server: configuration, the
// storage engine, the SQL engine, and the listeners for SQL and HTTP.
package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/phyllodb/phyllo/query/setting"
)

// Config is what an operator can set. Each value comes from a flag, else from
// the environment (PHYLLO_ and the key in upper case with _ for .), else from the YAML
// file, else from Default.
type Config struct {
	Data string `koanf:"data"` // folder of the embedded store; with Cassandra, of what is local
	PG   string `koanf:"pg"`   // address of the PostgreSQL protocol, empty: none
	HTTP string `koanf:"http"` // address of HTTP, empty: none

	User     string `koanf:"user"`     // the one SCRAM user; empty: no authentication
	Password string `koanf:"password"` // its password
	TLS      struct {
		Cert string `koanf:"cert"` // PEM file of the certificate chain
		Key  string `koanf:"key"`  // PEM file of its private key
	} `koanf:"tls"`

	Cassandra  Cassandra `koanf:"cassandra"`  // the cluster to store in; without hosts: the embedded store
	Node       string    `koanf:"node"`       // name of this node among those that share a keyspace
	Durability string    `koanf:"durability"` // where a commit is durable: cluster, local

	MaxConnections int    `koanf:"max_connections"`
	TimeZone       string `koanf:"timezone"`
	Log            struct {
		Level  string `koanf:"level"`  // debug, info, warn, error
		Format string `koanf:"format"` // text, json
	} `koanf:"log"`
	Memory struct {
		BuffersMiB    int `koanf:"buffers_mib"`    // rows not yet in chunks
		QueriesMiB    int `koanf:"queries_mib"`    // all queries together
		CacheMiB      int `koanf:"cache_mib"`      // column blobs read from disk
		ManifestMiB   int `koanf:"manifest_mib"`   // entries of chunks read from checkpoints
		CompactionMiB int `koanf:"compaction_mib"` // rows of a compaction
	} `koanf:"memory"`
	Seal struct {
		Age time.Duration `koanf:"age"` // a buffer older than this is written to chunks
	} `koanf:"seal"`
	Compaction struct {
		Paused  bool `koanf:"paused"`   // nothing is compacted in the background
		RateMiB int  `koanf:"rate_mib"` // read and written in the background, a second; 0: no bound
	} `koanf:"compaction"`
	Limits struct {
		MessageMiB int `koanf:"message_mib"` // a message or row from a client
		RequestMiB int `koanf:"request_mib"` // the body of an HTTP request, unpacked
		TempMiB    int `koanf:"temp_mib"`    // temporary files of all queries; 0: no bound
	} `koanf:"limits"`
}

// Default returns the built-in configuration: loopback only, no password.
func Default() Config {
	var c Config
	c.Data, c.PG, c.HTTP = "data", "127.0.0.1:5433", "127.0.0.1:8080"
	c.MaxConnections, c.TimeZone = 200, "UTC"
	c.Log.Level, c.Log.Format = "info", "text"
	c.Memory.BuffersMiB, c.Memory.QueriesMiB, c.Memory.CacheMiB = 96, 128, 64
	c.Memory.ManifestMiB = 16
	c.Memory.CompactionMiB, c.Compaction.RateMiB = 64, 64
	c.Seal.Age = time.Minute
	c.Cassandra, c.Durability = defaultCassandra(), "cluster"
	c.Limits.MessageMiB, c.Limits.RequestMiB = 32, 1024
	return c
}

// keys describes every key, for unknown-key errors, the environment and help.
func keys() map[string]any {
	c := Default()
	out := c.Cassandra.keys()
	for key, value := range map[string]any{
		"data": c.Data, "pg": c.PG, "http": c.HTTP, "user": "", "password": "", "tls.cert": "", "tls.key": "",
		"max_connections": c.MaxConnections, "timezone": c.TimeZone, "log.level": c.Log.Level, "log.format": c.Log.Format,
		"memory.buffers_mib": c.Memory.BuffersMiB, "memory.queries_mib": c.Memory.QueriesMiB, "memory.cache_mib": c.Memory.CacheMiB,
		"memory.manifest_mib": c.Memory.ManifestMiB, "memory.compaction_mib": c.Memory.CompactionMiB,
		"compaction.paused": c.Compaction.Paused, "compaction.rate_mib": c.Compaction.RateMiB,
		"seal.age": c.Seal.Age.String(), "limits.message_mib": c.Limits.MessageMiB, "limits.request_mib": c.Limits.RequestMiB,
		"limits.temp_mib": c.Limits.TempMiB,
		"node":            "", "durability": c.Durability,
	} {
		out[key] = value
	}
	return out
}

// Keys returns the names of all keys, sorted.
func Keys() []string {
	var out []string
	for k := range keys() {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// EnvName is the environment variable of a key.
func EnvName(key string) string {
	return "PHYLLO_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Load builds a configuration from a YAML file (empty: none), the environment
// (as os.Environ returns it) and flags by key.
func Load(path string, environ []string, flags map[string]any) (Config, error) {
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(keys(), "."), nil); err != nil {
		return Config{}, err
	}
	if path != "" {
		if err := loadFile(k, path); err != nil {
			return Config{}, err
		}
	}
	env, err := environment(environ)
	if err != nil {
		return Config{}, err
	}
	for _, layer := range []map[string]any{env, flags} {
		if err := k.Load(confmap.Provider(layer, "."), nil); err != nil {
			return Config{}, err
		}
	}
	if err := checkTypes(k); err != nil {
		return Config{}, err
	}
	var c Config
	if err := k.Unmarshal("", &c); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, c.Validate()
}

// checkTypes names the key and value of what is no number or duration.
func checkTypes(k *koanf.Koanf) error {
	for key, def := range keys() {
		value := fmt.Sprint(k.Get(key))
		switch def := def.(type) {
		case int:
			if _, err := strconv.Atoi(value); err != nil {
				return badValue(key, value, "must be a whole number")
			}
		case bool:
			if _, err := strconv.ParseBool(value); err != nil {
				return badValue(key, value, "must be true or false")
			}
		case string:
			if _, err := time.ParseDuration(def); err != nil {
				continue
			}
			if _, err := time.ParseDuration(value); err != nil {
				return badValue(key, value, "must be a duration such as 30s or 5m")
			}
		}
	}
	return nil
}

func badValue(key string, value any, why string) error {
	return fmt.Errorf("configuration: %s = %v: %s", key, value, why)
}

func loadFile(k *koanf.Koanf, path string) error {
	f := koanf.New(".")
	if err := f.Load(file.Provider(path), yaml.Parser()); err != nil {
		return fmt.Errorf("configuration file %s: %w", path, err)
	}
	known := keys()
	for _, key := range f.Keys() {
		if _, ok := known[key]; !ok {
			return fmt.Errorf("configuration file %s: unknown key %q%s; known keys: %s", path, key, suggestion(key), strings.Join(Keys(), ", "))
		}
	}
	return k.Merge(f)
}

// otherVariables are no settings of the server: of the program's commands, and of
// make cassandra.
var otherVariables = []string{"PHYLLO_CONFIG", "PHYLLO_SERVER", "PHYLLO_DATABASE", "PHYLLO_CASSANDRA_DIR"}

// environment picks our variables; one that names no key is an error, because
// a misspelt setting must not be ignored.
func environment(environ []string) (map[string]any, error) {
	byEnv := map[string]string{}
	for _, key := range Keys() {
		byEnv[EnvName(key)] = key
	}
	out := map[string]any{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "PHYLLO_") || strings.HasPrefix(name, "PHYLLO_TEST_") || slices.Contains(otherVariables, name) {
			continue
		}
		key, ok := byEnv[name]
		if !ok {
			return nil, fmt.Errorf("environment: unknown variable %s%s", name, suggestion(strings.ToLower(strings.TrimPrefix(name, "PHYLLO_"))))
		}
		out[key] = value
	}
	return out, nil
}

// suggestion names the key that has the most in common with a wrong one.
func suggestion(wrong string) string {
	best, score := "", 0
	for _, key := range Keys() {
		n := 0
		for n < len(key) && n < len(wrong) && key[n] == wrong[n] {
			n++
		}
		if strings.Contains(key, wrong) || strings.HasSuffix(key, wrong) {
			n += len(wrong)
		}
		if n > score {
			best, score = key, n
		}
	}
	if score < 2 {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// Validate names the key and value of what cannot be.
func (c Config) Validate() error {
	if c.Data == "" {
		return badValue("data", `""`, "a folder is needed")
	}
	for key, n := range map[string]int{"max_connections": c.MaxConnections, "memory.buffers_mib": c.Memory.BuffersMiB,
		"memory.queries_mib": c.Memory.QueriesMiB, "memory.cache_mib": c.Memory.CacheMiB, "memory.manifest_mib": c.Memory.ManifestMiB, "memory.compaction_mib": c.Memory.CompactionMiB,
		"limits.message_mib": c.Limits.MessageMiB, "limits.request_mib": c.Limits.RequestMiB} {
		if n < 1 {
			return badValue(key, n, "must be at least 1")
		}
	}
	if c.Limits.MessageMiB > 1024 {
		return badValue("limits.message_mib", c.Limits.MessageMiB, "at most 1024")
	}
	if c.Limits.TempMiB < 0 {
		return badValue("limits.temp_mib", c.Limits.TempMiB, "must not be negative")
	}
	if err := c.validateStore(); err != nil {
		return err
	}
	if c.Compaction.RateMiB < 0 {
		return badValue("compaction.rate_mib", c.Compaction.RateMiB, "must not be negative")
	}
	if c.Seal.Age <= 0 {
		return badValue("seal.age", c.Seal.Age, "must be positive")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return badValue("tls.cert", c.TLS.Cert, "tls.cert and tls.key belong together")
	}
	if (c.User == "") != (c.Password == "") {
		return badValue("user", c.User, "user and password belong together")
	}
	if _, _, err := setting.LoadZone(c.TimeZone); err != nil {
		return badValue("timezone", c.TimeZone, "there is no such time zone")
	}
	if _, err := c.level(); err != nil {
		return err
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return badValue("log.format", c.Log.Format, "must be text or json")
	}
	return errors.Join(c.exposed("pg", c.PG), c.exposed("http", c.HTTP))
}

// messageBytes is limits.message_mib, within what the protocol can say.
func (c Config) messageBytes() int { return min(c.Limits.MessageMiB<<20, 1<<30-1) }

// exposed refuses addresses that strangers can reach without authentication.
func (c Config) exposed(key, address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("configuration: %s = %s: %w", key, address, err)
	}
	if loopback(host) || c.User != "" && c.TLS.Cert != "" {
		return nil
	}
	return fmt.Errorf("configuration: %s = %s: an address that is not loopback needs user, password, tls.cert and tls.key", key, address)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Print renders the configuration as YAML without secrets.
func (c Config) Print() string {
	for _, secret := range []*string{&c.Password, &c.Cassandra.Password} {
		if *secret != "" {
			*secret = "********"
		}
	}
	var b strings.Builder
	line := func(indent, key string, value any) { fmt.Fprintf(&b, "%s%s: %v\n", indent, key, value) }
	quoted := strconv.Quote // which YAML reads
	line("", "data", quoted(c.Data))
	line("", "pg", quoted(c.PG))
	line("", "http", quoted(c.HTTP))
	line("", "user", quoted(c.User))
	line("", "password", quoted(c.Password))
	b.WriteString("tls:\n")
	line("  ", "cert", quoted(c.TLS.Cert))
	line("  ", "key", quoted(c.TLS.Key))
	line("", "node", quoted(c.Node))
	line("", "durability", c.Durability)
	b.WriteString("cassandra:\n")
	c.Cassandra.print(func(key string, value any) { line("  ", key, value) })
	line("", "max_connections", c.MaxConnections)
	line("", "timezone", quoted(c.TimeZone))
	b.WriteString("log:\n")
	line("  ", "level", c.Log.Level)
	line("  ", "format", c.Log.Format)
	b.WriteString("memory:\n")
	line("  ", "buffers_mib", c.Memory.BuffersMiB)
	line("  ", "queries_mib", c.Memory.QueriesMiB)
	line("  ", "cache_mib", c.Memory.CacheMiB)
	line("  ", "manifest_mib", c.Memory.ManifestMiB)
	line("  ", "compaction_mib", c.Memory.CompactionMiB)
	b.WriteString("seal:\n")
	line("  ", "age", c.Seal.Age)
	b.WriteString("compaction:\n")
	line("  ", "paused", c.Compaction.Paused)
	line("  ", "rate_mib", c.Compaction.RateMiB)
	b.WriteString("limits:\n")
	line("  ", "message_mib", c.Limits.MessageMiB)
	line("  ", "request_mib", c.Limits.RequestMiB)
	line("  ", "temp_mib", c.Limits.TempMiB)
	return b.String()
}

// Environ is the process's environment; tests pass their own.
func Environ() []string { return os.Environ() }
