// Package testenv fetches and starts the real servers that tests compare with
// or connect from. What it fetches goes into a cache folder outside of the tree.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgresMajor is the PostgreSQL whose behaviour we follow.
const postgresMajor = "15"

// CacheDir is where fetched packages are kept: PHYLLO_TEST_CACHE, else a folder
// in the user's cache.
func CacheDir() (string, error) {
	if dir := os.Getenv("PHYLLO_TEST_CACHE"); dir != "" {
		return dir, os.MkdirAll(dir, 0o755)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "phyllo")
	return dir, os.MkdirAll(dir, 0o755)
}

// Programs are the PostgreSQL programs that tests use, with the environment
// they need.
type Programs struct {
	Bin string   // folder of postgres, initdb, psql
	Env []string // additions to the environment
}

// Command makes a command that runs one of the programs.
func (p Programs) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.Bin, name), args...)
	cmd.Env = append(os.Environ(), p.Env...)
	return cmd
}

// PostgresPrograms finds PostgreSQL on the machine or fetches Debian's packages:
// installed by root, else unpacked into the cache.
func PostgresPrograms(ctx context.Context) (Programs, error) {
	system := filepath.Join("/usr/lib/postgresql", postgresMajor, "bin")
	if complete(system) {
		return Programs{Bin: system}, nil
	}
	if os.Getuid() == 0 {
		if err := install(ctx, "postgresql-"+postgresMajor, "postgresql-client-"+postgresMajor); err != nil {
			return Programs{}, err
		}
		if complete(system) {
			return Programs{Bin: system}, nil
		}
		return Programs{}, fmt.Errorf("postgresql-%s is installed, but %s is incomplete", postgresMajor, system)
	}
	return unpackPostgres(ctx)
}

func complete(bin string) bool {
	for _, name := range []string{"postgres", "initdb", "psql"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return false
		}
	}
	return true
}

func install(ctx context.Context, packages ...string) error {
	if err := run(ctx, "", "apt-get", "update", "-qq"); err != nil {
		return err
	}
	return run(ctx, "", "apt-get", append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)...)
}

// unpackPostgres downloads the packages and what they depend on, and unpacks
// those whose libraries the machine lacks as well: all of them, which is simpler
// than to find out.
func unpackPostgres(ctx context.Context) (Programs, error) {
	cache, err := CacheDir()
	if err != nil {
		return Programs{}, err
	}
	root := filepath.Join(cache, "postgresql-"+postgresMajor)
	p := Programs{Bin: filepath.Join(root, "usr/lib/postgresql", postgresMajor, "bin"),
		Env: []string{"LD_LIBRARY_PATH=" + filepath.Join(root, "usr/lib/x86_64-linux-gnu")}}
	if complete(p.Bin) {
		return p, nil
	}
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(tmp)
	packages := []string{"postgresql-" + postgresMajor, "postgresql-client-" + postgresMajor, "libpq5", "libllvm14", "libicu72", "libxml2",
		"libldap-2.5-0", "libsasl2-2", "libz3-4", "libedit2", "libbsd0", "libmd0"}
	if err := run(ctx, tmp, "apt-get", append([]string{"download", "-qq"}, packages...)...); err != nil {
		return p, err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return p, err
	}
	for _, deb := range debs {
		if err := run(ctx, tmp, "dpkg", "-x", deb, root); err != nil {
			return p, err
		}
	}
	if !complete(p.Bin) {
		return p, fmt.Errorf("the packages in %s hold no complete PostgreSQL", root)
	}
	return p, nil
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// A Postgres is a running server with an empty cluster of its own.
type Postgres struct {
	Programs Programs
	Port     int
	dir      string
	cmd      *exec.Cmd
	done     chan error
}

// nobody is who a server runs as when we are root, which PostgreSQL refuses to be.
const nobody = 65534

// StartPostgres starts a server on a free port of 127.0.0.1, UTF8, ordered as in
// locale C, letters as in C.UTF-8, time zone UTC, without passwords. Stop ends it and removes its files.
func StartPostgres(ctx context.Context, settings ...string) (*Postgres, error) {
	programs, err := PostgresPrograms(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "phyllo-pg-")
	if err != nil {
		return nil, err
	}
	pg := &Postgres{Programs: programs, dir: dir, done: make(chan error, 1)}
	if err := pg.start(ctx, settings); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return pg, nil
}

func (pg *Postgres) start(ctx context.Context, settings []string) error {
	if os.Getuid() == 0 {
		if err := os.Chown(pg.dir, nobody, nobody); err != nil {
			return err
		}
	}
	data := filepath.Join(pg.dir, "data")
	initdb := pg.Programs.Command(ctx, "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--lc-ctype=C.UTF-8", "--no-sync")
	pg.lower(initdb)
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	var err error
	if pg.Port, err = freePort(); err != nil {
		return err
	}
	args := []string{"-D", data, "-p", strconv.Itoa(pg.Port), "-h", "127.0.0.1", "-k", pg.dir, "-c", "timezone=UTC"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	log, err := os.Create(filepath.Join(pg.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	pg.cmd = pg.Programs.Command(context.Background(), "postgres", args...)
	pg.cmd.Stdout, pg.cmd.Stderr = log, log
	pg.lower(pg.cmd)
	if err := pg.cmd.Start(); err != nil {
		return err
	}
	go func() { pg.done <- pg.cmd.Wait() }()
	return pg.await(ctx)
}

// lower makes a command run as nobody if we are root.
func (pg *Postgres) lower(cmd *exec.Cmd) {
	cmd.Dir = pg.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
}

// await waits until the server takes connections.
func (pg *Postgres) await(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for {
		ready := pg.Programs.Command(ctx, "psql", "-h", "127.0.0.1", "-p", strconv.Itoa(pg.Port), "-U", "postgres", "-Atc", "select 1", "postgres")
		if out, err := ready.Output(); err == nil && strings.TrimSpace(string(out)) == "1" {
			return nil
		}
		select {
		case err := <-pg.done:
			log, _ := os.ReadFile(filepath.Join(pg.dir, "log"))
			return fmt.Errorf("postgres ended: %v\n%s", err, log)
		case <-deadline:
			return errors.New("postgres did not become ready within 60 s")
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// DSN is how to connect to a database of the server.
func (pg *Postgres) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", pg.Port, database)
}

// Stop ends the server and removes its files.
func (pg *Postgres) Stop() {
	pg.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-pg.done:
	case <-time.After(20 * time.Second):
		pg.cmd.Process.Kill()
		<-pg.done
	}
	os.RemoveAll(pg.dir)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
