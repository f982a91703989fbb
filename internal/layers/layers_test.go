// Package layers holds the test that keeps imports pointing one way.
package layers

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/phyllodb/phyllo/"

// allowed says which of our folders each folder may import; the longest prefix
// counts. A folder may always import what lies below itself.
var allowed = map[string][]string{
	"internal":        {"internal"},
	"codec":           {"internal"},
	"chunk":           {"codec", "internal"},
	"ingest":          {"chunk", "codec", "internal"},
	"engine":          {"ingest", "chunk", "codec", "internal"},
	"query":           {"chunk", "internal"},
	"sqlwire":         {"query", "chunk", "codec", "internal"},
	"tools":           {"tools", "sqlwire", "query", "engine", "ingest", "chunk", "codec", "internal"},
	"benchmarks":      {"benchmarks", "tools", "sqlwire", "query", "engine", "ingest", "chunk", "codec", "internal"},
	"internal/layers": {},
}

// doors says where alone a library may be imported.
var doors = map[string][]string{
	"github.com/jackc/pgx/v5/pgproto3":                        {"sqlwire"},
	"github.com/apache/cassandra-gocql-driver":                {"engine/cassandra", "benchmarks"}, // the benchmark compares with a plain table
	"github.com/knadh/koanf":                                  {"tools"},
	"github.com/alecthomas/kong":                              {"tools", "benchmarks"},
	"github.com/prometheus/client_golang/prometheus/promhttp": {"tools"},
	"github.com/jackc/pgx/v5/pgconn":                          {"tools"},
	"github.com/apache/arrow-go/v18/parquet":                  {"tools/arrowfile"},
	"github.com/minio/minio-go":                               {"tools/backuprepo"},
	"golang.org/x/sys":                                        {"internal/vfs", "tools", "benchmarks"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsPointOneWay(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		check(t, strings.TrimPrefix(p.ImportPath, module), p.Imports)
	}
	if seen < 10 {
		t.Fatalf("go list found %d packages", seen)
	}
}

func check(t *testing.T, folder string, imports []string) {
	top, may := rule(folder)
	if may == nil {
		t.Errorf("%s: the folder is not in the table of layers", folder)
		return
	}
	for _, imp := range imports {
		for lib, where := range doors {
			if within(imp, lib) && !anyWithin(folder, where) {
				t.Errorf("%s imports %s, which only %v may", folder, imp, where)
			}
		}
		ours, ok := strings.CutPrefix(imp, module)
		if ok && !within(ours, top) && !anyWithin(ours, may) {
			t.Errorf("%s imports %s; it may import only %v", folder, ours, may)
		}
	}
}

// rule finds the longest folder of the table that holds this one.
func rule(folder string) (string, []string) {
	best := ""
	for f := range allowed {
		if within(folder, f) && len(f) > len(best) {
			best = f
		}
	}
	return best, allowed[best]
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func anyWithin(path string, folders []string) bool {
	for _, f := range folders {
		if within(path, f) {
			return true
		}
	}
	return false
}
