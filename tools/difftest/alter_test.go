package difftest

import "testing"

// TestAlter compares ALTER TABLE with PostgreSQL, while rows lie in buffers and, the
// second time, in chunks of each definition.
func TestAlter(t *testing.T) {
	for name, after := range map[string]func(p *pair){"in buffers": func(*pair) {}, "in chunks": func(p *pair) { p.checkpoint(t) }} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			p.changedTables(t)
			p.runWith(t, "alter.sql", after)
		})
	}
}
