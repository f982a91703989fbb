package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// PostgresRegress returns the folder with PostgreSQL's own regression tests (sql, data,
// parallel_schedule), of the source package of the PostgreSQL that tests run. It is fetched once,
// by apt-get with a state of its own, which checks the signatures as always, and kept in the cache.
func PostgresRegress(ctx context.Context) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	programs, err := PostgresPrograms(ctx)
	if err != nil {
		return "", err
	}
	version, err := debianVersion(ctx, programs)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "postgresql-regress-"+version)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	unlock, err := lockFile(ctx, dir+".lock", nil)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // another process fetched it
	}
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fetchSource(ctx, tmp, version); err != nil {
		return "", err
	}
	if err := unpackRegress(ctx, tmp); err != nil {
		return "", err
	}
	return dir, os.Rename(filepath.Join(tmp, "regress"), dir)
}

var inVersion = regexp.MustCompile(`\(Debian ([^)]+)\)`)

// debianVersion is the version of the package that programs are of.
func debianVersion(ctx context.Context, p Programs) (string, error) {
	out, err := p.Command(ctx, "postgres", "--version").Output()
	if err != nil {
		return "", err
	}
	m := inVersion.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%q is not of Debian: which source package is its?", strings.TrimSpace(string(out)))
	}
	return string(m[1]), nil
}

// fetchSource downloads the source package into dir. A mirror that no longer has the version gives
// its newest one, of the same major release.
func fetchSource(ctx context.Context, dir, version string) error {
	for _, name := range []string{"lists/partial", "cache", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	sources, err := sourceLines(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "parts", "source.list"), []byte(sources), 0o644); err != nil {
		return err
	}
	apt := func(args ...string) error {
		own := []string{"-qq", "-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=" + dir + "/parts",
			"-o", "Dir::State::Lists=" + dir + "/lists", "-o", "Dir::Cache=" + dir + "/cache", "-o", "APT::Sandbox::User=root"}
		return run(ctx, dir, "apt-get", append(own, args...)...)
	}
	if err := apt("update"); err != nil {
		return err
	}
	name := "postgresql-" + postgresMajor
	if err := apt("source", "--download-only", name+"="+version); err != nil {
		return apt("source", "--download-only", name)
	}
	return nil
}

// sourceLines are apt's for the sources of where it has PostgreSQL from.
func sourceLines(ctx context.Context) (string, error) {
	list := func() (string, error) {
		out, err := exec.CommandContext(ctx, "apt-cache", "madison", "postgresql-"+postgresMajor).Output()
		return string(out), err
	}
	out, err := list()
	if err == nil && out == "" && os.Getuid() == 0 { // its lists were removed
		if err := run(ctx, "", "apt-get", "update", "-qq"); err != nil {
			return "", err
		}
		out, err = list()
	}
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, line := range strings.Split(out, "\n") {
		// postgresql-15 | 15.1-1 | http://mirror/debian suite/component amd64 Packages
		cells := strings.Split(line, "|")
		if len(cells) != 3 {
			continue
		}
		where := strings.Fields(cells[2])
		if len(where) != 4 {
			continue
		}
		suite, component, _ := strings.Cut(where[1], "/")
		fmt.Fprintf(&b, "deb-src %s %s %s\n", where[0], suite, component)
	}
	if b.Len() == 0 {
		return "", fmt.Errorf("apt knows no postgresql-%s: apt-get update", postgresMajor)
	}
	return b.String(), nil
}

// unpackRegress unpacks the tests of the archive in dir into dir/regress.
func unpackRegress(ctx context.Context, dir string) error {
	archives, err := filepath.Glob(filepath.Join(dir, "*.orig.tar.*"))
	if err != nil {
		return err
	}
	if len(archives) != 1 {
		return errors.New("the source package holds no single archive of PostgreSQL")
	}
	out := filepath.Join(dir, "regress")
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	return run(ctx, dir, "tar", "-xf", archives[0], "-C", out, "--strip-components=4", "--wildcards", "*/src/test/regress/sql",
		"*/src/test/regress/data", "*/src/test/regress/parallel_schedule")
}
