package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// CassandraVersion is the release of Apache Cassandra that is fetched and run.
const CassandraVersion = "5.0.8"

// dependencyPlugin is pinned so that the fetch does the same everywhere.
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

// cassandraPOM asks for the server and, through it, for all that it needs.
const cassandraPOM = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.github.phyllodb</groupId>
  <artifactId>cassandra-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.cassandra</groupId>
      <artifactId>cassandra-all</artifactId>
      <version>` + CassandraVersion + `</version>
    </dependency>
  </dependencies>
</project>
`

// cassandraSoftware is what a node is run with.
type cassandraSoftware struct {
	java string // a Java 17 program
	lib  string // folder of Cassandra's jars
	jamm string // the agent with which Cassandra measures its objects
}

// fetchCassandra returns the software, from the cache or else from Maven.
func fetchCassandra(ctx context.Context, logf func(string, ...any)) (cassandraSoftware, error) {
	var s cassandraSoftware
	var err error
	if s.java, err = java17(ctx); err != nil {
		return s, err
	}
	cache, err := CacheDir()
	if err != nil {
		return s, err
	}
	s.lib = filepath.Join(cache, "cassandra-"+CassandraVersion)
	if _, err := os.Stat(s.lib); errors.Is(err, os.ErrNotExist) {
		if err := fetchCassandraJars(ctx, cache, s.lib, logf); err != nil {
			return s, err
		}
	}
	agents, err := filepath.Glob(filepath.Join(s.lib, "jamm-*.jar"))
	if err != nil {
		return s, err
	}
	if len(agents) != 1 {
		return s, fmt.Errorf("%s holds %d jars named jamm-*.jar, want 1: remove the folder to have it fetched again", s.lib, len(agents))
	}
	s.jamm = agents[0]
	return s, nil
}

// fetchCassandraJars fills lib. Only one process does so at a time, and lib
// appears when it is complete.
func fetchCassandraJars(ctx context.Context, cache, lib string, logf func(string, ...any)) error {
	unlock, err := lockFile(ctx, lib+".lock", func() { logf("waiting for another process that fetches Cassandra") })
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(lib); err == nil {
		return nil // the other process fetched it
	}
	maven, err := mavenProgram(ctx)
	if err != nil {
		return err
	}
	logf("fetching Apache Cassandra %s from Maven (about 70 MB, once)", CassandraVersion)
	tmp := lib + ".tmp" // ours alone under the lock; a leftover is one of a killed process
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	jars := filepath.Join(tmp, "lib")
	if err := os.MkdirAll(jars, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "pom.xml"), []byte(cassandraPOM), 0o644); err != nil {
		return err
	}
	start := time.Now()
	if err := run(ctx, tmp, maven, "-B", "-q", "--strict-checksums", dependencyPlugin, "-DincludeScope=runtime", "-DoutputDirectory="+jars); err != nil {
		return fmt.Errorf("fetching Cassandra: %w", err)
	}
	if _, err := os.Stat(filepath.Join(jars, "cassandra-all-"+CassandraVersion+".jar")); err != nil {
		return fmt.Errorf("Maven fetched no server: %w", err)
	}
	logf("fetched in %.1f s", time.Since(start).Seconds())
	return os.Rename(jars, lib)
}

func mavenProgram(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("mvn"); err == nil {
		return path, nil
	}
	if os.Getuid() != 0 {
		return "", errors.New("Cassandra is fetched by Maven, and mvn is not installed: apt-get install maven")
	}
	if err := install(ctx, "maven"); err != nil {
		return "", err
	}
	return exec.LookPath("mvn")
}

// java17 finds the Java that Cassandra 5.0 is made for; root installs Debian's
// package if need be.
func java17(ctx context.Context) (string, error) {
	if path := findJava17(ctx); path != "" {
		return path, nil
	}
	const hint = "Cassandra needs Java 17, which is neither in JAVA_HOME nor on the PATH nor in /usr/lib/jvm: apt-get install openjdk-17-jre-headless"
	if os.Getuid() != 0 {
		return "", errors.New(hint)
	}
	if err := install(ctx, "openjdk-17-jre-headless"); err != nil {
		return "", fmt.Errorf("%s: %w", hint, err)
	}
	if path := findJava17(ctx); path != "" {
		return path, nil
	}
	return "", errors.New(hint)
}

func findJava17(ctx context.Context) string {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, path)
	}
	if installed, err := filepath.Glob("/usr/lib/jvm/*17*/bin/java"); err == nil {
		candidates = append(candidates, installed...)
	}
	for _, path := range candidates {
		// It prints: openjdk version "17.0.15" 2025-04-15
		out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
		if err == nil && strings.Contains(string(out), `version "17`) {
			return path
		}
	}
	return ""
}

// lockFile takes the lock of a file, which it makes, and calls waiting once if
// somebody else has it. Processes that die lose their locks.
func lockFile(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
