package clienttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testenv"
	"github.com/phyllodb/phyllo/tools/testserver"
)

func serve(t *testing.T) *testserver.Phyllo {
	t.Helper()
	return testserver.Start(t, func(*server.Config) {})
}

// succeed runs a client program that must print ok.
func succeed(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

func fetch(t *testing.T, get func(context.Context) (string, error)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	path, err := get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPsycopg(t *testing.T) {
	python := fetch(t, testenv.Python)
	p := serve(t)
	succeed(t, exec.Command(python, "testdata/psycopg_client.py", p.DSN()))
}

func TestJDBC(t *testing.T) {
	jar := fetch(t, testenv.JDBC)
	p := serve(t)
	dir := t.TempDir()
	if out, err := exec.Command("javac", "-cp", jar, "-d", dir, "testdata/JdbcClient.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	url := "jdbc:postgresql://" + p.Server.PGAddr() + "/phyllo?user=jdbc"
	succeed(t, exec.Command("java", "-cp", dir+string(filepath.ListSeparator)+jar, "JdbcClient", url))
}

func psql(t *testing.T, p *testserver.Phyllo, args ...string) string {
	t.Helper()
	program := os.Getenv("PHYLLO_TEST_PSQL")
	if program == "" {
		t.Fatal("PHYLLO_TEST_PSQL is not set: run make test")
	}
	cmd := exec.Command(program, append([]string{"-X", "-v", "ON_ERROR_STOP=1", p.DSN()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("psql %q: %v\n%s", args, err, out)
	}
	return string(out)
}
