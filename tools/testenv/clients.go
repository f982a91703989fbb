package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// psycopg and pgjdbc are pinned here.
const (
	psycopgVersion = "3.2.9"
	jdbcVersion    = "42.7.7"
)

// Python returns a Python interpreter that has psycopg 3. Test programs that run at
// the same time share it: the first one makes it.
func Python(ctx context.Context) (string, error) {
	return venv(ctx, "venv-psycopg-"+psycopgVersion, "psycopg[binary]=="+psycopgVersion)
}

// venv returns the interpreter of an environment with packages in the cache, which
// it makes if nobody has.
func venv(ctx context.Context, name string, packages ...string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	venv := filepath.Join(cache, name)
	python := filepath.Join(venv, "bin", "python")
	if _, err := os.Stat(filepath.Join(venv, "complete")); err == nil {
		return python, nil
	}
	unlock, err := lockFile(ctx, venv+".lock", nil)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(venv, "complete")); err == nil {
		return python, nil
	}
	if err := run(ctx, "", "python3", "-m", "venv", "--clear", venv); err != nil {
		return "", err
	}
	args := append([]string{"-m", "pip", "install", "-q", "--disable-pip-version-check"}, packages...)
	if err := run(ctx, "", python, args...); err != nil {
		return "", err
	}
	return python, os.WriteFile(filepath.Join(venv, "complete"), nil, 0o644)
}

// JDBC returns the jar of PostgreSQL's JDBC driver.
func JDBC(ctx context.Context) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	jar := filepath.Join(cache, fmt.Sprintf("postgresql-%s.jar", jdbcVersion))
	if _, err := os.Stat(jar); err == nil {
		return jar, nil
	}
	unlock, err := lockFile(ctx, jar+".lock", nil)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(jar); err == nil {
		return jar, nil
	}
	err = run(ctx, cache, "mvn", "-B", "-q", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy",
		"-Dartifact=org.postgresql:postgresql:"+jdbcVersion, "-DoutputDirectory="+cache)
	return jar, err
}

// What benchmarks/density compares with is pinned here.
var peerPackages = []string{"pyarrow==26.0.1", "duckdb==2.0.1", "chdb==4.4.0"}

// PythonPeers returns a Python interpreter that has Parquet, DuckDB and ClickHouse.
func PythonPeers(ctx context.Context) (string, error) {
	return venv(ctx, "venv-"+strings.Join(peerPackages, "-"), peerPackages...)
}
