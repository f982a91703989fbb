package doctest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/phyllodb/phyllo/tools/testenv"
)

var rewrite = flag.Bool("rewrite", false, "write what examples print into the pages")

// bin is a folder with the programs that examples use.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "phyllo-doc-")
	if err != nil {
		panic(err)
	}
	bin = filepath.Join(dir, "bin")
	code := 1
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "doctest:", err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// prepare builds phyllo and links psql next to it.
func prepare() error {
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "phyllo"), "../phyllo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building phyllo: %w\n%s", err, out)
	}
	if _, err := testenv.Curl(context.Background()); err != nil {
		return err
	}
	psql := os.Getenv("PHYLLO_TEST_PSQL")
	if psql == "" {
		var err error
		if psql, err = exec.LookPath("psql"); err != nil {
			return fmt.Errorf("examples need psql: run make test, or set PHYLLO_TEST_PSQL: %w", err)
		}
	}
	return os.Symlink(psql, filepath.Join(bin, "psql"))
}
