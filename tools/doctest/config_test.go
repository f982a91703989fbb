package doctest

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/server"
)

// defaults reads server.Default as phyllo config prints it: YAML of two levels.
func defaults() map[string]string {
	out := map[string]string{}
	group := ""
	for line := range strings.Lines(server.Default().Print()) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch {
		case strings.HasPrefix(key, " "):
			out[group+"."+strings.TrimSpace(key)] = value
		case value == "" && strings.HasSuffix(line, ":\n"):
			group = key
		default:
			out[key] = value
		}
	}
	return out
}

var (
	flagHelp    = regexp.MustCompile(`--([a-z][a-z-]*)`)
	helpDefault = regexp.MustCompile(`\(default: ([^)]*)\)`)
)

// serveFlags are the flags of phyllo serve that stand for keys, with the
// default that their help tells, if it does.
func serveFlags(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "phyllo"), "serve", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("phyllo serve --help: %v\n%s", err, out)
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	flags := map[string]string{}
	found := flagHelp.FindAllStringSubmatchIndex(text, -1)
	for i, m := range found {
		name, end := text[m[2]:m[3]], len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		if name == "help" || name == "config" {
			continue
		}
		flags[name] = ""
		if d := helpDefault.FindStringSubmatch(text[m[1]:end]); d != nil {
			flags[name] = d[1]
		}
	}
	return flags
}

// sameValue compares two spellings of a value: 1m is 1m0s.
func sameValue(a, b string) bool {
	d, err := time.ParseDuration(a)
	e, err2 := time.ParseDuration(b)
	return a == b || err == nil && err2 == nil && d == e
}

// TestConfiguration compares the table of keys with the program.
func TestConfiguration(t *testing.T) {
	want, flags := defaults(), serveFlags(t)
	listed := map[string]bool{}
	for _, row := range tableRows(readPage(t, "docs/operations.md").section(t, "Configuration")) {
		if len(row) != 5 {
			t.Fatalf("want key, default, environment, flag and meaning, got %q", row)
		}
		key := strings.Join(codes(row[0]), "")
		value, ok := want[key]
		if !ok {
			t.Errorf("key %q is listed and does not exist", key)
			continue
		}
		listed[key] = true
		if got := strings.Join(codes(row[1]), ""); got != value {
			t.Errorf("%s: the page says the default is %q, it is %q", key, got, value)
		}
		if got := strings.Join(codes(row[2]), ""); got != server.EnvName(key) {
			t.Errorf("%s: the page says the variable is %q, it is %q", key, got, server.EnvName(key))
		}
		if flag := strings.TrimPrefix(strings.Join(codes(row[3]), ""), "--"); flag != "" {
			help, ok := flags[flag]
			if !ok {
				t.Errorf("%s: flag --%s does not exist", key, flag)
			} else if value != "" && !sameValue(help, value) {
				t.Errorf("%s: the help of --%s says the default is %q, it is %q", key, flag, help, value)
			}
			delete(flags, flag)
		}
	}
	for _, key := range server.Keys() {
		if !listed[key] {
			t.Errorf("key %q is not listed", key)
		}
	}
	for flag := range flags {
		t.Errorf("flag --%s is not listed", flag)
	}
}
