package engine_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The calls of the disk in the code of the store: where they are, and which were made.

// moduleRoot is how far the tests of this package are below the module.
const moduleRoot = ".."

// sites notes which calls were made. It is safe for concurrent use.
type sites struct {
	doors []string // folders and files of the code, below the module

	mu    sync.Mutex
	names map[[maxFrames]uintptr]string
	made  map[string]bool // "folder/file.go:line" of every frame on the way to a call
}

// maxFrames is how far up a call's way is looked at.
const maxFrames = 12

func newSites(doors ...string) *sites {
	return &sites{doors: doors, names: map[[maxFrames]uintptr]string{}, made: map[string]bool{}}
}

// of names the place in the code that makes the call which the caller's caller is asked about:
// the lines from the call upwards while they are the store's.
func (s *sites) of() string {
	var pcs [maxFrames]uintptr
	n := runtime.Callers(3, pcs[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, ok := s.names[pcs]; ok {
		return name
	}
	frames := runtime.CallersFrames(pcs[:n])
	var way []string
	for {
		f, more := frames.Next()
		at := s.door(f.File)
		if at != "" {
			at = fmt.Sprintf("%s:%d", at, f.Line)
			s.made[at] = true
			way = append(way, at)
		} else if len(way) > 0 && !strings.Contains(f.File, "/internal/vfs/") {
			break
		}
		if !more {
			break
		}
	}
	name := strings.Join(way[:min(3, len(way))], " < ")
	s.names[pcs] = name
	return name
}

// door returns a file's name below the module if it is one of the code's.
func (s *sites) door(file string) string {
	file = filepath.ToSlash(file)
	for _, d := range s.doors {
		if strings.HasSuffix(file, "/"+d) {
			return d
		}
		if dir, base := filepath.Split(file); strings.HasSuffix(dir, "/"+d+"/") && !strings.HasSuffix(base, "_test.go") {
			return d + "/" + base
		}
	}
	return ""
}

// complete fails the test for each call of the disk in the code that was never made.
func (s *sites) complete(t *testing.T) {
	t.Helper()
	want := s.callsOfTheDisk(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := 0
	for _, at := range slices.Sorted(maps.Keys(want)) {
		if !s.made[at] {
			missing++
			t.Errorf("%s: %s was never called: give the matrix a scenario that does", at, want[at])
		}
	}
	t.Logf("%d of %d calls of the disk in the code were made", len(want)-missing, len(want))
	if len(want) < 50 {
		t.Errorf("only %d calls of the disk were found in the code", len(want))
	}
}

// callsOfTheDisk finds the calls of methods of vfs.FS and vfs.File in the code, and those
// of io.Writer and io.ReaderAt, which files are passed as; the values name the methods.
// Close is not one of them: nothing depends on it.
func (s *sites) callsOfTheDisk(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	exports := exportsOf(t, "./engine/local", "./internal/vfs")
	for _, pkg := range []string{"engine/local", "internal/vfs"} {
		fset := token.NewFileSet()
		var files []*ast.File
		names, err := filepath.Glob(filepath.Join(moduleRoot, pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_other.go") {
				continue
			}
			f, err := parser.ParseFile(fset, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
		conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
		if _, err := conf.Check("github.com/phyllodb/phyllo/"+pkg, fset, files, info); err != nil {
			t.Fatal(err)
		}
		for sel, call := range info.Selections {
			recv := call.Recv().String()
			method := call.Obj().Name()
			isDisk := strings.HasSuffix(recv, "internal/vfs.FS") || strings.HasSuffix(recv, "internal/vfs.File") || recv == "io.Writer" || recv == "io.ReaderAt"
			at := fset.Position(sel.Sel.Pos())
			base := pkg + "/" + filepath.Base(at.Filename)
			if isDisk && method != "Close" && s.door("/"+base) != "" {
				found[fmt.Sprintf("%s:%d", base, at.Line)] = recv + "." + method
			}
		}
	}
	return found
}

// exportsOf returns the files that say what the packages which some packages import export.
func exportsOf(t *testing.T, pkgs ...string) map[string]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, pkgs...)...)
	cmd.Dir = moduleRoot
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	return exports
}
