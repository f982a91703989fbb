package psqlscript

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func all(s *Script) []string {
	var out []string
	for {
		it, ok := s.Next()
		if !ok {
			return out
		}
		line := fmt.Sprintf("%d %s", it.Line, it.SQL)
		if it.Command != "" {
			line += " \\" + it.Command + " " + it.Args
		}
		if it.Data != "" {
			line += " <" + strings.ReplaceAll(it.Data, "\n", "|") + ">"
		}
		out = append(out, line)
	}
}

func TestScript(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         []string
	}{
		{"statements", "SELECT 1;\n-- a comment; here\nSELECT\n 2 ; SELECT 3", []string{"1 SELECT 1", "3 SELECT\n 2", "4 SELECT 3"}},
		{"quotes", `SELECT ';', ";", $$;$$, $a$ $$; $a$, E'\';'; SELECT 'a''b;';`, []string{`1 SELECT ';', ";", $$;$$, $a$ $$; $a$, E'\';'`, `1 SELECT 'a''b;'`}},
		{"comments", "SELECT /* ; /* ; */ ; */ 1; -- ;\nSELECT 2 -- x;\n;", []string{"1 SELECT /* ; /* ; */ ; */ 1", "2 SELECT 2"}},
		{"brackets", "CREATE RULE r AS DO (SELECT 1; SELECT 2); SELECT 3;", []string{"1 CREATE RULE r AS DO (SELECT 1; SELECT 2)", "1 SELECT 3"}},
		{"atomic", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2;",
			[]string{"1 CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END", "1 SELECT 2"}},
		{"transaction", "BEGIN; SELECT 1; END;", []string{"1 BEGIN", "1 SELECT 1", "1 END"}},
		{"copy", "COPY t FROM stdin;\n1\t;\n2\n\\.\nSELECT 1;", []string{"1 COPY t FROM stdin <1\t;|2|>", "5 SELECT 1"}},
		{"copy of a query", "COPY (SELECT 'from stdin') TO stdout;\nSELECT 1;", []string{"1 COPY (SELECT 'from stdin') TO stdout", "2 SELECT 1"}},
		{"variables", "\\set dir 'a''b' /c\nSELECT :'dir', :\"dir\", x::dir, ':dir', a[1:none];", []string{`2 SELECT 'a''b/c', "a'b/c", x::dir, ':dir', a[1:none]`}},
		{"commands", "\\d t\nSELECT 1 \\gset p_\nSELECT 2 \\; SELECT 3;", []string{"1  \\d t", "2 SELECT 1 \\gset p_", "3 SELECT 2 ; SELECT 3"}},
		{"conditions", "\\set yes on\n\\if :yes\nSELECT 1;\n\\elif on\nSELECT 2;\n\\else\nSELECT 3;\n\\endif\nSELECT 4;\n\\quit\nSELECT 5;", []string{"3 SELECT 1", "9 SELECT 4"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := all(New(test.script)); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestBackslashQuotes(t *testing.T) {
	s := New(`SELECT 'a\';'; SELECT 1;`)
	s.BackslashQuotes = true
	if got, want := all(s), []string{`1 SELECT 'a\';'`, "1 SELECT 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTokens(t *testing.T) {
	var got []string
	for _, tok := range Tokens(`SELECT "A b".x::int[], U&'\0041' || 1.5e3 <-> $1 -- end`) {
		got = append(got, fmt.Sprintf("%d:%s", tok.Kind, tok.Text))
	}
	want := []string{"0:select", "1:A b", "5:.", "0:x", "5:::", "0:int", "5:[", "5:]", "5:,", `2:U&'\0041'`, "4:||", "3:1.5e3", "4:<->", "0:$1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
