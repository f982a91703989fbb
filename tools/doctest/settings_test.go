package doctest

import (
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/query/setting"
)

// TestSettings compares the tables of session settings with the program.
func TestSettings(t *testing.T) {
	listed := map[string]bool{}
	for _, row := range tableRows(readPage(t, "docs/sql/settings.md").section(t, "Session settings")) {
		name := strings.Join(codes(row[0]), "")
		d, ok := setting.Lookup(name)
		if !ok || d.Name != name {
			t.Errorf("setting %q is listed and does not exist", name)
			continue
		}
		if listed[name] {
			t.Errorf("setting %q is listed twice", name)
		}
		listed[name] = true
		if got := strings.Join(codes(row[1]), ""); got != d.Default {
			t.Errorf("setting %q: the page says the default is %q, it is %q", name, got, d.Default)
		}
	}
	for _, d := range setting.All() {
		if !listed[d.Name] {
			t.Errorf("setting %q is not listed (default %q): %s", d.Name, d.Default, d.Desc)
		}
	}
}
