package cassandra

import (
	"maps"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

func TestReplication(t *testing.T) {
	for text, want := range map[string]map[string]int{
		"dc1:3":         {"dc1": 3},
		"dc1:3, dc-2:1": {"dc1": 3, "dc-2": 1},
	} {
		if got, err := parseReplication(text); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "3", "dc1", "dc1:", ":3", "dc1:0", "dc1:-1", "dc1:101", "dc1:3,", "dc1:3,dc1:3", "d'c:3", "dc1:3x"} {
		if _, err := parseReplication(text); pgerr.Code(err) != pgerr.InvalidParameterValue {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestStatements(t *testing.T) {
	all, err := Statements("ks", "b:2,a:3")
	if err != nil {
		t.Fatal(err)
	}
	if want := `CREATE KEYSPACE IF NOT EXISTS "ks" WITH replication = {'class': 'NetworkTopologyStrategy', 'a': 3, 'b': 2}`; all[0] != want {
		t.Errorf("got  %s\nwant %s", all[0], want)
	}
	for _, text := range all[1:] {
		if !strings.Contains(text, `"ks".`) || !strings.Contains(text, "IF NOT EXISTS") {
			t.Errorf("not to be run twice, or elsewhere: %s", text)
		}
	}
	if last := all[len(all)-1]; !strings.Contains(last, "VALUES ('phyllo', 1, 1)") {
		t.Errorf("the last is %s", last)
	}
	if _, err := Statements(`k"s`, "a:1"); pgerr.Code(err) != pgerr.InvalidName {
		t.Errorf("a bad keyspace: %v", err)
	}
	if _, err := Statements("ks", ""); pgerr.Code(err) != pgerr.InvalidParameterValue {
		t.Errorf("no replication: %v", err)
	}
}

// TestMigrationsFollowEachOther: versions rise by one to that of the program.
func TestMigrationsFollowEachOther(t *testing.T) {
	for i, m := range migrations {
		if m.version != i+1 || m.compatible > m.version || m.compatible < 1 {
			t.Errorf("migration %d: %+v", i, m)
		}
	}
	if len(migrations) != schemaVersion {
		t.Errorf("%d migrations to version %d", len(migrations), schemaVersion)
	}
}
