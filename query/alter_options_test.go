package query_test

import (
	"testing"
	"time"

	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query"
)

// TestAlterOptions sets and resets the options of tables.
func TestAlterOptions(t *testing.T) {
	store := newFakeStore()
	s := openFake(t, store, query.Options{})
	s.expect(t, "CREATE TABLE h (k text, ts timestamptz, v int, PRIMARY KEY (k, ts)) PARTITION BY HASH (k) WITH (partitions = 2, slice = '1 hour')", "CREATE TABLE")
	s.expect(t, "CREATE TABLE plain (k text PRIMARY KEY, ts timestamptz)", "CREATE TABLE")
	for _, c := range []struct{ sql, want string }{
		{"ALTER TABLE h SET (slice = '7 days', partitions = 8, retention = '1 year')", "ALTER TABLE"},
		{"ALTER TABLE h SET (slice = '1 month')", "22023 invalid value for parameter \"slice\": \"1 month\""},
		{"ALTER TABLE h SET (slice = '1 second')", "22023 invalid value for parameter \"slice\": \"1 second\""},
		{"ALTER TABLE h SET (partitions = 0)", "22023 invalid value for parameter \"partitions\": \"0\""},
		{"ALTER TABLE h SET (partitions = 4097)", "22023 invalid value for parameter \"partitions\": \"4097\""},
		{"ALTER TABLE h SET (time_column = 'ts')", "0A000 changing time_column of a table is not supported"},
		{"ALTER TABLE h SET (on_duplicate = 'ignore')", "0A000 changing on_duplicate of a table is not supported"},
		{"ALTER TABLE h SET (fillfactor = 70)", "22023 unrecognized parameter \"fillfactor\""},
		{"ALTER TABLE plain SET (slice = '1 day')", "22023 parameter \"slice\" needs a time column"},
		{"ALTER TABLE plain SET (partitions = 2)", "22023 parameter \"partitions\" needs PARTITION BY HASH"},
		{"ALTER TABLE plain RESET (slice, partitions, retention)", "ALTER TABLE"},
	} {
		s.expect(t, c.sql, c.want)
	}
	table := func(name string) *schema.Table {
		for _, def := range store.catalog.Tables {
			if def.Name == name {
				return def
			}
		}
		t.Fatalf("no table %s", name)
		return nil
	}
	const day = 24 * time.Hour
	if def := table("h"); def.Slice != 7*day || def.Partitions != 8 || def.Retention != 365*day+day/4 {
		t.Errorf("set: slices of %v, %d partitions, retention of %v", def.Slice, def.Partitions, def.Retention)
	}
	s.expect(t, "ALTER TABLE h RESET (slice), RESET (partitions, retention)", "ALTER TABLE")
	if def := table("h"); def.Slice != day || def.Partitions != 4 || def.Retention != 0 {
		t.Errorf("reset: slices of %v, %d partitions, retention of %v", def.Slice, def.Partitions, def.Retention)
	}
	if def := table("plain"); def.Slice != 0 || def.Partitions != 0 {
		t.Errorf("plain: slices of %v, %d partitions", def.Slice, def.Partitions)
	}
}
