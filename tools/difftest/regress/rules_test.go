package regress

import (
	"testing"

	"github.com/phyllodb/phyllo/tools/difftest/psqlscript"
)

// TestApplicability follows a script that PostgreSQL would run without errors.
func TestApplicability(t *testing.T) {
	r, err := readRules(rulesText)
	if err != nil {
		t.Fatal(err)
	}
	a := r.of("some file")
	for _, test := range []struct {
		sql     string
		applies bool
	}{
		{"SELECT 1", true},
		{"SELECT point '(1,2)'", false},
		{"SELECT '(1,2)'::point", false},
		{"SELECT point FROM t", true},
		{"CREATE TABLE places (at point)", false},
		{"SELECT * FROM places", false},
		{"DROP TABLE places", false},
		{"CREATE TABLE places (at text)", true},
		{"SELECT * FROM places", true},
		{"CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'", false},
		{"SELECT f(1)", false},
		{"SELECT f FROM t", true},
		{"CREATE VIEW v AS SELECT f(1)", false},
		{"SELECT * FROM v", false},
		{"INSERT INTO places VALUES (f(1))", false},
		{"SELECT * FROM places", false},
		{"EXPLAIN SELECT 1", false},
		{"SELECT sum(a) OVER (PARTITION BY b) FROM t", true},
		{"CREATE TABLE p (a int) PARTITION BY RANGE (a)", false},
		{"CREATE TABLE c () INHERITS (t)", false},
		{"SELECT * FROM t", false},
		{"SET ROLE somebody", false},
		{"SELECT 1", false},
		{"RESET ROLE", false},
		{"SELECT 1", true},
		{`SELECT 'a' COLLATE "C"`, true},
		{`SELECT 'a' COLLATE "de_DE"`, false},
		{"SELECT B'1'", false},
		{"SET enable_seqscan = off", false},
		{"SET datestyle = 'ISO'", true},
	} {
		tokens := psqlscript.Tokens(test.sql)
		reason := a.ruledOut(tokens)
		if (reason == "") != test.applies {
			t.Errorf("%s: ruled out: %q", test.sql, reason)
		}
		a.done(tokens, reason != "")
	}
	if r.of("point").ruledOut(psqlscript.Tokens("SELECT 1")) == "" {
		t.Error("the file point is ruled out, its statements are not")
	}
}
