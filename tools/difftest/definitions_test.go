package difftest

import "testing"

// TestDefinitions compares what belongs to definitions beside the columns.
func TestDefinitions(t *testing.T) {
	for _, file := range []string{"sequences.sql", "constraints.sql", "indexes.sql", "enums.sql", "domains.sql"} {
		p := open(t)
		p.run(t, file)
	}
}
