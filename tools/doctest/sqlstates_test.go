package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var sqlstate = regexp.MustCompile(`^[0-9A-Z]{5}$`)

// codeNames returns the constants of internal/pgerr.
func codeNames(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal/pgerr/pgerr.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if code := literal(v.Values[0]); sqlstate.MatchString(code) {
			names[v.Names[0].Name] = code
		}
		return true
	})
	return names
}

func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return s
}

// raisedCodes finds the codes that the program uses: constants of pgerr, and
// codes written out as the first argument of pgerr.New.
func raisedCodes(t *testing.T) map[string]string {
	t.Helper()
	names := codeNames(t)
	raised := map[string]string{names["FeatureNotSupported"]: "internal/pgerr", names["InternalError"]: "internal/pgerr"}
	for _, dir := range []string{"chunk", "codec", "engine", "ingest", "internal", "query", "sqlwire", "tools/server"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || d.Name() == "pgerr.go" {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if code := names[n.Sel.Name]; code != "" && isPackage(n.X) {
						raised[code] = path
					}
				case *ast.CallExpr:
					fun, ok := n.Fun.(*ast.SelectorExpr)
					if !ok || !isPackage(fun.X) || fun.Sel.Name != "New" || len(n.Args) == 0 {
						return true
					}
					if code := literal(n.Args[0]); sqlstate.MatchString(code) && code != "00000" { // a notice's
						raised[code] = path
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return raised
}

func isPackage(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "pgerr"
}

// TestSQLStates compares the page of errors with the codes that the program raises.
func TestSQLStates(t *testing.T) {
	raised := raisedCodes(t)
	listed := map[string]bool{}
	for _, row := range tableRows(readPage(t, "docs/errors.md").lines) {
		code := strings.Join(codes(row[0]), "")
		if !sqlstate.MatchString(code) {
			continue // the table of what to retry
		}
		if listed[code] {
			t.Errorf("%s is listed twice", code)
		}
		listed[code] = true
		if raised[code] == "" {
			t.Errorf("%s is listed and never raised", code)
		}
		if len(row) != 4 || row[1] == "" {
			t.Errorf("%s: want code, name, cause and remedy, got %q", code, row)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(raised)) {
		if !listed[code] {
			t.Errorf("%s is raised in %s and not listed", code, raised[code])
		}
	}
}
