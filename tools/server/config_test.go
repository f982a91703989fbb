package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "phyllo.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPrecedence sets one key in every place, then in fewer.
func TestPrecedence(t *testing.T) {
	file := writeFile(t, "max_connections: 3\nlog:\n  level: warn\nseal:\n  age: 5s\n")
	environ := []string{"PHYLLO_MAX_CONNECTIONS=2", "PHYLLO_LOG_FORMAT=json", "HOME=/nowhere", "PHYLLO_TEST_PG=x", "PHYLLO_CONFIG=x", "PHYLLO_CASSANDRA_DIR=x"}
	flags := map[string]any{"max_connections": 1}
	for _, test := range []struct {
		name    string
		file    string
		environ []string
		flags   map[string]any
		want    int
	}{
		{"flag", file, environ, flags, 1},
		{"environment", file, environ, nil, 2},
		{"file", file, nil, nil, 3},
		{"default", "", nil, nil, 200},
	} {
		c, err := Load(test.file, test.environ, test.flags)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if c.MaxConnections != test.want {
			t.Errorf("%s: max_connections = %d, want %d", test.name, c.MaxConnections, test.want)
		}
	}
	c, err := Load(file, environ, flags)
	if err != nil {
		t.Fatal(err)
	}
	if c.Log.Level != "warn" || c.Log.Format != "json" || c.Seal.Age != 5*time.Second || c.PG != "127.0.0.1:5433" {
		t.Errorf("the layers do not add up: %+v", c)
	}
}

// TestLoadErrors has settings that must be refused, by name.
func TestLoadErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		file    string
		environ string
		flags   map[string]any
		want    []string // all in the error
	}{
		{name: "unknown key", file: "max_conections: 3\n", want: []string{`"max_conections"`, `did you mean "max_connections"`}},
		{name: "unknown nested key", file: "memory:\n  cache: 3\n", want: []string{`"memory.cache"`, `memory.cache_mib`}},
		{name: "no YAML", file: "{", want: []string{"phyllo.yaml"}},
		{name: "wrong type", file: "max_connections: many\n", want: []string{"max_connections", "many"}},
		{name: "unknown variable", environ: "PHYLLO_MAX_CONNECTION=3", want: []string{"PHYLLO_MAX_CONNECTION", `did you mean "max_connections"`}},
		{name: "wrong variable", environ: "PHYLLO_SEAL_AGE=soon", want: []string{"seal.age", "soon"}},
		{name: "zero", environ: "PHYLLO_MEMORY_CACHE_MIB=0", want: []string{"memory.cache_mib = 0"}},
		{name: "too large", environ: "PHYLLO_LIMITS_MESSAGE_MIB=2000", want: []string{"limits.message_mib = 2000"}},
		{name: "negative age", environ: "PHYLLO_SEAL_AGE=-1s", want: []string{"seal.age = -1s"}},
		{name: "time zone", environ: "PHYLLO_TIMEZONE=Mars/Olympus", want: []string{"timezone = Mars/Olympus"}},
		{name: "log level", environ: "PHYLLO_LOG_LEVEL=loud", want: []string{"log.level = loud"}},
		{name: "log format", environ: "PHYLLO_LOG_FORMAT=xml", want: []string{"log.format = xml"}},
		{name: "half of TLS", environ: "PHYLLO_TLS_CERT=x", want: []string{"tls.cert"}},
		{name: "user without password", environ: "PHYLLO_USER=me", want: []string{"user = me"}},
		{name: "no folder", flags: map[string]any{"data": ""}, want: []string{"data"}},
		{name: "no port", flags: map[string]any{"pg": "localhost"}, want: []string{"pg = localhost"}},
		{name: "exposed", flags: map[string]any{"pg": "0.0.0.0:5433"}, want: []string{"pg = 0.0.0.0:5433", "tls.cert"}},
		{name: "exposed on every address", flags: map[string]any{"http": ":8080"}, want: []string{"http = :8080"}},
		{name: "exposed by name", flags: map[string]any{"http": "example.org:8080"}, want: []string{"http = example.org:8080"}},
		{name: "exposed with a password alone", flags: map[string]any{"http": "[::]:8080", "user": "me", "password": "x"}, want: []string{"http = [::]:8080", "tls.key"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := ""
			if test.file != "" {
				file = writeFile(t, test.file)
			}
			var environ []string
			if test.environ != "" {
				environ = []string{test.environ}
			}
			_, err := Load(file, environ, test.flags)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in: %v", w, err)
				}
			}
		})
	}
	if _, err := Load("/nowhere/phyllo.yaml", nil, nil); err == nil || !strings.Contains(err.Error(), "/nowhere/phyllo.yaml") {
		t.Errorf("missing file: %v", err)
	}
}

func TestExposedWithEverything(t *testing.T) {
	c, err := Load("", nil, map[string]any{"pg": "0.0.0.0:5433", "http": "", "user": "me", "password": "x", "tls.cert": "c.pem", "tls.key": "k.pem"})
	if err != nil || c.PG != "0.0.0.0:5433" || c.HTTP != "" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, address := range []string{"127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"} {
		if _, err := Load("", nil, map[string]any{"pg": address}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestPrint reads back what is printed: it is a configuration file that says the
// same, but for the password.
func TestPrint(t *testing.T) {
	c, err := Load("", []string{"PHYLLO_PASSWORD=top secret"}, map[string]any{"user": "me", "pg": "", "seal.age": 90 * time.Second, "data": "a folder: #1"})
	if err != nil {
		t.Fatal(err)
	}
	text := c.Print()
	if strings.Contains(text, "secret") {
		t.Errorf("the password is printed:\n%s", text)
	}
	again, err := Load(writeFile(t, text), nil, nil)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	c.Password = again.Password
	if again != c {
		t.Errorf("got %+v\nwant %+v", again, c)
	}
	for _, key := range Keys() {
		last := key[strings.LastIndexByte(key, '.')+1:]
		if !strings.Contains(text, last+":") {
			t.Errorf("%s is not printed", key)
		}
	}
}
