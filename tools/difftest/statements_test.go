package difftest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A statement is one of a testdata file.
type statement struct {
	file string
	line int
	sql  string
}

// readStatements splits a file at semicolons that end a line.
func readStatements(t *testing.T, path string) []statement {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []statement
	var cur []string
	start := 0
	for i, line := range strings.Split(string(text), "\n") {
		if trimmed := strings.TrimSpace(line); len(cur) == 0 && (trimmed == "" || strings.HasPrefix(trimmed, "--")) {
			continue
		}
		if len(cur) == 0 {
			start = i + 1
		}
		cur = append(cur, line)
		if strings.HasSuffix(strings.TrimSpace(line), ";") {
			sql := strings.TrimSuffix(strings.TrimSpace(strings.Join(cur, "\n")), ";")
			out = append(out, statement{filepath.Base(path), start, sql})
			cur = nil
		}
	}
	if len(cur) > 0 {
		t.Fatalf("%s:%d: statement without a semicolon", path, start)
	}
	return out
}
