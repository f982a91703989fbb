package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// utf8Locale is an environment that asks for UTF-8.
func utf8Locale(name string) string { return map[string]string{"LANG": "en_US.UTF-8"}[name] }

// inspect runs the command as its command line says.
func inspect(t testing.TB, env func(string) string, args ...string) (string, error) {
	t.Helper()
	var c inspectCommand
	k, err := kong.New(&c, kong.Name("inspect"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(args); err != nil {
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	err = c.run(context.Background(), &out, &progress, env)
	if progress.Len() > 0 {
		t.Errorf("progress went to what is no terminal: %q", progress.String())
	}
	return out.String(), err
}

// random matches what differs from one making of the folder to the next: the
// end of chunk IDs, the identities of store and sources, and sizes of logs, which
// hold random numbers as text.
var random = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(-7[0-9a-f]{3}-)[0-9a-f]{4}-[0-9a-f]{12}`), "${1}xxxx-xxxxxxxxxxxx"},
	{regexp.MustCompile(`([0-9a-f]{12}7[0-9a-f]{3})[0-9a-f]{16}\.segment`), "${1}xxxxxxxxxxxxxxxx.segment"},
	{regexp.MustCompile(`store [0-9a-f]{32}`), "store xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
	{regexp.MustCompile(`local/[0-9a-f]{16}`), "local/xxxxxxxxxxxxxxxx"},
	{regexp.MustCompile(`"store_id": "[0-9a-f]{32}"`), `"store_id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"`},
	{regexp.MustCompile(`(?m)^(commit logs|source logs|checkpoints|all  ) +\d+ .*KiB.*\n`), ""},
	{regexp.MustCompile(`\(\d+\.\d [KM]iB\)`), "(some KiB)"},
}

func normalize(dir, s string) string {
	s = strings.ReplaceAll(s, dir, "data")
	for _, r := range random {
		s = r.re.ReplaceAllString(s, r.with)
	}
	return s
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "inspect", name+".txt")
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-rewrite makes it anew); got\n%s\nwant\n%s", path, got, want)
	}
}

func TestInspectLevels(t *testing.T) {
	dir := fixture(t)
	before := contents(t, dir)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"folder", nil},
		{"table_hash", []string{"readings"}},
		{"table_list", []string{"public.trips"}},
		{"table_plain", []string{"notes"}},
		{"partition_hash", []string{"readings", "1"}},
		{"partition_list", []string{"trips", "2"}},
		{"partition_waiting", []string{"trips", "014265726c696e0001018006128e0e9ba000"}},
		{"partition_ascii", []string{"trips", "2", "--ascii"}},
		{"chunk", []string{"readings", "1", "0"}},
		{"chunk_list", []string{"trips", "2", "0"}},
		{"chunk_odd_text", []string{"notes", "0", "0"}},
		{"chunk_json", []string{"readings", "1", "0", "--json"}},
		{"column_text", []string{"readings", "1", "0", "sensor"}},
		{"column_float", []string{"readings", "1", "0", "value"}},
		{"column_nulls", []string{"readings", "1", "0", "LEVEL"}},
		{"column_numeric", []string{"readings", "1", "0", "price", "--ascii"}},
		{"column_time", []string{"readings", "1", "0", "ts"}},
		{"column_version", []string{"readings", "1", "0", "row version"}},
		{"column_array", []string{"trips", "2", "0", "tags"}},
		{"column_odd_text", []string{"notes", "0", "0", "note", "--ascii"}},
		{"column_all_null", []string{"notes", "0", "0", "nothing"}},
		{"why_chunk", []string{"readings", "1", "0", "--why"}},
		{"why_column", []string{"readings", "1", "0", "value", "--why", "--ascii"}},
		{"why_list", []string{"trips", "2", "0", "--why"}},
		{"why_all_null", []string{"notes", "0", "0", "nothing", "--why"}},
		{"verify", []string{"--verify"}},
		{"verify_table", []string{"readings", "--verify"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := inspect(t, utf8Locale, append([]string{dir}, c.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(c.args, "--ascii") && strings.ContainsFunc(got, func(r rune) bool { return r >= 0x7f || r < ' ' && r != '\n' }) {
				t.Errorf("not plain ASCII: %q", got)
			}
			golden(t, c.name, normalize(dir, got))
		})
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Errorf("the folder was changed")
	}
}

// contents returns the hash of every file of a folder.
func contents(t testing.TB, dir string) map[string][32]byte {
	t.Helper()
	out := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			out[path] = [32]byte{}
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = sha256.Sum256(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestInspectJSON checks that every level is JSON and says the same as the text.
func TestInspectJSON(t *testing.T) {
	dir := fixture(t)
	for _, args := range [][]string{{}, {"readings"}, {"readings", "1"}, {"readings", "1", "0"}, {"readings", "1", "0", "value"}, {"readings", "1", "0", "--why"}, {"readings", "--map"}, {"--verify"}} {
		got, err := inspect(t, utf8Locale, append([]string{dir, "--json"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		var out map[string]any
		if err := json.Unmarshal([]byte(got), &out); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, got)
		}
		if len(args) == 1 && args[0] == "readings" && (out["rows"] != 9000.0 || out["waiting_rows"] != 25.0 || len(out["partition_list"].([]any)) != 2) {
			t.Errorf("%v: %v", args, out)
		}
	}
}

func TestInspectErrors(t *testing.T) {
	dir := fixture(t)
	empty := t.TempDir()
	newer := fixture(t)
	err := os.WriteFile(filepath.Join(newer, "FORMAT"), []byte("phyllo store\nversion 2\nand whatever it likes\n"), 0o600)
	file := filepath.Join(empty, "file")
	if err := errors.Join(err, os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"there is no folder", []string{filepath.Join(empty, "none")}},
		{"is a file, not a data folder", []string{file}},
		{"holds no store", []string{empty}},
		{"has format version 2; this program reads versions up to 1\nhint: It was written by a newer version", []string{newer}},
		{"there is no table reading\nhint: Perhaps you mean public.readings.", []string{dir, "reading"}},
		{"there is no table redaings\nhint: Perhaps you mean public.readings.", []string{dir, "redaings"}},
		{"there is no table xyzzy\nhint: There are public.notes, public.readings, public.trips.", []string{dir, "xyzzy"}},
		{"there is no table other.readings\nhint: Perhaps you mean public.readings.", []string{dir, "other.readings"}},
		{"table public.readings has no partition 2: they are numbered from 0 to 1", []string{dir, "readings", "2"}},
		{"has no partition beef\nhint:", []string{dir, "readings", "beef"}},
		{"partition 0 of table public.notes has no chunk 7: they are numbered from 0 to 0", []string{dir, "notes", "0", "7"}},
		{"2 chunks of partition 1 of table public.readings have an ID that begins with 018e2", []string{dir, "readings", "1", "018e2"}},
		{"has no chunk whose ID begins with 09", []string{dir, "readings", "1", "09"}},
		{"the chunk has no column valeu\nhint: Perhaps you mean value.", []string{dir, "readings", "1", "0", "valeu"}},
	} {
		out, err := inspect(t, utf8Locale, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
			t.Errorf("%v: %v, want %q; printed %q", c.args[1:], err, c.want, out)
		}
	}
}

// TestInspectNames finds the same chunk by all its names.
func TestInspectNames(t *testing.T) {
	dir := fixture(t)
	var c chunkSummary
	text, err := inspect(t, utf8Locale, dir, "readings", "1", "1", "--json")
	if err := errors.Join(err, json.Unmarshal([]byte(text), &c)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"READINGS", "0001", c.ID}, {"public.readings", "1", strings.ToUpper(c.ID)},
		{"readings", "0001", strings.ReplaceAll(c.ID, "-", "")}, {"readings", "1", c.ID[:18]},
	} {
		got, err := inspect(t, utf8Locale, append([]string{dir, "--json"}, args...)...)
		if err != nil || got != text {
			t.Errorf("%v: %v, %s", args, err, got)
		}
	}
	byText, err := inspect(t, utf8Locale, dir, "trips", "'Berlin', '2024-03-01 00:00:00+00'")
	byKey, err2 := inspect(t, utf8Locale, dir, "trips", "014265726c696e0001018006128e0e9ba000")
	if err := errors.Join(err, err2); err != nil || byText != byKey {
		t.Errorf("%v: %s", err, fmt.Sprint(byText, byKey))
	}
}
