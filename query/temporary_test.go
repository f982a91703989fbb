package query_test

import (
	"context"
	"testing"

	"github.com/phyllodb/phyllo/query"
)

// sessionOf opens a session over an engine.
func sessionOf(t *testing.T, e *query.Engine) *fakeSession {
	t.Helper()
	client := &recorder{}
	s, err := e.NewSession(query.SessionOptions{User: "tester", Database: "phyllo", Client: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &fakeSession{s, client}
}

// temporarySchemas counts the schemas that sessions have for temporary relations, and what is in them.
func temporarySchemas(store *fakeStore) (schemas, tables int) {
	for _, ns := range store.catalog.Namespaces {
		if ns.Temporary {
			schemas++
		}
	}
	for _, t := range store.catalog.Tables {
		if store.catalog.Namespaces[t.Namespace].Temporary {
			tables++
		}
	}
	return schemas, tables
}

func TestTemporarySessions(t *testing.T) {
	store := newFakeStore()
	engine := query.NewEngine(query.Options{Storage: store, TempDir: t.TempDir(), Workers: 1, Node: "a"})
	a, b := sessionOf(t, engine), sessionOf(t, engine)
	a.expect(t, "CREATE TEMP TABLE t (x int)", "CREATE TABLE")
	a.expect(t, "INSERT INTO t VALUES (1)", "INSERT 0 1")
	b.expect(t, "SELECT * FROM t", `42P01 relation "t" does not exist`)
	b.expect(t, "CREATE TEMP TABLE t (y text)", "CREATE TABLE")
	b.expect(t, "INSERT INTO t VALUES ('b')", "INSERT 0 1")
	a.expect(t, "SELECT * FROM t", "1", "SELECT 1")
	b.expect(t, "SELECT * FROM t", "b", "SELECT 1")
	name := b.run("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")[0]
	a.expect(t, "SELECT * FROM "+name+".t", "0A000 cannot access temporary tables of other sessions")
	a.expect(t, "INSERT INTO "+name+".t VALUES ('a')", "0A000 cannot access temporary tables of other sessions")
	a.expect(t, "CREATE TABLE "+name+".u (x int)", "42P16 cannot create relations in temporary schemas of other sessions")
	a.expect(t, "SELECT pg_is_other_temp_schema('"+name+"'::regnamespace)", "t", "SELECT 1")

	// What a transaction that made the schema undoes is made again by the next one.
	c := sessionOf(t, engine)
	c.expect(t, "BEGIN; CREATE TEMP TABLE u (x int); ROLLBACK", "BEGIN", "CREATE TABLE", "ROLLBACK")
	c.expect(t, "SELECT pg_my_temp_schema()", "0", "SELECT 1")
	c.expect(t, "BEGIN; SAVEPOINT s; CREATE TEMP TABLE u (x int); ROLLBACK TO s; CREATE TEMP TABLE v (x int); INSERT INTO v VALUES (1); COMMIT",
		"BEGIN", "SAVEPOINT", "CREATE TABLE", "ROLLBACK", "CREATE TABLE", "INSERT 0 1", "COMMIT")
	c.expect(t, "SELECT * FROM v", "1", "SELECT 1")
	c.expect(t, "SELECT * FROM u", `42P01 relation "u" does not exist`)
	if schemas, tables := temporarySchemas(store); schemas != 3 || tables != 3 {
		t.Errorf("%d schemas with %d tables, want 3 with 3", schemas, tables)
	}

	// The end of a session ends its tables, and no others.
	a.Close()
	c.Close()
	if schemas, tables := temporarySchemas(store); schemas != 1 || tables != 1 {
		t.Errorf("%d schemas with %d tables, want 1 with 1", schemas, tables)
	}
	b.expect(t, "SELECT * FROM t", "b", "SELECT 1")
}

// TestTemporariesLeft drops what a node's last life has left, but nothing of another node's.
func TestTemporariesLeft(t *testing.T) {
	store := newFakeStore()
	ctx := context.Background()
	for _, node := range []string{"a", "b"} {
		s := sessionOf(t, query.NewEngine(query.Options{Storage: store, TempDir: t.TempDir(), Node: node}))
		s.expect(t, "CREATE TEMP TABLE t (x int PRIMARY KEY)", "CREATE TABLE")
		s.expect(t, "CREATE TEMP VIEW v AS SELECT * FROM t", "CREATE VIEW")
	}
	again := query.NewEngine(query.Options{Storage: store, Node: "a"})
	for range 2 { // the second time there is nothing
		if err := again.DropTemporaries(ctx); err != nil {
			t.Fatal(err)
		}
		if schemas, tables := temporarySchemas(store); schemas != 1 || tables != 1 || len(store.catalog.Views) != 1 {
			t.Errorf("%d schemas with %d tables", schemas, tables)
		}
	}
	if err := query.NewEngine(query.Options{Storage: store}).DropTemporaries(ctx); err != nil {
		t.Fatal(err)
	}
	if schemas, tables := temporarySchemas(store); schemas+tables+len(store.catalog.Views) != 0 {
		t.Errorf("%d schemas with %d tables", schemas, tables)
	}
}
